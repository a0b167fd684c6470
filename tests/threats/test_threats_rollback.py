"""Old copies put back: records, anchors; the house notices and refuses, or says what it can no longer notice."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from pacte.app import doctor
from pacte.app.ask import may
from pacte.app.house import open_house
from pacte.kernel.errors import Unsafe
from pacte.ledger import anchors
from pacte.testing.world import TestClock
from tests.threats.shop import TODAY, pacte_here


def refusal(home: Path) -> str:
    """What the house says when it is opened."""
    with pytest.raises(Unsafe) as caught:
        open_house(home, clock=TestClock(TODAY))
    return str(caught.value)


def erase_somebody(home: Path) -> str:
    """Let the house go on: one customer is erased. Returns the subject."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        return house.erase("key:C00003").subject


def test_records_put_back_from_before_an_erasure(home: Path, tmp_path: Path) -> None:
    """An older `records.db` under newer anchors is refused, by every command; the newer one works again."""
    shutil.copy(home / "records.db", tmp_path / "older.db")
    erase_somebody(home)
    shutil.copy(home / "records.db", tmp_path / "newer.db")
    shutil.copy(tmp_path / "older.db", home / "records.db")
    said = refusal(home)
    assert said.startswith("the ledger is not the one this house anchored last (")
    assert said.endswith(
        "it was restored or rewritten, and the people erased since are unknown to it; nothing is served; "
        "put back the newest copy, or run `pacte restore`"
    )
    for command in (("may", "key:C00003", "newsletter"), ("ledger", "log"), ("doctor",), ("audience", "newsletter")):
        answer = pacte_here(*command, house=home)
        assert (answer.code, answer.out) == (5, ""), command
    shutil.copy(tmp_path / "newer.db", home / "records.db")
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


def test_records_and_anchors_put_back_together(home: Path, tmp_path: Path) -> None:
    """Who puts back the anchors as well is found by the keys, which know that somebody's data key was destroyed.

    The erased person's sealed values are back in the records, but nobody can open them.
    """
    for name in ("records.db", "anchors.log"):
        shutil.copy(home / name, tmp_path / name)
    subject = erase_somebody(home)
    for name in ("records.db", "anchors.log"):
        shutil.copy(tmp_path / name, home / name)
    said = refusal(home)
    assert said == (
        "the records are older than the key store: it knows of people erased since; "
        "put back the newest copy of `records.db` and `anchors.log`, or run `pacte restore`"
    )
    assert subject not in said


def test_a_missing_anchor_file(home: Path) -> None:
    """Without its anchors a house cannot notice a rollback: it says so and does not open, until they are back."""
    kept = (home / "anchors.log").read_bytes()
    (home / "anchors.log").unlink()
    assert refusal(home).startswith(
        "`anchors.log` is missing, and without it a restored or rewritten ledger goes unnoticed; put back your copy"
    )
    assert not (home / "anchors.log").exists()
    (home / "anchors.log").write_bytes(kept)
    (home / "anchors.log").chmod(0o600)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


def test_a_torn_last_anchor(home: Path) -> None:
    """A last line cut short by a crash is left out, reported, and cut off by the next anchor."""
    whole = (home / "anchors.log").read_bytes()
    (home / "anchors.log").write_bytes(whole[:-30])
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert anchors.read(house.anchor_file).torn
        assert "anchors_torn" in {finding.code for finding in doctor.examine(house)}
        house.choose("key:C00001", "newsletter", "withdrawn")
        assert not anchors.read(house.anchor_file).torn
        assert "anchors_torn" not in {finding.code for finding in doctor.examine(house)}
        assert house.check() == []


@pytest.mark.parametrize("line", [b"garbage\n", b"{}\n", b'{"size": 1}\n', b"\xff\xfe\n", b"\n"])
def test_garbage_among_the_anchors(home: Path, line: bytes) -> None:
    """A whole line that is no anchor is refused with its number."""
    first, _, rest = (home / "anchors.log").read_bytes().partition(b"\n")
    (home / "anchors.log").write_bytes(first + b"\n" + line + rest)
    assert refusal(home) == ("anchors.log:2: not an anchor; was the file edited? compare it with a copy kept elsewhere")


def test_an_anchor_of_another_history(home: Path) -> None:
    """An anchor whose root is not this ledger's is a rewritten ledger, or a rewritten anchor: nothing is served."""
    *lines, last, _ = (home / "anchors.log").read_bytes().split(b"\n")
    fields = json.loads(last)
    other = ("00" if fields["root"][:2] != "00" else "11") + fields["root"][2:]
    note = fields["checkpoint"].replace(
        base64.b64encode(bytes.fromhex(fields["root"])).decode(), base64.b64encode(bytes.fromhex(other)).decode()
    )
    forged = json.dumps(
        fields | {"root": other, "checkpoint": note}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    (home / "anchors.log").write_bytes(b"\n".join([*lines, forged.encode(), b""]))
    assert "restored or rewritten" in refusal(home)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the record database is empty or holds no house; put back your newest copy of the records"),
        (b"no database at all " * 50, "`records.db` is damaged or is not a house's; put back your newest copy of it"),
    ],
)
def test_records_that_are_none(home: Path, content: bytes, said: str) -> None:
    """A records file that is empty or no database is named as what is wrong."""
    for leftover in home.glob("records.db-*"):
        leftover.unlink()
    (home / "records.db").write_bytes(content)
    assert refusal(home) == said


def test_a_ledger_cut_and_signed_again_is_found(home: Path) -> None:
    """The last entries cut off, in a database whose triggers were dropped: the anchors contradict it."""
    with sqlite3.connect(home / "records.db") as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DELETE FROM ledger_entry WHERE idx >= (SELECT size - 3 FROM ledger_head)")
        db.execute("UPDATE ledger_head SET size = size - 3")
    assert "restored or rewritten" in refusal(home)


def test_the_last_anchor_may_be_one_step_behind(home: Path) -> None:
    """A crash between a commit and its anchor is no rollback: the house opens and goes on."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        before = house.anchor_file.read_bytes()
        house.choose("key:C00001", "newsletter", "withdrawn")
        house.anchor_file.write_bytes(before)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert may(house, "key:C00001", "newsletter", channel="email").reason.code == "withdrawn"
        assert house.check() == []

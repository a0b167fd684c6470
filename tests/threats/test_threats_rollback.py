"""Old copies put back: records, anchors; the house notices and refuses, or says what it can no longer notice."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from pacte.app import doctor, trust
from pacte.app import erase as erasing
from pacte.app.ask import may
from pacte.app.erase import end_evidence_of
from pacte.app.house import open_house
from pacte.app.restore import restore
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import anchors, log
from pacte.ledger.checkpoint import sign_checkpoint
from pacte.ledger.note import Signer
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
        "); it was restored or rewritten, and nothing is served. Put back the newest copy, or run `pacte restore` to "
        "go on with this one"
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


def another_history(home: Path, signer: Signer | None) -> None:
    """Put another root into the last anchor, signed by `signer` or with the signature left as it was."""
    *lines, last, _ = (home / "anchors.log").read_bytes().split(b"\n")
    fields = json.loads(last)
    other = ("00" if fields["root"][:2] != "00" else "11") + fields["root"][2:]
    note = fields["checkpoint"].replace(
        base64.b64encode(bytes.fromhex(fields["root"])).decode(), base64.b64encode(bytes.fromhex(other)).decode()
    )
    if signer is not None:
        note = sign_checkpoint(signer, fields["size"], bytes.fromhex(other))
    forged = json.dumps(
        fields | {"root": other, "checkpoint": note}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    (home / "anchors.log").write_bytes(b"\n".join([*lines, forged.encode(), b""]))


def test_an_anchor_of_another_history(home: Path) -> None:
    """A signed anchor whose root is not this ledger's is a rewritten ledger: nothing is served."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        signer = house.signer
    another_history(home, signer)
    assert "restored or rewritten" in refusal(home)


def test_an_anchor_that_nobody_signed(home: Path) -> None:
    """It counts for nothing, neither to refuse a sound house nor to keep later anchors out, and it is reported."""
    another_history(home, None)
    largest = json.loads((home / "anchors.log").read_bytes().split(b"\n")[-2])
    cut = largest["checkpoint"].split("\n")
    cut[1] = "999999999"
    enormous = largest | {"size": 999_999_999, "checkpoint": "\n".join(cut)}
    with (home / "anchors.log").open("ab") as file:
        file.write(json.dumps(enormous, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    with open_house(home, clock=TestClock(TODAY)) as house:
        found = {finding.code: finding for finding in doctor.examine(house)}
        assert (found["anchors_unsigned"].level, found["anchors_unsigned"].detail) == ("error", "2")
        assert "anchors_behind" in found
        assert any("not signed by this ledger" in problem for problem in house.check())
        house.choose("key:C00001", "newsletter", "withdrawn")
        assert "anchors_behind" not in {finding.code for finding in doctor.examine(house)}
        last = anchors.last_signed(anchors.read(house.anchor_file).anchors, house.vkey)
        with house.reading() as conn:
            assert last is not None
            assert last.size == log.head(conn).size
    with pytest.raises(BadInput, match="nothing to restore"):
        restore(home, clock=TestClock(TODAY))


def copied(home: Path, to: Path, *names: str) -> None:
    """Copy parts of a closed house."""
    for name in names:
        if (home / name).is_dir():
            shutil.copytree(home / name, to / name, dirs_exist_ok=True)
        else:
            to.mkdir(exist_ok=True)
            shutil.copy(home / name, to / name)


RECORDS = ("records.db", "anchors.log", "lake")


@pytest.mark.parametrize("later", ["the evidence of the one before ended since", "the clock stood ahead then"])
@pytest.mark.parametrize("again", [256, 0], ids=["compared", "marked"])
def test_records_put_back_from_between_two_erasures(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str, again: int
) -> None:
    """Whichever tombstone is the newest: everybody erased since is missed, also those whom no mark speaks for."""
    monkeypatch.setattr(trust, "AGAIN", again)
    clock = TestClock(TODAY)
    with open_house(home, clock=clock) as house:
        clock.forward(5 if "ahead" in later else 0)
        first = house.erase("key:C00003").subject
    clock.now = TODAY
    with open_house(home, clock=clock) as house:  # at 0, this leaves a mark
        assert house.check() == []
    copied(home, tmp_path / "backup", *RECORDS)
    with open_house(home, clock=clock) as house:
        house.erase("key:C00004")
        if "evidence" in later:
            end_evidence_of(house, first, Instant(clock() + DAY), "worker")
            assert house.check() == []
    copied(tmp_path / "backup", home, *RECORDS)
    assert refusal(home).startswith("the records are older than the key store")
    restore(home, clock=clock)
    with open_house(home, clock=clock) as house:
        assert not may(house, "key:C00004", "newsletter", channel="email").permitted
        assert house.check() == []


def test_records_older_than_what_the_keys_were_compared_with(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records and anchors put back together, nobody erased since: the key store's mark saw a longer ledger."""
    monkeypatch.setattr(trust, "AGAIN", 0)
    copied(home, tmp_path / "backup", *RECORDS)
    erase_somebody(home)
    open_house(home, clock=TestClock(TODAY)).close()
    copied(home, tmp_path / "since", *RECORDS)
    copied(tmp_path / "backup", home, *RECORDS)
    assert "the key store, which saw" in refusal(home)
    copied(tmp_path / "since", home, *RECORDS)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


def test_keys_put_back_from_between_two_erasures(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older key store is noticed also where the erasure that ended last is one that it knew of."""
    with open_house(home, clock=TestClock(TODAY)) as house, monkeypatch.context() as patched:

        def cut(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(erasing, "_conclude", cut)  # stands for a kill at the crash point `shredded`
        with pytest.raises(KeyboardInterrupt):
            house.erase("key:C00003")
    copied(home, tmp_path / "backup", "keys")
    with open_house(home, clock=TestClock(TODAY)) as house:
        house.erase("key:C00004")
        house.erase("key:C00003")
        assert house.check() == []
    copied(home, tmp_path / "since", "keys")
    for leftover in (home / "keys").glob("keys.db-*"):
        leftover.unlink()
    copied(tmp_path / "backup", home, "keys")
    assert refusal(home).startswith("the key store is older than the records: it opens people who were erased since")
    copied(tmp_path / "since", home, "keys")
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


def test_an_end_of_evidence_that_nobody_recorded_is_reported(home: Path) -> None:
    """A key of evidence is gone and the ledger does not say so: the doctor does, until the end is asked for again."""
    clock = TestClock(TODAY)
    with open_house(home, clock=clock) as house:
        subject = house.erase("key:C00003").subject
        clock.forward(366 * 40)
        house.keys.shred(subject, "evidence", clock())  # as after a kill within `end_evidence_of`
        found = {finding.code: finding for finding in doctor.examine(house)}
        assert found["evidence_unfinished"].detail == "1"
        erasing.end_evidence(house, sure=True)
        assert "evidence_unfinished" not in {finding.code for finding in doctor.examine(house)}
        assert house.check() == []


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

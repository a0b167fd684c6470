"""Wrong, lost, foreign and open keys: the house says which, does nothing, and works again with the right ones."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import signal
import sqlite3
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pacte.app.ask import may
from pacte.app.house import open_house
from pacte.gate import rules as gate_rules
from pacte.kernel.errors import PacteError, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.keys.blind import blind
from pacte.ledger import log
from pacte.testing.world import TestClock
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    choice,
    customer,
    empty_house,
    numbers_of,
    pacte,
    pacte_here,
    shop_files,
    write_csv,
)


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another house, closed."""
    path = tmp_path_factory.mktemp("neighbour") / "house"
    empty_house(path).close()
    return path


def refusal(home: Path) -> str:
    """What the house says when it is opened; the paths of the test are cut out."""
    with pytest.raises(Unsafe) as caught:
        open_house(home, clock=TestClock(TODAY))
    return str(caught.value).replace(str(home), "house")


def records(home: Path) -> bytes:
    """The bytes of the records and of the keys."""
    return b"".join((home / name).read_bytes() for name in ("records.db", "keys/keys.db", "anchors.log"))


def test_the_key_file_of_another_house(home: Path, neighbour: Path) -> None:
    """Opening with another house's key file is refused, changes nothing, and the right file opens again."""
    kept, before = (home / "keys/kek.json").read_bytes(), records(home)
    shutil.copy(neighbour / "keys/kek.json", home / "keys/kek.json")
    assert refusal(home) == (
        "a wrapped key does not open with `kek.json`: it was altered or moved, "
        "or this key file belongs to another house"
    )
    assert records(home) == before
    (home / "keys/kek.json").write_bytes(kept)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []
        assert may(house, "key:C00001", "newsletter", channel="email").permitted


def test_the_whole_key_store_of_another_house(home: Path, neighbour: Path, tmp_path: Path) -> None:
    """Keys that fit each other but not the records are refused, and neither house is changed."""
    (home / "keys").rename(tmp_path / "right")
    shutil.copytree(neighbour / "keys", home / "keys")
    before = records(home)
    assert refusal(home) == (
        "the key store is not the one that this ledger was signed with: it belongs to another house; "
        "put back this house's `keys` folder"
    )
    assert records(home) == before
    shutil.rmtree(home / "keys")
    (tmp_path / "right").rename(home / "keys")
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (
            "kek.json",
            "the key file `house/keys/kek.json` is missing; put it back from your copy of the keys: "
            "without it no sealed value can be opened",
        ),
        (
            "keys.db",
            "the key store `house/keys/keys.db` is missing; put it back from your copy of the keys: "
            "without it no sealed value can be opened",
        ),
    ],
)
def test_a_lost_file_of_the_keys(home: Path, tmp_path: Path, gone: str, said: str) -> None:
    """A missing key file or key store is named; nothing is made in its place."""
    (home / "keys" / gone).rename(tmp_path / gone)
    assert refusal(home) == said
    assert not (home / "keys" / gone).exists()
    answer = pacte_here("may", "key:C00001", "newsletter", house=home)
    assert (answer.code, answer.out) == (5, "")
    (tmp_path / gone).rename(home / "keys" / gone)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


@pytest.mark.parametrize(
    ("file", "what", "mode", "wanted"),
    [
        ("keys/kek.json", "file", 0o640, "600"),
        ("keys/keys.db", "file", 0o604, "600"),
        ("keys", "folder", 0o750, "700"),
    ],
)
def test_keys_that_others_can_read(home: Path, file: str, what: str, mode: int, wanted: str) -> None:
    """Looser permissions on the keys are refused, with the command that mends them."""
    before = (home / file).stat().st_mode
    (home / file).chmod(mode)
    assert refusal(home) == (
        f"the key {what} `house/{file}` is open to other users (mode {mode:o}); run `chmod {wanted} house/{file}`"
    )
    (home / file).chmod(before)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("kek.json", b"{}", "file `house/keys/kek.json` is damaged or of another format"),
        ("kek.json", b"\xff\x00", "file `house/keys/kek.json` is damaged or of another format"),
        ("keys.db", b"not a database, but long enough " * 8, "store `house/keys/keys.db` is damaged"),
        ("keys.db", b"", "store `house/keys/keys.db` is empty"),
    ],
)
def test_a_damaged_file_of_the_keys(home: Path, name: str, content: bytes, said: str) -> None:
    """A damaged key file or store is refused by name."""
    file = home / "keys" / name
    kept = file.read_bytes()
    file.write_bytes(content)
    assert refusal(home) == f"the key {said}; put back your copy of it"
    for leftover in (home / "keys").glob("keys.db-*"):
        leftover.unlink()
    file.write_bytes(kept)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


def test_a_wrong_passphrase(tmp_path: Path) -> None:
    """A wrong passphrase and a missing one are refused and change nothing; the right one opens the house."""
    empty_house(tmp_path / "house", passphrase="trois petits tours").close()
    before = records(tmp_path / "house")
    with pytest.raises(Unsafe) as caught:
        open_house(tmp_path / "house", passphrase="trois petits chats")
    assert str(caught.value) == "the passphrase does not open this key store"
    with pytest.raises(PacteError) as missing:
        open_house(tmp_path / "house")
    assert str(missing.value) == "the environment variable `PACTE_PASSPHRASE` that the settings refer to is not set"
    assert records(tmp_path / "house") == before
    assert b"petits" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with open_house(tmp_path / "house", clock=TestClock(TODAY), passphrase="trois petits tours") as house:
        assert house.check() == []


def _older_keys(home: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    """Change the house while a copy of its keys is kept, then put the older keys back."""
    shutil.copytree(home / "keys", tmp_path / "older")
    change(home)
    shutil.rmtree(home / "keys")
    shutil.copytree(tmp_path / "older", home / "keys")


def _new_customers(home: Path) -> None:
    folder = home.parent / "more"
    folder.mkdir()
    with open_house(home, clock=TestClock(TODAY)) as house:
        house.load(write_csv(folder / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in (901, 902)]))
        house.load(write_csv(folder / "choices.csv", CHOICE_COLUMNS, [choice(901)]))


def _an_erasure(home: Path) -> None:
    with open_house(home, clock=TestClock(TODAY)) as house:
        house.erase("key:C00007")


@pytest.mark.parametrize("change", [_new_customers, _an_erasure])
def test_keys_older_than_the_records(home: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    """A key store of before the last people came, or of before the last erasure, is refused: the house would lie."""
    _older_keys(home, tmp_path, change)
    said = refusal(home)
    assert said.startswith("the key store is older than the records: ")
    assert "put back the newest copy of the `keys` folder" in said
    held = sqlite3.connect(home / "records.db").execute("SELECT count(*) FROM lake_subject").fetchone()[0]
    assert held == 42 if change is _new_customers else held == 40


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_keys_older_than_an_erasure_are_shredded_again(home: Path, tmp_path: Path, lang: str) -> None:
    """Where no newer copy is left, `pacte restore` destroys again what the ledger says was destroyed, and no more."""
    _older_keys(home, tmp_path, _an_erasure)
    with sqlite3.connect(home / "records.db") as conn:
        size, origin = conn.execute("SELECT size, checkpoint FROM ledger_head").fetchone()
    conn.close()
    assert "or run `pacte restore` to destroy their keys again" in refusal(home)
    killed = pacte("restore", house=home, PACTE_CRASH="restore-shredding")
    assert killed.code == -signal.SIGKILL
    done = pacte("restore", "--lang", lang, house=home)
    assert done.code == 0, done.err
    assert {"en": "destroyed again", "fr": "de nouveau"}[lang] in " ".join(done.out.split())
    with open_house(home, clock=TestClock(TODAY)) as house, house.reading() as conn:
        erased = SubjectId(str(log.of_kind(conn, "erasure")[-1][1]["subject"]))
        assert house.keys.data_keys([erased]) == {}
        assert house.check() == []
        assert (log.head(conn).size, log.head(conn).checkpoint) == (size, origin)
        assert gate_rules.stops_in_force(conn, house.present(conn)) == []
    again = pacte("restore", house=home)
    assert again.code == 2
    assert "nothing to restore" in again.err


def test_a_lost_key_store_is_not_replaced_by_a_new_one(home: Path, tmp_path: Path) -> None:
    """A load into a house without its keys is refused before anything is drawn or written."""
    shutil.rmtree(home / "keys")
    files = shop_files(tmp_path / "files", range(50, 52))
    answer = pacte_here("load", files.customers, house=home)
    assert answer.code == 5
    assert "is missing" in answer.err
    assert not (home / "keys").exists()


def test_blind_values_need_the_key(home: Path, neighbour: Path) -> None:
    """Who has the records and knows every address still finds nobody: the index needs this house's own key."""
    with sqlite3.connect(home / "records.db") as db:
        stored = {bytes(row[0]) for row in db.execute("SELECT blind FROM vault_index")}
        stored |= {bytes(row[0]) for row in db.execute("SELECT digest FROM intake_row")}
    guesses = [f"person.{n}@shop.example" for n in range(1, 41)] + [f"C{n:05d}" for n in range(1, 41)]
    found = set()
    with open_house(neighbour, clock=TestClock(TODAY)) as other, open_house(home, clock=TestClock(TODAY)) as house:
        keys = [b"", b"\0" * 32, b"blind:email", b"email", other.keys.house_key("blind:email")]
        keys.append(other.keys.house_key("blind:key"))
        for guess in guesses:
            for prefix in (b"", b"email\0", b"key\0"):
                found |= {hashlib.sha256(prefix + guess.encode()).digest()[:16]}
                found |= {hmac.digest(key, prefix + guess.encode(), "sha256")[:16] for key in keys}
        right = {blind(house.keys.house_key("blind:email"), "email", guess) for guess in guesses[:40]}
    assert stored.isdisjoint(found)
    assert right <= stored
    assert len(stored) >= 120


def test_identifiers_cannot_be_guessed(home: Path) -> None:
    """Subjects and uses are 128 random bits: no order, no counter, none shared between houses."""
    with sqlite3.connect(home / "records.db") as db:
        subjects = [row[0] for row in db.execute("SELECT subject FROM lake_subject ORDER BY no")]
    values = sorted(int(subject, 16) for subject in subjects)
    assert len(set(subjects)) == 40
    assert min(b - a for a, b in pairwise(values)) > 2**100
    assert len({subject[:2] for subject in subjects}) > 20


def test_the_furnished_house_holds_what_was_loaded(home: Path) -> None:
    """Forty people, eighty order lines, forty choices: what the other tests of this folder start from."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        held = numbers_of(house)
    assert held["lake_subject"] == held["lake:customers"] == held["entry:choice"] == 40
    assert held["lake:orders"] == 80

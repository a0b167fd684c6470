"""Losing keys, piece by piece: what still works, what does not, and what the message says to do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.app import keys as verbs
from pacte.app.house import House, create, open_house
from pacte.app.prove import prove, save
from pacte.app.settings import KeySettings, load_settings, write_keys
from pacte.kernel.errors import BadInput, Conflict, Unsafe
from pacte.ledger import log
from pacte.testing.keyserver import KeyServer
from pacte.testing.world import START, TestClock, World, world
from pacte.vault import sealed
from pacte.verifier import verify_bytes
from tools import console

WORDS = "violet kettle under nine slow harbours"
PACTE = Path(sys.executable).with_name("pacte")


@pytest.fixture(autouse=True)
def at_once(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are run by the program that starts at once."""
    monkeypatch.setattr(f"{__name__}.PACTE", quick / "pacte")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[World]:
    """A house with five subscribers, a use, and a proof written beside it."""
    found = world(tmp_path / "house")
    for _ in range(5):
        found.said(found.person(), "given", channel="email")
    found.clock.forward(1)
    use = found.house.declare("newsletter", channel="email")
    save(prove(found.house, found.people[0], use.id), tmp_path)
    yield found
    found.house.close()


def pacte(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if name.startswith(("PACTE_", "SHOP_"))}
    surroundings = console.environment(Path.home()) | own
    return subprocess.run([PACTE, *arguments], capture_output=True, text=True, check=False, env=surroundings)


def ledger_and_proof_verify(house: Path, folder: Path) -> None:
    """The ledger is exported without any key and verifies, and so does the proof handed out before."""
    assert pacte("ledger", "export", folder / "export.jsonl", "--without-keys", "--house", house).returncode == 0
    for file in (folder / "export.jsonl", next(folder.glob("*.pacte-proof.json"))):
        verified = pacte("verify", file)
        assert verified.returncode == 0, verified.stdout + verified.stderr
    (folder / "export.jsonl").unlink()


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("kek.json", r"the key file `.*kek\.json` is missing; put it back from your copy of the keys"),
        ("keys.db", r"the key store `.*keys\.db` is missing; put it back from your copy of the keys"),
    ],
)
def test_a_lost_key_file_or_store_is_put_back(home: World, tmp_path: Path, lost: str, message: str) -> None:
    """Without it the house does not open and says why; the ledger and the proofs verify; put back, all is as before."""
    path, key = home.house.path, home.house.keys.data_key(home.people[0])
    home.house.close()
    copy = shutil.copy2(home.house.key_folder / lost, tmp_path / "copy")
    for part in home.house.key_folder.glob(f"{lost}*"):
        part.unlink()
    with pytest.raises(Unsafe, match=message):
        open_house(path)
    assert pacte("may", home.people[0], "newsletter", "--house", path).returncode == 5
    ledger_and_proof_verify(path, tmp_path)
    shutil.copy2(copy, home.house.key_folder / lost)
    with open_house(path, clock=home.clock) as again:
        assert again.keys.data_key(home.people[0]) == key
        assert again.check() == []


def test_a_key_store_from_before_the_last_people_is_refused(home: World, tmp_path: Path) -> None:
    """An older copy of `keys.db` does not know who came since: it is not taken for the newest."""
    home.house.close()
    shutil.copy2(home.house.key_folder / "keys.db", tmp_path / "copy")
    with open_house(home.house.path, clock=home.clock) as again:
        World(again, home.clock).person()
    shutil.copy2(tmp_path / "copy", home.house.key_folder / "keys.db")
    with pytest.raises(Unsafe, match="older than the records"):
        open_house(home.house.path, clock=home.clock)
    ledger_and_proof_verify(home.house.path, tmp_path)


def test_a_lost_passphrase_leaves_the_ledger(tmp_path: Path) -> None:
    """A wrong passphrase opens nothing; what was recorded verifies without it."""
    house = tmp_path / "house"
    create(house, passphrase=WORDS).close()
    with pytest.raises(Unsafe, match="the passphrase does not open this key store"):
        open_house(house, passphrase="violet kettle")
    assert pacte("ledger", "export", tmp_path / "export.jsonl", "--without-keys", "--house", house).returncode == 0
    assert pacte("verify", tmp_path / "export.jsonl").returncode == 0


def test_a_changed_passphrase_opens_the_same_house(tmp_path: Path) -> None:
    """After a change the new passphrase opens it, the old one does not, and no wrapped key and no record changed."""
    path = tmp_path / "house"
    with create(path, passphrase=WORDS) as house:
        store = (house.key_folder / "keys.db").read_bytes()
        verbs.change_passphrase(house, "another kettle of fish")
        assert (house.key_folder / "keys.db").read_bytes() == store
    with pytest.raises(Unsafe, match="the passphrase does not open"):
        open_house(path, passphrase=WORDS)
    with open_house(path, passphrase="another kettle of fish") as house:
        assert house.check() == []


@pytest.mark.parametrize("where", ["env", "file"])
def test_a_key_file_gets_a_passphrase_and_loses_it(tmp_path: Path, where: str) -> None:
    """The house opens with what `settings.toml` says afterwards, either way; the rest of the settings stays."""
    house, secret = tmp_path / "house", tmp_path / "secret"
    create(house, keys_in=KeySettings()).close()
    secret.write_text(WORDS, encoding="utf-8")
    reference = "env:SHOP_WORDS" if where == "env" else f"file:{secret}"
    before = (house / "settings.toml").read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_WORDS", WORDS)
        locked = pacte("keys", "passphrase", "--new", reference, "--house", house, "--lang", "en")
        assert locked.returncode == 0, locked.stderr
        assert reference.split(":")[0] in locked.stdout
        assert load_settings(house).keys == KeySettings(service="passphrase", passphrase=reference)
        assert pacte("keys", "check", "--house", house).returncode == 0
        again = pacte("keys", "passphrase", "--new", "none", "--house", house)
        assert again.returncode == 0, again.stderr
    assert pacte("keys", "check", "--house", house).returncode == 0
    after = (house / "settings.toml").read_text(encoding="utf-8")
    assert load_settings(house).keys == KeySettings()
    assert [line for line in after.splitlines() if "passphrase = " not in line] == [
        line for line in before.splitlines() if "passphrase = " not in line
    ]


def test_settings_that_are_not_ours_to_change_are_left(tmp_path: Path) -> None:
    """Where the keys are settled in one line, nothing is locked, and the message says what to write."""
    house = tmp_path / "house"
    create(house, keys_in=KeySettings()).close()
    settings = house / "settings.toml"
    origin = load_settings(house).origin
    settings.write_text(f'origin = "{origin}"\nkeys = {{ service = "file" }}\n', encoding="utf-8")
    with open_house(house) as home, pytest.raises(BadInput, match="on a line of their own"):
        verbs.change_passphrase(home, WORDS, "env:SHOP_WORDS")
    open_house(house).close()


def test_locked_and_not_said_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the key file and the settings, the house says which lines to write, and opens with them."""
    house = tmp_path / "house"
    create(house, keys_in=KeySettings()).close()
    monkeypatch.setenv("SHOP_WORDS", WORDS)
    with monkeypatch.context() as crash:
        crash.setenv("PACTE_CRASH", "locked-not-said")
        pacte("keys", "passphrase", "--new", "env:SHOP_WORDS", "--house", house)
    with pytest.raises(Unsafe, match=r"in settings\.toml, `service = \"passphrase\"` and `passphrase = \"env:NAME\"`"):
        open_house(house)
    write_keys(house, KeySettings(service="passphrase", passphrase="env:SHOP_WORDS"))
    open_house(house).close()


def test_a_lost_key_service_stops_the_house_and_nothing_else(tmp_path: Path) -> None:
    """While the service is away the house does not open; afterwards it goes on, its keys on another disk."""
    service = KeyServer(tmp_path)
    service.start()
    where = KeySettings(service="socket", socket=str(service.socket), folder=str(tmp_path / "elsewhere"))
    create(tmp_path / "house", keys_in=where).close()
    assert not (tmp_path / "house" / "keys").exists()
    assert not (tmp_path / "elsewhere" / "kek.json").exists()
    service.kill()
    with pytest.raises(Unsafe, match=r"start it again \(`pacte keys serve`\)"):
        open_house(tmp_path / "house")
    assert pacte("ledger", "export", tmp_path / "e", "--without-keys", "--house", tmp_path / "house").returncode == 0
    service.start()
    with open_house(tmp_path / "house") as house:
        assert house.check() == []
    service.stop()


def test_a_key_file_goes_to_a_service(tmp_path: Path) -> None:
    """Moved as it is, it opens the same keys from another process; what the house held before then ends."""
    create(tmp_path / "house", keys_in=KeySettings()).close()
    service = KeyServer(tmp_path)
    service.folder.mkdir(mode=0o700)
    (tmp_path / "house" / "keys" / "kek.json").rename(service.folder / "kek.json")
    service.start()
    write_keys(tmp_path / "house", KeySettings(service="socket", socket=str(service.socket)))
    with open_house(tmp_path / "house") as house:
        assert house.keys.unopened() == 0
        assert verbs.rotate(house).version == 2
        verbs.end(house, 1)
        assert house.check() == []
    service.stop()


def everything_sealed(house: House) -> str:
    """A digest of lake, quarantine and the vault's rows."""
    told = hashlib.sha256()
    for path in sorted(file for part in ("lake", "quarantine") for file in (house.path / part).rglob("*")):
        told.update(path.read_bytes())
    with house.reading() as conn:
        for row in conn.exec_driver_sql("SELECT * FROM vault_sealed ORDER BY slot"):
            told.update(repr(tuple(row)).encode())
    return told.hexdigest()


def test_rotation_and_its_end_are_recorded_and_touch_no_data(home: World) -> None:
    """Lake and vault are the same bytes before and after; the ledger says what was done, and who did it."""
    fields = {"customers.email": "ada@shop.example"}
    with home.house.writing() as conn:
        sealed.put(conn, home.house.keys, [(home.people[0], "contact", fields, "crm", home.clock.now, None)])
    before = everything_sealed(home.house)
    with pytest.raises(Conflict, match="still wrapped under version 1"):
        verbs.end(home.house, 1)
    home.house.keys.shred(home.people[4], "data", home.clock.now)
    assert verbs.rotate(home.house, "staff:3").version == 2
    ended = verbs.end(home.house, 1, "staff:4")
    assert [tombstone.name for tombstone in ended.final] == [home.people[4]]
    assert everything_sealed(home.house) == before
    with home.house.reading() as conn:
        found = [(entry["step"], entry["epoch"], entry["by"]) for _, entry in log.of_kind(conn, "keys")]
    assert found == [("rotated", 2, "staff:3"), ("ended", 1, "staff:4")]


def test_the_commands_say_the_same(tmp_path: Path) -> None:
    """`keys status|rotate|end|check|passphrase` as a program reads them, with the exit codes of a refusal."""
    house = tmp_path / "house"
    create(house, clock=TestClock(START)).close()

    def asked(*words: str) -> dict[str, object]:
        done = pacte("keys", *words, "--json", "--house", house)
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found

    assert asked("status")["keys"] == {"1": 2}
    assert pacte("keys", "end", "1", "--yes", "--house", house).returncode == 6
    assert asked("rotate")["version"] == 2
    assert pacte("keys", "end", "1", "--house", house).returncode == 2
    assert asked("end", "1", "--yes") == {"version": 1, "entry": 2, "final": 0}
    assert asked("check")["unopened"] == 0
    assert pacte("keys", "passphrase", "--new", "short", "--house", house).returncode == 2
    assert pacte("keys", "end", "7", "--yes", "--house", house).returncode == 4


def test_the_proof_of_before_still_verifies_after_every_key_is_gone(home: World, tmp_path: Path) -> None:
    """With the whole key folder gone for good a proof file still shows by what right data were used."""
    home.house.close()
    shutil.rmtree(home.house.key_folder)
    found = verify_bytes(next(tmp_path.glob("*.pacte-proof.json")).read_bytes(), key=home.house.vkey)
    assert found.ok

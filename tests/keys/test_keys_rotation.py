"""Rotation of the key-encryption key: killed anywhere it goes on, and nobody who reads or writes meanwhile notices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pacte.kernel.errors import Conflict, NotFound, Unsafe
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import Instant
from pacte.keys.keyfile import FileKeyService, PassphraseKeyService
from pacte.keys.store import KeyStore, open_keystore

T0 = Instant(1_700_000_000_000_000)
T1 = Instant(T0 + 1_000_000)
PEOPLE = 250
POINTS = ["rotation-begun", "rotation-house", "rotation-people", "rotation-people:2", "rotation-uncut"]

PROGRAM = """
import sys
from pathlib import Path
from pacte.kernel.ids import new_subject_id
from pacte.kernel.instant import Instant
from pacte.keys import rotation
from pacte.keys.keyfile import FileKeyService
from pacte.keys.store import open_keystore
folder = Path(sys.argv[1])
rotation.BATCH = 100
store = open_keystore(folder, FileKeyService(folder / "kek.json"))
"""
ROTATE = PROGRAM + "print(store.rotate(Instant(1)))"
END = PROGRAM + "store.destroy_version(1, Instant(2))"
CREATE = PROGRAM + "store.create_subject_keys([new_subject_id() for _ in range(100)])"
READ = (
    PROGRAM
    + """
ids = sys.argv[2].split()
first = store.data_keys(ids), store.evidence_keys(ids)
print("reading", flush=True)
rounds = 0
while not (folder / "enough").exists():
    assert (store.data_keys(ids), store.evidence_keys(ids)) == first
    rounds += 1
print(rounds)
"""
)
WRITE = (
    PROGRAM
    + """
print("writing", flush=True)
while not (folder / "enough").exists():
    batch = [new_subject_id() for _ in range(50)]
    store.create_subject_keys(batch)
    print(" ".join(batch), flush=True)
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    store = open_keystore(folder, FileKeyService.create(folder / "kek.json", T0), create=True)
    store.create_subject_keys([new_subject_id() for _ in range(PEOPLE)])
    store.close()
    return folder


def opened(folder: Path) -> KeyStore:
    return open_keystore(folder, FileKeyService(folder / "kek.json"))


def everybody(store: KeyStore) -> list[SubjectId]:
    with store._engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT subject FROM keys_person ORDER BY slot").scalars())


def run(program: str, folder: Path, crash: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PACTE_CRASH": crash} if crash else {})}
    return subprocess.run(
        [sys.executable, "-c", program, str(folder)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("point", POINTS)
def test_a_rotation_killed_at_any_point_goes_on(folder: Path, point: str) -> None:
    """Every key opens after `kill -9`; asking again ends the rotation, and then the old version can be destroyed."""
    store = opened(folder)
    ids = everybody(store)
    before = store.data_keys(ids), store.evidence_keys(ids), store.house_key("log-signing")
    assert run(ROTATE, folder, point).returncode == -signal.SIGKILL
    for again in (store, opened(folder)):
        assert (again.data_keys(ids), again.evidence_keys(ids), again.house_key("log-signing")) == before
        assert again.unopened() == 0
    if store.status().under.get(1):
        with pytest.raises(Conflict, match="still wrapped under version 1"):
            store.destroy_version(1, T1)
    store.create_subject_keys([new_subject_id()])
    finished = int(run(ROTATE, folder).stdout)
    assert finished == (3 if point == "rotation-uncut" else 2)
    assert {version for version, count in store.status().under.items() if count} == {finished}
    store.destroy_version(1, T1)
    assert (store.data_keys(ids), store.evidence_keys(ids), store.house_key("log-signing")) == before


def test_people_read_and_write_while_keys_are_rotated(folder: Path) -> None:
    """Real processes read and create keys through three rotations and the end of each old version."""
    store = opened(folder)
    ids = everybody(store)
    before = store.data_keys(ids)
    command = [sys.executable, "-c"]
    with (
        subprocess.Popen([*command, READ, folder, " ".join(ids)], stdout=subprocess.PIPE, text=True) as reader,
        subprocess.Popen([*command, WRITE, folder], stdout=subprocess.PIPE, text=True) as writer,
    ):
        assert reader.stdout is not None
        assert writer.stdout is not None
        assert (reader.stdout.readline(), writer.stdout.readline()) == ("reading\n", "writing\n")
        for version in (2, 3, 4):
            assert store.rotate(T0) == version
            store.destroy_version(version - 1, T1)
        (folder / "enough").touch()
        rounds, written = reader.stdout.read(), writer.stdout.read().split()
    assert reader.returncode == writer.returncode == 0
    assert int(rounds) > 0
    assert store.data_keys(ids) == before
    assert len(store.data_keys([SubjectId(word) for word in written])) == len(written) > 0
    assert store.status().under == {4: 2 * (PEOPLE + len(written)) + 1}


@pytest.mark.parametrize(("program", "point"), [(END, "ending-version"), (CREATE, "keys-written")])
def test_what_was_killed_before_its_commit_can_be_asked_for_again(folder: Path, program: str, point: str) -> None:
    """Killed while a version ends or keys are drawn: nothing is half done, and the same verb works the second time."""
    assert int(run(ROTATE, folder).stdout) == 2
    store = opened(folder)
    before = store.data_keys(everybody(store))
    assert run(program, folder, point).returncode == -signal.SIGKILL
    assert store.unopened() == 0
    assert store.data_keys(everybody(store)) == before
    assert run(program, folder).returncode == 0
    assert store.unopened() == 0
    assert store.data_keys(list(before)) == before


def test_a_version_that_never_was_cannot_end(folder: Path) -> None:
    """A typing error is told apart from a version that was destroyed before."""
    store = opened(folder)
    store.rotate(T0)
    with pytest.raises(NotFound, match="there is no version 7"):
        store.destroy_version(7, T1)
    store.destroy_version(1, T1)
    assert store.destroy_version(1, T1) == []
    assert store.status().destroyed == {1: T1}


def test_status_says_what_a_backup_could_still_bring_back(folder: Path) -> None:
    """Shredded keys stop being revocable when the versions that may have wrapped them are destroyed, and not before."""
    store = opened(folder)
    ids = everybody(store)
    store.shred_many(ids[:3], "data", T0)
    store.rotate(T0)
    store.shred(ids[3], "evidence", T0)
    assert (store.status().shredded, store.status().revocable) == (4, 4)
    assert {tombstone.name for tombstone in store.destroy_version(1, T1)} == set(ids[:3])
    assert (store.status().shredded, store.status().revocable) == (4, 1)


def test_keys_that_do_not_open_are_counted(folder: Path) -> None:
    """`unopened` tries every key, and says how many fail, wherever they lie."""
    store = opened(folder)
    assert store.unopened() == 0
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE keys_person SET data = evidence WHERE slot IN (3, 90, 211)")
        connection.exec_driver_sql("UPDATE keys_person SET evidence = data WHERE slot = 17")
    assert store.unopened() == 4


def test_a_passphrase_changes_without_wrapping_a_key_again(tmp_path: Path) -> None:
    """`keys.db` stays as it is to the byte, the old passphrase opens nothing, and a passphrase can be taken away."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    first, second = "violet kettle", "slow harbours"
    service = PassphraseKeyService.create(folder / "kek.json", first, T0, cost=2**10)
    store = open_keystore(folder, service, create=True)
    ids = [new_subject_id() for _ in range(4)]
    store.create_subject_keys(ids)
    store.rotate(T0)
    before, wrapped = store.data_keys(ids), (folder / "keys.db").read_bytes()
    store.lock_with(second)
    assert (folder / "keys.db").read_bytes() == wrapped
    with pytest.raises(Unsafe, match="the passphrase does not open"):
        PassphraseKeyService(folder / "kek.json", first)
    again = open_keystore(folder, PassphraseKeyService(folder / "kek.json", second))
    assert again.data_keys(ids) == before
    again.lock_with(None)
    assert opened(folder).data_keys(ids) == before

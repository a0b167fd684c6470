"""The key store: made first, opened by the right key file only, shredded for good."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.kernel.db import write
from pacte.kernel.errors import BadInput, Conflict, NotFound, Unsafe
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import DAY, Instant
from pacte.keys import store as store_room
from pacte.keys import tables as table_room
from pacte.keys.keyfile import FileKeyService
from pacte.keys.shredding import Tombstone, intend
from pacte.keys.store import KeyGone, KeyStore, open_keystore

T0 = Instant(1_700_000_000_000_000)
T1 = Instant(T0 + DAY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def service(folder: Path) -> FileKeyService:
    return FileKeyService.create(folder / "kek.json", T0)


@pytest.fixture
def store(folder: Path, service: FileKeyService) -> KeyStore:
    return open_keystore(folder, service, create=True)


def people(count: int) -> list[SubjectId]:
    return [new_subject_id() for _ in range(count)]


def wrapped_of(folder: Path, table: str = "keys_person", columns: str = "subject, data, evidence") -> dict[str, tuple]:
    with sqlite3.connect(folder / "keys.db") as raw:
        return {row[0]: row[1:] for row in raw.execute(f"SELECT {columns} FROM {table}")}


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("keys.db*")))


def test_every_person_has_two_keys_of_their_own(store: KeyStore) -> None:
    """Data and evidence keys are 32 bytes, all different, and the bulk readers say what the single ones say."""
    ids = people(50)
    store.create_subject_keys(ids)
    data, evidence = store.data_keys(ids), store.evidence_keys(ids)
    assert len({*data.values(), *evidence.values()}) == 100
    assert {len(key) for key in data.values()} == {32}
    assert all(store.data_key(i) == data[i] and store.evidence_key(i) == evidence[i] for i in ids)


def test_however_many_are_added_by_one_statement(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each person's keys are those that were drawn for them, also where one statement does not add them all."""
    monkeypatch.setattr(table_room, "TOGETHER", 7)
    ids = people(30)
    drawn = store.create_subject_keys(ids)
    assert store.data_keys(ids) == drawn.data
    assert store.evidence_keys(ids) == drawn.evidence
    assert sorted(store.people()) == sorted(ids)


def test_wrapped_keys_of_several_lengths_are_refused(
    store: KeyStore, service: FileKeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key service that does not keep to its contract costs nobody a key: nothing is stored."""
    wrap = service.wrap_many
    monkeypatch.setattr(service, "wrap_many", lambda items: [*wrap(items)[:-1], b"short"])
    with pytest.raises(Unsafe, match="several lengths"):
        store.create_subject_keys(people(3))
    assert store.people() == []


def test_creating_again_keeps_the_keys(store: KeyStore, folder: Path, service: FileKeyService) -> None:
    """A retried load draws no new key for a person who has one, in this process or the next."""
    ids = people(3)
    store.create_subject_keys(ids)
    before = store.data_keys(ids)
    store.create_subject_keys([*ids, *people(2), *ids])
    store.create_subject_keys([])
    assert open_keystore(folder, service).data_keys(ids) == before


def test_no_key_lies_unwrapped_in_the_database(store: KeyStore, folder: Path) -> None:
    """Neither personal nor house keys can be read off the database's bytes."""
    ids = people(20)
    store.create_subject_keys(ids)
    keys = [*store.data_keys(ids).values(), *store.evidence_keys(ids).values(), store.house_key("suppression")]
    disk = bytes_on_disk(folder)
    assert not any(key in disk for key in keys)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["data", "evidence"])), max_size=15))
def test_shredding_takes_exactly_the_named_keys(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[int, str]]
) -> None:
    """Whatever is shredded, however often: those keys are gone, all others open, each shredding has one tombstone."""
    folder = tmp_path_factory.mktemp("house") / "keys"
    folder.mkdir(mode=0o700)
    store = open_keystore(folder, FileKeyService.create(folder / "kek.json", T0), create=True)
    ids = people(10)
    store.create_subject_keys(ids)
    before = {"data": store.data_keys(ids), "evidence": store.evidence_keys(ids)}
    for person, which in acts:
        store.shred(ids[person], which, T1)  # type: ignore[arg-type]
    gone = {(ids[person], which) for person, which in acts}
    for which, read in (("data", store.data_keys), ("evidence", store.evidence_keys)):
        assert read(ids) == {i: key for i, key in before[which].items() if (i, which) not in gone}
    assert {(t.name, t.which) for t in store.tombstones()} == gone
    assert len(store.tombstones()) == len(gone)
    assert store.pending() == []
    store.close()


def test_a_shredded_key_is_told_from_one_that_never_was(store: KeyStore) -> None:
    """`KeyGone` after shredding, plain `NotFound` for a person the store has never seen."""
    known, unknown = people(2)
    store.create_subject_keys([known])
    store.shred(known, "data", T1)
    with pytest.raises(KeyGone, match="the data key of this person was shredded"):
        store.data_key(known)
    with pytest.raises(NotFound, match="older than the records") as caught:
        store.data_key(unknown)
    assert not isinstance(caught.value, KeyGone)
    assert unknown not in str(caught.value)


def test_a_shredded_person_never_gets_new_keys(store: KeyStore) -> None:
    """Creating keys for an erased person changes nothing, even when a tombstone came before the keys."""
    erased, foreign = people(2)
    store.create_subject_keys([erased])
    store.shred(erased, "data", T1)
    store.append_tombstone(Tombstone(foreign, "data", T1, 1))
    store.create_subject_keys([erased, foreign])
    assert store.data_keys([erased, foreign]) == {}
    assert [t.at for t in store.tombstones()] == [T1, T1]


def test_shredded_keys_leave_no_byte_in_any_file(store: KeyStore, folder: Path) -> None:
    """After many creations, rotations and shreddings no wrapped form of a shredded key is left on disk."""
    ids: list[SubjectId] = []
    seen: dict[str, set[bytes]] = {}
    for turn in range(12):
        ids += (batch := people(400))
        store.create_subject_keys(batch)
        for subject, (data, _) in wrapped_of(folder).items():
            seen.setdefault(subject, set()).add(data)
        store.shred_many(ids[turn::7], "data", T1)
        if turn % 5 == 4:
            store.rotate(T1)
    gone = {t.name for t in store.tombstones()}
    disk = bytes_on_disk(folder)
    assert len(gone) > 1000
    assert not [1 for subject in gone for wrapped in seen[subject] if any(wrapped) and wrapped[4:20] in disk]
    alive = [subject for subject in ids if subject not in gone]
    assert len(store.data_keys(alive)) == len(alive)


@pytest.mark.parametrize("crash", ["truncate_wal", "conclude"])
def test_a_crash_while_shredding_is_finished_later(
    store: KeyStore, folder: Path, service: FileKeyService, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    """Once the intent is committed the key is gone, and the next process concludes what is left to do."""
    (subject,) = people(1)
    store.create_subject_keys([subject])
    (wrapped, _) = wrapped_of(folder)[subject]

    def power_cut(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(store_room, crash, power_cut)
        with pytest.raises(RuntimeError):
            store.shred(subject, "data", T1)
    again = open_keystore(folder, service)
    with pytest.raises(KeyGone):
        again.data_key(subject)
    assert again.pending() == [(subject, "data")]
    assert again.tombstones() == []
    assert again.finish_pending() == 1
    assert again.finish_pending() == 0
    assert [(t.name, t.which, t.at) for t in again.tombstones()] == [(subject, "data", T1)]
    assert wrapped not in bytes_on_disk(folder)


def test_a_crash_before_the_intent_changes_nothing(store: KeyStore) -> None:
    """An intent that is not committed leaves key and store as they were."""
    (subject,) = people(1)
    store.create_subject_keys([subject])
    before = store.data_key(subject)

    def power_cut_before_commit() -> None:
        with write(store._engine) as connection:
            intend(connection, [subject], "data", T1, 1)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        power_cut_before_commit()
    assert store.data_key(subject) == before
    assert store.pending() == []


def test_shredding_waits_for_readers_rather_than_lie(
    store: KeyStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process reads an old snapshot the shredding stays pending, then it is concluded."""
    (subject,) = people(1)
    store.create_subject_keys([subject])
    other = sqlite3.connect(folder / "keys.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM keys_person").fetchone()
    monkeypatch.setattr("pacte.kernel.db.BUSY_MILLISECONDS", 50)
    impatient = open_keystore(folder, store._service)
    with pytest.raises(Conflict, match="another process is reading the key store"):
        impatient.shred(subject, "data", T1)
    assert impatient.tombstones() == []
    other.close()
    assert impatient.finish_pending() == 1


def test_house_keys_are_drawn_once(store: KeyStore, folder: Path, service: FileKeyService) -> None:
    """The same name gives the same key for ever, other names other keys, at the length asked for."""
    first = store.house_key("pseudonym:marketing:1")
    assert open_keystore(folder, service).house_key("pseudonym:marketing:1") == first
    assert store.house_key("pseudonym:marketing:2") != first
    assert len(store.house_key("cookie", length=64)) == 64
    with pytest.raises(BadInput, match="`cookie` has 64 bytes"):
        store.house_key("cookie")


def test_a_shredded_house_key_never_comes_back(store: KeyStore, folder: Path) -> None:
    """A quarantine whose key was shredded stays closed; its name is not given another key."""
    store.house_key("quarantine:17")
    (wrapped,) = wrapped_of(folder, "keys_house", "name, wrapped")["quarantine:17"]
    store.shred_house_key("quarantine:17", T1)
    store.shred_house_key("never-drawn", T1)
    for name in ("quarantine:17", "never-drawn"):
        with pytest.raises(KeyGone, match="was shredded"):
            store.house_key(name)
    assert wrapped not in bytes_on_disk(folder)
    with pytest.raises(BadInput):
        store.shred_house_key("check", T1)


def test_rotation_changes_every_wrapping_and_no_key(store: KeyStore, folder: Path, service: FileKeyService) -> None:
    """After a rotation the same keys open, all wrapped under the new version; then the old one can be destroyed."""
    ids = people(30)
    store.create_subject_keys(ids)
    store.shred(ids[0], "data", T0)
    before = (store.data_keys(ids), store.evidence_keys(ids), store.house_key("log-signing"))
    with pytest.raises(BadInput, match="the one in use"):
        service.destroy_version(1, T1)
    with pytest.raises(Conflict, match="still wrapped under version 1"):
        store.destroy_version(1, T1)
    assert store.rotate(T1) == 2
    store.destroy_version(1, T1)
    assert (store.data_keys(ids), store.evidence_keys(ids), store.house_key("log-signing")) == before
    assert {row[1][:4] for row in wrapped_of(folder).values()} == {(2).to_bytes(4)}


def test_shredding_is_final_once_its_epochs_are_destroyed(store: KeyStore) -> None:
    """A stolen backup of the key store brings a key back until the versions it was wrapped under are destroyed."""
    (subject,) = people(1)
    store.create_subject_keys([subject])
    store.shred(subject, "data", T0)
    (tombstone,) = store.tombstones()
    assert store.final_since(tombstone) is None
    store.rotate(T0)
    store.destroy_version(1, T1)
    assert store.final_since(tombstone) == T1


def test_a_process_with_an_old_key_file_in_memory_follows_rotations(store: KeyStore, folder: Path) -> None:
    """Another process never wraps under a version that is being destroyed, and reads what the newer one wrapped."""
    other = open_keystore(folder, FileKeyService(folder / "kek.json"))
    ids = people(4)
    store.create_subject_keys(ids[:2])
    store.rotate(T1)
    store.destroy_version(1, T1)
    other.create_subject_keys(ids[2:])
    assert other.data_keys(ids) == store.data_keys(ids)


def test_a_rotation_interrupted_half_way_loses_nothing(
    store: KeyStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys under the old and the new version open side by side, and a second rotation gathers them."""
    ids = people(10)
    store.create_subject_keys(ids)
    before = store.data_keys(ids)

    def power_cut(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(store_room, "rewrap_people", power_cut)
        with pytest.raises(RuntimeError):
            store.rotate(T1)
    again = open_keystore(folder, FileKeyService(folder / "kek.json"))
    assert again.data_keys(ids) == before
    again.rotate(T1)
    again.destroy_version(1, T1)
    assert again.data_keys(ids) == before


def test_a_wrapped_key_cannot_be_given_to_another_person(store: KeyStore, folder: Path) -> None:
    """Swapping two rows, or the two keys of one row, in the file makes them useless instead of readable."""
    ids = people(2)
    store.create_subject_keys(ids)
    rows = wrapped_of(folder)
    with sqlite3.connect(folder / "keys.db") as raw:
        raw.execute("UPDATE keys_person SET data = ? WHERE subject = ?", (rows[ids[1]][0], ids[0]))
        raw.execute("UPDATE keys_person SET data = evidence WHERE subject = ?", (ids[1],))
    for subject in ids:
        with pytest.raises(Unsafe, match="altered or moved") as caught:
            store.data_key(subject)
        assert subject not in str(caught.value)


def test_a_wrong_or_older_key_file_is_recognised_at_once(store: KeyStore, folder: Path, tmp_path: Path) -> None:
    """A key file of another house, or one from before a rotation, is refused when the store is opened."""
    foreign = FileKeyService.create(tmp_path / "kek.json", T0)
    with pytest.raises(Unsafe, match="belongs to another house"):
        open_keystore(folder, foreign)
    before = (folder / "kek.json").read_bytes()
    store.rotate(T1)
    (folder / "kek.json").write_bytes(before)
    with pytest.raises(Unsafe, match="put back the newest key file"):
        open_keystore(folder, FileKeyService(folder / "kek.json"))


def test_a_lost_or_damaged_key_store_says_what_to_do(folder: Path, service: FileKeyService) -> None:
    """A missing, empty or garbled `keys.db` ends in an error that names the way out."""
    with pytest.raises(Unsafe, match=r"is missing; put it back from your copy of the keys"):
        open_keystore(folder, service)
    database = folder / "keys.db"
    database.touch(mode=0o600)
    with pytest.raises(Unsafe, match="is empty; put back your copy"):
        open_keystore(folder, service)
    for leftover in folder.glob("keys.db*"):
        leftover.unlink()
    database.touch(mode=0o600)
    database.write_bytes(os.urandom(8192))
    with pytest.raises(Unsafe, match="is damaged; put back your copy"):
        open_keystore(folder, service)


@pytest.mark.parametrize(("name", "mode"), [("", 0o750), ("keys.db", 0o640), ("kek.json", 0o604)])
def test_looser_permissions_are_refused(store: KeyStore, folder: Path, name: str, mode: int) -> None:
    """A folder or file that others can read is refused with the chmod to run, which then helps."""
    path = folder / name if name else folder
    right = path.stat().st_mode & 0o777
    path.chmod(mode)
    with pytest.raises(Unsafe, match=f"run `chmod {right:o} "):
        open_keystore(folder, FileKeyService(folder / "kek.json"))
    path.chmod(right)
    open_keystore(folder, FileKeyService(folder / "kek.json"))


def test_files_are_born_private(store: KeyStore, folder: Path) -> None:
    """Folder 0700, every file in it 0600, whatever the umask."""
    store.create_subject_keys(people(1))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_identifiers_of_the_wrong_form_are_refused(store: KeyStore) -> None:
    """An e-mail address given by mistake as an identifier is refused, and not repeated."""
    wrong = SubjectId("ada@canary.example")
    for act in (
        lambda: store.create_subject_keys([wrong]),
        lambda: store.shred(wrong, "data", T1),
        lambda: store.append_tombstone(Tombstone(wrong, "data", T1, 1)),
        lambda: store.append_tombstone(Tombstone(people(1)[0], "canary", T1, 1)),
    ):
        with pytest.raises(BadInput) as caught:
            act()
        assert "canary" not in str(caught.value)


def test_many_people_cost_less_than_one_by_one(store: KeyStore) -> None:
    """Bulk paths: made and read together, each person's keys cost a third of what they cost alone, or less.

    Compared with each other and not with a clock: a loaded machine is slower at both.
    """
    few, many = people(500), people(20_500)[500:]
    alone = _seconds(lambda: [store.create_subject_keys([one]) for one in few]) / len(few)
    assert _seconds(lambda: store.create_subject_keys(many)) / len(many) < alone / 3
    alone = _seconds(lambda: [store.data_keys([one]) for one in few]) / len(few)
    assert _seconds(lambda: store.data_keys(many)) / len(many) < alone / 3


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start

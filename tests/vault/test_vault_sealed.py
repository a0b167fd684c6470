"""Sealed identities: opened against a permit only, replaced whole, erased to the last byte."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pacte.kernel.canonical import Json, canonical
from pacte.kernel.db import is_postgres, open_sqlite, read, run, truncate_wal, write
from pacte.kernel.errors import BadInput, Denied, NotFound, Unsafe
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.redacted import Redacted
from pacte.keys.keyfile import FileKeyService
from pacte.keys.store import KeyGone, KeyStore, open_keystore
from pacte.vault import index, sealed, suppression, tables

T0 = Instant(1_700_000_000_000_000)
T1 = Instant(T0 + DAY)
NOTICE = "ab" * 32
CANARY = "canary.7f3a@personne.example"
FIELDS = frozenset({"customers.email", "customers.phone", "customers.first_name"})


@dataclass(frozen=True)
class PermitFor:
    """A permit as the gate gives it, for one person."""

    subject: SubjectId
    fields: frozenset[str] = FIELDS
    use: str = "0" * 32
    index: int = 7
    purpose: str = "newsletter"
    expires: Instant = T1

    def covers(self, subject: SubjectId) -> bool:
        return subject == self.subject

    def check(self, now: Instant) -> None:
        if now >= self.expires:
            raise Denied("permit_expired", "this permit has expired")


@dataclass(frozen=True)
class PermitForAll(PermitFor):
    """A permit for everybody."""

    def covers(self, subject: SubjectId) -> bool:
        return len(subject) == len(self.subject)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    return open_keystore(folder, FileKeyService.create(folder / "kek.json", T0), create=True)


@pytest.fixture
def engine(database: str, open_engine: Callable[[str], Engine]) -> Engine:
    return vault_in(open_engine(database))


def vault_in(engine: Engine) -> Engine:
    with write(engine) as connection:
        tables.metadata.create_all(connection, tables=[tables.SEALED, tables.INDEX, tables.SUPPRESSED])
    return engine


def stored(engine: Engine, folder: Path) -> bytes:
    """All that lies in the files of the folder and, on PostgreSQL, in the vault's tables."""
    disk = files_of(folder)
    if is_postgres(engine):
        with read(engine) as connection, connection.connection.driver_connection.cursor() as cursor:
            for table in (tables.SEALED, tables.INDEX, tables.SUPPRESSED):
                with cursor.copy(f"COPY {table.name} TO STDOUT BINARY") as copy:
                    disk += b"".join(bytes(part) for part in copy)
    return disk


def people(keys: KeyStore, count: int) -> list[SubjectId]:
    ids = [new_subject_id() for _ in range(count)]
    keys.create_subject_keys(ids)
    return ids


def contact(subject: SubjectId, email: str = CANARY, group: str = "contact", **more: str) -> sealed.Row:
    return (subject, group, {"customers.email": email, **more}, "crm", T0, NOTICE)


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def revealed(found: dict[str, Redacted]) -> dict[str, object]:
    return {name: value.reveal() for name, value in found.items()}


def present(disk: bytes, needles: list[bytes]) -> set[bytes]:
    """Those of the 8-byte needles that lie anywhere in `disk`; nonces are random, so 8 bytes tell them apart."""
    sought = np.sort(np.frombuffer(b"".join(needles), "<u8"))
    found: set[bytes] = set()
    for offset in range(8):
        windows = np.frombuffer(disk, "<u8", count=(len(disk) - offset) // 8, offset=offset)
        hits = np.unique(windows[np.isin(windows, sought)])
        found |= {hit.tobytes() for hit in hits}
    return found


values = st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=30), max_size=3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(values, min_size=1, max_size=4), more=values)
def test_what_is_put_is_got(
    keys: KeyStore, engine: Engine, contents: list[dict[str, str]], more: dict[str, str]
) -> None:
    """Whatever text people have comes back as it was, for each of them, and the last put of a group stands."""
    ids = people(keys, len(contents))
    rows = [(i, "contact", fields, "crm", T0, NOTICE) for i, fields in zip(ids, contents, strict=True)]
    with write(engine) as connection:
        sealed.put(connection, keys, rows)
        sealed.put(
            connection, keys, [(ids[0], "contact", {}, "crm", T0, None), (ids[0], "contact", more, "crm", T1, None)]
        )
        for subject, fields in zip(ids[1:], contents[1:], strict=True):
            assert revealed(sealed.get(connection, keys, PermitFor(subject), subject, ["contact"], T0)) == fields
        assert revealed(sealed.get(connection, keys, PermitFor(ids[0]), ids[0], ["contact"], T0)) == more
        assert sealed.held(connection, ids[0]) == {"contact": 1}


mixed = st.dictionaries(
    st.sampled_from([*sorted(FIELDS), "%s", "é", 'quote"d']),
    st.one_of(st.text(max_size=20), st.integers(-(2**60), 2**60), st.booleans(), st.just("\ud83d")),
    max_size=4,
)


texts = st.text(st.sampled_from('aé"\\\n\x00\x1f\x7f :,{}%'), max_size=6)
alike = st.lists(st.fixed_dictionaries(dict.fromkeys(sorted(FIELDS)[:3], texts)), max_size=6)


@given(groups=st.one_of(st.lists(mixed, max_size=4), alike))
def test_what_is_sealed_is_canonical(groups: list[dict[str, Json]]) -> None:
    """The quick way of writing groups gives the bytes of canonical JSON, or the same refusal."""
    try:
        expected = [canonical(dict(fields)) for fields in groups]
    except BadInput:
        with pytest.raises(BadInput):
            sealed._contents(groups)
    else:
        assert sealed._contents(groups) == expected


def test_one_value_to_escape_costs_its_neighbours_nothing_but_time() -> None:
    """Far from the start of a large crowd a quote and a backslash are written as canonical JSON writes them."""
    crowd: list[dict[str, Json]] = [{"a.b": f"name {number}", "a.c": "Saint-Étienne"} for number in range(1_000)]
    crowd[700] = {"a.b": 'the "best" \\', "a.c": "\t"}
    assert sealed._contents(crowd) == [canonical(dict(one)) for one in crowd]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(values, min_size=1, max_size=4))
def test_many_are_opened_as_each_would_be(keys: KeyStore, engine: Engine, contents: list[dict[str, str]]) -> None:
    """Keys that were just drawn seal without being looked up; opening many gives what opening each gives."""
    ids = [new_subject_id() for _ in contents]
    drawn = keys.create_subject_keys(ids)
    groups = [("contact", fields) for fields in contents] + [("civil", {"customers.first_name": "Ada"})]
    rows = [(i, group, fields, "crm", T0, None) for i, (group, fields) in zip([*ids, ids[0]], groups, strict=True)]
    with write(engine) as connection:
        sealed.put(connection, keys, rows, drawn.data)
        everybody = PermitForAll(ids[0])
        found = sealed.get_many(connection, keys, everybody, ids, ["contact", "civil"], T0)
        for subject in ids:
            one = revealed(sealed.get(connection, keys, everybody, subject, ["civil", "contact"], T0))
            assert found[subject].reveal() == one
        some = sealed.get_many(connection, keys, everybody, ids, ["civil"], T0, ["customers.first_name"])
        assert {subject: cover.reveal() for subject, cover in some.items()} == {ids[0]: {"customers.first_name": "Ada"}}
        keys.shred(ids[0], "data", T0)
        assert set(sealed.get_many(connection, keys, everybody, ids, ["contact"], T0)) == set(ids[1:])
        with pytest.raises(Denied):
            sealed.get_many(connection, keys, PermitFor(ids[0]), [new_subject_id()], ["contact"], T0)


def test_drawn_keys_are_those_of_new_people_only(keys: KeyStore) -> None:
    """Somebody who had keys keeps them, and is not among those whose keys were drawn."""
    old, new = people(keys, 1)[0], new_subject_id()
    before = keys.data_key(old)
    drawn = keys.create_subject_keys([old, new])
    assert drawn.data == {new: keys.data_key(new)}
    assert drawn.evidence == {new: keys.evidence_key(new)}
    assert keys.data_key(old) == before


def test_only_asked_groups_and_fields_come_out(keys: KeyStore, engine: Engine) -> None:
    """Fields outside the permit, the question or the groups stay sealed although they lie beside those that open."""
    (subject,) = people(keys, 1)
    civil = (subject, "civil", {"customers.first_name": "Ada", "customers.birth_date": "1815-12-10"}, "crm", T0, None)
    with write(engine) as connection:
        sealed.put(connection, keys, [contact(subject, **{"customers.phone": "+33612345678"}), civil])
        permit = PermitFor(subject)

        def got(*groups: str, **asked: list[str]) -> set[str]:
            return set(sealed.get(connection, keys, permit, subject, groups, T0, **asked))

        assert got("contact", "civil") == {"customers.email", "customers.phone", "customers.first_name"}
        assert got("civil") == {"customers.first_name"}
        assert got("contact", "civil", fields=["customers.email"]) == {"customers.email"}
        assert got() == set()


def test_nothing_opens_without_the_right_permit(keys: KeyStore, engine: Engine) -> None:
    """Another person, an undeclared field, an expired permit: denied with a code, and without a value."""
    ada, grace = people(keys, 2)
    with write(engine) as connection:
        sealed.put(connection, keys, [contact(ada), contact(grace)])
        for code, permit, now, fields in (
            ("unknown_person", PermitFor(grace), T0, None),
            ("undeclared_field", PermitFor(ada), T0, ["customers.birth_date"]),
            ("undeclared_field", PermitFor(ada, fields=frozenset()), T0, ["customers.email"]),
            ("permit_expired", PermitFor(ada), T1, None),
        ):
            with pytest.raises(Denied) as caught:
                sealed.get(connection, keys, permit, ada, ["contact"], now, fields)
            assert caught.value.code == code
            assert CANARY not in str(caught.value)
            assert ada not in str(caught.value)


def test_values_come_out_redacted(keys: KeyStore, engine: Engine) -> None:
    """What the vault gives does not print, alone or inside a dictionary; `reveal` says it."""
    (subject,) = people(keys, 1)
    with write(engine) as connection:
        sealed.put(connection, keys, [contact(subject)])
        found = sealed.get(connection, keys, PermitFor(subject), subject, ["contact"], T0)
    assert CANARY not in f"{found} {found['customers.email']:>40}"
    assert found["customers.email"].reveal() == CANARY


def test_nobody_is_stored_without_keys_or_after_erasure(keys: KeyStore, engine: Engine) -> None:
    """A batch with a person without keys, or with an erased one, is refused whole and says no value."""
    known, erased = people(keys, 2)
    keys.shred(erased, "data", T0)
    for stranger, error in ((new_subject_id(), NotFound), (erased, KeyGone)):
        with write(engine) as connection, pytest.raises(error) as caught:
            sealed.put(connection, keys, [contact(known), contact(stranger)])
        assert CANARY not in str(caught.value)
    with read(engine) as connection:
        assert sealed.held(connection, known) == {}


def test_a_value_that_cannot_be_recorded_is_refused_without_being_said(keys: KeyStore, engine: Engine) -> None:
    """Floats and half surrogates are refused by an error that does not repeat them."""
    (subject,) = people(keys, 1)
    for value in (3.14159, "\ud83d"):
        with write(engine) as connection, pytest.raises(BadInput) as caught:
            sealed.put(connection, keys, [contact(subject, email=value)])  # type: ignore[arg-type]
        assert "3.14" not in str(caught.value)


def test_a_row_moved_to_another_person_does_not_open(keys: KeyStore, engine: Engine) -> None:
    """Ciphertext copied between people or groups by somebody with access to the database is refused."""
    ada, grace = people(keys, 2)
    with write(engine) as connection:
        sealed.put(connection, keys, [contact(ada), contact(grace), contact(ada, group="civil")])
    with write(engine) as connection:
        stolen = "SELECT sealed FROM vault_sealed WHERE subject = ? AND grp = 'contact'"
        run(connection, f"UPDATE vault_sealed SET sealed = ({stolen})", (ada,))
    with read(engine) as connection:
        for subject, group in ((grace, "contact"), (ada, "civil")):
            with pytest.raises(Unsafe, match="does not open"):
                sealed.get(connection, keys, PermitFor(subject), subject, [group], T0)


def test_where_a_group_came_from_is_kept_in_the_open(keys: KeyStore, engine: Engine) -> None:
    """Source, date and notice of each group can be read without opening anything."""
    (subject,) = people(keys, 1)
    with write(engine) as connection:
        sealed.put(connection, keys, [contact(subject), (subject, "civil", {}, "till", T1, None)])
        assert sealed.provenance(connection, subject) == [
            sealed.Provenance("civil", "till", T1, None),
            sealed.Provenance("contact", "crm", T0, NOTICE),
        ]


def test_erasure_counts_what_it_took_and_may_be_repeated(keys: KeyStore, engine: Engine) -> None:
    """The first erasure answers the rows it blanked, the second zero; others keep everything."""
    ada, grace = people(keys, 2)
    with write(engine) as connection:
        sealed.put(connection, keys, [contact(ada), contact(ada, group="civil"), contact(grace)])
        index.add(connection, keys, [(ada, "email", CANARY), (ada, "key:crm", "C1"), (grace, "email", CANARY)])
        assert sealed.erase(connection, ada) == {"sealed": 2, "index": 2}
        assert sealed.erase(connection, ada) == {"sealed": 0, "index": 0}
        assert index.find(connection, keys, "email", CANARY) == grace
        assert sealed.held(connection, grace) == {"contact": 1}


def test_an_erased_person_is_closed_for_good(keys: KeyStore, engine: Engine) -> None:
    """After erasure and shredding `get` says that the key is gone, and a row restored from a backup stays closed."""
    (ada,) = people(keys, 1)
    with write(engine) as connection:
        sealed.put(connection, keys, [contact(ada)])
    keys.shred(ada, "data", T0)
    with read(engine) as connection, pytest.raises(KeyGone):
        sealed.get(connection, keys, PermitFor(ada), ada, ["contact"], T0)


def test_no_planted_value_lies_in_any_file(keys: KeyStore, engine: Engine, tmp_path: Path) -> None:
    """E-mail, telephone, name and source key of a person are in no file of the house, while held and after erasure."""
    (ada,) = people(keys, 1)
    planted = [CANARY, "+33699887766", "Zéphyrine-Canari", "CLIENT-CANARY-77"]
    with write(engine) as connection:
        more = {"customers.phone": planted[1], "customers.first_name": planted[2]}
        sealed.put(connection, keys, [contact(ada, **more)])
        index.add(
            connection, keys, [(ada, "email", planted[0]), (ada, "phone", planted[1]), (ada, "key:crm", planted[3])]
        )
        suppression.add(connection, keys, [("email", planted[0]), ("phone", planted[1])], "objected", T1)
    for _ in range(2):
        disk = stored(engine, tmp_path)
        assert not [value for value in planted if value.encode() in disk]
        with write(engine) as connection:
            suppression.remember(connection, keys, ada, "erased", T1)
            sealed.erase(connection, ada)
        truncate_wal(engine)
        keys.shred(ada, "data", T0)


def test_erased_and_replaced_ciphertext_leaves_no_byte(keys: KeyStore, tmp_path: Path) -> None:
    """Through loads, updates of all sizes and erasures in random order, no ciphertext outlives its row in SQLite."""
    engine = vault_in(open_sqlite(tmp_path / "records.db"))
    chance = random.Random(7)
    alive: list[SubjectId] = []
    ever: dict[int, bytes] = {}
    starts = "SELECT slot, substr(sealed, 1, 8) FROM vault_sealed WHERE subject IS NOT NULL"
    for _ in range(25):
        fresh = people(keys, 300)
        touched = fresh + chance.sample(alive, min(len(alive), 200))
        alive += fresh
        with write(engine) as connection:
            rows = [contact(s, "x" * chance.choice([5, 40, 300, chance.randint(1, 5000)])) for s in touched]
            sealed.put(connection, keys, rows)
            index.add(connection, keys, [(s, "email", f"{s}@shop.example") for s in fresh])
            ever |= {row[0]: row[1] for row in connection.exec_driver_sql(starts)}
        chance.shuffle(alive)
        with write(engine) as connection:
            for subject in (gone := alive[:130]):
                sealed.erase(connection, subject)
        alive = alive[len(gone) :]
    truncate_wal(engine)
    with read(engine) as connection:
        kept = set(connection.exec_driver_sql("SELECT slot FROM vault_sealed WHERE subject IS NOT NULL").scalars())
    disk = files_of(tmp_path)
    assert len(kept) == len(alive)
    assert len(ever) - len(kept) > 5000
    found = present(disk, list(ever.values()))
    assert {slot for slot, start in ever.items() if start in found} == kept


def test_fifty_thousand_people_are_sealed_in_seconds(keys: KeyStore, engine: Engine) -> None:
    """The bulk path: 50,000 people in two groups, and their index rows, stay in seconds on a loaded machine."""
    ids = people(keys, 50_000)
    rows = [contact(s, group=group) for s in ids for group in ("contact", "civil")]
    start = time.process_time()
    with write(engine) as connection:
        sealed.put(connection, keys, rows)
        index.add(connection, keys, [(s, "key:crm", f"C{n}") for n, s in enumerate(ids)])
    assert time.process_time() - start < 8

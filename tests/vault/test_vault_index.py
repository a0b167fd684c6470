"""Normal forms, the blind index and the suppression list."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pacte.kernel import db
from pacte.kernel.db import write
from pacte.kernel.errors import BadInput, Conflict, Unsafe
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import DAY, Instant
from pacte.keys.keyfile import FileKeyService
from pacte.keys.store import KeyStore, open_keystore
from pacte.vault import checked, index, sealed, suppression, tables
from pacte.vault.index import normalise_email, normalise_key, normalise_phone

T0 = Instant(1_700_000_000_000_000)
T1 = Instant(T0 + DAY)
T2 = Instant(T1 + DAY)
ADA = "ada.lovelace@example.com"


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    return open_keystore(folder, FileKeyService.create(folder / "kek.json", T0), create=True)


@pytest.fixture
def engine(database: str, open_engine: Callable[[str], Engine]) -> Engine:
    engine = open_engine(database)
    with write(engine) as connection:
        tables.metadata.create_all(connection, tables=[tables.SEALED, tables.INDEX, tables.SUPPRESSED])
    return engine


def person() -> SubjectId:
    return new_subject_id()


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        (" Ada.Lovelace@Example.com ", ADA),
        ("ADA.LOVELACE@EXAMPLE.COM", ADA),
        ("ada@boutique.example", "ada@boutique.example"),
        ("ada@shop.test", "ada@shop.test"),
        ("jose\u0301@exa\u0308mple.fr", "jos\u00e9@ex\u00e4mple.fr"),
        ("ada+news@example.com", "ada+news@example.com"),
    ],
)
def test_the_same_address_has_one_normal_form(written: str, normal: str) -> None:
    """Case, space and composed accents do not matter; a tag after `+` is part of the address."""
    assert normalise_email(written) == normal


@pytest.mark.parametrize(
    "wrong", ["", "canary", "canary@", "@canary.example", "canary@localhost", "a b@canary.example"]
)
def test_what_is_no_address_is_refused_without_being_said(wrong: str) -> None:
    """The error names the form that was expected; neither it nor its context holds the value."""
    with pytest.raises(BadInput, match="not an e-mail address") as caught:
        normalise_email(wrong)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "written", ["06 12 34 56 78", "0612345678", "+33 6 12 34 56 78", "0033612345678", "+33 (0)6 12 34 56 78"]
)
def test_the_same_number_has_one_normal_form(written: str) -> None:
    """A French mobile number in five ways of writing is one E.164 number."""
    assert normalise_phone(written, "FR") == "+33612345678"


@pytest.mark.parametrize(("wrong", "region"), [("", "FR"), ("canary", "FR"), ("06 12", "FR"), ("0612345678", "")])
def test_what_is_no_number_is_refused_without_being_said(wrong: str, region: str) -> None:
    """Too short, no digits, or national without a region: refused, and not repeated."""
    with pytest.raises(BadInput, match="not a telephone number") as caught:
        normalise_phone(wrong, region)
    assert "canary" not in str(caught.value)
    assert "06" not in str(caught.value)
    assert caught.value.__context__ is None


@given(st.text(max_size=20))
def test_a_key_has_one_normal_form(written: str) -> None:
    """Composed and decomposed writing give the same key, case stays, and the normal form is stable."""
    if not written.strip():
        with pytest.raises(BadInput):
            normalise_key(written)
        return
    normal = normalise_key(written)
    assert normalise_key(normal) == normal
    assert normalise_key(unicodedata.normalize("NFD", f" {written}\t")) == normal


@given(st.emails())
def test_normal_addresses_are_stable(written: str) -> None:
    """An address that is accepted is its own normal form the second time."""
    try:
        normal = normalise_email(written)
    except BadInput:
        return
    assert normalise_email(normal) == normal


def test_people_are_found_as_they_write_themselves(keys: KeyStore, engine: Engine) -> None:
    """E-mail, telephone and key lead to the person however they are written; anything else to nobody."""
    ada = person()
    with write(engine) as connection:
        index.add(connection, keys, [(ada, "email", ADA), (ada, "phone", "+33612345678"), (ada, "key:crm", "C1")])
        assert index.find(connection, keys, "email", " ADA.lovelace@example.COM") == ada
        assert index.find(connection, keys, "phone", "06 12 34 56 78", region="FR") == ada
        assert index.find(connection, keys, "phone", "+33 6 12 34 56 78") == ada
        assert index.find(connection, keys, "key:crm", "C1 ") == ada
        assert index.find(connection, keys, "key:crm", "c1") is None
        assert index.find(connection, keys, "key:shop", "C1") is None
        with pytest.raises(BadInput):
            index.find(connection, keys, "email", "C1")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["k1", "k2", "k3"])), max_size=12))
def test_a_set_is_found_as_its_members_would_be(keys: KeyStore, engine: Engine, pairs: list[tuple[int, str]]) -> None:
    """Bulk look-up equals single look-ups, whoever shares what, and adding twice changes nothing."""
    everyone = [person() for _ in range(4)]
    field = f"key:{person()}"
    rows = [(everyone[who], field, value) for who, value in pairs]
    with write(engine) as connection:
        index.add(connection, keys, rows)
        index.add(connection, keys, rows)
        found = index.find_many(connection, keys, field, ["k1", "k2", "k3", "k4"])
        assert found == {
            value: sorted({s for s, _, v in rows if v == value})
            for value in ("k1", "k2", "k3")
            if any(v == value for _, _, v in rows)
        }
        for value in ("k1", "k2", "k3", "k4"):
            if len(found.get(value, [])) > 1:
                with pytest.raises(Conflict, match="people share this"):
                    index.find(connection, keys, field, value)
            else:
                assert index.find(connection, keys, field, value) == next(iter(found.get(value, [])), None)


def test_a_new_address_replaces_the_old_one(keys: KeyStore, engine: Engine) -> None:
    """After `forget` the old address leads nowhere, other fields and people stay."""
    ada, grace = person(), person()
    with write(engine) as connection:
        index.add(connection, keys, [(ada, "email", ADA), (grace, "email", ADA), (ada, "key:crm", "C1")])
        assert index.forget(connection, [(ada, "email")]) == 1
        index.add(connection, keys, [(ada, "email", "countess@example.com")])
        assert index.find(connection, keys, "email", ADA) == grace
        assert index.find(connection, keys, "email", "countess@example.com") == ada
        assert index.find(connection, keys, "key:crm", "C1") == ada


def test_fields_have_keys_of_their_own(keys: KeyStore, engine: Engine) -> None:
    """The same text in two fields gives unrelated blind values, and both are what the person's rows hold."""
    ada = person()
    values = [("email", ADA), ("key:crm", ADA)]
    with write(engine) as connection:
        index.add(connection, keys, [(ada, field, value) for field, value in values])
        blinded = index.blinds(keys, values)
        assert len(set(blinded)) == 2
        assert index.blinds_of(connection, ada) == blinded
        versions = connection.exec_driver_sql("SELECT DISTINCT norm_version FROM vault_index").scalars().all()
        assert versions == [1]


def test_unknown_fields_are_refused(keys: KeyStore, engine: Engine) -> None:
    """A field the index does not have is an error, not an empty answer."""
    with write(engine) as connection, pytest.raises(BadInput, match="the index has no field `name`"):
        index.find(connection, keys, "name", "canary")


def test_suppression_outlives_erasure_and_ends(keys: KeyStore, engine: Engine) -> None:
    """What an erased person was found by stays suppressed until the declared end, then it is forgotten."""
    ada = person()
    with write(engine) as connection:
        index.add(connection, keys, [(ada, "email", ADA), (ada, "key:crm", "C1")])
        assert suppression.remember(connection, keys, ada, "erased", T1) == 2
        sealed.erase(connection, ada)
        assert suppression.remember(connection, keys, ada, "erased", T1) == 0

        def asked(field: str, value: str, now: Instant) -> set[str]:
            return suppression.suppressed(connection, keys, field, [value, "other@example.com"], now)

        assert asked("email", ADA, T0) == {ADA}
        assert asked("key:crm", "C1", T0) == {"C1"}
        assert asked("phone", ADA, T0) == set()
        assert asked("email", ADA, T1) == set()
        assert suppression.purge(connection, T0) == 0
        assert suppression.purge(connection, T1) == 2
        assert suppression.purge(connection, T2) == 0
        assert asked("email", ADA, T0) == set()


@given(ends=st.lists(st.sampled_from([T0, T1, T2]), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_latest_end_of_a_suppression_stands(keys: KeyStore, engine: Engine, ends: list[Instant]) -> None:
    """Suppressing again never shortens a suppression; one value and reason is one row."""
    address = f"{person()}@example.com"
    with write(engine) as connection:
        for end in ends:
            assert suppression.add(connection, keys, [("email", address), ("email", address)], "objected", end) == 1
        just_before = Instant(max(ends) - 1)
        assert suppression.suppressed(connection, keys, "email", [address], just_before) == {address}
        assert suppression.suppressed(connection, keys, "email", [address], max(ends)) == set()
        suppression.purge(connection, T2)
        assert not connection.exec_driver_sql("SELECT 1 FROM vault_suppressed WHERE field IS NOT NULL").first()


def test_the_suppression_list_cannot_be_joined_with_the_index(keys: KeyStore, engine: Engine) -> None:
    """The same address has different blind values in the two lists, so that only both keys join them."""
    ada = person()
    with write(engine) as connection:
        index.add(connection, keys, [(ada, "email", ADA)])
        suppression.remember(connection, keys, ada, "objected", T1)
        listed = set(connection.exec_driver_sql("SELECT blind FROM vault_suppressed").scalars())
        assert len(listed) == 1
        assert not listed & set(index.blinds_of(connection, ada))


def test_a_reason_is_a_code(keys: KeyStore, engine: Engine) -> None:
    """Free text, which could say who it is about, is refused and not repeated."""
    with write(engine) as connection, pytest.raises(BadInput) as caught:
        suppression.add(connection, keys, [("email", ADA)], "Mrs Canary asked by phone", T1)
    assert "Canary" not in str(caught.value)


TAMPERING = {
    "an address leads to another person": "UPDATE vault_index SET subject = :other",
    "an address is taken over": "UPDATE vault_index SET blind = :blind",
    "another way of normalising": "UPDATE vault_index SET norm_version = 2",
    "no check value": "UPDATE vault_index SET checked = NULL",
    "a suppression ends early": "UPDATE vault_suppressed SET until = 0",
    "a suppression gets another reason": "UPDATE vault_suppressed SET reason = 'canary'",
    "a suppression without check value": "UPDATE vault_suppressed SET checked = NULL",
}


@pytest.mark.parametrize("how", TAMPERING)
def test_rows_changed_behind_the_back_are_found(keys: KeyStore, engine: Engine, how: str) -> None:
    """Whoever can write to the database and has no keys cannot make an address lead elsewhere or end a suppression."""
    ada, grace = person(), person()
    with write(engine) as connection:
        index.add(connection, keys, [(ada, "email", ADA)])
        suppression.add(connection, keys, [("email", ADA)], "objected", T1)
        assert checked.altered(connection, keys) == {"vault_index": 0, "vault_suppressed": 0}
        hers = index.blinds(keys, [("email", "grace@example.com")])[0]
        statement = TAMPERING[how]
        values = {"other": grace, "blind": hers}
        db.run(connection, statement, {name: value for name, value in values.items() if f":{name}" in statement})
        table = statement.split()[1]
        assert checked.altered(connection, keys)[table] == 1
        with pytest.raises(Unsafe, match=f"1 rows of `{table}` were changed") as caught:
            if table == "vault_index":
                index.find_many(connection, keys, "email", [ADA, "grace@example.com"])
            else:
                suppression.suppressed(connection, keys, "email", [ADA], T0)
        assert grace not in str(caught.value)


def test_rows_from_before_get_their_check_values(keys: KeyStore, engine: Engine) -> None:
    """A migration gives rows of an older format their check values once; afterwards they answer."""
    ada = person()
    with write(engine) as connection:
        index.add(connection, keys, [(ada, "email", ADA), (ada, "key:crm", "C1")])
        suppression.add(connection, keys, [("email", ADA)], "objected", T1)
        for table in ("vault_index", "vault_suppressed"):
            db.run(connection, f"UPDATE {table} SET checked = NULL")
        assert checked.check_old_rows(connection, keys) == 3
        assert checked.check_old_rows(connection, keys) == 0
        assert index.find(connection, keys, "email", ADA) == ada
        assert suppression.suppressed(connection, keys, "email", [ADA], T0) == {ADA}

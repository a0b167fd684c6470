"""Choices from files: a yes with anything wrong about it waits, a no is never lost, no free word is recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacte.consent.choices import PROTECTIVE
from pacte.consent.facts import facts_at
from pacte.intake.choices import BY
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant, parse_instant
from pacte.lake.numbers import numbers
from pacte.ledger import log
from pacte.ledger.entries import validate

NOW = parse_instant("2026-06-01T08:00")
PEOPLE = "id,mail,phone,first_name,last_name,birth_date,city,postcode,country,region,kind,signup_date,customer_since,"
PEOPLE += "closed_at,notice,parent_id\n"
COLUMNS = "customer,purpose,act,effective,learned,channel,recipient,method,grade,notice,voice,authenticated,signal,by"
MAPPING = """
  every-detail:
    file: "details*.csv"
    choices: yes
    person: {customer_id: customer}
    columns: {purpose: purpose, act: act, effective: effective, learned: learned, channel: channel,
      recipient: recipient, method: method, grade: grade, notice: notice, voice: voice,
      authenticated: authenticated, signal: signal, by: by}
  by-mail:
    file: "mails*.csv"
    choices: yes
    person: {email: mail}
    columns: {act: act}
    defaults: {purpose: newsletter, authenticated: "1"}
"""
SOUND = {"customer": "K1", "purpose": "newsletter", "act": "given", "effective": "2024-05-06", "learned": "2024-05-06"}
SOUND |= {"method": "web_form", "grade": "form", "voice": "self", "authenticated": "1"}


@pytest.fixture
def home(found: Any, mapping_file: Path, tmp_path: Path) -> Any:
    """K1 and K2, who share an address, and K3."""
    wider = tmp_path / "mapping.yaml"
    wider.write_text(mapping_file.read_text(encoding="utf-8") + MAPPING, encoding="utf-8")
    house = found(mapping=wider)
    people = tmp_path / "customers.csv"
    rest = ",,Ada,Martin,1980-02-03,Nantes,,France,,private,2024-03-04,,,v3,\n"
    mails = {"K1": "both@poste.example", "K2": "both@poste.example", "K3": "k3@poste.example"}
    people.write_text(PEOPLE + "".join(f"{key},{mail}{rest}" for key, mail in mails.items()), encoding="utf-8")
    assert house.load(people).accepted == 3
    return house


def details(path: Path, *rows: dict[str, str]) -> Path:
    """A file of choices with these rows over sound defaults."""
    names = COLUMNS.split(",")
    lines = [",".join({**dict.fromkeys(names, ""), **SOUND, **row}[name] for name in names) for row in rows]
    path.write_text("\n".join([COLUMNS, *lines, ""]), encoding="utf-8")
    return path


def recorded(house: Any) -> list[dict[str, Any]]:
    """The choices in the ledger."""
    with house.reading() as conn:
        return [dict(entry) for _, entry in log.of_kind(conn, "choice")]


def status(house: Any, subject: str, purpose: str = "newsletter", channel: str = "email") -> object:
    """What the rules see of somebody's choice."""
    with house.reading() as conn:
        no = numbers(conn, [SubjectId(subject)])[SubjectId(subject)]
        return facts_at(conn, no, purpose, channel, "", Instant(NOW), log.head(conn).size)["choice.status"]


WRONG = [
    {"purpose": "*"},
    {"purpose": "partner_offers"},
    {"channel": "pigeon"},
    {"channel": "post"},
    {"recipient": "mailer"},
    {"method": "telepathy"},
    {"grade": "gold"},
    {"notice": "v9"},
    {"voice": "neighbour"},
    {"signal": "dnt"},
    {"authenticated": "perhaps"},
    {"by": "Ada Martin"},
    {"by": "staff:ada"},
    {"effective": "2024-05-07"},
    {"effective": "2027-01-01"},
    {"learned": "2027-01-01"},
    {"effective": "soon"},
    {"channel": "=cmd()"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: "-".join(f"{k}={v}" for k, v in wrong.items()))
def test_a_yes_with_anything_wrong_is_set_aside(home: Any, tmp_path: Path, wrong: dict[str, str]) -> None:
    """Nothing of it is recorded; the row waits with a reason that is said in both languages."""
    report = home.load(details(tmp_path / "details.csv", wrong))
    assert (report.accepted, report.rejected_rows, report.widened) == (0, 1, 0)
    assert all(len(report.lines(lang)) > 1 for lang in ("en", "fr"))
    assert recorded(home) == []
    home.check()


@pytest.mark.parametrize("act", ["refused", "withdrawn", "objected"])
@pytest.mark.parametrize("wrong", WRONG[2:], ids=lambda wrong: "-".join(f"{k}={v}" for k, v in wrong.items()))
def test_a_no_with_anything_wrong_still_counts(home: Any, tmp_path: Path, act: str, wrong: dict[str, str]) -> None:
    """The detail is left out, the no stands, on the channel that was meant and on the others; the report says so."""
    home.load(details(tmp_path / "details1.csv", {}))
    report = home.load(details(tmp_path / "details2.csv", {"act": act, "learned": "2024-06-07", **wrong}))
    early = wrong in ({"effective": "2024-05-07"},)
    assert (report.accepted, report.rejected_rows, report.widened) == (1, 0, int(not early))
    entry = recorded(home)[-1]
    assert status(home, entry["subject"]) == act
    assert entry["learned"] <= NOW
    assert entry.get("effective", entry["learned"]) <= entry["learned"]
    home.check()


def test_words_that_no_policy_declares_stay_out_of_the_ledger(home: Any, tmp_path: Path) -> None:
    """Where the purpose is `*` too: channels and recipients are the policy's, whoever recorded it is a code."""
    rows = [
        {"purpose": "*", "act": "objected", "channel": "ada@poste.example", "recipient": "Ada", "by": "Ada Martin"},
        {"purpose": "*", "act": "objected", "channel": "sms", "recipient": "sugar_shack", "by": "staff:17"},
        {"purpose": "*", "act": "objection_lifted", "channel": "Ada"},
        {"act": "given", "by": "till"},
    ]
    report = home.load(details(tmp_path / "details.csv", *rows))
    assert (report.accepted, report.widened, report.rejected) == (3, 1, {"bad_value": 1})
    kept = [(entry.get("channel"), entry.get("recipient"), entry["by"]) for entry in recorded(home)]
    assert sorted(kept, key=str) == [("sms", "sugar_shack", "staff:17"), (None, None, "import"), (None, None, "till")]
    home.check()


def test_a_no_from_a_shared_address_is_everybodys(home: Any, tmp_path: Path) -> None:
    """The row is one row and two entries; the same file again changes nothing; a yes still waits."""
    file = tmp_path / "mails.csv"
    file.write_text("mail,act\nboth@poste.example,withdrawn\nboth@poste.example,given\nk3@poste.example,given\n")
    report = home.load(file)
    assert (report.accepted, report.widened, report.rejected) == (2, 1, {"ambiguous_person": 1})
    acts = [entry["act"] for entry in recorded(home)]
    assert sorted(acts) == ["given", "withdrawn", "withdrawn"]
    again = home.load(file)
    assert (again.accepted, again.unchanged) == (0, 2)
    home.check()


def test_a_restriction_is_of_the_whole_person(home: Any, tmp_path: Path) -> None:
    """A channel beside it is left out; a restriction of one purpose is none."""
    rows = [{"act": "restricted", "purpose": "*", "channel": "email"}, {"act": "restricted", "customer": "K3"}]
    report = home.load(details(tmp_path / "details.csv", *rows))
    assert (report.accepted, report.widened, report.rejected) == (1, 1, {"bad_choice": 1})
    home.check()


words = st.sampled_from(
    ["", "*", "email", "sms", "post", "mailer", "sugar_shack", "web_form", "form", "none", "gpc", "1"]
)
words |= st.sampled_from(
    ["self", "guardian", "web-2024", "staff:17", "Ada Martin", "é", "a@b.example", "2024-05-06", "x" * 200]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "act": st.sampled_from(
                    [*sorted(PROTECTIVE), "given", "objection_lifted", "restriction_lifted", "", "no"]
                ),
                "purpose": st.sampled_from(["newsletter", "partner_offers", "*", "similar_offers"]),
            },
            optional=dict.fromkeys(COLUMNS.split(",")[3:], words),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_row_kills_a_load_or_brings_a_word_in(home: Any, tmp_path: Path, rows: list[dict[str, str]]) -> None:
    """Whatever the cells hold, every row is counted, every entry is valid, and every no is in."""
    before = len(recorded(home))
    report = home.load(details(tmp_path / "details.csv", *rows))
    assert report.accepted + report.unchanged + report.rejected_rows == len(rows)
    for entry in recorded(home)[before:]:
        validate(entry)
        assert BY.fullmatch(entry["by"])
        assert entry.get("channel", "email") in {"email", "sms", "post"}
        assert entry["act"] != "given" or entry["purpose"] != "*"
    lost = [row for row in rows if row["act"] in PROTECTIVE - {"restricted"}]
    assert report.accepted + report.unchanged >= len(lost)


def test_a_no_is_recorded_while_nobody_is_written_to(home: Any, tmp_path: Path) -> None:
    """Those who say no are named, and nobody else, before their no is recorded and until it is."""
    held: list[tuple[list[str], int, int]] = []

    @contextmanager
    def ending(people: Collection[str]) -> Iterator[None]:
        before = len(recorded(home))
        yield
        held.append((list(people), before, len(recorded(home))))

    home.stores = replace(home.stores, ending=ending)
    rows = [{"customer": "K1"}, {"customer": "K3", "act": "withdrawn"}, {"customer": "K2", "act": "no"}]
    home.load(details(tmp_path / "details.csv", *rows))
    assert held == [(["key:K3"], 0, 2)]

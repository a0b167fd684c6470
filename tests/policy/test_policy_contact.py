"""How often and when people are reached, as a policy and the laws say it and as the rule table holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.kernel.canonical import canonical
from pacte.kernel.errors import BadInput, PolicyError
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.contact import ContactRule, ContactRules
from pacte.policy.contact_words import said
from pacte.policy.document import load_policy_text
from pacte.policy.model import Contact
from pacte.policy.packs import built_in, read_pack
from pacte.policy.reaching import own_rules
from pacte.policy.table import RuleTable
from pacte.policy.tighter import TABLE, Change
from pacte.policy.vocabulary import RuleError
from pacte.policy.weeks import covers, parse_span, week_of

CLEAN = (Path(__file__).parent.parent / "assets" / "policy" / "lint-clean.yaml").read_text(encoding="utf-8")
CAP = "contact: {caps: [{at_most: 2, within: 1 week}]}\n"


def compiled(contact: str = "", *replacements: tuple[str, str]) -> Compiled:
    """The clean policy with another part about contact."""
    assert CLEAN.endswith(CAP)
    text = CLEAN.removesuffix(CAP) + contact
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return compile_policy(load_policy_text(text))


def test_a_table_that_says_nothing_of_contact_is_written_as_before() -> None:
    """No empty part changes its digest: what was stored stays the table of the same policy."""
    table = compiled().table
    assert table.contact is None
    assert b'"contact":' not in canonical({key: value for key, value in table.to_json().items() if key != "controller"})
    assert RuleTable.from_json(table.to_json()) == table
    assert compiled(CAP).table.digest != table.digest


def test_a_table_is_read_as_it_was_written() -> None:
    """Laws' rules and the policy's own, in the order in which they are asked."""
    table = compiled(CAP, ("laws: [gdpr]", "laws: [gdpr, fr]"), ("channels: [email]", "channels: [email, phone]")).table
    assert table.contact is not None
    assert [rule.id for rule in table.contact.rules] == ["fr:calling_hours", "fr:calls_a_month", "house:cap_1"]
    assert table.contact.known == ("FR",)
    read = RuleTable.from_json(table.to_json())
    assert (read, read.digest) == (table, table.digest)


def test_a_law_of_a_channel_that_nobody_uses_is_left_out() -> None:
    """A company that never calls has no hours for calls in its table."""
    assert compiled("", ("laws: [gdpr]", "laws: [gdpr, fr]")).table.contact is None


@pytest.mark.parametrize(
    "spoiled",
    [
        {"known": [1], "rules": []},
        {"known": []},
        {"known": [], "rules": [{"id": "x", "pack": "house", "checked": 0}]},
        {"known": [], "rules": [{"id": "x", "pack": "house", "checked": 0, "week": [[]], "holidays": 0}]},
        {"known": [], "rules": [{"id": "x", "pack": "house", "checked": 0, "week": [[[1]]] * 7}]},
        {"known": [], "rules": "none"},
        [],
    ],
)
def test_a_part_that_cannot_be_read_is_no_part(spoiled: object) -> None:
    """Somebody changed it: nothing is decided by it."""
    stored = compiled(CAP).table.to_json()
    with pytest.raises(RuleError):
        RuleTable.from_json({**stored, "contact": spoiled})  # type: ignore[dict-item] # spoiled, as it is meant to be


@pytest.mark.parametrize(
    ("contact", "words"),
    [
        ("contact: {caps: [{at_most: 0, within: 1 week}]}", "1"),
        ("contact: {caps: [{at_most: 2, within: 2 years}]}", "more than a year"),
        ("contact: {caps: [{at_most: 2, within: 1 week, channel: web}]}", "channel"),
        ("contact: {hours: {email: {open: {mon-fry: [9:00-18:00]}}}}", "mon-fri"),
        ("contact: {hours: {email: {open: {mon: [18:00-9:00]}}}}", "a span within a day"),
        ("contact: {hours: {email: {open: {mon: [9:00-24:30]}}}}", "a span within a day"),
        ("contact: {hours: {email: {open: {}}}}", "no hour at all"),
        ("contact: {hours: {post: {open: {mon: [9:00-18:00]}, holidays: perhaps}}}", "yes"),
    ],
)
def test_a_mistake_is_said_with_its_line(contact: str, words: str) -> None:
    """What was found and what was expected."""
    with pytest.raises(PolicyError) as refused:
        compiled(contact + "\n")
    assert words in str(refused.value)


def test_a_week_joins_what_meets_and_goes_over_its_own_end() -> None:
    """Days that are named twice have the hours of both."""
    week = week_of({"sat-mon": [(600, 720)], "sun": [(700, 800), (900, 1000)]})
    assert week == (((600, 720),), (), (), (), (), ((600, 720),), ((600, 800), (900, 1000)))
    assert covers(week, week_of({"sun": [(650, 750)]}))
    assert not covers(week, week_of({"sun": [(650, 950)]}))
    for wrong in ("", "9-18", "9:60-18:00", "24:00-24:00", "-1:00-2:00"):
        with pytest.raises(BadInput):
            parse_span(wrong)


def part(**keys: object) -> Contact:
    """A part about contact, as a file would write it."""
    return Contact.model_validate(keys)


@pytest.mark.parametrize(
    ("own", "tighter"),
    [
        ([{"at_most": "2", "within": "1 week"}], True),
        ([{"at_most": "1", "within": "1 week"}], True),
        ([{"at_most": "2", "within": "14 days"}], True),
        ([{"at_most": "5", "within": "1 month"}, {"at_most": "2", "within": "1 week"}], True),
        ([{"at_most": "3", "within": "1 week"}], False),
        ([{"at_most": "2", "within": "6 days"}], False),
        ([{"at_most": "1", "within": "1 week", "channel": "email"}], False),
        ([], False),
    ],
)
def test_an_extension_may_only_lower_its_caps(own: list[object], tighter: bool) -> None:
    """Each cap of the base follows from one of the extension's."""
    rule = TABLE["contact.caps"]
    assert isinstance(rule, Change)
    base = part(caps=[{"at_most": "2", "within": "1 week"}])
    assert rule.allowed(base.caps, part(caps=own).caps) is tighter


def test_what_a_policy_says_itself_is_a_rule_of_the_house() -> None:
    """Any channel unless one is named; holidays are closed unless it says otherwise."""
    found = part(
        caps=[{"at_most": "2", "within": "1 week"}, {"at_most": "1", "within": "1 day", "channel": "sms"}],
        hours={"sms": {"open": {"mon-fri": ["9:00-18:00"]}}},
    )
    first, second, hours = own_rules(found)
    assert (first.channels, second.channels, hours.holidays, hours.places) == ((), ("sms",), False, ())
    assert {rule.pack for rule in (first, second, hours)} == {"house"}
    assert first.holds("email", ("FR",), 0)
    assert not second.holds("email", ("FR",), 0)


def test_a_rule_holds_from_its_day_to_its_end_where_it_is_about() -> None:
    """Who lives in a country, nobody knows where, may live in each of its regions."""
    rule = ContactRule("x:y", ("phone",), ("CA-QC",), starts=10, ends=20)
    assert [rule.holds("phone", ("CA-QC",), now) for now in (9, 10, 19, 20)] == [False, True, True, False]
    assert rule.holds("phone", ("CA",), 15)
    assert rule.holds("phone", ("FR", "CA"), 15)
    assert not rule.holds("phone", ("CA-ON",), 15)
    assert not rule.holds("email", ("CA-QC",), 15)
    assert ContactRules((), (rule,)).to_json()["known"] == []


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        (
            "en",
            ("2 offers at most within 7 days (all channels together).", "Offers (text message) come at these hours"),
        ),
        ("fr", ("2 offres au plus en 7 jours (tous canaux confondus).", "Les offres (SMS) n’arrivent qu’à ces heures")),
    ],
)
def test_every_rule_is_a_sentence(lang: str, expected: tuple[str, str]) -> None:
    """A law's in its own words; the policy's own from what it says."""
    found = part(caps=[{"at_most": "2", "within": "1 week"}], hours={"sms": {"open": {"mon-fri": ["9:00-18:00"]}}})
    cap, hours = (said(rule, lang) for rule in own_rules(found))
    assert cap == expected[0]
    assert hours.startswith(expected[1])
    assert hours.endswith({"en": "Mon–Fri 9:00–18:00.", "fr": "lun.–ven. 9:00–18:00."}[lang])
    law = compiled(CAP, ("laws: [gdpr]", "laws: [gdpr, fr]"), ("channels: [email]", "channels: [phone]")).table.contact
    assert law is not None
    assert said(law.rules[0], lang) == built_in("fr").file.contact[0].says[lang]


PACK = (
    "pack: xx\nform: 1\ntitle: {en: X, fr: X}\nsources: {law: A law}\nrules:\n"
    "  - {id: a, says: {en: A, fr: A}, article: 1, source: law, since: 2020-01-01, require: {never: yes},"
    " otherwise: banned}\n"
    "contact:\n  - {id: b, says: {en: B, fr: B}, article: 2, source: law, since: 2020-01-01"
)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("}", "expected hours under `open`, or `at_most` with `within`"),
        (", open: {mon: [9:00-10:00]}, at_most: 1, within: 1 day}", "expected hours"),
        (", at_most: 1}", "expected hours"),
        (", at_most: 1, within: 2 years}", "more than a year"),
        (", open: {mon: [9:00-10:00]}, channels: [pigeon]}", "channel"),
        (", open: {mon: [9:00-10:00]}, places: [Paris]}", "no place"),
        (", open: {mon: [9:00-10:00]}, until: 2019-01-01}", "ends before it begins"),
    ],
)
def test_a_pack_says_hours_or_a_cap(rest: str, words: str) -> None:
    """Anything else is a mistake with its line."""
    with pytest.raises(PolicyError) as refused:
        read_pack(f"{PACK}{rest}\n", "xx.yaml")
    assert words in str(refused.value)


def test_the_hours_of_a_law_are_those_of_its_text() -> None:
    """Code de la consommation art. D223-9; 47 CFR § 64.1200(c)(1); CRTC Unsolicited Telecommunications Rules, s. 23."""
    french, monthly = built_in("fr").file.contact
    assert (french.channels, french.holidays, french.checked) == (("phone",), False, False)
    assert week_of(french.open or {}) == (((600, 780), (840, 1200)),) * 5 + ((), ())
    assert (monthly.at_most, str(monthly.within)) == (4, "30 days")
    (american,), (canadian,) = built_in("us-ca").file.contact, built_in("ca-qc").file.contact
    assert week_of(american.open or {}) == (((480, 1260),),) * 7
    assert week_of(canadian.open or {}) == (((540, 1290),),) * 5 + (((600, 1080),),) * 2

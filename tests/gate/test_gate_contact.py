"""Whether somebody is reached now: against an oracle worked out by hand, and the cases that one would get wrong."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pacte.app.templates import policy_text
from pacte.gate.contact import Facts, Reach, Refusal, refusal
from pacte.gate.hours import holidays_of, zones_of
from pacte.gate.refused import explain, reason_text
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.i18n import LANGUAGES
from pacte.kernel.instant import SECOND, Instant, parse_instant, to_iso
from pacte.policy.compile import compile_policy
from pacte.policy.contact import ContactRule, ContactRules
from pacte.policy.document import load_policy_text
from pacte.policy.table import RuleTable
from pacte.policy.weeks import week_of
from tests.gate import by_hand
from tests.gate.by_hand import Person

MINUTE = 60 * SECOND
YEAR = (parse_instant("2026-01-01") // MINUTE, parse_instant("2026-12-20") // MINUTE)


@cache
def rules() -> ContactRules:
    """The rules of the shop with the oracle's caps and hours, as they are stored and read again."""
    text = policy_text()
    begin, end = text.index("contact:\n"), text.index("# After an erasure")
    # The oracle's own part, and calls, of which the laws have the most to say.
    text = text[:begin] + by_hand.POLICY + "\n" + text[end:]
    text = text.replace("channels: [email, sms]", "channels: [email, sms, phone]", 1)
    table = compile_policy(load_policy_text(text)).table
    read = RuleTable.from_json(table.to_json())
    assert read == table
    assert read.contact is not None
    return read.contact


def facts(person: Person) -> Facts:
    """A person of the oracle's, as the gate sees them."""
    return Facts(
        place=person.place,
        wishes={"frequency": person.frequency, "quiet": person.quiet, "reach": person.reach},
        elsewhere=person.elsewhere,
        contacts=[(Instant(at * MINUTE), by) for at, by in person.contacts],
        suppressed=person.suppressed,
        address=person.address,
    )


hours = st.integers(0, 23)
quiet = st.one_of(
    st.just("none"),
    st.tuples(hours, hours).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: f"{pair[0]:02}-{pair[1]:02}"),
)
people = st.builds(
    Person,
    place=st.sampled_from(["", *by_hand.PLACES]),
    frequency=st.sampled_from(["as_announced", "as_announced", "weekly", "monthly"]),
    quiet=quiet,
    reach=st.sampled_from(["also", "first", "least"]),
    contacts=st.lists(
        st.tuples(
            st.one_of(st.integers(1, 9 * 1440), st.integers(1, 70 * 1440)),
            st.sampled_from(["email", "sms", "phone", "post"]),
        ),
        max_size=7,
    ),
    suppressed=st.sampled_from([frozenset(), frozenset(), frozenset({"objected"}), frozenset({"bounced"})]),
    address=st.sampled_from([True, True, True, False]),
    elsewhere=st.booleans(),
)


@settings(max_examples=250)
@given(
    person=people,
    kind=st.sampled_from(["promotion", "promotion", "promotion", "service"]),
    channel=st.sampled_from(["email", "sms", "phone"]),
    now=st.integers(*YEAR),
)
@example(Person("FR"), "promotion", "phone", parse_instant("2026-05-14T10:30+02:00") // MINUTE)  # Ascension Day
@example(Person("FR", quiet="02-03"), "promotion", "email", parse_instant("2026-10-24T21:00") // MINUTE)  # twice
@example(Person("CA-QC", quiet="20-09"), "promotion", "sms", parse_instant("2026-03-07T23:30") // MINUTE)
@example(Person(), "promotion", "email", parse_instant("2026-07-01T03:00") // MINUTE)
def test_the_gate_answers_as_worked_out_by_hand(person: Person, kind: str, channel: str, now: int) -> None:
    """Reason and hour of opening, whoever it is, whenever it is."""
    person.contacts = [(now - ago, by) for ago, by in person.contacts]
    for place in [person.place] if person.place else by_hand.PLACES:
        assume(channel != "sms" or not by_hand.unsure(place, now))
    wanted = by_hand.refusal(person, kind, channel, now)
    found = refusal(rules(), kind, channel, facts(person), Instant(now * MINUTE))
    if wanted is None or found is None:
        assert (wanted, found) == (None, None)
    elif wanted[0] == "later":
        assert found.reason in ("holiday", "quiet_hours")
        assert (found.until and found.until // MINUTE) == wanted[1], to_iso(now * MINUTE)
    else:
        assert (found.reason, found.until) == (wanted[0], None)


def at(text: str, kind: str = "promotion", channel: str = "phone", place: str = "FR", **more: str) -> Refusal | None:
    """The answer at a moment, about somebody of whom nothing else is known."""
    return refusal(rules(), kind, channel, Facts(place, wishes=more), parse_instant(text))


def test_a_public_holiday_puts_off_to_the_next_hour_that_is_open() -> None:
    """14 July 2026 is a Tuesday: nobody is called, and the rule that says so is cited."""
    found = at("2026-07-14T11:00+02:00")
    assert found is not None
    assert (found.reason, found.until) == ("holiday", parse_instant("2026-07-15T10:00+02:00"))
    assert found.rule is not None
    assert (found.rule.id, found.rule.article, found.rule.checked) == ("fr:calling_hours", "art. D223-9", 0)


def test_a_rule_of_before_its_day_is_none() -> None:
    """The hours for calls began on 1 March 2023, at midnight in Paris."""
    assert at("2023-02-26T23:30+01:00") is None  # a Sunday
    assert at("2023-02-28T23:59+01:00") is None
    assert at("2023-03-01T00:00+01:00") is not None


def test_each_clock_of_a_place_must_show_an_hour_that_is_open() -> None:
    """At 20:45 in Montréal it is 21:45 on the Magdalen Islands, where nobody is called any more."""
    assert at("2026-06-03T20:15-04:00", place="CA-QC") is None
    found = at("2026-06-03T20:45-04:00", place="CA-QC")
    assert found is not None
    assert (found.reason, found.until) == ("quiet_hours", parse_instant("2026-06-04T09:00-04:00"))


def test_a_country_without_its_region_is_bound_by_the_rules_of_its_regions() -> None:
    """Who lives somewhere in Canada may live in any of its zones."""
    assert len(zones_of("CA")) > 6
    assert at("2026-06-03T09:30-04:00", place="CA") is not None  # 6:30 in Vancouver


def test_hours_that_never_meet_are_no_hour() -> None:
    """Such a message is not put off for ever: it is refused."""
    never = ContactRules(
        ("FR",),
        tuple(ContactRule(f"house:{n}", week=week_of({"mon": [span]})) for n, span in enumerate([(0, 60), (60, 120)])),
    )
    assert refusal(never, "promotion", "email", Facts("FR"), parse_instant("2026-06-03")) == Refusal(
        "quiet_hours", None, never.rules[0]
    )


def test_a_place_of_which_nothing_is_known_is_no_place() -> None:
    """No clock and no holidays are guessed: whoever would need them is not reached."""
    assert zones_of("XX") == ()
    assert holidays_of("XX", 2026) is None
    assert at("2026-06-03T11:00Z", place="XX", channel="sms") == Refusal("place_unknown", None, rules().rules[-2])
    assert at("2026-06-03T11:00Z", place="XX", channel="post") is None
    nowhere = ContactRules((), ())
    quiet_ = Facts(wishes={"quiet": "21-08"})
    assert refusal(nowhere, "promotion", "email", quiet_, parse_instant("2026-06-03")) == Refusal("place_unknown")


def test_the_parts_of_a_country_overseas_keep_their_own_time() -> None:
    """Réunion is four hours before universal time, whatever code names it."""
    assert at("2026-06-03T09:00Z", place="RE") == at("2026-06-03T09:00Z", place="FR-974")
    found = at("2026-06-03T09:15Z", place="FR-974")  # 13:15
    assert found is not None
    assert found.until == parse_instant("2026-06-03T10:00Z")


def test_a_receipt_waits_for_nothing_and_goes_to_no_dead_address() -> None:
    """Caps, wishes and hours are for offers."""
    now = parse_instant("2026-07-14T03:00+02:00")
    often = [(now, "email")] * 50
    met = Facts(
        "FR", {"reach": "least", "frequency": "monthly", "quiet": "01-23"}, True, often, frozenset({"objected"})
    )
    assert refusal(rules(), "service", "email", met, now) is None
    dead = Facts("FR", suppressed=frozenset({"bounced", "objected"}))
    assert refusal(rules(), "service", "email", dead, now) == Refusal("suppressed")
    with pytest.raises(BadInput):
        Reach(rules(), "letter", "email", now)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_reason_has_its_words(lang: str) -> None:
    """With the law where a law says it, and until when where it passes."""
    holiday, own = at("2026-07-14T11:00+02:00"), at("2026-07-19T11:00+02:00", channel="sms")
    assert holiday is not None
    assert own is not None
    assert "D223-9" in explain(holiday, lang)
    assert "2026" in explain(holiday, lang)
    assert {"en": "our own rule", "fr": "notre propre règle"}[lang] in explain(own, lang)
    assert explain(Refusal("no_address"), lang) == reason_text("no_address", lang)
    with pytest.raises(NotFound):
        reason_text("because", lang)

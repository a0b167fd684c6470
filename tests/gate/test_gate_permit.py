"""Permits cannot be made, changed or stored by anybody but the gate; decisions explain themselves."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest

from pacte.app.ask import may, permit
from pacte.app.templates import policy_text
from pacte.app.uses import declare
from pacte.gate.permit import LIFETIME, LIFETIME_ONE, Permit
from pacte.gate.values import Decision
from pacte.kernel.errors import BadInput, Denied
from pacte.kernel.instant import SECOND, Instant, to_datetime
from pacte.ledger import log
from pacte.testing.world import START, world

HOUR = 3600 * SECOND
ADEQUACY = "      assessed: 2023-11-20\n"
"""The last line of what the shop's policy says of the safeguard for its recipient in Québec."""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """One permitted person, one informed of the newsletter without their purchases, one unknown age."""
    home = world(tmp_path_factory.mktemp("permit") / "house")
    for notice, facts in (("web-2024", {}), ("paper-2023", {}), ("web-2024", {"age": None})):
        home.said(home.person(notice, **facts), "given", channel="email")
    return home


def test_a_permit_is_made_by_the_gate_only(small):
    """Building, replacing, copying and pickling a permit are refused."""
    given = permit(small.house, small.people[0], "newsletter", channel="email")
    assert isinstance(given, Permit)
    assert given.covers(small.people[0])
    assert not given.covers(small.people[1])
    with pytest.raises(TypeError):
        Permit(given.record, "controller", "", "marketing", given.issued, given.expires, object(), small.people[1])
    with pytest.raises((TypeError, ValueError)):
        replace(given, subject=small.people[1])
    with pytest.raises(TypeError):
        pickle.dumps(given)
    with pytest.raises(TypeError):
        copy.copy(given)
    with pytest.raises(AttributeError):
        given.subject = small.people[1]


def test_a_permit_carries_the_index_of_its_committed_use(small):
    """The entry at that index is this use, for these fields and nothing else."""
    given = permit(small.house, small.people[0], "newsletter", channel="email", fields=("customers.email",))
    assert isinstance(given, Permit)
    with small.house.reading() as conn:
        from pacte.ledger import log

        entry = log.entry(conn, given.index)
    assert entry is not None
    assert (entry["use"], entry["fields"], entry["mode"]) == (given.use, ["customers.email"], "one")
    assert given.fields == {"customers.email"}


def test_a_permit_ends(small):
    """After its lifetime it opens nothing."""
    given = permit(small.house, small.people[0], "newsletter", channel="email")
    assert isinstance(given, Permit)
    given.check(given.issued)
    with pytest.raises(Denied, match="expired"):
        given.check(given.issued + LIFETIME)


@pytest.mark.parametrize("hours", [0.1, 5, 30])
def test_a_permit_ends_when_what_it_stands_on_ends(tmp_path, hours):
    """An adequacy decision that falls in five hours ends the permit then, not a day later; in the ledger too."""
    ends = Instant(START + int(hours * HOUR))
    fallen = f"      until: {to_datetime(ends).isoformat()}\n"
    home = world(tmp_path / "house", policy=policy_text().replace(ADEQUACY, ADEQUACY + fallen))
    person = home.person()
    home.said(person, "given", "partner_offers", recipient="sugar_shack", grade="double_opt_in")
    asked = {"channel": "email", "recipient": "sugar_shack"}
    one = permit(home.house, person, "partner_offers", **asked)
    many = declare(home.house, "partner_offers", **asked).permits
    assert isinstance(one, Permit)
    assert len(many) == 1
    assert one.expires == min(ends, one.issued + LIFETIME_ONE)
    assert many.expires == min(ends, many.issued + LIFETIME)
    with home.house.reading() as conn:
        assert [(log.entry(conn, given.index) or {})["expires"] for given in (one, many)] == [one.expires, many.expires]
    many.check(Instant(many.expires - 1))
    with pytest.raises(Denied, match="expired"):
        many.check(many.expires)
    home.clock.now = ends
    answer = permit(home.house, person, "partner_offers", **asked)
    assert isinstance(answer, Decision)
    assert answer.reason.code == "no_safeguard"
    other = permit(home.house, home.person(), "order_service")
    assert isinstance(other, Decision) or other.expires == other.issued + LIFETIME_ONE
    assert home.house.check() == []


def test_a_refusal_gives_the_decision_and_records_no_use(small):
    """Whoever is not permitted gets reasons, and the ledger no `use` entry."""
    size = small.size
    answer = permit(small.house, small.people[1], "newsletter", channel="email")
    assert isinstance(answer, Decision)
    assert answer.reason.code == "not_informed"
    assert small.size == size


def test_fields_are_decided_one_by_one(small):
    """A person told of the newsletter, but not that it uses purchases, may be written to without them."""
    decision = may(small.house, small.people[1], "newsletter", channel="email")
    assert not decision.permitted
    assert decision.fields["customers.email"] == "permitted"
    assert decision.fields["orders.spent"] == "not_informed"
    alone = may(small.house, small.people[1], "newsletter", channel="email", fields=("customers.email",))
    assert alone.permitted


def test_every_missing_requirement_is_named(small):
    """A decision lists all that fails, so that it can be mended at once."""
    decision = may(small.house, small.people[2], "newsletter", channel="sms")
    assert set(decision.failing) == {"gdpr:given", "gdpr:proof", "house:expired", "house:age_known", "fr:guardian"} or (
        {"gdpr:given", "house:age_known"} <= set(decision.failing)
    )


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        ("en", ["Yes: this person’s data could be used for `newsletter`", "GDPR, Art. 6(1)(a)", "consent given"]),
        ("fr", ["Oui\u202f: les données de cette personne pouvaient servir à `newsletter`", "RGPD, art. 6(1)(a)",
                "consentement donné"]),
    ],
)  # fmt: skip
def test_a_decision_explains_itself_in_both_languages(small, lang, expected):
    """The answer, its article and the choice it stands on, in words."""
    said = may(small.house, small.people[0], "newsletter", channel="email").explain(lang)
    for words in expected:
        assert words in said


@pytest.mark.parametrize(
    ("fields", "channel", "recipient", "named"),
    [
        (["customers.birth_date"], "email", "", "customers.birth_date"),
        (["orders.nothing"], "email", "", "orders.nothing"),
        ([], "phone", "", "phone"),
        ([], "email", "cookery_school", "cookery_school"),
    ],
)
def test_what_a_purpose_does_not_declare_is_refused_by_name(small, fields, channel, recipient, named):
    """The message names what was asked and what is declared; nothing is recorded."""
    size = small.size
    with pytest.raises(Denied) as caught:
        declare(small.house, "newsletter", fields=fields, channel=channel, recipient=recipient)
    assert f"`{named}`" in str(caught.value)
    assert "declares" in str(caught.value)
    assert small.size == size


def test_identities_do_not_come_in_a_table(small):
    """An e-mail address is declared, but stays sealed; the message says which columns may be taken."""
    use = declare(small.house, "newsletter", channel="email")
    with pytest.raises(BadInput, match="sealed") as caught:
        use.table(["customers.email"])
    assert "`customers.city`" in str(caught.value)


def test_the_house_is_sound(small):
    """After all these refusals the house still checks."""
    assert small.house.check() == []

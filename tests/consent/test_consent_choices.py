"""Choices: what can be written down, and what cannot."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.consent.choices import ACTS, GRADES, METHODS, PROTECTION, Unfit, build_choice, check_choice, fitted
from pacte.kernel.canonical import canonical
from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import LANGUAGES, text
from pacte.kernel.instant import Instant, add_years, parse_instant
from pacte.ledger.entries import validate
from pacte.policy.document import load_policy
from pacte.policy.vocabulary import STANDING_CHOICES

NOW = parse_instant("2026-05-03T10:00:00Z")
WHO = "1" * 32
POLICY = load_policy(Path(str(files("pacte.policy").joinpath("templates", "shop", "policy.yaml"))))


def _build(**changes: Any) -> Any:
    usual: dict[str, Any] = {"subject": WHO, "purpose": "news", "act": "given", "method": "web_form", "grade": "form"}
    return build_choice(**(usual | {"now": NOW, "by": "person"} | changes))


@given(
    st.sampled_from(sorted(ACTS)),
    st.sampled_from(sorted(METHODS)),
    st.sampled_from(sorted(GRADES)),
    st.none() | st.integers(0, NOW),
)
def test_a_choice_built_is_a_choice_that_can_be_recorded(act: str, method: str, grade: str, effective: Any) -> None:
    """What is built passes its own check, is canonical JSON and has no key for what is not known."""
    overruled = {"method": "staff", "reason": "LIA-2026-04"} if act == "objection_overruled" else {}
    entry = _build(**{"act": act, "method": method, "grade": grade, "effective": effective, "purpose": "*"} | overruled)
    check_choice(entry, NOW)
    assert canonical(entry)
    assert ("effective" in entry) == (effective is not None)


def test_an_agreement_ends_as_was_promised_when_it_was_made() -> None:
    """The expiry counts from when it was said, or else from when it was learnt; only an agreement has one."""
    said, learned = parse_instant("2024-02-29"), parse_instant("2025-01-01")

    def three_years(start: Instant) -> Instant:
        return add_years(start, 3)

    dated = _build(effective=said, learned=learned, expires_after=three_years)
    assert dated["expires"] == parse_instant("2027-02-28")
    assert _build(learned=learned, expires_after=three_years)["expires"] == parse_instant("2028-01-01")
    assert "expires" not in _build(act="refused", expires_after=three_years)


@pytest.mark.parametrize(
    "changes",
    [
        {"effective": NOW + 1},
        {"learned": NOW + 1},
        {"effective": NOW - 1, "learned": NOW - 2},
        {"act": "maybe"},
        {"method": "telepathy"},
        {"grade": "gold"},
        {"voice": "neighbour"},
        {"subject": "ada@example.com"},
        {"purpose": "news letter"},
        {"channel": "e-mail ✉"},
        {"notice": "v3"},
        {"signal": "gpc"},
        {"act": "objected", "signal": "dnt"},
        {"act": "restricted"},
        {"act": "restriction_lifted", "purpose": "*", "channel": "email"},
    ],
    ids=lambda changes: "-".join(f"{key}" for key in changes),
)
def test_what_cannot_be_a_choice_is_refused(changes: dict[str, Any]) -> None:
    """A time in the future, a word outside the closed lists, a restriction of half a person: refused, value unshown."""
    with pytest.raises(BadInput) as caught:
        _build(**changes)
    assert "ada@" not in str(caught.value)


@given(
    st.sampled_from(["*", *POLICY.purposes, "newsleter", ""]),
    st.sampled_from(sorted(ACTS)),
    st.sampled_from([None, "", "email", "post", "pigeon"]),
    st.sampled_from([None, "", *POLICY.recipients, "somebody"]),
    st.sampled_from([None, "", *POLICY.notices, "v9"]),
)
def test_a_choice_that_fits_is_declared_and_a_yes_is_specific(
    purpose: str, act: str, channel: str | None, recipient: str | None, notice: str | None
) -> None:
    """Whatever is said: a yes to everything, or to no partner in particular, never fits, nor does a foreign word."""
    said = {"purpose": purpose, "act": act, "channel": channel, "recipient": recipient, "notice": notice}
    try:
        details = fitted(POLICY, said)
    except Unfit:
        return
    declared = POLICY.purposes.values() if purpose == "*" else [POLICY.purposes[purpose]]
    assert not channel or any(channel in one.channels for one in declared)
    assert not recipient or any(one.by_recipient and recipient in one.recipients for one in declared)
    assert ("notice" in details) == bool(notice)
    if act == "given":
        assert purpose != "*"
        assert recipient or not POLICY.purposes[purpose].by_recipient
        assert ("expires_after" in details) == (POLICY.purposes[purpose].expires_after is not None)
    whole = {"purpose": "*", "act": act} if act.startswith("restrict") else details
    check_choice(_build(**whole), NOW)


@pytest.mark.parametrize("purpose", sorted(STANDING_CHOICES.values()))
def test_an_opt_out_of_all_is_lifted_and_not_given(purpose: str) -> None:
    """Everybody may object to every sale and lift it again; only what comes after death can be agreed to."""
    for act in ("objected", "refused", "withdrawn", "objection_lifted"):
        assert fitted(POLICY, {"purpose": purpose, "act": act})["act"] == act
    if purpose == "all:after_death":
        check_choice(_build(**fitted(POLICY, {"purpose": purpose, "act": "given"})), NOW)
    else:
        with pytest.raises(Unfit, match="an opt-out is lifted, not given"):
            fitted(POLICY, {"purpose": purpose, "act": "given"})
    for word, value in (("channel", "email"), ("recipient", "mailer")):
        with pytest.raises(Unfit, match=f"is about every {word}"):
            fitted(POLICY, {"purpose": purpose, "act": "objected", word: value})


@pytest.mark.parametrize(
    ("purpose", "message"),
    [
        ("newsletter", "absolute"),
        ("similar_offers", r"absolute \(GDPR Art. 21\(2\)-\(3\)\)"),
        ("order_service", "rests on `contract`"),
        ("*", "for one purpose"),
        ("all:sale", "takes no such act"),
    ],
)
def test_what_no_ground_outweighs_cannot_be_overruled(purpose: str, message: str) -> None:
    """Direct marketing, agreements, contracts, everything at once, an opt-out of sale: an objection stands there."""
    with pytest.raises(Unfit, match=message):
        fitted(POLICY, {"purpose": purpose, "act": "objection_overruled", "reason": "LIA-2026-04"})


def test_an_objection_is_overruled_by_staff_for_a_reason_on_file() -> None:
    """Whoever outweighs an objection says where that was weighed; the person's own answer never carries a reason."""
    said = {"purpose": "statistics", "act": "objection_overruled", "method": "staff"}
    with pytest.raises(Unfit, match="for a reason"):
        fitted(POLICY, said)
    entry = _build(**fitted(POLICY, said | {"reason": "LIA-2026-04"}), authenticated=True)
    validate({**entry, "v": 1, "at": NOW})
    for changes in ({"reason": "because she shouted"}, {"method": "web_form"}, {"act": "objection_lifted"}):
        with pytest.raises(BadInput):
            _build(**said | {"reason": "LIA-2026-04"} | changes)
    with pytest.raises(BadInput, match="`reason`"):
        validate({**entry, "v": 1, "at": NOW, "act": "objected"})


def test_a_no_may_be_as_wide_as_somebody_wants() -> None:
    """No to everything, to every partner at once, to one channel of everything."""
    for act in ("refused", "withdrawn", "objected"):
        assert fitted(POLICY, {"purpose": "*", "act": act, "channel": "email"})["channel"] == "email"
        assert fitted(POLICY, {"purpose": "partner_offers", "act": act})


def test_paper_that_arrives_late_is_welcome() -> None:
    """A form signed long ago and learnt of today is recorded with both times."""
    entry = _build(effective=parse_instant("2019-06-01"), method="paper", grade="paper", authenticated=True)
    assert (entry["effective"], entry["learned"], entry["authenticated"]) == (parse_instant("2019-06-01"), NOW, 1)


def test_every_word_of_a_choice_has_its_words_on_screens() -> None:
    """Acts, statuses, methods and grades are said in French and in English."""
    keys = [*(f"act.{act}" for act in ACTS), *(f"status.{status}" for status in [*PROTECTION, "none"])]
    keys += [*(f"method.{method}" for method in METHODS), *(f"grade.{grade}" for grade in GRADES)]
    keys += [f"hold.{status}" for status in ("none", "restricted", "erasing", "erased")]
    keys += [f"voice.{voice}" for voice in ("self", "guardian")]
    assert all(text("consent", key, lang) for key in keys for lang in LANGUAGES)

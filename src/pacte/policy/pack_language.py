"""The language of packs: conditions as a pack writes them, compiled for one purpose.

There is no parser: a condition is YAML, `fact: test` pairs that must all hold. What the policy settles about the
purpose becomes `Fixed`. The guide is docs/how-to/write-a-pack.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pacte.policy.conditions import (
    Absent,
    AfterNow,
    AgeAtLeast,
    Before,
    Compare,
    Condition,
    Fixed,
    GradeAtLeast,
    Inside,
    NotAfterNow,
    NotBefore,
    OneOf,
    Present,
    Told,
    Within,
    Younger,
    either,
    every,
)
from pacte.policy.declared import DEFAULT_GRADE, NOTHING, STATIC, Declared, listed, members, word_fits
from pacte.policy.durations import parse_duration
from pacte.policy.mistakes import meant
from pacte.policy.model import Recipient
from pacte.policy.packs import Pack
from pacte.policy.places import opened, within
from pacte.policy.vocabulary import ADULT_AT, CAPACITIES, CHOICE_STATUSES, FACTS, GRADES, HOLD_STATUSES, RuleError


def condition(node: Any, pack: Pack, declared: Declared | None) -> Condition:
    """A condition as a pack writes it; `declared` settles what the policy says. Raises `RuleError` if malformed."""
    if isinstance(node, list):
        return every(condition(one, pack, declared) for one in members("conditions", node))
    if not isinstance(node, dict) or not node:
        raise RuleError("expected conditions as `fact: value` pairs")
    return every(_one(str(key), test, pack, declared) for key, test in node.items())


def _one(key: str, test: Any, pack: Pack, declared: Declared | None) -> Condition:
    match key:
        case "any":
            return either(condition(one, pack, declared) for one in members(key, test))
        case "all":
            return every(condition(one, pack, declared) for one in members(key, test))
        case "never":
            return Fixed(0) if test == "yes" else _no(key, "`yes`")
        case "told":
            return Told() if test == "requested" else _no("told", "`requested`, or `told.…: yes`")
        case "age":
            return _age(test, declared)
        case "choice" | "guardian":
            return _agreed(key, test, declared)
        case "choice.shown" | "guardian.shown":
            shown = listed(key, test)
            digests = declared.notices_that_say(shown) if declared else ()
            return OneOf(f"{key.partition('.')[0]}.notice", digests) if digests else Fixed(0)
        case "choice.asked" | "guardian.asked":
            asked = declared.notices_that_ask() if declared else ()
            named = OneOf(f"{key.partition('.')[0]}.notice", asked) if asked else Fixed(0)
            return named if test == "again" else _no(key, "`again`")
        case "contract":
            return _contract(test)
        case "retention":
            return _retention(declared)
        case "transfer":
            return _transfer(test, pack, declared)
        case "public":
            return _public(declared)
    if key in FACTS:
        return _fact(key, test, pack, declared)
    if key in STATIC:
        return Fixed(int(word_fits(declared.words if declared else NOTHING, key, test) and declared is not None))
    raise RuleError(f"unknown fact `{key}`{meant(key, [*FACTS, *STATIC])}")


def _fact(name: str, test: Any, pack: Pack, declared: Declared | None) -> Condition:
    kind = FACTS[name]
    if isinstance(test, dict):
        return _compared(name, test, pack, declared)
    if kind is str:
        words = listed(name, test)
        _expected(name, words)
        if name == "person.place":
            return Inside(opened(words))
        return OneOf(name, words) if len(words) > 1 else Compare("eq", name, words[0])
    match test:
        case "yes" | "no" if _form(name) == "flag":
            return Compare("eq", name, int(test == "yes"))
        case "past" if _form(name) == "instant":
            return NotAfterNow(name)
        case "future" if _form(name) == "instant":
            return AfterNow(name)
    return _no(name, _EXPECTED[_form(name)])


def _compared(name: str, test: Mapping[str, Any], pack: Pack, declared: Declared | None) -> Condition:
    match test:
        case {"known": "yes", **rest} if not rest:
            return Present(name)
        case {"known": "no", **rest} if not rest:
            return Absent(name)
        case {"not": word, **rest} if not rest:
            words = listed(name, word)
            _expected(name, words)
            if FACTS[name] is not str:
                return _no(name, _EXPECTED[_form(name)])
            return every(Compare("ne", name, one) for one in words)
        case {"at_least": str(grade), **rest} if _form(name) == "grade" and not rest and grade in (*GRADES, "minimum"):
            least = (
                declared.grade if declared and grade == "minimum" else DEFAULT_GRADE if grade == "minimum" else grade
            )
            return GradeAtLeast(name, least)
        case {"before": str(moment), **rest} if _form(name) == "instant" and not rest:
            return Compare("lt", name, pack.moment(moment))
        case {"within": str(length), **rest} if _form(name) == "instant" and not rest:
            duration = parse_duration(length)
            return Within(name, duration.months, duration.days)
    return _no(name, _EXPECTED[_form(name)])


def _form(name: str) -> str:
    """What a fact is: a text, a yes or no, a grade of proof, an instant."""
    if FACTS[name] is str:
        return "text"
    if name.endswith(".grade"):
        return "grade"
    return "instant" if name.endswith((".since", ".until", ".expires", "_until")) else "flag"


_EXPECTED = {
    "text": "a word, a list of words, `{not: …}` or `{known: yes|no}`",
    "flag": "`yes`, `no` or `{known: yes|no}`",
    "grade": "`{at_least: form}`, `{at_least: minimum}` or `{known: yes|no}`",
    "instant": "`past`, `future`, `{within: 3 years}`, `{before: 2026-08-11}` or `{known: yes|no}`",
}
"""How a condition may ask for a fact, by its form."""


_CLOSED = {
    "person.capacity": (*CAPACITIES, "deceased"),
    "choice.status": CHOICE_STATUSES,
    "guardian.status": CHOICE_STATUSES,
    "sale.status": CHOICE_STATUSES,
    "sensitive.status": CHOICE_STATUSES,
    "automated.status": CHOICE_STATUSES,
    "directive.status": CHOICE_STATUSES,
    "hold.status": HOLD_STATUSES,
}


def _expected(name: str, words: Iterable[str]) -> None:
    allowed = _CLOSED.get(name)
    for word in words:
        if allowed is not None and word not in allowed:
            raise RuleError(f"`{name}` is never `{word}`; expected one of {', '.join(f'`{one}`' for one in allowed)}")


def _age(test: Any, declared: Declared | None) -> Condition:
    match test:
        case {"known": "yes"}:
            return Present("person.age")
        case {"known": "no"}:
            return Absent("person.age")
        case {"at_least": "policy"}:
            ages = declared.purpose.ages if declared else None
            return AgeAtLeast(ages.minimum if ages else ADULT_AT)
        case {"at_least": str(years)} if re.fullmatch("[0-9]{1,2}", years):
            return AgeAtLeast(int(years))
        case {"younger": str(years)} if re.fullmatch("[0-9]{1,2}", years):
            return Younger(int(years))
    return _no("age", "`known: yes|no`, `at_least: 15` or `younger: 13`")


def _agreed(voice: str, test: Any, declared: Declared | None) -> Condition:
    """A yes that counts: given, not expired, proved well enough."""
    if test != "agreed":
        return _no(voice, "`agreed`")
    live = either([Absent(f"{voice}.expires"), AfterNow(f"{voice}.expires")])
    proven = GradeAtLeast(f"{voice}.grade", declared.grade if declared else DEFAULT_GRADE)
    return every([Compare("eq", f"{voice}.status", "given"), live, proven])


def _contract(test: Any) -> Condition:
    begun = NotAfterNow("contract.since")
    match test:
        case "begun":
            return begun
        case "lasting":
            return either([Absent("contract.until"), AfterNow("contract.until")])
        case "in_force":
            return every([begun, either([Absent("contract.until"), AfterNow("contract.until")])])
    return _no("contract", "`begun`, `lasting` or `in_force`")


def _retention(declared: Declared | None) -> Condition:
    """What the policy promises to keep no longer, where the gate knows from when it counts."""
    if declared is None:
        return Fixed(1)
    keep, event = declared.purpose.retention.keep, declared.purpose.retention.event
    if event == "choice":
        return either([Absent("choice.since"), Within("choice.since", keep.months, keep.days)])
    if event == "contract_end":
        return either([Absent("contract.until"), Within("contract.until", keep.months, keep.days)])
    return Fixed(1)


def _public(declared: Declared | None) -> Condition:
    public = declared.purpose.public if declared else ()
    return OneOf("person.capacity", public) if public else Fixed(1)


def _transfer(test: Any, pack: Pack, declared: Declared | None) -> Condition:
    """Every recipient of this use is where data move freely, or is covered at this moment."""
    if test not in _SAFE:
        return _no("transfer", "`covered`, `assessed`, `in_time` or `inside`")
    if declared is None:
        return Fixed(1)
    found = []
    for name, recipient in declared.recipients.items():
        freely = test != "in_time" and _inside(recipient, pack)
        ground = Fixed(1) if freely else _SAFE[test](recipient, pack)
        others = tuple(other for other in declared.recipients if other != name)
        apart = OneOf("use.recipient", others) if others else Fixed(0)
        found.append(ground if ground == Fixed(1) else either([ground, apart]))
    return every(found)


def _inside(recipient: Recipient, pack: Pack) -> bool:
    """Whether a recipient is where data move freely under this law; a pack without `transfers` has no such place."""
    transfers = pack.file.transfers
    return transfers is not None and any(within(recipient.place, place) for place in opened(transfers.area))


def _covered(recipient: Recipient, pack: Pack) -> Condition:
    safeguard = recipient.safeguard
    if safeguard is None:
        return Fixed(0)
    own = _during(safeguard.effective, safeguard.until)
    if safeguard.under != "adequacy":
        return own
    decided = pack.file.transfers.adequacy if pack.file.transfers else ()
    decisions = [one for one in decided if within(recipient.place, one.place)]
    return every([own, either(_during(one.effective, one.until) for one in decisions)])


def _assessed(recipient: Recipient, pack: Pack) -> Condition:  # noqa: ARG001 one of `_SAFE`
    safeguard = recipient.safeguard
    if safeguard is None or safeguard.assessed is None:
        return Fixed(0)
    return every([NotBefore(safeguard.assessed), _during(safeguard.effective, safeguard.until)])


def _in_time(recipient: Recipient, pack: Pack) -> Condition:  # noqa: ARG001 one of `_SAFE`
    safeguard = recipient.safeguard
    return Fixed(1) if safeguard is None else _during(safeguard.effective, safeguard.until)


_SAFE: Mapping[str, Callable[[Recipient, Pack], Condition]] = {
    "covered": _covered,
    "assessed": _assessed,
    "in_time": _in_time,
    "inside": lambda recipient, pack: Fixed(0),  # noqa: ARG005 outside, whatever protects the data there
}
"""What a recipient elsewhere needs, by what a pack asks under `transfer`."""


def _during(since: int | None, until: int | None) -> Condition:
    bounds: list[Condition] = []
    if since is not None:
        bounds.append(NotBefore(since))
    if until is not None:
        bounds.append(Before(until))
    return every(bounds)


def _no(name: str, expected: str) -> Condition:
    raise RuleError(f"`{name}`: expected {expected}")

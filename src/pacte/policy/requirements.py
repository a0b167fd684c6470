"""The requirements of a purpose: every rule of every pack that is for it, compiled, in the order of their reasons.

These are readings of the law by people who are not counsel: `checked` is 0 until counsel has confirmed one.
"""

from __future__ import annotations

from collections.abc import Iterable

from pacte.policy.conditions import Compare, Condition, Elsewhere, Fixed, either, every, facts_in
from pacte.policy.declared import Declared, selected
from pacte.policy.model import PolicyFile
from pacte.policy.pack_language import condition
from pacte.policy.packs import HOUSE, Dated, Pack, Rule
from pacte.policy.places import opened, within
from pacte.policy.table import Requirement
from pacte.policy.vocabulary import REASONS


def requirements_of(declared: Declared, packs: Iterable[Pack]) -> tuple[Requirement, ...]:
    """Every requirement of a declared purpose, in the order of `vocabulary.REASONS`, then of the packs.

    A rule of the house that says what a law says already is left out: the law is cited.
    """
    found = [rule for pack in packs for rule in _of_pack(pack, declared)]
    found.sort(key=_rank)
    law = {(rule.when, rule.otherwise) for rule in found if rule.pack != HOUSE and _has_the_last_word(rule)}
    return tuple(rule for rule in found if rule.pack != HOUSE or (rule.when, rule.otherwise) not in law)


def _rank(rule: Requirement) -> float:
    """The place of a rule's reason; what a guardian refused comes after everything that the person refused."""
    refusals = ("objected", "refused", "withdrawn")
    if rule.otherwise in refusals and "guardian.status" in facts_in(rule.when):
        return REASONS.index("withdrawn") + 0.5
    return REASONS.index(rule.otherwise)


def _has_the_last_word(rule: Requirement) -> bool:
    """Whether a law's rule binds everybody, since before any house was founded and without an end."""
    return rule.exempt is None and rule.ends is None and rule.since < FOUNDED


FOUNDED = "2020-01-01"
"""Before any house was founded: no decision is about an earlier moment."""


def rule_of(pack: Pack, name: str) -> Requirement:
    """A rule that asks nothing of a purpose, for the house's own purposes, which no policy declares."""
    index, rule = next((index, rule) for index, rule in enumerate(pack.file.rules) if rule.id == name)
    return _requirement(pack, rule, condition(pack.node(index, "require"), pack, None), None)


def _of_pack(pack: Pack, declared: Declared) -> Iterable[Requirement]:
    if not concerns(pack, declared.document):
        return
    for index, rule in enumerate(pack.file.rules):
        reach = _reach(rule, declared)
        if reach is None:
            continue
        if not selected(pack.purposes(index), declared):
            continue
        unless = pack.node(index, "unless")
        outside = [_outside(pack, rule, declared.document), reach]
        if unless is not None:
            outside.append(condition(unless, pack, declared))
        exempt = either(outside)
        if exempt == Fixed(1):
            continue
        required = condition(pack.node(index, "require"), pack, declared)
        yield _requirement(pack, rule, required, None if exempt == Fixed(0) else exempt)


def _reach(rule: Rule, declared: Declared) -> Condition | None:
    """Which questions a rule about channels leaves out; `None` when the purpose uses none of its channels.

    Direct marketing that declares no channel may come by any: the rule is about all of it.
    """
    channels = declared.purpose.channels
    if not rule.channels or (not channels and declared.purpose.kind == "direct_marketing"):
        return Fixed(0)
    if not set(rule.channels) & set(channels):
        return None
    return every(Compare("ne", "use.channel", channel) for channel in rule.channels)


def concerns(pack: Pack, document: PolicyFile) -> bool:
    """Whether a law is about companies of this kind."""
    wanted = pack.file.applies.regulated_as
    return not wanted or bool(set(wanted) & set(document.controller.regulated_as))


def _outside(pack: Pack, rule: Rule, document: PolicyFile) -> Condition:
    """Whom the law leaves out: people known to live where it does not apply."""
    places = homes_of(pack, rule, document)
    return elsewhere(places) if places else Fixed(0)


def homes_of(pack: Pack, rule: Dated, document: PolicyFile) -> tuple[str, ...]:
    """Where people live whom a rule is about; none means everybody."""
    applies, established = pack.file.applies, document.controller.established
    if rule.everywhere or not (rule.places or applies.places):
        return ()
    homes = () if rule.places else opened(applies.established)
    here = applies.presumed if established is None else any(within(established, place) for place in homes)
    return () if homes and here else opened(rule.places or applies.places)


def elsewhere(places: Iterable[str]) -> Condition:
    """The residence is known and is none of these; of a country without its region, nobody knows."""
    return Elsewhere(tuple(sorted(places)))


def _requirement(pack: Pack, rule: Rule, when: Condition, exempt: Condition | None) -> Requirement:
    always, source = pack.id == HOUSE, pack.file.sources[rule.source]
    return Requirement(
        id=f"{pack.id}:{rule.id}",
        when=when,
        otherwise=rule.otherwise,
        article=rule.article,
        source=source.title,
        since=rule.since,
        pack=pack.id,
        checked=int(rule.checked),
        exempt=exempt,
        starts=None if always else pack.moment(rule.since),
        ends=None if rule.until is None else pack.moment(rule.until),
        says=dict(rule.says),
        short=dict(source.short),
    )

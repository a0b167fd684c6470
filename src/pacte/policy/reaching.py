"""The rules of contact of a policy: those of its laws, then its own, compiled for the channels that it uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pacte.policy.contact import ContactRule, ContactRules
from pacte.policy.durations import Duration
from pacte.policy.model import Contact, PolicyFile
from pacte.policy.packs import HOUSE, ContactHours, Pack
from pacte.policy.requirements import concerns, homes_of
from pacte.policy.vocabulary import CHANNELS
from pacte.policy.weeks import week_of


def contact_of(document: PolicyFile, packs: Iterable[Pack]) -> ContactRules | None:
    """All rules on when and how often people are reached; `None` where nobody says anything of it."""
    concerned = [pack for pack in packs if concerns(pack, document)]
    used = channels_of(document)
    laws = [rule for pack in concerned for rule in _of_pack(pack, document) if set(rule.channels or CHANNELS) & used]
    rules = (*laws, *own_rules(document.contact))
    return ContactRules(_known(document, concerned), rules) if rules else None


def channels_of(document: PolicyFile) -> set[str]:
    """The channels by which some purpose reaches people; marketing that names none may come by any."""
    purposes = document.purposes.values()
    if any(not purpose.channels and purpose.kind == "direct_marketing" for purpose in purposes):
        return set(CHANNELS)
    return {channel for purpose in purposes for channel in purpose.channels}


def own_rules(contact: Contact) -> Iterator[ContactRule]:
    """What the policy itself says, as rules of the house."""
    for place, cap in enumerate(contact.caps, 1):
        channels = (cap.channel,) if cap.channel else ()
        yield ContactRule(f"{HOUSE}:cap_{place}", channels, at_most=cap.at_most, within=cap.within, pack=HOUSE)
    for channel, hours in contact.hours.items():
        week = week_of(hours.open)
        yield ContactRule(f"{HOUSE}:hours_{channel}", (channel,), week=week, holidays=hours.holidays, pack=HOUSE)


def _of_pack(pack: Pack, document: PolicyFile) -> Iterator[ContactRule]:
    for rule in pack.file.contact:
        yield _law(pack, rule, homes_of(pack, rule, document))


def _law(pack: Pack, rule: ContactHours, places: tuple[str, ...]) -> ContactRule:
    source = pack.file.sources[rule.source]
    return ContactRule(
        id=f"{pack.id}:{rule.id}",
        channels=rule.channels,
        places=places,
        week=None if rule.open is None else week_of(rule.open),
        holidays=rule.open is None or rule.holidays,
        at_most=rule.at_most or 0,
        within=rule.within or Duration(),
        starts=pack.moment(rule.since),
        ends=None if rule.until is None else pack.moment(rule.until),
        article=rule.article,
        source=source.title,
        since=rule.since,
        pack=pack.id,
        checked=int(rule.checked),
        says=dict(rule.says),
        short=dict(source.short),
    )


def _known(document: PolicyFile, packs: Iterable[Pack]) -> tuple[str, ...]:
    """Where somebody may live whose place nobody knows: where the company is, whom its forms ask, where its laws are.

    A law of a whole union of states says nothing of the hour.
    """
    established = document.controller.established
    found = [established] if established else []
    found += [place for form in document.forms.values() for place in form.places]
    found += [places[0] for pack in packs if (places := pack.file.applies.places) and places[0] != "EEA"]
    return tuple(sorted(set(found)))

"""What an extension may do with the policy it extends: tighten, and nothing else. One closed table of every key.

A group promises something to the customers of all its companies; a company of the group may promise more and never
less. `TABLE` says for each key of a policy how its value may change; a key that is not in it may not change at all, and
a test refuses a model with a key that the table does not name. What the law wants on file (a balancing test, a
contract) may be filed by the extension where the base left it open: that is a duty done, and no use that the base did
not declare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pacte.kernel.instant import DAY, add_months, parse_instant
from pacte.policy.durations import Duration
from pacte.policy.mistakes import Mistakes
from pacte.policy.model import Cap, Coarse, PolicyFile
from pacte.policy.parts import Pair, pairs
from pacte.policy.tree import Path, shown
from pacte.policy.vocabulary import AUDIENCES, grade_level
from pacte.policy.weeks import covers, week_of

Allowed: TypeAlias = Callable[[Any, Any], bool]
END = ": an extension may only tighten"
ALWAYS, NEVER = "always", "nothing"


@dataclass(frozen=True, slots=True)
class Change:
    """How a key may change: whether a new value is allowed, and in words what is (`it may …`).

    `adds`, for lists: what an added member means, such as `uses`; with it, members are compared one by one.
    """

    allowed: Allowed
    may: str
    adds: str = ""


@dataclass(frozen=True, slots=True)
class Members:
    """How named parts may change: `open_to` is the word by which a base lets others be added, or `always`."""

    open_to: str
    withdrawn: bool = False


def _known(old: Any, new: Any) -> bool:
    return bool(old is None or old == new)


def _fewer(old: Any, new: Any) -> bool:
    return set(new) <= set(old)


def _no_wider(old: Any, new: Any) -> bool:
    # An empty `public` means everybody.
    return not old or (bool(new) and set(new) <= set(old))


def _more(old: Any, new: Any) -> bool:
    return set(old) <= set(new)


def _reveals_more(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return all(set(values) <= set(new.get(category, ())) for category, values in old.items())


def _sooner(old: Any, new: Any) -> bool:
    return bool(old is None or (new is not None and new <= old))


def no_longer(old: Duration | None, new: Duration | None) -> bool:
    """Whether a length of time is at most as long as another, from whatever day on it is counted.

    >>> no_longer(Duration(months=12), Duration(days=365)), no_longer(Duration(days=90), Duration(months=3))
    (True, False)
    """
    if old is None or new is None:
        return old is None
    if not old.days and not new.days:
        return new.months <= old.months
    if not old.months and not new.months:
        return new.days <= old.days
    days = (
        day for year in _YEARS for day in range(parse_instant(f"{year}-01-01"), parse_instant(f"{year + 4}-01-01"), DAY)
    )
    return all(_after(new, day) <= _after(old, day) for day in days)


def _caps_hold(old: tuple[Cap, ...], new: tuple[Cap, ...]) -> bool:
    """Whether each of the caps follows from one that is as low, over as long a time, for as many channels."""
    return all(
        any(
            cap.at_most <= one.at_most and no_longer(cap.within, one.within) and cap.channel in (None, one.channel)
            for cap in new
        )
        for one in old
    )


# Four years with a leap day, and those around a century that has none: every date of the calendar there is.
_YEARS = (2024, 2096, 2100)


def _after(duration: Duration, start: int) -> int:
    return add_months(start, duration.months) + duration.days * DAY


def coarser(old: Coarse | None, new: Coarse | None) -> bool:
    """Whether whoever is given the new value could have made it from the old one."""
    if old is None or new is None:
        return old is None
    units = ("month", "quarter", "year")
    if old.unit and new.unit:
        return units.index(new.unit) >= units.index(old.unit)
    if old.step and new.step:
        return new.step % old.step == 0
    return bool(old.prefix and new.prefix and new.prefix <= old.prefix)


SAME = Change(lambda old, new: bool(old == new), "not change")
FREE = Change(lambda _old, _new: True, "change")
FILED = Change(_known, "be added where it is missing, and not change")
NAMED = Change(lambda old, new: old.items() <= new.items(), "get words in another language, and not change")
STRONGER = Change(lambda old, new: grade_level(old) <= grade_level(new), "only be stronger")
ONLY_YES = Change(lambda old, new: bool(old <= new), "only change from no to yes")
SHORTER = Change(no_longer, "only be shorter")
LONGER = Change(lambda old, new: no_longer(new, old), "only be longer")
EARLIER = Change(_sooner, "only be earlier")
GAINS = Change(_more, "only gain members")
COARSER = Change(coarser, "only be coarser")
DROPS = Change(lambda old, new: bool(new == old or new is None), "only be left out, and not be added")


def _loses(adds: str) -> Change:
    return Change(_fewer, "only lose members", adds)


TABLE: dict[str, Change | Members] = {
    # The form of the file, and what it says of itself and not of people.
    "pacte": SAME,
    "extends": FREE,
    "without": FREE,
    # What the base closed to its extensions stays closed to theirs.
    "open_to": _loses("is open to new"),
    # A subsidiary has a name, an address and an officer of its own: people are told them in its own notices. Its role
    # decides who answers (GDPR Art. 4(7), 28), and where it is established decides which laws protect everybody: both
    # stay. To be regulated brings rules and takes none away.
    "controller.name": FREE,
    "controller.role": SAME,
    "controller.contact": FREE,
    "controller.dpo.contact": FREE,
    "controller.dpo.name": FREE,
    "controller.established": SAME,
    "controller.representative": FREE,
    "controller.regulated_as": GAINS,
    "controller.behalf": FREE,
    "controller.jointly": FREE,
    "controller.postal": FREE,
    # More laws ask more. Adults, everyone, children: each protects more than the one before.
    "laws": GAINS,
    "offered_to": Change(
        lambda old, new: AUDIENCES.index(old) <= AUDIENCES.index(new),
        "only protect more: `adults`, `everyone`, `children`",
    ),
    "languages": GAINS,
    # Where its data come from is the company's to say.
    "sources": FREE,
    # Whoever said no is remembered at least as long: a shorter list would bring them back into a mailing.
    "suppression.keep": LONGER,
    # Numbers of people tell less of each of them when they are about more people, and rounded more.
    "segments": Members(ALWAYS),
    "segments.smallest": Change(lambda old, new: bool(old <= new), "only be higher"),
    "segments.rounded": Change(lambda old, new: bool(new % old == 0), "only be a multiple"),
    # Fewer offers, at fewer hours.
    "contact": Members(ALWAYS),
    "contact.caps": Change(_caps_hold, "only have caps that are as strict"),
    "contact.hours.*": Members(ALWAYS),
    "contact.hours.*.open": Change(lambda old, new: covers(week_of(old), week_of(new)), "only lose hours"),
    "contact.hours.*.holidays": Change(lambda old, new: bool(new <= old), "only change from yes to no"),
    # Evidence is personal data that outlives erasure (GDPR Art. 17(3)(e)): never kept longer than the group promised.
    # The reason may name the law of another country.
    "evidence.keep": SHORTER,
    "evidence.from": SAME,
    "evidence.reason": FREE,
    "evidence.shred_with_data": ONLY_YES,
    # Who else receives data: people were told the name, the role and the place. What a law asks to see on file, and
    # the base does not have, an extension does not supply; a safeguard may end earlier.
    "recipients.*": Members("recipients", withdrawn=True),
    "recipients.*.name": SAME,
    "recipients.*.role": SAME,
    "recipients.*.place": SAME,
    "recipients.*.contract": SAME,
    "recipients.*.safeguard": Members(NEVER),
    "recipients.*.safeguard.under": SAME,
    "recipients.*.safeguard.reference": SAME,
    "recipients.*.safeguard.from": FILED,
    "recipients.*.safeguard.until": EARLIER,
    "recipients.*.safeguard.assessed": SAME,
    # What data are used for. A purpose may be withdrawn. Its title and what the person gets are the company's to word;
    # why the data are used is the purpose itself (GDPR Art. 5(1)(b)), and so is the legal basis:
    # even moving an interest to consent opens what consent opens, such as restricted data (GDPR Art. 18(2)).
    "purposes.*": Members("purposes", withdrawn=True),
    "purposes.*.title": FREE,
    "purposes.*.in_return": FREE,
    "purposes.*.decision": FREE,
    "purposes.*.worth": FREE,
    # Fewer notices under which a yes counts: none named is any.
    "purposes.*.asked_by": Change(_no_wider, "only lose members, and not all", "counts a yes under"),
    "purposes.*.reason": NAMED,
    "purposes.*.basis": SAME,
    # What a law asks to see on file, and the base does not have, an extension does not supply.
    "purposes.*.ground": SAME,
    "purposes.*.balancing": Members(NEVER),
    "purposes.*.balancing.reference": SAME,
    "purposes.*.balancing.on": SAME,
    "purposes.*.kind": SAME,
    # An exception lets more happen without a choice: none may be added. Its reason may be worded anew.
    "purposes.*.exceptions": _loses("claims the exception"),
    # Each of these brings rules (California, Québec, trackers): it may be declared, and not be passed over.
    "purposes.*.technology": GAINS,
    "purposes.*.sector": FILED,
    "purposes.*.automated_decision": ONLY_YES,
    "purposes.*.sale": ONLY_YES,
    "purposes.*.financial_incentive": ONLY_YES,
    # No `public` is everybody.
    "purposes.*.public": Change(_no_wider, "only lose members", "is meant for"),
    "purposes.*.ages": Members(ALWAYS),
    "purposes.*.ages.minimum": Change(lambda old, new: bool(old <= new), "only be higher"),
    "purposes.*.ages.below": DROPS,
    "purposes.*.ages.unknown": DROPS,
    "purposes.*.uses": _loses("uses"),
    "purposes.*.exact": _loses("releases exactly"),
    # Explicit consent opens special categories (GDPR Art. 9(2)(a)): asking for it is asking for more.
    "purposes.*.explicit": SAME,
    # No `channels` is any channel.
    "purposes.*.channels": Change(_no_wider, "only lose members, and not all", "may be used by"),
    "purposes.*.recipients": _loses("may be passed to"),
    "purposes.*.by_recipient": ONLY_YES,
    "purposes.*.minimum_grade": STRONGER,
    "purposes.*.expires_after": SHORTER,
    "purposes.*.honours": GAINS,
    "purposes.*.retention.keep": SHORTER,
    "purposes.*.retention.from": SAME,
    # Another domain would join data of purposes that the base keeps apart.
    "purposes.*.processing_domain": SAME,
    # Whoever was promised to be shown each use of their data is shown it by every company of the group.
    "purposes.*.disclosure": Members(NEVER, withdrawn=True),
    "purposes.*.disclosure.level": SAME,
    "purposes.*.disclosure.delay": SHORTER,
    "purposes.*.disclosure.reason": FREE,
    "purposes.*.disclosure.source": SAME,
    # Levels only offer purposes, each of which is compared by itself.
    "personalisation": FREE,
    # A form asks for a yes to purposes that are each compared by themselves; how it asks is the company's to word.
    "forms.*": Members(ALWAYS, withdrawn=True),
    "forms.*.title": FREE,
    "forms.*.text": FREE,
    "forms.*.notices": FREE,
    "forms.*.purposes": FREE,
    "forms.*.asks": FREE,
    "forms.*.over": FREE,
    "forms.*.places": FREE,
    "forms.*.capacity": FREE,
    "forms.*.benefit": Members(ALWAYS, withdrawn=True),
    "forms.*.benefit.purpose": FREE,
    "forms.*.benefit.what": FREE,
    "forms.*.benefit.necessary": FREE,
    "forms.*.benefit.because": FREE,
    "forms.*.benefit.otherwise": FREE,
    "forms.*.benefit.lost": FREE,
    # What people were told stays what it was; whoever is told more is shown a notice of its own.
    "notices.*": Members(ALWAYS),
    "notices.*.locale": SAME,
    "notices.*.version": SAME,
    "notices.*.effective": SAME,
    "notices.*.text": SAME,
    "notices.*.tells": SAME,
    "notices.*.says": SAME,
    # Which data exist. They may be rounded more and reveal more; none may disappear, for a rule may depend on them: a
    # birth date protects a child. More are added only where the base is open to it.
    "datasets.*": Members("datasets"),
    "datasets.*.title": FREE,
    "datasets.*.fields.*.title": FREE,
    "datasets.*.per": SAME,
    "datasets.*.person": SAME,
    "datasets.*.references": SAME,
    "datasets.*.key": SAME,
    "datasets.*.fields.*": Members("datasets"),
    "datasets.*.fields.*.category": SAME,
    "datasets.*.fields.*.type": SAME,
    "datasets.*.fields.*.identity": SAME,
    "datasets.*.fields.*.group": SAME,
    "datasets.*.fields.*.coarse": COARSER,
    "datasets.*.fields.*.reveals": Change(_reveals_more, "only gain values"),
    "datasets.*.aggregates.*": Members("datasets"),
    "datasets.*.aggregates.*.take": SAME,
    "datasets.*.aggregates.*.field": SAME,
    "datasets.*.aggregates.*.category": SAME,
    "datasets.*.aggregates.*.coarse": COARSER,
}
"""Every key of a policy and how an extension may change it; `*` stands for a name."""


def holds_still(pair: Pair) -> bool:
    """Whether a key's new value promises at least what the old one did."""
    rule = TABLE[pair.key]
    return isinstance(rule, Change) and rule.allowed(pair.old, pair.new)


def check_tighter(base: PolicyFile, own: PolicyFile, mistakes: Mistakes) -> None:
    """Note everything in which an extension is looser than its base."""
    source = f"`{shown(base._name)}`"
    for pair in pairs(base, own):
        rule = TABLE.get(pair.key, SAME)
        if pair.whole:
            found = _whole(pair, rule, base, source)
        elif isinstance(rule, Change) and not _needed_no_more(pair) and not rule.allowed(pair.old, pair.new):
            found = _loosened(pair, rule, source)
        else:
            continue
        for path, words in found:
            mistakes.add(_place(path, mistakes), words)


def _whole(pair: Pair, rule: Change | Members, base: PolicyFile, source: str) -> Iterator[tuple[Path, str]]:
    """What is wrong with a part that only one of the two has."""
    if not isinstance(rule, Members):
        return
    if pair.old is None and rule.open_to not in (ALWAYS, *base.open_to):
        opened = "" if rule.open_to == NEVER else f", or open it with `open_to: [{rule.open_to}]`"
        what = "it" if rule.open_to == NEVER else f"new {rule.open_to}"
        yield (
            pair.path,
            f"{_named(pair.path)} is new here, and {source} is not open to {what}; declare it there{opened}",
        )
    if pair.new is None and not rule.withdrawn:
        yield pair.path, f"{_named(pair.path)} of {source} may not be left out{END}"


def _loosened(pair: Pair, rule: Change, source: str) -> Iterator[tuple[Path, str]]:
    """A loosening in words, one for each member that a list may not gain."""
    added = [member for member in pair.new if member not in pair.old] if rule.adds else []
    for member in added:
        step = list(pair.new).index(member) if isinstance(pair.new, tuple) else member
        owner = _named(pair.path[:-1])
        yield (*pair.path, step), f"{owner} {rule.adds} `{shown(member)}` here and not in {source}{END}"
    if added:
        return
    before, after = _word(pair.written[0]), _word(pair.written[1])
    lost = [f"`{shown(member)}`" for member in pair.old if member not in pair.new] if rule is GAINS else []
    said = f"lacks {', '.join(lost)}, which {source} names" if lost else f"is not what it is in {source}"
    if rule.adds:
        said = f"is empty here, which means everybody, and not in {source}"
    if before and after:
        said = f"is `{after}` here and `{before}` in {source}"
    yield pair.path, f"{_named(pair.path)} {said}; it may {rule.may}{END}"


def _needed_no_more(pair: Pair) -> bool:
    """A purpose that is moved to consent needs the ground of its former basis no more."""
    return pair.key == "purposes.*.ground" and pair.owners[0].basis != pair.owners[1].basis


def _place(path: Path, mistakes: Mistakes) -> Path:
    """Where the extension says it: at the key, or where it was withdrawn."""
    withdrawn = mistakes.tree.withdrawn
    return next((withdrawn[path[:end]] for end in range(len(path), 0, -1) if path[:end] in withdrawn), path)


def _named(path: Path) -> str:
    """A part as people name it: purpose `newsletter`, field `customers.city`."""
    words = [str(step) for step in path]
    match words:
        case []:
            return "the policy"
        case ["datasets", dataset, "fields" | "aggregates" as kind, name]:
            return f"{'field' if kind == 'fields' else 'aggregate'} `{shown(dataset)}.{shown(name)}`"
        case [section, name] if section in _SECTIONS:
            return f"{_SECTIONS[section]} `{shown(name)}`"
        case [section, name, *rest] if section in _SECTIONS:
            return f"`{shown('.'.join(rest))}` of {_SECTIONS[section]} `{shown(name)}`"
    return f"`{shown('.'.join(words))}`"


_SECTIONS = {
    "purposes": "purpose",
    "recipients": "recipient",
    "notices": "notice",
    "datasets": "dataset",
    "forms": "form",
}


def _said(old: Any, new: Any, source: str) -> str:
    """Both values where they are words or numbers of the policy's own; never a text that people wrote."""
    before, after = _word(old), _word(new)
    return f"`{after}` here and `{before}` in {source}; " if before and after else ""


def _word(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case Duration():
            return str(value)
        case Coarse():
            return str(value.unit or value.step or f"prefix {value.prefix}")
        case int() if value < 2**31:
            return str(value)
        case str() if shown(value) == value and " " not in value:
            return value
    return ""

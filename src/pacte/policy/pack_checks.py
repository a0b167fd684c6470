"""What a pack must hold together: every rule is dated, cited, in both languages, and reads facts that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import LANGUAGES
from pacte.policy import vocabulary
from pacte.policy.categories import categories
from pacte.policy.conditions import DEEPEST, depth_of
from pacte.policy.contact import LONGEST
from pacte.policy.declared import STATIC
from pacte.policy.mistakes import Mistakes, meant
from pacte.policy.pack_language import condition
from pacte.policy.packs import ContactHours, Dated, Pack, Rule
from pacte.policy.tree import Node, Path, shown

_YES_NO = ("yes", "no")
_WORDS: dict[str, tuple[str, ...]] = {
    "basis": vocabulary.BASES,
    "kind": vocabulary.KINDS,
    "technology": vocabulary.TECHNOLOGIES,
    "sector": ("none", *vocabulary.SECTORS),
    "special": ("art9", "art10"),
    "discloses_to": vocabulary.RECIPIENT_ROLES,
    "by": vocabulary.CHANNELS,
    "public": vocabulary.CAPACITIES,
    "honours": vocabulary.SIGNALS,
    "ages": ("none", "minimum", "guardian"),
    "ages_unknown": ("adult", "no"),
    "offered_to": vocabulary.AUDIENCES,
    "regulated_as": vocabulary.REGULATED,
    "retention_from": vocabulary.RETENTION_EVENTS,
}
"""The closed words of what a pack may ask of a policy; every other property is yes or no, or named by the policy."""
_OPEN = frozenset({"purpose", "law"})


def check_pack(pack: Pack, mistakes: Mistakes) -> None:
    """Note everything that does not hold together."""
    try:
        ZoneInfo(pack.file.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        mistakes.add(("zone",), "unknown time zone; expected a name such as `Europe/Paris`")
        return
    _texts(("title",), dict(pack.file.title), mistakes)
    for word, says in pack.file.exceptions.items():
        _texts(("exceptions", word), dict(says), mistakes)
    for name, source in pack.file.sources.items():
        if source.short:
            _texts(("sources", name, "short"), dict(source.short), mistakes)
    _places(pack, mistakes)
    for name, node in pack.tree.mapping("groups").items():
        _selection(pack, node, ("groups", name), mistakes)
    seen: set[str] = set()
    for index, rule in enumerate(pack.file.rules):
        here: Path = ("rules", index)
        if rule.id in seen:
            mistakes.add((*here, "id"), f"rule `{rule.id}` is written twice")
        seen.add(rule.id)
        _rule(pack, rule, index, mistakes)
    for index, contact in enumerate(pack.file.contact):
        if contact.id in seen:
            mistakes.add(("contact", index, "id"), f"rule `{contact.id}` is written twice")
        seen.add(contact.id)
        _dated(pack, contact, ("contact", index), mistakes)
        _contact(contact, ("contact", index), mistakes)
    if not pack.file.rules:
        mistakes.add(("rules",), "a pack without a rule")


def _dated(pack: Pack, rule: Dated, here: Path, mistakes: Mistakes) -> None:
    """What every rule says of itself."""
    _texts((*here, "says"), dict(rule.says), mistakes)
    if rule.source not in pack.file.sources:
        mistakes.unknown((*here, "source"), "source", rule.source, pack.file.sources)
    since, until = _day(rule.since, (*here, "since"), mistakes), _day(rule.until, (*here, "until"), mistakes)
    if since and until and until <= since:
        mistakes.add((*here, "until"), f"rule `{rule.id}` ends before it begins")
    for channel in rule.channels:
        if channel not in vocabulary.CHANNELS:
            mistakes.unknown((*here, "channels"), "channel", channel, vocabulary.CHANNELS)


def _contact(rule: ContactHours, here: Path, mistakes: Mistakes) -> None:
    """Hours, or a cap; a rule of both would be two."""
    capped = rule.at_most is not None and rule.within is not None
    if (rule.open is not None) == (rule.at_most is not None or rule.within is not None) or not (rule.open or capped):
        mistakes.add(here, f"rule `{rule.id}`: expected hours under `open`, or `at_most` with `within`")
    elif rule.within and rule.within.months * 31 + rule.within.days > LONGEST - 28:
        mistakes.add((*here, "within"), "a cap over more than a year; offers of before are forgotten")


def _rule(pack: Pack, rule: Rule, index: int, mistakes: Mistakes) -> None:
    here: Path = ("rules", index)
    _dated(pack, rule, here, mistakes)
    if rule.otherwise not in vocabulary.REASONS or rule.otherwise == "permitted":
        mistakes.unknown((*here, "otherwise"), "reason", rule.otherwise, vocabulary.REASONS[1:])
    for key in ("unless", "require"):
        node = pack.node(index, key)
        if node is None:
            if key == "require":
                mistakes.add((*here, key), f"rule `{rule.id}` requires nothing; say what must hold")
            continue
        try:
            found = condition(node, pack, None)
            if depth_of(found) > DEEPEST - 2:
                mistakes.add((*here, key), f"rule `{rule.id}`, `{key}`: nested too deeply; write it in fewer levels")
            asked = [words for _, name, words in _statics(node, ()) if name == "transfer"]
            if pack.file.transfers is None and any(words != ["in_time"] for words in asked):
                mistakes.add((*here, key), f"rule `{rule.id}` asks about transfers, and the pack has no `transfers`")
        except BadInput as error:
            mistakes.add((*here, key), f"rule `{rule.id}`, `{key}`: {error}")
        for path, name, words in _statics(node, (*here, key)):
            _check_words(pack, path, name, words, mistakes)
    _selection(pack, pack.node(index, "for"), (*here, "for"), mistakes)


def _selection(pack: Pack, node: Node, here: Path, mistakes: Mistakes) -> None:
    """Which purposes rules are for: groups and properties that exist, and their words."""
    if isinstance(node, list) and any(isinstance(one, list) for one in node):
        mistakes.add(here, "a list within a list; write one list")
        return
    for path, word in _groups(node, here):
        if word not in pack.file.groups:
            mistakes.unknown(path, "group of purposes", word, pack.file.groups)
        elif here == ("groups", word) or word in _reached(pack, word):
            mistakes.add(path, f"group `{shown(word)}` holds itself in the end")
    if node is not None and not isinstance(node, str | list | dict):
        mistakes.add(here, "expected properties of purposes, a list of them, or the name of a group")
    if isinstance(node, list) and not node:
        mistakes.add(here, "an empty list is for no purpose; leave the key out for all of them")
    for path, name, words in _statics(node, here, whole=True):
        if name not in STATIC:
            mistakes.add(path, f"unknown property `{shown(name)}` of a purpose{meant(name, sorted(STATIC))}")
        else:
            _check_words(pack, path, name, words, mistakes)


def _groups(node: Node, path: Path) -> Iterator[tuple[Path, str]]:
    """The groups that a `for`, or another group, names."""
    for place, one in enumerate(node if isinstance(node, list) else [node]):
        if isinstance(one, str):
            yield ((*path, place) if isinstance(node, list) else path), one


def _reached(pack: Pack, name: str) -> set[str]:
    """The groups that a group names, and those that they name."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for _, word in _groups(pack.tree.at(("groups", waiting.pop())), ()):
            if word not in found:
                found.add(word)
                waiting.append(word)
    return found


def _places(pack: Pack, mistakes: Mistakes) -> None:
    """Places are codes; a place that nobody lives in would leave everybody out."""
    applies, transfers = pack.file.applies, pack.file.transfers
    named: list[tuple[Path, str]] = [
        *(
            (("applies", key, n), place)
            for key in ("places", "established")
            for n, place in enumerate(getattr(applies, key))
        ),
        *(
            (("rules", index, "places", n), one)
            for index, rule in enumerate(pack.file.rules)
            for n, one in enumerate(rule.places)
        ),
        *(
            (("contact", index, "places", n), one)
            for index, rule in enumerate(pack.file.contact)
            for n, one in enumerate(rule.places)
        ),
    ]
    if transfers is not None:
        named += [(("transfers", "area", n), place) for n, place in enumerate(transfers.area)]
        named += [(("transfers", "adequacy", n, "place"), one.place) for n, one in enumerate(transfers.adequacy)]
    for path, place in named:
        if place != "EEA" and not _PLACE.fullmatch(place):
            mistakes.add(path, f"`{shown(place)}` is no place; expected `EEA` or a code such as `CH` or `CA-QC`")
    for n, kind in enumerate(applies.regulated_as):
        if kind not in vocabulary.REGULATED:
            mistakes.unknown(("applies", "regulated_as", n), "kind of company", kind, vocabulary.REGULATED)


_PLACE = re.compile("[A-Z]{2}(-[A-Z0-9]{1,3})?")


def _statics(node: Node, path: Path, *, whole: bool = False) -> Iterator[tuple[Path, str, list[Any]]]:
    """Every `key: words` in a condition or, `whole`, in a `for`, which knows no `any` and no `all`."""
    if isinstance(node, list):
        for place, one in enumerate(node):
            yield from _statics(one, (*path, place), whole=whole)
    elif isinstance(node, dict):
        for key, test in node.items():
            if key in ("any", "all") and not whole:
                yield from _statics(test, (*path, key))
                continue
            words = test["not"] if isinstance(test, dict) and set(test) == {"not"} else test
            yield (*path, key), key, words if isinstance(words, list) else [words]


def _check_words(pack: Pack, path: Path, name: str, words: list[Any], mistakes: Mistakes) -> None:
    if name not in STATIC or (name == "public" and words == ["declared"]):
        return
    if name in _OPEN:
        if not words or not all(isinstance(word, str) for word in words):
            mistakes.add(path, f"`{name}`: expected a word, a list of words, or `not:` and words")
        return
    if name == "claims":
        known: Any = pack.file.exceptions
    elif name == "category":
        known = categories()
    else:
        known = _WORDS.get(name, _YES_NO)
    for word in words:
        if not isinstance(word, str):
            mistakes.add(path, f"`{name}`: expected a word, a list of words, or `not:` and words")
        elif word not in known:
            mistakes.unknown(path, f"word for `{name}`", word, known)


def _texts(path: Path, words: dict[str, str], mistakes: Mistakes) -> None:
    for language in [language for language in LANGUAGES if language not in words]:
        mistakes.add(path, f"`{path[-1]}` lacks the text in `{language}`")


def _day(day: str | None, path: Path, mistakes: Mistakes) -> date | None:
    try:
        return date.fromisoformat(day) if day else None
    except ValueError:
        mistakes.add(path, "a day that does not exist")
        return None

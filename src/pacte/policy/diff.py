"""What changes for people between two policies, in words, and whether they must be told or asked again.

Every key of a policy is either compared here or listed under `NOTHING` with the reason why it means nothing for people.
Effects are a reading of the law to be judged by the data protection officer. Source: GDPR Art. 4(11), 7, 13(3), 14(4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pacte.kernel.i18n import LANGUAGES, catalogue, counted, day, text
from pacte.policy.categories import categories
from pacte.policy.channels import named
from pacte.policy.compile import Compiled
from pacte.policy.durations import Duration
from pacte.policy.model import Coarse, DataField, Dataset, Form, Notice, PolicyFile, Purpose, Recipient
from pacte.policy.packs import HOUSE
from pacte.policy.parts import Pair, keys_of, pairs
from pacte.policy.table import PurposeRules, Requirement
from pacte.policy.tighter import coarser, holds_still, no_longer
from pacte.policy.tree import shown
from pacte.policy.vocabulary import AUDIENCES, CHANNELS, GRADES

EFFECTS = ("ask", "tell", "less", "none", "law")
"""By importance: people must be asked (again), must be told before, less is done, only words; then what laws do."""

_MORE = "more"
"""More is done with somebody's data: to be asked where it rests on consent, to be told otherwise, nothing if unused."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: where (`purposes.newsletter.channels`), its kind, what it asks for, and the words by language.

    A law that begins for many purposes is one change; its rules, one by one, are the `details`.
    """

    what: str
    kind: str
    effect: str
    words: Mapping[str, str]
    details: tuple[Change, ...] = ()

    def say(self, lang: str) -> str:
        """The change in a sentence."""
        return self.words[lang]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a key is told: `how` compares it; the effects are of what was added or grew, and of what went or shrank."""

    how: str
    up: str
    down: str = ""


def _other(effect: str) -> Rule:
    return Rule("other", effect, effect)


COMPARED: dict[str, Rule] = {
    # Who answers, and to whom people turn. Source: GDPR Art. 13(1)(a)-(b).
    "controller.name": _other("tell"),
    "controller.role": _other("tell"),
    "controller.contact": _other("tell"),
    "controller.dpo.contact": _other("tell"),
    "controller.dpo.name": _other("none"),
    "controller.established": _other("law"),
    "controller.representative": _other("tell"),
    "controller.regulated_as": Rule("list", "law", "law"),
    "controller.behalf": _other("tell"),
    "controller.jointly": _other("tell"),
    "controller.postal": _other("none"),
    "laws": Rule("list", "law", "law"),
    "offered_to": Rule("rank", "less", "tell"),
    "languages": Rule("list", "none", "tell"),
    "sources": Rule("texts", "tell"),
    # A shorter list forgets sooner who said no; a longer one keeps their fingerprint longer.
    "suppression.keep": Rule("length", "tell", "tell"),
    # How often and when offers come: people may have relied on it.
    "contact.caps": Rule("caps", "tell", "less"),
    "contact.hours.*": Rule("whole", "less", "tell"),
    "contact.hours.*.open": Rule("week", "tell", "less"),
    "contact.hours.*.holidays": Rule("yes_no", "tell", "less"),
    "evidence.keep": Rule("length", "tell", "less"),
    "evidence.from": _other("tell"),
    "evidence.reason": Rule("texts", "none"),
    "evidence.shred_with_data": Rule("yes_no", "less", "tell"),
    # Recipients and transfers. Source: GDPR Art. 13(1)(e)-(f). Who receives data is said with each purpose.
    "recipients.*": Rule("whole", "none", "none"),
    "recipients.*.name": _other(_MORE),
    "recipients.*.role": _other(_MORE),
    "recipients.*.place": _other(_MORE),
    "recipients.*.contract": _other("none"),
    "recipients.*.safeguard": Rule("whole", "tell", "tell"),
    "recipients.*.safeguard.under": _other("tell"),
    "recipients.*.safeguard.reference": _other("tell"),
    "recipients.*.safeguard.from": _other("none"),
    "recipients.*.safeguard.until": _other("none"),
    "recipients.*.safeguard.assessed": _other("none"),
    # Purposes. Source: GDPR Art. 5(1)(b), 6, 7, 13(1)(c)-(d), 13(2)(a), 13(3).
    "purposes.*": Rule("whole", _MORE, "less"),
    "purposes.*.title": Rule("texts", "none"),
    "purposes.*.reason": Rule("texts", "tell"),
    "purposes.*.in_return": Rule("texts", "tell"),
    "purposes.*.decision": Rule("texts", "tell"),
    "purposes.*.worth": Rule("texts", "tell"),
    "purposes.*.basis": _other(_MORE),
    "purposes.*.ground": Rule("texts", "tell"),
    "purposes.*.balancing": Rule("whole", "none", "none"),
    "purposes.*.balancing.reference": Rule("texts", "none"),
    "purposes.*.balancing.on": _other("none"),
    "purposes.*.kind": _other(_MORE),
    "purposes.*.exceptions": Rule("list", "tell", "less"),
    "purposes.*.technology": Rule("list", _MORE, "less"),
    "purposes.*.sector": _other("tell"),
    "purposes.*.automated_decision": Rule("yes_no", _MORE, "less"),
    "purposes.*.sale": Rule("yes_no", _MORE, "less"),
    "purposes.*.financial_incentive": Rule("yes_no", "tell", "none"),
    "purposes.*.public": Rule("public", "tell", "less"),
    "purposes.*.ages": Rule("whole", "less", "tell"),
    "purposes.*.ages.minimum": Rule("rank", "less", "tell"),
    "purposes.*.ages.below": Rule("set", "tell", "less"),
    "purposes.*.ages.unknown": Rule("set", "tell", "less"),
    "purposes.*.uses": Rule("list", _MORE, "less"),
    "purposes.*.exact": Rule("list", _MORE, "less"),
    "purposes.*.explicit": Rule("yes_no", "ask", "tell"),
    "purposes.*.channels": Rule("list", _MORE, "less"),
    "purposes.*.recipients": Rule("list", _MORE, "less"),
    # A yes to all recipients names none; a yes to one is no yes to the others.
    "purposes.*.by_recipient": Rule("yes_no", "ask", "ask"),
    # Only a yes under these notices counts: whoever said it under another is asked again.
    "purposes.*.asked_by": _other("ask"),
    "purposes.*.minimum_grade": Rule("rank", "ask", "tell"),
    "purposes.*.expires_after": Rule("length", "tell", "less"),
    "purposes.*.honours": Rule("list", "less", "tell"),
    "purposes.*.retention.keep": Rule("length", "tell", "less"),
    "purposes.*.retention.from": _other("tell"),
    "purposes.*.processing_domain": _other("tell"),
    # What people are shown of each use. Source: GDPR Art. 15(1).
    "purposes.*.disclosure": Rule("whole", "tell", "none"),
    "purposes.*.disclosure.level": _other("tell"),
    "purposes.*.disclosure.delay": _other("tell"),
    "purposes.*.disclosure.reason": Rule("texts", "none"),
    "purposes.*.disclosure.source": _other("none"),
    "personalisation": _other("none"),
    # Whoever knew of a purpose by that notice alone counts as not told when it goes.
    "notices.*": Rule("whole", "none", "tell"),
    "notices.*.locale": _other("none"),
    "notices.*.version": _other("none"),
    "notices.*.effective": _other("none"),
    "notices.*.text": _other("tell"),
    "notices.*.tells": Rule("told", "tell", "tell"),
    "notices.*.says": Rule("told", "tell", "tell"),
    # Data. Source: GDPR Art. 14(1)(d).
    "datasets.*": Rule("whole", "tell", "less"),
    "datasets.*.fields.*": Rule("whole", "tell", "less"),
    "datasets.*.fields.*.category": _other(_MORE),
    "datasets.*.fields.*.identity": _other("tell"),
    "datasets.*.fields.*.coarse": Rule("coarse", _MORE, "less"),
    "datasets.*.fields.*.reveals": Rule("reveals", "less", "tell"),
    "datasets.*.aggregates.*": Rule("whole", "none", "none"),
    "datasets.*.aggregates.*.take": _other(_MORE),
    "datasets.*.aggregates.*.field": _other(_MORE),
    "datasets.*.aggregates.*.category": _other(_MORE),
    "datasets.*.aggregates.*.coarse": Rule("coarse", _MORE, "less"),
}
"""How each key that means something for people is compared, and what its change asks for."""

_FORMS = ("forms.*", *(f"forms.*.{key}" for key in keys_of(Form)))

NOTHING: dict[str, str] = {
    "pacte": "the form of the file",
    "extends": "what the extended policy brings is compared as if it stood in the file",
    "open_to": "what an extension may add is compared where it adds it",
    "without": "what is withdrawn is compared as if it had never stood in the file",
    "contact": "what it says of caps and hours is compared",
    "segments": "what staff are shown of how many people there are, and nobody shows in it",
    "segments.smallest": "what staff are shown of how many people there are, and nobody shows in it",
    "segments.rounded": "what staff are shown of how many people there are, and nobody shows in it",
    "datasets.*.title": "what a table is called; what is known of people is said by its fields",
    "datasets.*.fields.*.title": "what a column is called; what it is, its category says",
    "datasets.*.per": "how a table is laid out; its fields say what is known of people",
    "datasets.*.person": "which column names the person; its fields say what is known of people",
    "datasets.*.references": "how rows are joined to their person",
    "datasets.*.key": "how a row that is loaded twice is recognised",
    "datasets.*.fields.*.type": "how a value is stored",
    "datasets.*.fields.*.group": "what is sealed together",
    **dict.fromkeys(_FORMS, "how a yes is asked: who answers is shown it; what is asked for is compared"),
}
"""Keys that are not compared, each with the reason why people need not know."""


def differences(old: Compiled, new: Compiled) -> list[Change]:
    """Everything that changes for people, the most important first; nothing between a policy and itself."""
    telling = _Telling(old.document, new.document)
    found = [*chain.from_iterable(map(telling.of, pairs(old.document, new.document))), *_laws(old, new)]
    return sorted(found, key=lambda change: (EFFECTS.index(change.effect), _section(change), change.what, change.kind))


def asked_again(old: Compiled, new: Compiled) -> tuple[str, ...]:
    """The purposes whose consent must be asked again: they were there, rest on consent, and more is done.

    Consent is specific: a yes covers what it was given for. Source: GDPR Art. 4(11), 6(1)(a), 7.
    """
    asked = [change for change in differences(old, new) if change.effect == "ask"]
    grown = {name for change in asked for name in concerned(change, new.document)}
    purposes = new.document.purposes
    return tuple(
        name
        for name in purposes
        if name in grown and name in old.document.purposes and purposes[name].basis == "consent"
    )


def concerned(change: Change, policy: PolicyFile) -> Iterable[str]:
    """The purposes that a change is about: its own, those that pass data to a recipient, those that see a field."""
    section, name, *rest = change.what.split(".")
    purposes = policy.purposes
    if section == "purposes":
        return [name]
    if section == "recipients":
        return [one for one, purpose in purposes.items() if name in purpose.recipients]
    path = f"{name}.{rest[1]}" if section == "datasets" and len(rest) > 1 else ""
    return [one for one, purpose in purposes.items() if path in purpose.uses]


_SECTIONS = ("purposes", "recipients", "datasets", "notices")


def _section(change: Change) -> int:
    section = change.what.partition(".")[0]
    return _SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS)


@dataclass(frozen=True, slots=True)
class _Telling:
    """Two policies, to tell what changed from the one to the other."""

    old: PolicyFile
    new: PolicyFile

    def of(self, pair: Pair) -> Iterator[Change]:
        """The changes of one key: none, one, or one for each member."""
        rule = COMPARED.get(pair.key)
        if rule is None or (pair.old == pair.new and not pair.whole):
            return
        for case, up, values in _cases(rule.how, pair):
            effect = "none" if up is None else self._effect(pair, rule.up if up else rule.down)
            kind = f"{pair.key.replace('.*', '')}.{case}"
            words = {
                lang: text("policy", f"diff.{kind}", lang, **self._words(pair, values, lang)) for lang in LANGUAGES
            }
            what = ".".join(map(str, pair.path))
            yield Change(what, kind, effect, words)

    def _effect(self, pair: Pair, effect: str) -> str:
        if effect != _MORE:
            return effect
        bases = {purpose.basis for purpose in self._concerned(pair)}
        return "ask" if "consent" in bases else "tell" if bases else "none"

    def _concerned(self, pair: Pair) -> Iterable[Purpose]:
        """The purposes that a change is about: its own, those that pass data to a recipient, those that see a field."""
        section, name, *rest = (str(step) for step in pair.path)
        purposes = self.new.purposes
        if section == "purposes":
            return [purposes[name]]
        if section == "recipients":
            return [purpose for purpose in purposes.values() if name in purpose.recipients]
        field = f"{name}.{rest[1]}"
        return [purpose for purpose in purposes.values() if field in purpose.uses]

    def _words(self, pair: Pair, values: Mapping[str, Any], lang: str) -> dict[str, str]:
        """What a sentence may mention: the part's own name, and the values in words."""
        said = {name: self._value(pair, value, lang) for name, value in values.items()}
        if "purpose" in values:
            said["purpose"] = self._purpose(values["purpose"], lang)
        section, *names = (str(step) for step in pair.path)
        if section == "purposes":
            purpose = self.new.purposes.get(names[0]) or self.old.purposes[names[0]]
            said["name"] = _title(purpose.title, lang)
        elif section == "recipients":
            recipient = self.new.recipients.get(names[0]) or self.old.recipients[names[0]]
            said["name"] = shown(recipient.name)
        elif section == "datasets":
            said["name"] = shown(".".join(names[:1] + names[2:3]))
        elif section == "notices":
            said["name"] = shown(names[0])
        elif section == "contact" and len(names) > 1:
            said["name"] = named(names[1], lang)
        return said

    def _value(self, pair: Pair, value: Any, lang: str) -> str:
        last = pair.key.rpartition(".")[2]
        match value:
            case Purpose():
                return _listed((self._field(path, lang) for path in value.uses), lang)
            case Recipient():
                return value.place
            case Notice():
                titles = [self._purpose(name, lang) for name in value.tells]
                return _listed(titles, lang)
            case Dataset():
                return _listed((_category(field.category, lang) for field in value.fields.values()), lang)
            case DataField():
                return _category(value.category, lang)
            case Duration():
                return _length(value, lang)
            case Coarse():
                return rounding(value, lang)
            case str() if last in ("uses", "exact"):
                return self._field(value, lang)
            case str() if pair.key == "purposes.*.recipients":
                return self._recipient(value)
            case str() if last in ("category", "reveals"):
                return _category(value, lang)
            case int() if last in ("from", "until", "on", "effective", "assessed"):
                return day(value, lang)
            case Mapping() if last == "title":
                return _title(value, lang)
            case tuple() if pair.key == "personalisation":
                return _listed((_title(level.title, lang) for level in value), lang) or _word("nothing", lang)
            case tuple() if pair.key in ("notices.*.tells", "notices.*.says"):
                told = (_category(one, lang) if last == "tells" else _word(f"says.{one}", lang) for one in value)
                return _listed(told, lang) or _word("nothing_else", lang)
            case tuple():
                return _listed((_word(member, lang) for member in value), lang) or _word("everybody", lang)
            case None:
                return _word({"coarse": "exactly", "expires_after": "unlimited"}.get(last, "nothing"), lang)
        return _word(str(value), lang) if isinstance(value, str | int) else ""

    def _field(self, path: str, lang: str) -> str:
        dataset, _, name = path.partition(".")
        for policy in (self.new, self.old):
            declared = policy.datasets.get(dataset)
            if declared and (name in declared.fields or name in declared.aggregates):
                return f"`{path}` ({_category(declared.category_of(name), lang)})"
        return f"`{path}`"

    def _recipient(self, name: str) -> str:
        found = self.new.recipients.get(name) or self.old.recipients.get(name)
        return f"{shown(found.name)} ({found.place})" if found else name

    def _purpose(self, name: str, lang: str) -> str:
        found = self.new.purposes.get(name) or self.old.purposes.get(name)
        return _title(found.title, lang) if found else name


def _cases(how: str, pair: Pair) -> Iterator[tuple[str, bool | None, dict[str, Any]]]:
    """How a key changed: the case its words are found under, whether it grew (`None`: only words), what to mention."""
    old, new, both = pair.old, pair.new, {"old": pair.old, "new": pair.new}
    match how:
        case "whole":
            yield ("added", True, {"value": new}) if old is None else ("removed", False, {"value": old})
        case "list":
            yield from (("added", True, {"value": member}) for member in new if member not in old)
            yield from (("removed", False, {"value": member}) for member in old if member not in new)
            if isinstance(old, Mapping) and any(old[key] != new[key] for key in old if key in new):
                yield "reworded", None, {}
        case "reveals":
            for category in sorted({*old, *new}):
                before, after = set(old.get(category, ())), set(new.get(category, ()))
                if after - before:
                    yield "added", True, {"value": category}
                if before - after:
                    yield "removed", False, {"value": category}
        case "told":
            for purpose in dict.fromkeys((*new, *old)):
                before, after = old.get(purpose, ()), new.get(purpose, ())
                more = tuple(word for word in after if word not in before)
                gone = tuple(word for word in before if word not in after)
                if more or (purpose in new and purpose not in old):
                    yield "added", True, {"purpose": purpose, "value": more}
                if gone or (purpose in old and purpose not in new):
                    yield "removed", False, {"purpose": purpose, "value": gone}
        case "yes_no":
            yield ("yes" if new else "no"), bool(new), {}
        case "set":
            yield ("removed", False, {}) if new is None else ("added", True, {})
        case "rank":
            up = _rank(new) > _rank(old)
            yield ("more" if up else "less"), up, both
        case "length":
            up = not no_longer(old, new)
            yield ("more" if up else "less"), up, both
        case "coarse":
            finer = not coarser(old, new)
            yield ("finer" if finer else "coarser"), finer, both
        case "caps" | "week":
            looser = not holds_still(pair)
            yield ("more" if looser else "less"), looser, {}
        case "public":
            wider = not new or (bool(old) and not set(new) <= set(old))
            yield ("wider" if wider else "narrower"), wider, {"new": new}
        case "texts":
            # A text in one more language says nothing else; that there is one more, `languages` tells.
            if any(old[lang] != new[lang] for lang in (old or {}) if lang in (new or {})) or not (old and new):
                yield "changed", True, both
        case _:
            yield "changed", True, both


def _rank(value: Any) -> int:
    """The place of a value in its order."""
    for order in (AUDIENCES, GRADES):
        if value in order:
            return order.index(value)
    return int(value)


MOST_TITLES = 3
"""As many purposes are named for a law; of more, the first."""


def _laws(old: Compiled, new: Compiled) -> Iterator[Change]:
    """Laws whose rules begin, change or end for purposes that both policies have, from the compiled tables.

    A rule changes when it says something else, by another article, source or date: where only what it makes of the
    policy moved, the policy's own change says it. The house's own rules follow from keys that are compared already.
    """
    found: dict[tuple[str, str], dict[str, dict[str, Requirement]]] = {}
    for name in [name for name in new.table.purposes if name in old.table.purposes]:
        before, after = _rules(old.table.purposes[name]), _rules(new.table.purposes[name])
        for rule in [*after, *(rule for rule in before if rule not in after)]:
            case = "begins" if rule not in before else "ends" if rule not in after else "changes"
            if case != "changes" or _read(before[rule]) != _read(after[rule]):
                one = after.get(rule) or before[rule]
                found.setdefault((case, one.pack), {}).setdefault(rule, {})[name] = one
    for (case, pack), rules in found.items():
        purposes = list(dict.fromkeys(name for named in rules.values() for name in named))
        words = {}
        for lang in LANGUAGES:
            titles = [_title(new.table.purposes[name].title, lang) for name in purposes]
            cut = _listed(titles[:MOST_TITLES], lang) if len(titles) <= MOST_TITLES else _first(titles, lang)
            parts: dict[str, str | int] = {"law": _law(pack, lang), "purposes": cut, "among": len(titles)}
            sentence = counted("policy", f"diff.law.{case}", lang, len(rules), **parts)
            words[lang] = sentence[:1].upper() + sentence[1:]
        details = tuple(_rule(case, rule, named, new) for rule, named in rules.items())
        yield Change(f"rules.{pack}", f"law.{case}", "law", words, details)


def _rule(case: str, rule: str, purposes: Mapping[str, Requirement], new: Compiled) -> Change:
    one, words = next(iter(purposes.values())), {}
    for lang in LANGUAGES:
        titles = (_title(new.table.purposes[name].title, lang) for name in purposes)
        says = one.says.get(lang, "").rstrip(".")
        cited = f"`{rule}` ({one.article})"
        words[lang] = text("policy", f"diff.rule.{case}", lang, rule=cited, says=says, purposes=_listed(titles, lang))
    return Change(f"rules.{rule}", f"rule.{case}", "law", words)


def _read(rule: Requirement) -> tuple[object, ...]:
    """What a rule of a law is, whatever the policy's own figures make of it."""
    return dict(rule.says), rule.article, rule.source, rule.since, rule.ends, rule.otherwise


def _law(pack: str, lang: str) -> str:
    key = f"article.{pack}"
    return text("policy", key, lang) if key in catalogue("policy") else f"`{pack}`"


def _first(titles: list[str], lang: str) -> str:
    return text("policy", "diff.more", lang, first=", ".join(titles[:MOST_TITLES]))


def _rules(purpose: PurposeRules) -> dict[str, Requirement]:
    return {rule.id: rule for rule in purpose.requirements if rule.pack != HOUSE}


def _title(title: Mapping[str, str], lang: str) -> str:
    """A purpose as people know it, in quotation marks."""
    words = title.get(lang) or next(iter(title.values()))
    return text("policy", "diff.quoted", lang, words=words)


def _category(name: str, lang: str) -> str:
    known = categories().get(name)
    return name if known is None else known.fr if lang == "fr" else known.en


def _word(word: str, lang: str) -> str:
    """A word of the policy in plain words; a name or a number stays what it is."""
    if word in CHANNELS:
        return named(word, lang)
    key = f"diff.word.{word}"
    return text("policy", key, lang) if key in catalogue("policy") else shown(word)


def _length(length: Duration, lang: str) -> str:
    if length.months and length.months % 12 == 0:
        return counted("policy", "diff.length.year", lang, length.months // 12)
    if length.months:
        return counted("policy", "diff.length.month", lang, length.months)
    return counted("policy", "diff.length.day", lang, length.days)


def rounding(coarse: Coarse, lang: str) -> str:
    """How values are rounded, in words: to the month, in steps of 10."""
    if coarse.unit:
        return text("policy", f"diff.rounding.{coarse.unit}", lang)
    if coarse.step:
        return text("policy", "diff.rounding.step", lang, step=coarse.step)
    return counted("policy", "diff.rounding.prefix", lang, coarse.prefix or 0)


def _listed(words: Iterable[str], lang: str) -> str:
    """Several things in a sentence, each once."""
    found = list(dict.fromkeys(words))
    if len(found) < 2:
        return "".join(found)
    return text("policy", "diff.and", lang, first=", ".join(found[:-1]), last=found[-1])

"""What changes for a person between two policies, in words, whether it matters, and which yes must be asked again.

A change is *material* where more is done with somebody's data: a new purpose, wider data, a new recipient, a longer
time, another legal basis, a machine that decides, a sale. Others are told and no more. A yes is asked again where a
purpose that rests on consent has grown: consent is specific. Source: GDPR Art. 4(11), 6(1)(a), 7, 13(3), 14(4); WP 260.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacte.consent.notice.layers import layers
from pacte.consent.notice.purposes import recipient_line
from pacte.consent.notice.values import Layers, Told
from pacte.consent.notice.words import category, category_of, kept, listed, of_policy, say
from pacte.kernel.instant import Instant
from pacte.policy.channels import named
from pacte.policy.compile import Compiled
from pacte.policy.diff import asked_again
from pacte.policy.model import Coarse, PolicyFile, Purpose
from pacte.policy.parts import rounding_of
from pacte.policy.tighter import coarser, no_longer


@dataclass(frozen=True, slots=True)
class Changed:
    """One change in a sentence to the person; `old` and `new` are what was said and is said now, where that is short.

    `purpose` is the one that it is about, empty for what is about the company or the whole.
    """

    kind: str
    words: str
    purpose: str = ""
    old: str = ""
    new: str = ""
    material: bool = False

    def say(self, lang: str) -> str:
        """The change with what was and what is, for a letter or a terminal, where nothing can be struck out."""
        if self.kind in _NAMED or not self.new:
            return self.words
        key = "change.old_new" if self.old else "change.now"
        return say(
            key,
            lang,
            words=self.words,
            old=self.old.rstrip("."),
            new=self.new if not self.old else self.new.rstrip("."),
        )


_NAMED = frozenset(f"{part}_{way}" for part in ("data", "recipients", "channels") for way in ("more", "less")) | {
    "finer",
    "technology",
    "title",
}
"""Kinds whose sentence says already what is new."""


@dataclass(frozen=True, slots=True)
class Changes:
    """All that changes for a person, the material first; `again` are the purposes whose yes must be asked again."""

    found: tuple[Changed, ...]
    again: tuple[str, ...]

    @property
    def material(self) -> tuple[Changed, ...]:
        """The changes that people must be told of before they take effect."""
        return tuple(one for one in self.found if one.material)

    @property
    def purposes(self) -> frozenset[str] | None:
        """The purposes that a material change is about; `None` where one is about everybody."""
        about = {one.purpose for one in self.material}
        return None if "" in about else frozenset(about)


def changes(old: Compiled, new: Compiled, lang: str) -> Changes:
    """What changes for people from one policy to another, in `lang`; nothing between a policy and itself."""
    day = Instant(0)  # what is compared says nothing of versions and days
    before, after = layers(old, lang, "", day), layers(new, lang, "", day)
    found = [
        *_purposes(old.document, new.document, before, after, lang),
        *_finer(old.document, new.document, lang),
        *_company(old.document, new.document, lang),
        *_parts(before, after, lang),
    ]
    unique = list(dict.fromkeys(found))
    return Changes(tuple(sorted(unique, key=lambda one: not one.material)), asked_again(old, new))


def _purposes(old: PolicyFile, new: PolicyFile, before: Layers, after: Layers, lang: str) -> Iterator[Changed]:
    for told in after.purposes:
        earlier = before.purpose(told.name)
        if earlier is None:
            why = told.fact("why")[0]
            yield Changed("new_purpose", _word("new_purpose", lang, title=told.title), told.name, "", why, True)
        else:
            yield from _purpose(earlier, told, old, new, lang)
    for told in before.purposes:
        if after.purpose(told.name) is None:
            yield Changed("ended", _word("ended", lang, title=told.title), told.name)


def _purpose(before: Told, after: Told, old: PolicyFile, new: PolicyFile, lang: str) -> Iterator[Changed]:
    name, title = after.name, after.title
    was, now = old.purposes[name], new.purposes[name]
    yield from _members("data", before.fact("data"), after.fact("data"), after, lang)
    yield from _members("recipients", _receiving(was, old, lang), _receiving(now, new, lang), after, lang)
    yield from _members("channels", _channels(was, lang), _channels(now, lang), after, lang)
    if was.retention != now.retention:
        shorter = no_longer(was.retention.keep, now.retention.keep)
        same = was.retention.event == now.retention.event
        kind = "kept_otherwise" if not same else "kept_shorter" if shorter else "kept_longer"
        lengths = (kept(was.retention, lang), kept(now.retention, lang))
        yield Changed(kind, _word(kind, lang, title=title), name, *lengths, material=not (same and shorter))
    if was.basis != now.basis:
        rests = (before.fact("basis")[0], after.fact("basis")[0])
        yield Changed("basis", _word("basis", lang, title=title), name, *rests, material=True)
    yield from _flags(after, was.technology, now.technology, lang)
    for kind, more in (("decision", now.automated_decision > was.automated_decision), ("sale", now.sale > was.sale)):
        if more:
            yield Changed(kind, _word(kind, lang, title=title), name, material=True)
    for kind in ("why", "in_return", "lasts", "ages"):
        said, says = (" ".join(told.fact(kind)) for told in (before, after))
        if said != says:
            yield Changed(kind, _word(kind, lang, title=title), name, said, says)
    if before.title != title:
        yield Changed("title", _word("title", lang, title=title), name, before.title, title)


def _receiving(purpose: Purpose, policy: PolicyFile, lang: str) -> tuple[str, ...]:
    """Who receives, where and in which role: one who moves elsewhere is another recipient."""
    return tuple(recipient_line(policy.recipients[name], lang) for name in purpose.recipients)


def _channels(purpose: Purpose, lang: str) -> tuple[str, ...]:
    return tuple(named(one, lang) for one in purpose.channels)


def _members(kind: str, old: tuple[str, ...], new: tuple[str, ...], told: Told, lang: str) -> Iterator[Changed]:
    added = [one for one in new if one not in old]
    gone = [one for one in old if one not in new]
    if added:
        words = _word(f"{kind}_more", lang, title=told.title, what=listed(added, lang))
        yield Changed(f"{kind}_more", words, told.name, "", listed(added, lang), True)
    if gone:
        words = _word(f"{kind}_less", lang, title=told.title, what=listed(gone, lang))
        yield Changed(f"{kind}_less", words, told.name, listed(gone, lang))


def _flags(told: Told, old: Iterable[str], new: Iterable[str], lang: str) -> Iterator[Changed]:
    for one in [word for word in new if word not in set(old)]:
        words = _word("technology", lang, title=told.title, what=say(f"technology.{one}", lang))
        yield Changed("technology", words, told.name, "", say(f"technology.{one}", lang), True)


def _finer(old: PolicyFile, new: PolicyFile, lang: str) -> Iterator[Changed]:
    """Data that a purpose had already and sees less rounded now."""
    for name in [name for name in new.purposes if name in old.purposes]:
        was, now = old.purposes[name], new.purposes[name]
        paths = [
            path for path in now.uses if path in was.uses and not coarser(_seen(was, path, old), _seen(now, path, new))
        ]
        title = of_policy(now.title, lang)
        for one in dict.fromkeys(category(category_of(path, new), lang) for path in paths):
            yield Changed("finer", _word("finer", lang, title=title, what=one), name, "", one, True)


def _seen(purpose: Purpose, path: str, policy: PolicyFile) -> Coarse | None:
    """How a purpose sees a field or a figure: rounded, or exactly (`None`)."""
    if path in purpose.exact:
        return None
    name, _, column = path.partition(".")
    dataset = policy.datasets[name]
    field = dataset.fields.get(column)
    return field.rounding if field else rounding_of(dataset.aggregates[column], dataset)


def _company(old: PolicyFile, new: PolicyFile, lang: str) -> Iterator[Changed]:
    was, now = old.controller, new.controller
    pairs = {
        "name": (was.name, now.name),
        "role": (was.role, now.role),
        "contact": (was.contact, now.contact),
        "officer": (was.dpo.contact, now.dpo.contact),
        "representative": (was.representative or "", now.representative or ""),
    }
    for kind, (before, after) in pairs.items():
        if before == after:
            continue
        shown = ("", "") if kind == "role" else (before, after)
        yield Changed(kind, _word(kind, lang), "", *shown, material=kind in ("name", "role"))


def _parts(before: Layers, after: Layers, lang: str) -> Iterator[Changed]:
    """What is said of sources and of what stays after an erasure."""
    for key in ("sources", "stays"):
        old, new = (
            next((" ".join(part.paragraphs) for part in side.parts if part.key == key), "") for side in (before, after)
        )
        if old != new:
            yield Changed(key, _word(key, lang), "", old, new)


def _word(kind: str, lang: str, **parameters: str) -> str:
    return say(f"change.{kind}", lang, **parameters)

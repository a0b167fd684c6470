"""The fragment of HTML that a form is, written here and nowhere else, so that its digest is of what people see.

`canonical` is the form as it is first shown, without what only this showing has (where it is sent, a token). No word in
this module ticks a box by itself: a box is ticked again only where the person had ticked it and something else is
asked of them. Source: GDPR Art. 4(11), 7(2); CNIL délibération 2020-092 (proof by the digest of what is shown).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html import escape

from babel import Locale

from pacte.consent.form.values import KNOWN, Asking, Box, Field, Question
from pacte.kernel.i18n import day, text
from pacte.policy.channels import by

ROOM = "consent.form"
_COMPLETED = {"email": "email", "phone": "tel", "address": "street-address"}
_TYPES = {"email": "email", "phone": "tel"}
NAMED = ("CA-QC", "US-CA")
"""Regions that have words of their own."""


@dataclass(frozen=True, slots=True)
class Again:
    """What a person had answered when the form is shown to them once more, and what is wrong with it, by name."""

    values: Mapping[str, str] = field(default_factory=dict)
    yes: Collection[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


FIRST = Again()
"""Nobody has answered yet."""


def canonical(form: Asking) -> str:
    """The form as it is first shown; what people see, and no more."""
    return fragment(form)


def digest(form: Asking) -> str:
    """SHA-256 of the canonical fragment's UTF-8 bytes, in hexadecimal: the name of what was shown."""
    return hashlib.sha256(canonical(form).encode()).hexdigest()


def fragment(form: Asking, action: str = "", hidden: str = "", again: Again = FIRST) -> str:
    """The form; `hidden` is HTML of fields that nobody sees."""
    parts = [
        _summary(form, again),
        f'<form class="consent" method="post" action="{escape(action)}" novalidate>{hidden}',
        f"<h1>{escape(form.title)}</h1>",
        f'<p class="lead">{escape(form.text)}</p>' if form.text else "",
        _gain(form),
        *(_question(form, one, again) for one in form.questions),
        _who(form, again),
        _notice(form),
        _buttons(form),
        "</form>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def problems_of(
    form: Asking, values: Mapping[str, str], yes: Collection[str], wrong: Collection[str], *, over: bool
) -> dict[str, str]:
    """What a stranger must mend before an answer can be confirmed; `wrong` are fields that cannot be read.

    `over` is whether the declared age was ticked: without it, a yes to what has an age rule would count for nobody.
    """
    found = {}
    reached = {form.boxes[name].channel for name in yes}
    for one in form.fields:
        needed = one.required or (one.kind == "phone" and reached & {"sms", "phone", "messaging"})
        if one.path in wrong or (needed and not values.get(one.path)):
            found[one.path] = _say(form, f"problem.{one.kind if one.kind in _TYPES else 'other'}")
    aged = any(question.aged for question in form.questions for box in question.boxes if box.name in yes)
    if form.over and aged and not over:
        found["over"] = _say(form, "problem.over", age=form.over)
    return found


def _say(form: Asking, key: str, **values: str | int) -> str:
    return text(ROOM, key, form.lang, **values)


def _summary(form: Asking, again: Again) -> str:
    if not again.problems:
        return ""
    lines = "".join(f'<li><a href="#{_id(name)}">{escape(words)}</a></li>' for name, words in again.problems.items())
    return (
        '<div class="problems" role="alert" aria-labelledby="problems" tabindex="-1">'
        f'<h2 id="problems">{escape(_say(form, "problem.heading"))}</h2><ul>{lines}</ul></div>'
    )


def _gain(form: Asking) -> str:
    gain = form.gain
    if gain is None:
        return ""
    title = next(one.title for one in form.questions if one.purpose == gain.purpose)
    facts = "".join(
        f"<div><dt>{escape(_say(form, f'gain.{key}', title=title))}</dt><dd>{escape(getattr(gain, key))}</dd></div>"
        for key in ("what", "otherwise", "lost", "because")
    )
    return (
        f'<section class="gain" aria-labelledby="gain"><h2 id="gain">{escape(_say(form, "gain.heading"))}</h2>'
        f'<dl class="facts">{facts}</dl></section>'
    )


def _question(form: Asking, question: Question, again: Again) -> str:
    told = f'<p class="hint">{escape(question.reason)}</p>'
    if question.in_return:
        told += f'<p class="hint"><strong>{escape(_say(form, "in_return"))}</strong> {escape(question.in_return)}</p>'
    boxes = "".join(_box(form, question, box, again) for box in question.boxes)
    return f"<fieldset><legend>{escape(question.title)}</legend>{told}{boxes}</fieldset>"


def _box(form: Asking, question: Question, box: Box, again: Again) -> str:
    return _tick(box.name, "yes", label(form, box, question.title), ticked=box.name in again.yes)


def label(form: Asking, box: Box, title: str) -> str:
    """What a box says yes to, so that it can be understood by itself."""
    return " ".join((_say(form, "yes", title=title), *_ways(form, box)))


def matter(form: Asking, box: Box, title: str) -> str:
    """What a box is about, without the yes."""
    return " ".join((title, *_ways(form, box)))


def labels(form: Asking, names: Collection[str]) -> list[str]:
    """What these boxes say yes to, in the order of the form."""
    return [label(form, box, form.title_of(box)) for name, box in form.boxes.items() if name in names]


def matters(form: Asking, names: Collection[str]) -> list[str]:
    """What these boxes are about, in the order of the form."""
    return [matter(form, box, form.title_of(box)) for name, box in form.boxes.items() if name in names]


def _ways(form: Asking, box: Box) -> list[str]:
    how = [by(box.channel, form.lang)] if box.channel else []
    return [*how, *([_say(form, "for", recipient=box.receiver)] if box.recipient else [])]


def _tick(value: str, name: str, words: str, *, ticked: bool) -> str:
    place = _id(value)
    return (
        f'<div class="box"><input type="checkbox" id="{place}" name="{name}" value="{escape(value)}"'
        f'{" checked" if ticked else ""}><label for="{place}">{escape(words)}</label></div>'
    )


def _who(form: Asking, again: Again) -> str:
    if form.to == KNOWN:
        return ""
    parts = [_field(form, one, again) for one in form.fields]
    if form.places:
        parts.append(_places(form, again))
    if form.over:
        parts.append(_declared_age(form, again))
    heading = f'<h2 id="who">{escape(_say(form, "who"))}</h2><p class="hint">{escape(_say(form, "confirm"))}</p>'
    return f'<section aria-labelledby="who">{heading}{"".join(parts)}</section>'


def _declared_age(form: Asking, again: Again) -> str:
    wrong = again.problems.get("over", "")
    tick = _tick("over", "over", _say(form, "over", age=form.over), ticked="over" in again.yes)
    return f'<div class="wrong"><p class="problem">{escape(wrong)}</p>{tick}</div>' if wrong else tick


def _field(form: Asking, one: Field, again: Again) -> str:
    place, wrong = _id(one.path), again.problems.get(one.path, "")
    words = one.label if one.required else _say(form, "optional", label=one.label)
    problem = f'<p class="problem" id="{place}-problem">{escape(wrong)}</p>' if wrong else ""
    described = f' aria-describedby="{place}-problem" aria-invalid="true"' if wrong else ""
    completed = _COMPLETED.get(one.kind) or ("given-name" if "first" in one.path else "family-name")
    return (
        f'<div class="field{" wrong" if wrong else ""}"><label for="{place}">{escape(words)}</label>{problem}'
        f'<input id="{place}" name="{escape(one.path)}" type="{_TYPES.get(one.kind, "text")}" '
        f'value="{escape(again.values.get(one.path, ""))}" autocomplete="{completed}" maxlength="254"'
        f"{' required' if one.required else ''}{described}></div>"
    )


def _places(form: Asking, again: Again) -> str:
    chosen = again.values.get("place", "")
    options = "".join(
        f'<option value="{escape(code)}"{" selected" if code == chosen else ""}>{escape(place_name(code, form.lang))}'
        "</option>"
        for code in form.places
    )
    return (
        f'<div class="field"><label for="place">{escape(_say(form, "place.label"))}</label>'
        f'<p class="hint" id="place-hint">{escape(_say(form, "place.hint"))}</p>'
        f'<select id="place" name="place" aria-describedby="place-hint" autocomplete="country">'
        f'<option value="">{escape(_say(form, "place.other"))}</option>{options}</select></div>'
    )


def place_name(code: str, lang: str) -> str:
    """A country or a region in words."""
    if code in NAMED:
        return text(ROOM, f"place.{code}", lang)
    return str(Locale(lang).territories.get(code[:2], code)) + (f" ({code[3:]})" if code[2:] else "")


def _notice(form: Asking) -> str:
    summary = _say(form, "notice.summary", version=form.notice.version, day=day(form.notice.effective, form.lang))
    return (
        f"<p>{escape(_say(form, 'free', company=form.company, contact=form.contact))}</p>"
        f'<details><summary>{escape(summary)}</summary><p class="pre" lang="{escape(form.notice.locale)}">'
        f"{escape(form.notice.text.strip())}</p></details>"
    )


def _buttons(form: Asking) -> str:
    # INVARIANT: to refuse is as easy as to accept: one class, one size, side by side (CNIL 2020-092). The Enter key
    # presses the first button, which records what is ticked, be it nothing.
    words = ((key, escape(_say(form, f"act.{key}"))) for key in ("save", "none"))
    buttons = "".join(f'<button name="act" value="{key}">{word}</button>' for key, word in words)
    return f'<div class="actions equal">{buttons}</div>'


def _id(name: str) -> str:
    return escape(name.replace(".", "-"))

"""A form as one language shows it, taken from the policy: the boxes, the fields, the notice, the benefit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pacte.consent.notice.words import of_policy
from pacte.kernel.canonical import Json
from pacte.kernel.errors import NotFound
from pacte.kernel.instant import Instant
from pacte.policy.compile import Compiled
from pacte.policy.declared import DEFAULT_GRADE
from pacte.policy.model import Form, Notice, PolicyFile, Purpose

STRANGER, KNOWN, PROGRAM = "stranger", "known", "program"
"""Whom a form is shown to: somebody who types who they are, somebody signed in, an application that draws its own."""


@dataclass(frozen=True, slots=True)
class Box:
    """One thing to say yes to: a purpose, by one channel, for one recipient, where it has several."""

    purpose: str
    channel: str
    recipient: str
    receiver: str
    """The recipient's name, as people know it."""

    @property
    def name(self) -> str:
        """Its name in an answer."""
        return ".".join(part for part in (self.purpose, self.channel, self.recipient) if part)


@dataclass(frozen=True, slots=True)
class Question:
    """One purpose with its boxes; `grade` is the weakest proof of a yes that counts."""

    purpose: str
    title: str
    reason: str
    in_return: str
    grade: str
    aged: bool
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """Something that a stranger types: `path` is `dataset.field`; only the e-mail address must be given."""

    path: str
    kind: str
    label: str
    required: bool


@dataclass(frozen=True, slots=True)
class Gain:
    """What is offered for a yes, what whoever says no gets in its place, and what is lost on withdrawal."""

    purpose: str
    what: str
    because: str
    otherwise: str
    lost: str


@dataclass(frozen=True, slots=True)
class Asking:
    """A form in one language, to one kind of reader."""

    name: str
    lang: str
    to: str
    title: str
    text: str
    company: str
    contact: str
    notice_name: str
    notice: Notice
    questions: tuple[Question, ...]
    fields: tuple[Field, ...]
    over: int
    places: tuple[str, ...]
    capacity: str
    gain: Gain | None

    @property
    def boxes(self) -> dict[str, Box]:
        """Every box by its name."""
        return {box.name: box for question in self.questions for box in question.boxes}

    @property
    def email(self) -> Field:
        """The field of the address that a yes is confirmed by."""
        return next(field for field in self.fields if field.kind == "email")

    def grade_of(self, box: Box) -> str:
        """The weakest proof that a yes in this box needs."""
        return next(one.grade for one in self.questions if one.purpose == box.purpose)

    def title_of(self, box: Box) -> str:
        """What the purpose of a box is called."""
        return next(one.title for one in self.questions if one.purpose == box.purpose)

    def to_json(self) -> dict[str, Json]:
        """What an application that draws its own form must show, and by what names it answers."""
        gain: dict[str, Json] = {}
        if self.gain:
            gain = {"benefit": {key: getattr(self.gain, key) for key in ("purpose", "what", "otherwise", "lost")}}
        return {
            "form": self.name,
            "language": self.lang,
            "title": self.title,
            "text": self.text,
            "company": self.company,
            "contact": self.contact,
            "notice": {"digest": self.notice.digest, "version": self.notice.version, "text": self.notice.text},
            "purposes": [_question_json(one) for one in self.questions],
            "fields": [
                {"name": one.path, "kind": one.kind, "label": one.label, "required": one.required}
                for one in self.fields
            ],
            "over": self.over,
            "places": list(self.places),
            **gain,
        }


def asking(compiled: Compiled, name: str, lang: str, to: str = STRANGER, at: Instant | None = None) -> Asking:
    """The form of this name, with the notice in effect at an instant.

    Raises `NotFound` for one that the policy does not declare, or that asks for nothing.
    """
    policy = compiled.document
    form = policy.forms.get(name)
    questions = tuple(_questions(form, policy, lang)) if form else ()
    if form is None or not questions:
        raise NotFound("no such form is declared here")
    notice = _notice(form, compiled, lang, at)
    fresh = to != KNOWN
    return Asking(
        name=name,
        lang=lang,
        to=to,
        title=of_policy(form.title, lang),
        text=of_policy(form.text, lang) if form.text else "",
        company=policy.controller.name,
        contact=policy.controller.contact,
        notice_name=notice,
        notice=policy.notices[notice],
        questions=questions,
        fields=tuple(_fields(form, policy, lang)) if fresh else (),
        over=(form.over or 0) if fresh else 0,
        places=form.places if fresh else (),
        capacity=form.capacity or "",
        gain=_gain(form, lang) if any(_is_tied(form, one.purpose) for one in questions) else None,
    )


def declared(compiled: Compiled) -> tuple[str, ...]:
    """The forms of a policy that ask for something."""
    policy = compiled.document
    return tuple(name for name, form in policy.forms.items() if any(_questions(form, policy, policy.languages[0])))


def _notice(form: Form, compiled: Compiled, lang: str, at: Instant | None) -> str:
    """The notice that the form names in a language, else the newest that tells of all that it asks."""
    policy = compiled.document
    found = form.notices or tuple(name for name in policy.notices if _tells_all(name, form, compiled))
    begun = [name for name in found if form.notices or at is None or policy.notices[name].effective <= at]
    own = [name for name in begun if policy.notices[name].locale.partition("-")[0] == lang]
    if not begun:
        raise NotFound("no notice that tells of all that this form asks is in effect yet")
    return max(own or begun, key=lambda name: policy.notices[name].effective)


def untold(compiled: Compiled) -> list[str]:
    """The forms that no notice tells of, a sentence each with file and line. Such a policy cannot be published.

    A yes to what nobody was told of is no yes (GDPR Art. 4(11), 13(1)(c)). A draft may stand so until its notice is
    written (`pacte notice --write`).
    """
    policy, found = compiled.document, []
    for form, declared in policy.forms.items():
        telling = declared.notices or tuple(name for name in policy.notices if _tells_all(name, declared, compiled))
        heard = {policy.notices[name].locale.partition("-")[0] for name in telling}
        if missing := [f"`{lang}`" for lang in policy.languages if lang not in heard]:
            file, line = policy.place("forms", form)
            asked = ", ".join(f"`{purpose}`" for purpose in declared.purposes)
            found.append(
                f"{file}:{line}: no notice in {', '.join(missing)} tells of all that form `{form}` asks ({asked}, with "
                "all their data): a yes to what nobody was told of is no yes (GDPR Art. 4(11), 13(1)(c)); write one, "
                "such as with `pacte notice --write`"
            )
    return found


def _tells_all(name: str, form: Form, compiled: Compiled) -> bool:
    policy = compiled.document
    told = compiled.table.notices[policy.notices[name].digest].purposes
    asked = [purpose for purpose in form.purposes if purpose in policy.purposes]
    counts = all(name in (policy.purposes[one].asked_by or (name,)) for one in asked)
    return counts and all(set(compiled.table.purposes[one].categories) <= set(told.get(one, ())) for one in asked)


def _questions(form: Form, policy: PolicyFile, lang: str) -> Iterator[Question]:
    for name, asked in form.purposes.items():
        purpose = policy.purposes.get(name)
        channels = tuple(one for one in asked if purpose and one in purpose.channels)
        if purpose is None or (asked and not channels):  # an extension does less than the base whose form this is
            continue
        yield Question(
            purpose=name,
            title=of_policy(purpose.title, lang),
            reason=of_policy(purpose.reason, lang),
            in_return=of_policy(purpose.in_return, lang) if purpose.in_return else "",
            grade=purpose.minimum_grade or DEFAULT_GRADE,
            aged=purpose.ages is not None,
            boxes=tuple(_boxes(name, purpose, channels, policy)),
        )


def _boxes(name: str, purpose: Purpose, channels: tuple[str, ...], policy: PolicyFile) -> Iterator[Box]:
    recipients = purpose.recipients if purpose.by_recipient else ("",)
    for channel in channels or ("",):
        for recipient in recipients:
            yield Box(name, channel, recipient, policy.recipients[recipient].name if recipient else "")


def _fields(form: Form, policy: PolicyFile, lang: str) -> Iterator[Field]:
    for path, label in form.asks.items():
        dataset, _, field = path.partition(".")
        kind = policy.datasets[dataset].fields[field].identity or ""
        yield Field(path, kind, of_policy(label, lang), kind == "email")


def _gain(form: Form, lang: str) -> Gain | None:
    found = form.benefit
    if found is None:
        return None
    parts = (found.what, found.because, found.otherwise, found.lost)
    return Gain(found.purpose, *(of_policy(part or {lang: ""}, lang) for part in parts))


def _is_tied(form: Form, purpose: str) -> bool:
    return form.benefit is not None and form.benefit.purpose == purpose


def _question_json(question: Question) -> dict[str, Json]:
    boxes: list[Json] = [
        {"name": box.name, "channel": box.channel, "recipient": box.receiver} for box in question.boxes
    ]
    words = {"title": question.title, "reason": question.reason, "in_return": question.in_return}
    return {"purpose": question.purpose, **words, "boxes": boxes}

"""Record what people say: one commit holds the ledger entry, the state that follows from it, and what must follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pacte.app.commits import First
from pacte.app.committer import Change, Moment
from pacte.app.committer import Recorded as Written
from pacte.app.house import House
from pacte.app.people import only, people_of, subject_of
from pacte.app.policies import published
from pacte.consent import choices
from pacte.kernel import given
from pacte.kernel.errors import BadInput, Denied, NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.jobs import Job
from pacte.ledger import log, queries
from pacte.policy.compile import Compiled
from pacte.policy.model import PolicyFile

__all__ = ["Choice", "Recorded", "choose", "people_of", "prepare", "published", "subject_of"]

TELL = "tell_recipient"
"""The kind of job that lets a recipient know."""
TELLING = frozenset({"withdrawn", "objected", "restricted"})
"""Acts of which everybody must be told who received the data. Source: GDPR Art. 7(3), 19, 21(3)."""
TELL_WITHIN = 3 * DAY
"""How long a recipient may stay untold before it counts as late, in microseconds: without undue delay, Art. 12(3)."""

DATED = frozenset({"paper", "letter", "import", "staff"})
"""Methods by which a no bears the day on which it reached the company; a program's clock says no such thing."""

_PLACE = ("channel", "recipient")
"""Details that a call under a used key must have in common with the first."""
NOBODY = SubjectId("0" * 32)
"""Stands for the person in an entry that is still everybody's."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a choice stands: its ledger index and the size of the ledger that holds it.

    `people` is everybody it was recorded for: several where a no came from an address that they share; `index` and
    `subject` are then the first one's.
    """

    index: int
    size: int
    subject: SubjectId
    at: Instant
    people: tuple[SubjectId, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The verb: one person's choice, to be recorded; `details` are those of `consent.choices.build_choice`."""

    person: str
    purpose: str
    act: str
    by: str
    details: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    said: str = ""
    """A digest of the whole call, where its key may be used for no other."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Whom it is about."""
        return (self.person,)

    @property
    def ends(self) -> bool:
        """Whether it is a no."""
        return self.act in choices.PROTECTIVE

    def change(self, moment: Moment) -> Change[Recorded]:
        """The entries, one for each person concerned, and a job for each recipient who must be told."""
        people = _concerned(moment, self.person, self.act)
        entry, told = self._alike(moment)
        entries = [{**entry, "subject": subject, **_heard(moment, subject, entry)} for subject in people]
        # By the clock as it is: after a jump ahead the ledger's time may lie years off.
        due, late = moment.clock, Instant(moment.clock + TELL_WITHIN)
        asked = [
            Job(TELL, due, subject, place, recipient, late)
            for place, subject in enumerate(people)
            for recipient in told
        ]
        return Change(lambda written: _recorded(written, people), entries, asked)

    def _alike(self, moment: Moment) -> tuple[dict[str, Any], Sequence[str]]:
        """The entry as it is for everybody who says the same now, and the recipients who must be told.

        Of many choices in one commit most differ in nothing but the person; each kind is held against the policy once.
        """
        kind = (self.purpose, self.act, self.by, *self.details.items())
        if kind not in moment.kept:
            now = moment.present
            details = {"effective": now, "grade": "none", "method": "staff"} | dict(self.details)
            entry = prepare(moment.policy, NOBODY, self.purpose, self.act, by=self.by, now=now, **details)
            moment.kept[kind] = entry, _told(moment.policy.document, entry)
        found: tuple[dict[str, Any], Sequence[str]] = moment.kept[kind]
        return found

    def again(self, moment: Moment, first: First) -> Recorded:
        """What was recorded under the same key before; raises `BadInput` where that was another choice."""
        entries = [log.entry(moment.conn, index) for index in range(first.entry, first.size)]
        asked = ("choice", self.purpose, self.act, *(self.details.get(word) or "" for word in _PLACE))
        behind = set(moment.people(self.person))
        for entry in entries:
            if entry is None:
                continue
            said = (entry["kind"], entry.get("purpose"), entry.get("act"), *(entry.get(word, "") for word in _PLACE))
            if said != asked or (behind and entry.get("subject") not in behind):
                raise BadInput("the key of this call was used for something else; draw a new key for each choice")
        people = [SubjectId(str(entry["subject"])) for entry in entries if entry is not None]
        if not people:
            raise Denied("erased", "what was recorded under this key was erased since")
        return _recorded(Written(first.entry, first.size, first.at), people)


def choose(
    house: House, person: str, purpose: str, act: str, *, by: str = "cli", key: str = "", **details: Any
) -> Recorded:
    """Record one choice of one person; `details` are those of `consent.choices.build_choice`.

    Returns when it is durable. With a `key` of the caller's, the same call again answers what the first one recorded,
    for thirty days. A no that comes through an identifier which several people share is recorded for each of them; a
    yes is not: it raises `Conflict`. Raises `NotFound` for an unknown person and `BadInput` for what the policy does
    not declare.
    """
    for name, value in (("person", person), ("purpose", purpose), ("act", act), ("by", by), ("key", key)):
        given.word(value, name)
    given.details(details)
    return house.commit(Choice(person, purpose, act, by, details, key))


def prepare(compiled: Compiled, subject: SubjectId, purpose: str, act: str, **details: Any) -> dict[str, Any]:
    """The `choice` entry, checked against the policy; its expiry is fixed here, from the policy of the day."""
    fitting = choices.fitted(compiled.document, {**details, "purpose": purpose, "act": act})
    return choices.build_choice(subject=subject, **fitting | compiled.document.controller.standing)


def _recorded(written: Written, people: Sequence[SubjectId]) -> Recorded:
    return Recorded(written.first, written.size, people[0], written.at, tuple(people))


def _concerned(moment: Moment, person: str, act: str) -> list[SubjectId]:
    """Whom a choice is recorded for: the one person named, or everybody whom a no may come from."""
    found = moment.people(person)
    if act not in choices.PROTECTIVE:
        alone = only(person, found)
        found = [] if alone is None else [alone]
    here = [subject for subject in found if moment.here(subject)]
    if here:
        return here
    if any(moment.known(subject) for subject in found):
        raise Denied("erased", "this person was erased; a new choice needs a new registration")
    raise NotFound("nobody with that identifier is known here; load them first")


def _heard(moment: Moment, subject: SubjectId, entry: Mapping[str, Any]) -> Mapping[str, Instant]:
    """From when a no counts that a program dates before a yes which was heard already: from now on.

    A withdrawal counts when it reaches the company; a clock that is slow, or a queue, takes nobody's no away. Paper,
    and what staff record, bear the day on which it came. Source: GDPR Art. 7(3).
    """
    by_hand = entry["method"] in DATED or entry["by"] == "cli" or entry["by"].startswith("staff:")
    said, now = entry.get("effective", moment.present), moment.present
    if entry["act"] not in choices.PROTECTIVE or by_hand or said >= now:
        return {}
    purposes = moment.policy.document.purposes
    for _, earlier in queries.about_of_kind(moment.conn, subject, "choice"):
        about = entry["purpose"] == earlier["purpose"] or not {entry["purpose"], earlier["purpose"]} <= purposes.keys()
        if about and earlier["act"] in choices.LOOSENING and earlier.get("effective", earlier["learned"]) > said:
            return {"effective": now, "learned": now}
    return {}


def _told(policy: PolicyFile, entry: Mapping[str, Any]) -> Sequence[str]:
    """The recipients who must be told: the one that the choice names, or all of the purposes that it is about."""
    if entry["act"] not in TELLING:
        return ()
    if "recipient" in entry:
        return (str(entry["recipient"]),)
    purpose = policy.purposes.get(entry["purpose"])
    concerned = policy.purposes.values() if purpose is None else [purpose]  # `*` and standing choices are about all
    return list(dict.fromkeys(name for one in concerned for name in one.recipients))

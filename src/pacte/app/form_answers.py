"""What somebody signed in answers to a form: each yes, and a no where nothing was said before, in one commit.

What needs a stronger proof than a form is named and not recorded. Source: GDPR Art. 4(11), 7(1)-(3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pacte.app.batch import Choices
from pacte.app.choose import Choice, Recorded
from pacte.app.committer import Change, Moment
from pacte.app.forms import Shown, Ticket
from pacte.app.overview import overview
from pacte.consent.choices import LOOSENING
from pacte.consent.form.values import Asking, Box
from pacte.kernel.canonical import canonical
from pacte.kernel.ids import SubjectId
from pacte.ledger import queries

if TYPE_CHECKING:
    from pacte.app.house import House


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one person says with one box, ticked or not, from what they had said until now.

    `none` is whether they said no to everything, `details` are those of a choice.
    """

    subject: SubjectId
    box: Box
    ticked: bool
    none: bool
    details: tuple[tuple[str, object], ...]

    @property
    def persons(self) -> tuple[str, ...]:
        """Whom it is about."""
        return (self.subject,)

    def change(self, moment: Moment) -> Change[Any]:
        """The choice that the box makes; no entry where an empty box says nothing new."""
        act = self._act([entry for entry in _choices(moment, self.subject) if is_about(entry, self.box)])
        if not act:
            return Change(lambda written: written)
        return Choice(self.subject, self.box.purpose, act, "person", dict(self.details)).change(moment)

    def _act(self, heard: Collection[Mapping[str, Any]]) -> str:
        if self.ticked:
            return "given"
        if self.none and any(entry["act"] in LOOSENING for entry in heard):
            return "withdrawn"
        return "" if heard and not self.none else "refused"


def choose(
    house: House, subject: SubjectId, seen: Ticket, found: Shown, yes: Collection[str], *, none: bool = False
) -> list[Recorded]:
    """Record the answer of somebody signed in: each yes, and a no where nothing was said before.

    A box left empty takes back no earlier yes: the form asked for nothing to be taken back. With `none`, which is the
    button that refuses, every box is a no, and an earlier yes is withdrawn. A yes that needs a stronger proof than a
    form is not recorded here; `unproved` names it. The same answer twice is recorded once; raises `Conflict` where
    something else was said in between.
    """
    form, given = found.form, () if none else yes
    todo = unproved(form, given)
    parts = tuple(
        Ticked(subject, box, name in given, none, _details(found, box))
        for name, box in form.boxes.items()
        if name not in todo
    )
    name = hashlib.sha256(canonical([subject, *sorted(given)])).hexdigest()[:32]
    # A no to everything has no key, so that nothing answers it from what stood before.
    key = "" if none else f"form:{seen.name}:{name}"
    done = house.commit(Choices(parts, key, unless_since=True))
    return [Recorded(index, done.size, subject, done.at, (subject,)) for index in done.indices]


def standing(house: House, subject: SubjectId, form: Asking) -> tuple[str, ...]:
    """The boxes to which this person has said yes already, and nothing else since."""
    switches = [switch for one in overview(house, subject, form.lang) for switch in one.switches]
    on = {(one.purpose, one.channel, one.recipient) for one in switches if one.on}
    return tuple(name for name, box in form.boxes.items() if (box.purpose, box.channel, box.recipient) in on)


def unproved(form: Asking, yes: Collection[str]) -> tuple[str, ...]:
    """The boxes whose yes counts only once it is confirmed by a message."""
    return tuple(name for name, box in form.boxes.items() if name in yes and form.grade_of(box) == "double_opt_in")


def is_about(entry: Mapping[str, Any], box: Box) -> bool:
    """Whether a recorded choice is about what a box asks, alone or with more."""
    pairs = ((entry.get("channel", ""), box.channel), (entry.get("recipient", ""), box.recipient))
    return entry["purpose"] in ("*", box.purpose) and all(not (one and other) or one == other for one, other in pairs)


def _details(found: Shown, box: Box) -> tuple[tuple[str, object], ...]:
    return (
        ("method", "web_form"),
        ("grade", "form"),
        ("authenticated", True),
        ("channel", box.channel or None),
        ("recipient", box.recipient or None),
        ("notice", found.form.notice_name),
        ("form", found.digest),
    )


def _choices(moment: Moment, subject: SubjectId) -> list[Mapping[str, Any]]:
    """What somebody had said before this commit; looked up once for all boxes of a form."""
    kept = ("choices", subject)
    if kept not in moment.kept:
        moment.kept[kept] = [entry for _, entry in queries.about_of_kind(moment.conn, subject, "choice")]
    found: list[Mapping[str, Any]] = moment.kept[kept]
    return found

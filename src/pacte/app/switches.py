"""Turn a switch: a no counts whatever the page showed, a yes only as it was shown, and where nothing was said since.

Pages, badges and levels show what somebody said, and are answered later. Whether something else was said meanwhile is
looked at in the commit itself: of two tabs, two devices or two processes, no yes comes over a no that it did not see.
Source: GDPR Art. 4(11), 7(3), 21(2)-(4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacte.app.choose import Choice, Recorded
from pacte.app.commits import First
from pacte.app.committer import Change, Moment
from pacte.app.overview import Standing, Switch
from pacte.consent.choices import PROTECTIVE
from pacte.gate import one
from pacte.gate.values import Question
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.ids import SubjectId
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House


@dataclass(frozen=True, slots=True)
class Turn:
    """The verb: a choice made on a page that showed, for these channels and recipients, what was said last.

    `seen` is the ledger index of the latest word that the page showed, -1 for none.
    """

    choice: Choice
    places: tuple[tuple[str, str], ...]
    seen: int
    key: str = ""

    @property
    def act(self) -> str:
        """What is said."""
        return self.choice.act

    @property
    def persons(self) -> Sequence[str]:
        """Whom it is about."""
        return self.choice.persons

    @property
    def ends(self) -> bool:
        """Whether it is a no."""
        return self.choice.ends

    def change(self, moment: Moment) -> Change[Recorded]:
        """As for the choice. Raises `Conflict` for a yes where another word counts by now than the one shown."""
        if self.act not in PROTECTIVE and self.seen != self._latest(moment):
            raise Conflict("something else was said since this was shown; look at it again before you say yes")
        return self.choice.change(moment)

    def again(self, moment: Moment, first: First) -> Recorded:  # noqa: ARG002 # part of the protocol
        """A turn has no key: a page that is sent twice shows what was said the first time."""
        raise BadInput("a turn of a switch has no key")

    def _latest(self, moment: Moment) -> int:
        subject, now, size = SubjectId(self.choice.person), moment.present, moment.head.size
        asked = (Question(self.choice.purpose, now, size, (), *place) for place in self.places)
        cited = (one.may(moment.conn, subject, question).cited for question in asked)
        return max((-1 if word is None else word.entry for word in cited), default=-1)


def turn(
    house: House, subject: SubjectId, standing: Standing, switch: Switch, *, on: bool, seen: int, notice: str
) -> Recorded:
    """Record what a person says with one of their switches; `notice` is the digest of the text that was shown with it.

    Raises `Conflict` for a yes to another text than the one that tells of the purpose now, or as `Turn` does.
    """
    shown = standing.notice_name if standing.notice is not None and notice == standing.notice.digest else None
    act = switch.acts[on]
    if act == "given" and shown is None:
        raise Conflict("the information changed since this was shown; look at it again before you say yes")
    details = {
        "method": "web_form",
        "grade": "form",
        "authenticated": True,
        "channel": switch.channel or None,
        "recipient": switch.recipient or None,
        "notice": shown if on else None,
    }
    choice = Choice(subject, switch.purpose, act, "person", details)
    return house.commit(Turn(choice, ((switch.channel, switch.recipient),), seen))


def said_no(house: House, switch: Switch) -> bool:
    """Whether the last word about exactly this switch is the no that turning it off would record once more.

    A page answers such a no from what stands: nobody can be kept from saying no, nor fill the ledger by saying it.
    """
    if switch.on or switch.entry < 0:
        return False
    with house.reading() as conn:
        entry = log.entry(conn, switch.entry)
    if entry is None:
        return False
    about = tuple(entry.get(word, "") for word in ("act", "purpose", "channel", "recipient"))
    return about == (switch.acts[0], switch.purpose, switch.channel, switch.recipient)

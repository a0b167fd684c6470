"""Personalisation by levels: none, then one purpose more with each, from little to much.

A level is no legal state of its own: it is the choices behind it, all recorded in one commit. None holds until the
person asks for more. Source: GDPR Art. 4(11), 7, 25(2); Québec P-39.1 s. 8.1, 9.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacte.app.batch import Choices, Together
from pacte.app.choose import Choice
from pacte.app.overview import Standing, overview
from pacte.app.policies import document
from pacte.app.switches import Turn
from pacte.kernel.errors import Conflict
from pacte.kernel.ids import SubjectId
from pacte.policy.model import Level

if TYPE_CHECKING:
    from pacte.app.house import House


@dataclass(frozen=True, slots=True)
class Step:
    """One level as it stands for a person: `on` is whether their word allows its purpose, by every channel."""

    level: Level
    standing: Standing

    @property
    def on(self) -> bool:
        """Whether the person's word allows all of it."""
        return all(switch.on for switch in self.standing.switches)

    @property
    def off(self) -> bool:
        """Whether the person's word allows none of it."""
        return not any(switch.on for switch in self.standing.switches)

    @property
    def seen(self) -> int:
        """The ledger index of the last word about it that counts, -1 where nothing was said."""
        return max(switch.entry for switch in self.standing.switches)


@dataclass(frozen=True, slots=True)
class Steps:
    """The levels as they stand for a person."""

    steps: tuple[Step, ...]

    @property
    def asked(self) -> bool:
        """Whether the person ever said anything about any of them."""
        return any(step.seen >= 0 for step in self.steps)

    @property
    def level(self) -> int | None:
        """How many levels hold, 0 for none; `None` where the purposes were chosen one by one and make no level."""
        height = next((place for place, step in enumerate(self.steps) if not step.on), len(self.steps))
        return height if all(step.off for step in self.steps[height:]) else None

    @property
    def seen(self) -> str:
        """What stood when this was read: it changes with every word about any of them, and with every new text."""
        notices = (step.standing.notice for step in self.steps)
        texts = (notice.digest[:16] if notice else "" for notice in notices)
        return ".".join(f"{step.seen}-{text}" for step, text in zip(self.steps, texts, strict=True))


def steps(house: House, subject: SubjectId, lang: str) -> Steps:
    """The levels of the policy in force, as they stand for a person; none where it declares none."""
    declared = document(house).personalisation
    standings = {one.name: one for one in overview(house, subject, lang)} if declared else {}
    return Steps(tuple(Step(level, standings[level.purpose]) for level in declared))


def choose_level(
    house: House,
    subject: SubjectId,
    level: int,
    now: Steps,
    *,
    seen: str,
    by: str = "person",
    method: str = "web_form",
) -> Together | None:
    """Record the choices that make a level; answers where they stand, or `None` where it held already.

    `now` is how the levels stand (`steps`), `seen` what the person was shown: raises `Conflict` where something else
    was said since, or another text is in force, and the person asks for more than holds. A wish for less is recorded
    whatever the page showed, also beside such a wish for more.
    """
    if not 0 <= level <= len(now.steps):
        raise Conflict("the levels are others by now; load the page again")
    said = tuple(_said(subject, now, level, by, method))
    less = tuple(one for one in said if one.act != "given")
    try:
        if seen != now.seen and less != said:
            raise Conflict("something changed since this was shown; look at it again before you say yes")
        return house.commit(Choices(said)) if said else None
    except Conflict:
        if less and less != said:
            house.commit(Choices(less))
        raise


def _said(subject: SubjectId, now: Steps, level: int, by: str, method: str) -> Iterator[Choice | Turn]:
    """What has to be said for a level to hold: a yes up to it, and beyond it a no to whatever is allowed.

    Whoever was never asked and wants none of it has said so: it is recorded, so that nobody asks again.
    """
    for place, step in enumerate(now.steps):
        wanted = place < level
        details: dict[str, object] = {"method": method, "grade": "form", "authenticated": True}
        if wanted and not step.on:
            given = details | {"notice": step.standing.notice_name}
            places = tuple((switch.channel, switch.recipient) for switch in step.standing.switches)
            yield Turn(Choice(subject, step.level.purpose, "given", by, given), places, step.seen)
        elif not wanted and not step.off:
            yield Choice(subject, step.level.purpose, "withdrawn", by, details)
        elif not wanted and step.seen < 0:
            yield Choice(subject, step.level.purpose, "refused", by, details)

"""Personalisation by levels: none, then one purpose more with each, from little to much.

A level is no legal state of its own: it is the choices behind it, all recorded in one commit. None holds until the
person asks for more. Source: GDPR Art. 4(11), 7, 25(2); Québec P-39.1 s. 8.1, 9.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacte.app.choose import Choice
from pacte.app.commits import First
from pacte.app.committer import Change, Moment
from pacte.app.committer import Recorded as Written
from pacte.app.overview import Standing, overview
from pacte.app.policies import published
from pacte.app.switches import Turn
from pacte.kernel.errors import BadInput, Conflict
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


@dataclass(frozen=True, slots=True)
class Choices:
    """The verb: several choices of one person, recorded together or not at all."""

    person: str
    parts: tuple[Choice | Turn, ...]
    key: str = ""

    @property
    def persons(self) -> tuple[str, ...]:
        """Whom they are about."""
        return (self.person,)

    def change(self, moment: Moment) -> Change[Written]:
        """The entries of all of them, and the jobs, each counted from its own first entry."""
        entries: list[Mapping[str, object]] = []
        asked = []
        for one in self.parts:
            part = one.change(moment)
            asked += [job._replace(entry=(job.entry or 0) + len(entries)) for job in part.jobs]
            entries += part.entries
        return Change(_as_written, entries, asked)

    def again(self, moment: Moment, first: First) -> Written:  # noqa: ARG002 # part of the protocol
        """Choices made together have no key."""
        raise BadInput("choices that are made together have no key")


def steps(house: House, subject: SubjectId, lang: str) -> Steps:
    """The levels of the policy in force, as they stand for a person; none where it declares none."""
    with house.reading() as conn:
        declared = published(conn, house.present(conn)).document.personalisation
    standings = {one.name: one for one in overview(house, subject, lang)} if declared else {}
    return Steps(tuple(Step(level, standings[level.purpose]) for level in declared))


def choose_level(
    house: House, subject: SubjectId, level: int, *, lang: str, seen: str, by: str = "person", method: str = "web_form"
) -> Written | None:
    """Record the choices that make a level; answers where they stand, or `None` where it held already.

    `seen` is what the person was shown: raises `Conflict` where something else was said since, or another text is in
    force, and the person asks for more than holds. A wish for less is recorded whatever the page showed, also beside
    such a wish for more.
    """
    now = steps(house, subject, lang)
    if not 0 <= level <= len(now.steps):
        raise Conflict("the levels are others by now; load the page again")
    said = tuple(_said(subject, now, level, by, method))
    less = tuple(one for one in said if one.act != "given")
    try:
        if seen != now.seen and less != said:
            raise Conflict("something changed since this was shown; look at it again before you say yes")
        return house.commit(Choices(subject, said)) if said else None
    except Conflict:
        if less and less != said:
            house.commit(Choices(subject, less))
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


def _as_written(written: Written) -> Written:
    return written

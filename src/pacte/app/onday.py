"""On this day, could we? One person, one purpose, one day of the past: what the gate answered, and what was done.

Two answers where they differ: by what was known then, and by everything learnt since. A day is answered as of its end;
each use of that day that had the person, as of its own moment, with its proof: a yes may have been taken back between.
Whoever asks is shown what the answers stand on. Asking leaves a look, like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app.ask import ACCOUNTABILITY
from pacte.app.history import Recorded, Used, limits, shown, told_use, use_of, used_between
from pacte.app.policies import published
from pacte.app.prove import Proof, known, prove
from pacte.gate import replay as replaying
from pacte.gate import rules as stored
from pacte.gate import use as using
from pacte.gate.questions import HOUSE, needed
from pacte.gate.replay import Answers
from pacte.gate.values import Decision, Question
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant, from_date
from pacte.ledger import log, queries
from pacte.policy.model import Disclosure

if TYPE_CHECKING:
    from pacte.app.house import House

REASON = "on_day"
"""The reason of the look that each question leaves in the ledger."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers for one channel and recipient, at the end of the day.

    `began` is by what was known at the beginning of the day, where that was another answer.
    """

    channel: str
    recipient: str
    answers: Answers
    began: Decision | None


@dataclass(frozen=True, slots=True)
class UsedThen:
    """A use of that day, and what was answered at its moment, for what it asked.

    `afterwards` is the answer at the end of the day, where we no longer could and the answers do not say why already.
    """

    use: Used
    answers: Answers
    afterwards: Decision | None


@dataclass(frozen=True, slots=True)
class OnDay:
    """What is answered about one day. `until` is the instant that was asked about, the day's last or the present.

    `title` is what the purpose was called then. `cited` are the person's own entries that the answers stand on.
    `limit` is what the policy says of showing `uses`, and `None` for all of them.
    """

    purpose: str
    title: Mapping[str, str]
    day: Instant
    until: Instant
    answered: tuple[Answered, ...]
    cited: tuple[int, ...]
    uses: tuple[UsedThen, ...]
    limit: Disclosure | None

    @property
    def over(self) -> bool:
        """Whether the day is over, so that its end could be asked about."""
        return self.until == self.day + DAY - 1

    @property
    def differ(self) -> bool:
        """Whether something learnt since changes an answer."""
        return any(one.answers.differ for one in self.answered)


def purposes(house: House) -> dict[str, Mapping[str, str]]:
    """The titles of every purpose that a policy ever had here, those of the policy in force first."""
    found: dict[str, Mapping[str, str]] = {}
    with house.reading() as conn:
        rules = [digest for _, digest in reversed(stored.policy_entries(conn))]
        present = stored.present(conn, house.present(conn))
        for digest in dict.fromkeys([*([present.rules] if present else []), *rules]):
            for name, purpose in stored.load(conn, digest).purposes.items():
                if not name.startswith(HOUSE):
                    found.setdefault(name, purpose.title)
    return found


def on_day(house: House, subject: SubjectId, purpose: str, day: date, *, by: str = "person") -> OnDay:
    """Answer for one day (of UTC); raises `BadInput` for one that has not come. Looking is recorded."""
    start = from_date(day)
    with house.writing() as conn:
        now = house.present(conn)
        if start > now:
            raise BadInput("a day that has not come yet")
        subject = known(house, conn, subject)
        if not replaying.evidence_ended(conn, subject):
            using.look(conn, subject, ACCOUNTABILITY, REASON, house.clock(), house.signer, by)
    with house.reading() as conn:
        until = Instant(min(start + DAY - 1, now))
        policy = published(conn, now).document
        used, _ = used_between(conn, subject, start, Instant(start + DAY), purpose)
        answered = tuple(_answered(conn, subject, purpose, start, until))
        limit = limits(conn, policy, used[-1][1] if used else {"purpose": purpose, "policy": ""})
        uses = tuple(_used_then(conn, subject, one, answered) for one in shown(conn, policy, used, now))
        cited = tuple(_cited(conn, subject, answered, uses))
        title = _title(conn, purpose, until)
    return OnDay(purpose, title, start, until, answered, cited, uses, limit)


def proof_of(house: House, subject: SubjectId, index: int, *, by: str = "person") -> Proof:
    """The proof of one use of this person's data; raises `NotFound` for what they are not shown."""
    return prove(house, subject, use_of(house, subject, index).use, by)


def _answered(conn: Connection, subject: SubjectId, purpose: str, start: Instant, until: Instant) -> Iterator[Answered]:
    size = replaying.known_at(conn, until)
    for channel, recipient in _places(conn, purpose, until, size):
        asked = Question(purpose, until, size, channel=channel, recipient=recipient)
        answers = replaying.at(conn, subject, asked)
        dawn = Question(purpose, start, replaying.known_at(conn, start), channel=channel, recipient=recipient)
        began = replaying.at(conn, subject, dawn).by_known
        same = began.permitted == answers.by_known.permitted
        yield Answered(channel, recipient, answers, None if same else began)


def _used_then(conn: Connection, subject: SubjectId, used: Recorded, ends: Sequence[Answered]) -> UsedThen:
    index, entry = used
    use = told_use(index, entry)
    answers = replaying.both(conn, subject, replaying.question_of(entry), entry["rules"])
    end = next((one.answers.by_known for one in ends if _covers(one, use)), None)
    ended = answers.by_known.permitted and end is not None and not end.permitted
    told = end is not None and not answers.by_true.permitted and answers.by_true.cited == end.cited
    return UsedThen(use, answers, end if ended and not told else None)


def _covers(answered: Answered, use: Used) -> bool:
    return answered.channel in ("", use.channel) and answered.recipient in ("", use.recipient)


def _places(conn: Connection, purpose: str, until: Instant, size: int) -> list[tuple[str, str]]:
    """The channels and recipients that people chose apart on that day."""
    found = stored.load_in_force(conn, until, size)
    rules = None if found is None else found[2].purposes.get(purpose)
    if rules is None:
        return [("", "")]
    wanted = {what: names for what, _, names in needed(rules, Question(purpose, until, size))}
    channels, recipients = wanted.get("channel", ("",)), wanted.get("recipient", ("",))
    return [(channel, recipient) for channel in channels for recipient in recipients]


def _cited(
    conn: Connection, subject: SubjectId, answered: Sequence[Answered], uses: Sequence[UsedThen]
) -> Iterator[int]:
    """The person's own entries that these answers stand on, oldest first."""
    answers = [one.answers for one in answered] + [one.answers for one in uses]
    decisions = [one.by_known for one in answers] + [one.by_true for one in answers]
    decisions += [one.began for one in answered if one.began is not None]
    for index in sorted({one.cited.entry for one in decisions if one.cited is not None}):
        entry = log.entry(conn, index)
        if entry is not None and entry.get("subject") == subject:
            yield index


def _title(conn: Connection, purpose: str, until: Instant) -> Mapping[str, str]:
    """What the purpose was called on that day, else in the last policy that had it."""
    size = queries.size_at(conn, until)
    then = stored.in_force(conn, until, size)
    for digest in [*([then[1]] if then else []), *(rules for _, rules in reversed(stored.policy_entries(conn)))]:
        if found := stored.load(conn, digest).purposes.get(purpose):
            return found.title
    raise BadInput("no such purpose was ever declared here")

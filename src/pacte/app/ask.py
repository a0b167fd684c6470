"""Ask about one person: may we, why, and what would we have answered then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from pacte.app.commits import First
from pacte.app.committer import Change, Moment
from pacte.app.house import House
from pacte.app.people import only, subject_of
from pacte.gate import one, use
from pacte.gate import replay as replaying
from pacte.gate.permit import Permit
from pacte.gate.replay import Answers, Replay
from pacte.gate.values import Decision, Question
from pacte.kernel import given
from pacte.kernel.errors import BadInput, Denied, NotFound
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import Instant
from pacte.ledger import log, queries

ACCOUNTABILITY = "house:accountability"
NEAR = 1_000
"""So many entries after a use are looked through for one that matters; after more the gate is asked at once."""


def may(
    house: House, person: str, purpose: str, *, fields: tuple[str, ...] = (), channel: str = "", recipient: str = ""
) -> Decision:
    """Whether this person's fields may be used now. Answers, and releases nothing."""
    fields = _looked_at(person, purpose, channel, recipient, fields)
    with house.reading() as conn:
        subject = subject_of(house, conn, person)
        head = log.head(conn)
        present = Instant(max(house.clock(), head.time))  # as `House.present` has it, from one look at the head
        return one.may(conn, subject, Question(purpose, present, head.size, fields, channel, recipient))


@dataclass(frozen=True, slots=True)
class UseOfOne:
    """The verb: one person's data are to be used for a purpose, if the gate permits it."""

    person: str
    purpose: str
    fields: tuple[str, ...]
    channel: str
    recipient: str
    by: str
    key: str = ""
    said: str = ""
    """A digest of the whole call, where its key may be used for no other."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Whom it is about."""
        return (self.person,)

    def change(self, moment: Moment) -> Change[Permit | Decision]:
        """Decide; a permitted use is recorded and only then opens anything, a refusal is answered as it is."""
        act = moment.act(self.by)
        subject = only(self.person, moment.people(self.person))
        if subject is None or not moment.known(subject):
            raise NotFound("nobody with that identifier is known here; an erased person is found by their subject id")
        question = Question(self.purpose, act.present, moment.head.size, self.fields, self.channel, self.recipient)
        person = moment.numbered.get(subject)
        answer = use.intend_one(moment.conn, subject, question, act, None if person is None else person.no)
        if isinstance(answer, Decision):
            return Change(lambda _: answer)
        return Change(lambda written: answer.recorded(written.first), [answer.entry])

    def again(self, moment: Moment, first: First) -> Permit | Decision:
        """The permit that was given under the same key before, while the gate still says yes; else the `Decision`.

        Raises `BadInput` where that was for something else.
        """
        entry = log.entry(moment.conn, first.entry)
        if entry is None:
            raise Denied("erased", "what was recorded under this key was erased since")
        subject = only(self.person, moment.people(self.person))
        question = Question(self.purpose, moment.present, first.entry, self.fields, self.channel, self.recipient)
        permit = None
        if subject is not None and entry["kind"] == "use":
            permit = use.permitted_before(moment.conn, subject, question, first.entry, entry)
        if permit is None:
            raise BadInput("the key of this call was used for something else; draw a new key for each use")
        decision = _again(moment.conn, permit, moment.act(self.by).present, moment.head.size)
        return permit if decision.permitted else decision


def permit(
    house: House,
    person: str,
    purpose: str,
    *,
    fields: tuple[str, ...] = (),
    channel: str = "",
    recipient: str = "",
    by: str = "cli",
    key: str = "",
) -> Permit | Decision:
    """Ask, record the use, and only then hand out the permit for one person; a refusal gives the `Decision`.

    With a `key` of the caller's, the same call again gives the permit that the first one gave, with the end that it
    had, for thirty days, as long as the gate still says yes; a refusal is not remembered, and is decided anew. Without
    one each use is a use of its own.
    """
    fields = _looked_at(person, purpose, channel, recipient, fields)
    return house.commit(UseOfOne(person, purpose, fields, channel, recipient, by, key))


def refused_since(house: House, permit: Permit) -> Decision | None:
    """What the gate says of a permit at the moment of release, where that is a no by now; else `None`.

    Whoever opens data of one person asks this last, when all is read and before any of it leaves: between the commit
    of a use and its release others may withdraw, restrict, stop or erase. Where nothing like that was recorded since,
    nothing is decided again.
    """
    with house.reading() as conn:
        return refused_in(house, conn, permit)


def refused_in(house: House, conn: Connection, permit: Permit) -> Decision | None:
    """`refused_since` in a transaction that the caller has just begun."""
    head = log.head(conn)
    if not _is_disturbed(conn, permit, head.size):
        return None
    decision = _again(conn, permit, Instant(max(house.clock(), head.time)), head.size)
    return None if decision.permitted else decision


def explain(
    house: House,
    person: str,
    purpose: str,
    *,
    at: Instant | None = None,
    channel: str = "",
    recipient: str = "",
    by: str = "cli",
) -> Answers:
    """The two answers about one person at an instant (now by default). Looking is recorded as an entry of its own."""
    _looked_at(person, purpose, channel, recipient, ())
    with house.writing() as conn:
        subject = _known(house, conn, person)
        _look(house, conn, subject, "explain", by)
        as_of = house.present(conn) if at is None else at
        known = log.head(conn).size if at is None else replaying.known_at(conn, at)
        answers = replaying.at(conn, subject, Question(purpose, as_of, known, channel=channel, recipient=recipient))
    return answers


def replay(house: House, use_id: str, person: str, by: str = "cli") -> Replay:
    """A recorded use taken again for one person. Looking is recorded."""
    with house.writing() as conn:
        subject = _known(house, conn, person)
        _look(house, conn, subject, "replay", by)
        again = replaying.replay(conn, UseId(use_id), subject)
    return again


def _is_disturbed(conn: Connection, permit: Permit, size: int) -> bool:
    """Whether something recorded after a use could change its decision; after very much, that is taken for granted."""
    since = permit.index + 1
    return size > since and (size - since > NEAR or queries.disturbed_since(conn, permit.subject, since))


def _again(conn: Connection, permit: Permit, present: Instant, size: int) -> Decision:
    """What the gate says now of what a permit is about: a no that was said meanwhile, a hold, a stop all count."""
    return one.may(conn, permit.subject, replace(permit.record.question, as_of=present, known=size))


def _look(house: House, conn: Connection, subject: SubjectId, reason: str, by: str) -> None:
    """Record the look before anything is seen; where the evidence has ended there is nothing left to look at."""
    if not replaying.evidence_ended(conn, subject):
        use.look(conn, subject, ACCOUNTABILITY, reason, house.clock(), house.signer, by)


def _known(house: House, conn: Connection, person: str) -> SubjectId:
    subject = subject_of(house, conn, person)
    if subject is None or not log.of_subject(conn, subject):
        raise NotFound("nobody with that identifier is known here; an erased person is found by their subject id")
    return subject


def _looked_at(person: str, purpose: str, channel: str, recipient: str, fields: Sequence[str]) -> tuple[str, ...]:
    """The fields that are asked for, once all that was given is known to be texts."""
    for name, value in (("person", person), ("purpose", purpose), ("channel", channel), ("recipient", recipient)):
        given.word(value, name)
    return given.names(fields, "fields")

"""The committer: what many callers want to record at once is recorded together, by one thread, in one commit.

A hot verb says whom it is about and makes a `Change` inside the transaction, from what is true at the head; it writes
nothing itself. The committer takes everything that waits, lets each verb decide, writes all changes in bulk, commits,
and only then answers. A verb that is refused answers its own caller and nobody else.

INVARIANT: nothing is answered that is not durable, and nothing is recorded twice: a commit whose outcome is unknown is
looked up by its mark before anything is tried again. INVARIANT: of two verbs about the same person, or with the same
key, the later one waits for the next commit and finds what the earlier one did; in one commit everybody is apart.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pacte.app import commits, policies
from pacte.app.commits import First, Mark
from pacte.app.people import people_of_all
from pacte.consent import state
from pacte.gate.use import Act
from pacte.kernel import crash, db, jobs
from pacte.kernel.errors import BadInput, Conflict, PacteError, Uncertain, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.kernel.jobs import Job
from pacte.ledger import log
from pacte.policy.compile import Compiled

if TYPE_CHECKING:
    from pacte.app.house import House

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LARGEST = 1_000
"""Verbs in one commit; whoever comes later waits for the next one."""
PAUSE = 0.000_2
"""Seconds in which one of many callers comes again, or is not coming."""
AWAKE = 2
"""Callers woken at once; each wakes another. Whoever is awake without a turn to run costs the others theirs."""
LOOK_FOR = 30.0
"""Seconds for which the outcome of a commit is looked for after the connection was lost."""


class Recorded(NamedTuple):
    """Where the entries of one change stand: from ledger index `first` on, `size` entries in all, at instant `at`."""

    first: int
    size: int
    at: Instant

    @property
    def indices(self) -> range:
        """The ledger indices of the entries, in their order."""
        return range(self.first, self.size)


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """What a verb wants to be recorded, and what it answers once that is durable. Without entries nothing is.

    The `entry` of a job counts from the change's own first entry. `also` writes what else belongs to it, in the same
    transaction, after the entries.
    """

    result: Callable[[Recorded], T_co]
    entries: Sequence[Mapping[str, Any]] = ()
    jobs: Sequence[Job] = ()
    also: Callable[[Connection, Recorded], None] | None = None


class Verb(Protocol[T_co]):
    """Something to record, as one caller asks for it. Frozen: it may be tried more than once."""

    @property
    def persons(self) -> Sequence[str]:
        """Identifiers of the people that it is about."""
        ...

    @property
    def key(self) -> str:
        """The caller's name for this call: the same again gets the first answer; empty without one."""
        ...

    # A verb may also have `ends`: true for a no, which waits until no message to these people is on its way.

    def change(self, moment: Moment) -> Change[T_co]:
        """Decide at the head; raises what its caller shall get. Reads only."""
        ...

    def again(self, moment: Moment, first: First) -> T_co:
        """The answer to a call whose key was used before; raises `BadInput` where that was for something else."""
        ...


@dataclass
class Moment:
    """What is true at the head of the records, for the verbs of one commit: everybody is looked up at once."""

    house: House
    conn: Connection
    clock: Instant
    tip: log.Tip
    found: Mapping[str, list[SubjectId] | BadInput] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)
    """What one verb has worked out, for others of this commit that need the same."""

    @classmethod
    def of(cls, house: House, conn: Connection, verbs: Sequence[Verb[Any]]) -> Moment:
        """The present moment, with the people whom these verbs are about."""
        moment = cls(house, conn, house.clock(), log.tip(conn))
        persons = [person for verb in verbs for person in verb.persons]
        moment.found = people_of_all(house, conn, persons, moment.present)
        return moment

    @property
    def head(self) -> log.Head:
        """The head of the log."""
        return self.tip.head

    @cached_property
    def present(self) -> Instant:
        """The instant that decisions and choices are about, never before the ledger's last entry."""
        return Instant(max(self.clock, self.head.time))

    def people(self, person: str) -> list[SubjectId]:
        """Everybody behind an identifier that the verb names; raises `BadInput` for one of the wrong form."""
        found = self.found[person]
        if isinstance(found, BadInput):
            raise BadInput(str(found))
        return found

    def known(self, subject: SubjectId) -> bool:
        """Whether the ledger holds anything about this person."""
        person = self.numbered.get(subject)
        return (person is not None and person.known) or bool(log.of_subject(self.conn, subject))

    def here(self, subject: SubjectId) -> bool:
        """Whether this person is known, and neither erased nor being erased, and their evidence has not ended."""
        person = self.numbered.get(subject)
        return person is not None and person.known and not person.erased

    def act(self, by: str) -> Act:
        """Who uses data now; raises `Unsafe` by a clock that cannot be trusted. See `House.act`."""
        return self.house.act_at(self.head.time, self.clock, by)

    @cached_property
    def policy(self) -> Compiled:
        """The policy in force; raises `Denied` without one, and `Uncompiled` for one that must be compiled first."""
        return policies.in_force(self.conn, self.present)

    @cached_property
    def numbered(self) -> Mapping[SubjectId, state.Person]:
        """Those of the people that the verbs are about who have a number, as they are before anything is written."""
        people = {subject for found in self.found.values() if isinstance(found, list) for subject in found}
        return state.look_up(self.conn, people)


class _Call:
    """One caller's verb on its way, and the lock that the caller waits at."""

    __slots__ = ("abandoned", "answered", "done", "error", "result", "then", "verb")

    def __init__(self, verb: Verb[Any]) -> None:
        self.verb = verb
        self.result: Any = None
        self.error: BaseException | None = None
        self.abandoned = False
        self.answered = False
        self.then: _Call | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def wake(self) -> None:
        """Let the caller go on with what stands in `result` or `error`; a second time nothing happens."""
        self.answered = True
        try:
            self.done.release()
        except RuntimeError:  # not locked: the caller was woken, and has not run yet
            return

    def wait(self) -> None:
        """Wait to be woken, then wake the one who comes after."""
        try:
            self.done.acquire()
        except BaseException:
            self.abandoned = True  # an interrupted caller: what has not begun is left out
            raise
        finally:
            if self.then is not None:
                self.then.wake()


@dataclass
class _Attempt:
    """One transaction's worth of calls: who is answered what once it has committed, and who must wait."""

    house: House
    mark: Mark
    answers: list[tuple[_Call, Callable[[Any], Any], Any]] = field(default_factory=list)
    """Who is answered, with what makes the answer of what was recorded, and that."""
    later: list[_Call] = field(default_factory=list)
    head: log.Head | None = None

    def run(self, conn: Connection, calls: Sequence[_Call]) -> None:
        """Let every verb decide, write what they want recorded; whoever must wait for the next commit is in `later`."""
        moment = Moment.of(self.house, conn, [call.verb for call in calls])
        apart, self.later = _apart(moment, calls)
        keys = {call: commits.hashed(call.verb.key) for call in apart if call.verb.key}
        used = commits.firsts(conn, list(keys.values()))
        changes: list[tuple[_Call, Change[Any]]] = []
        for call in apart:
            try:
                first = used.get(keys.get(call, ""))
                if first is not None and first.said != _said(call.verb):
                    raise commits.KeyReused
                if first is not None:
                    self._answer(call, call.verb.again(moment, first))
                else:
                    changes.append((call, call.verb.change(moment)))
            except (policies.Uncompiled, DBAPIError):
                raise  # of the whole commit
            except Exception as error:  # of this caller alone
                call.error = error
                self._answer(call, None)
        self._write(moment, changes, keys)

    def _answer(self, call: _Call, result: Any) -> None:
        self.answers.append((call, _as_it_is, result))

    def _write(self, moment: Moment, changes: Sequence[tuple[_Call, Change[Any]]], keys: Mapping[_Call, str]) -> None:
        first, at = moment.head.size, moment.present
        entries: list[Mapping[str, Any]] = []
        asked: list[db.Row] = []
        remembered: list[tuple[str, First]] = []
        also: list[tuple[Callable[[Connection, Recorded], None], Recorded]] = []
        for call, change in changes:
            begins = first + len(entries)
            entries += change.entries
            recorded = Recorded(begins, first + len(entries), at)
            asked += [jobs.row_of(job, begins + (job.entry or 0)) for job in change.jobs]
            if change.entries and call in keys:
                remembered.append((keys[call], First(begins, recorded.size, at, _said(call.verb))))
            also += [] if change.also is None else [(change.also, recorded)]
            self.answers.append((call, change.result, recorded))
        if not entries and not also:
            return
        crash.point("committer-before-append")
        with db.together(moment.conn):
            if entries:
                self.head = self.house.write_down(moment.conn, entries, moment.clock, moment.tip, moment.numbered).head
            jobs.add_new(moment.conn, asked)
            commits.remember(moment.conn, remembered)
            commits.mark(moment.conn, self.mark, at)
        for write, recorded in also:
            write(moment.conn, recorded)
        crash.point("committer-before-commit")


class Committer:
    """The one thread of this process that records hot verbs for a house; it begins with the first of them."""

    _thread: threading.Thread | None

    def __init__(self) -> None:
        self._begin()
        _committers.add(self)

    def commit(self, house: House, verb: Verb[T]) -> T:
        """Record a verb and answer it; returns when it is durable.

        Raises what the verb raises, and for what could not be recorded `Conflict`, `Unsafe` or, where nobody could
        find out whether it was, `Uncertain`.
        """
        call = _Call(verb)
        with self._starting:
            if self._closed:
                raise Unsafe("this house is closed; open it again")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, args=(house,), name="pacte-committer", daemon=True)
                self._thread.start()
            self._waiting.put(call)
        call.wait()
        if call.error is not None:
            raise call.error
        result: T = call.result
        return result

    def close(self) -> None:
        """Record what waits, then stop; whoever comes later is refused."""
        with self._starting:
            self._closed, thread = True, self._thread
            self._waiting.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _begin(self) -> None:
        # Also in a child after a fork: its parent's thread, and whoever waits for it there, are not here.
        self._waiting: SimpleQueue[_Call | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread = None
        self._closed = False
        self._woken: list[_Call] = []
        self._mark = Mark(secrets.token_hex(16), 0)

    def _work(self, house: House) -> None:
        later: deque[_Call] = deque()
        open_, together = True, 0
        while open_ or later:
            self._linger(together - len(later))
            self._wake_all()
            calls, open_ = self._gather(later, open_)
            later.clear()
            if not calls:
                continue
            try:
                later.extend(self._record(house, calls))
            except BaseException as error:  # the thread must go on: others wait for it
                _fail(calls, error)
            together = len(calls) + self._waiting.qsize()
        self._wake_all()

    def _wake_all(self) -> None:
        """Wake whom another caller should have woken, who was interrupted or got no turn to run so far."""
        for call in self._woken:
            call.wake()
        self._woken = []

    def _linger(self, together: int) -> None:
        """Whoever is answered together comes again together: wait while they come, so that one commit takes them all.

        A caller who is alone never waits.
        """
        before, here = -1, self._waiting.qsize()
        while 1 < together > here > before:
            time.sleep(PAUSE)
            before, here = here, self._waiting.qsize()

    def _gather(self, later: deque[_Call], open_: bool) -> tuple[list[_Call], bool]:
        """Everything that waits, those who waited longest first; whether more may come."""
        calls = list(later)
        while open_ and len(calls) < LARGEST:
            try:
                call = self._waiting.get(block=not calls)
            except Empty:
                break
            if call is None:
                open_ = False
            else:
                calls.append(call)
        return [call for call in calls if not call.abandoned], open_

    def _record(self, house: House, calls: Sequence[_Call]) -> list[_Call]:
        """Record these calls and wake those who are answered; returns those who must wait for the next commit."""
        while True:
            attempt = self._attempt(house, calls)
            try:
                with db.write(house.engine, short=True) as conn:
                    attempt.run(conn, calls)
            except policies.Uncompiled as missing:
                try:
                    with house.reading() as conn:
                        policies.compiled(conn, missing.digest)
                except Exception as error:
                    return _fail(calls, error)
                continue
            except Uncertain as error:
                if not _found(house, attempt.mark, error):
                    continue
            except Conflict as error:
                return _fail(calls, error)
            except Exception as error:
                return self._one_by_one(house, calls, error)
            self._wake(house, attempt)
            return attempt.later

    def _one_by_one(self, house: House, calls: Sequence[_Call], error: Exception) -> list[_Call]:
        """After the database refused a whole commit: each call under a savepoint of its own, to fail alone."""
        if len(calls) == 1:
            return _fail(calls, error)
        attempt = self._attempt(house, calls)
        try:
            with db.write(house.engine) as conn:
                for call in calls:
                    single = _Attempt(house, attempt.mark)
                    try:
                        with conn.begin_nested():
                            single.run(conn, [call])
                    except policies.Uncompiled:
                        raise
                    except Exception as fault:
                        if getattr(fault, "connection_invalidated", False):
                            raise
                        call.error = fault if isinstance(fault, PacteError) else _refused()
                        single.answers = [(call, _as_it_is, None)]
                    attempt.answers += single.answers
                    attempt.head = single.head or attempt.head
        except Uncertain as unknown:
            if not _found(house, attempt.mark, unknown):
                return _fail(calls, error)
        except Exception as fault:
            return _fail(calls, fault)
        self._wake(house, attempt)
        return []

    def _attempt(self, house: House, calls: Sequence[_Call]) -> _Attempt:
        """A transaction to come; what an earlier one that left no trace would have answered is forgotten."""
        for call in calls:
            call.error = None
        self._mark = Mark(self._mark.committer, self._mark.batch + 1)
        return _Attempt(house, self._mark)

    def _wake(self, house: House, attempt: _Attempt) -> None:
        crash.point("committer-after-commit-before-anchor")
        unanchored = None
        if attempt.head is not None:
            try:
                house.anchoring.note(attempt.head)
            except Unsafe as error:
                unanchored = error
        crash.point("committer-after-commit-before-wake")
        woken = [call for call, _, _ in attempt.answers]
        for call, answer, recorded in attempt.answers:
            if call.error is None:
                try:
                    call.result = answer(recorded)
                    call.error = unanchored and Unsafe(str(unanchored))
                except Exception as error:
                    call.error = error
        for call, then in zip(woken, woken[AWAKE:], strict=False):
            call.answered, call.then = True, then
        for call in woken[:AWAKE]:
            call.wake()
        self._woken = woken[AWAKE:]


def _as_it_is(result: T) -> T:
    return result


def _said(verb: Verb[Any]) -> str:
    """A digest of all that a call says, for verbs whose key may be used for nothing else."""
    return str(getattr(verb, "said", ""))


def _apart(moment: Moment, calls: Sequence[_Call]) -> tuple[list[_Call], list[_Call]]:
    """Those who can be recorded together, and those who must wait because of somebody before them: in their order."""
    taken: set[str] = set()
    now: list[_Call] = []
    later: list[_Call] = []
    for call in calls:
        claims = {f"key:{call.verb.key}"} if call.verb.key else set()
        for person in call.verb.persons:
            found = moment.found[person]
            claims |= set(found) if isinstance(found, list) else set()
        (later if claims & taken else now).append(call)
        taken |= claims
    return now, later


def _found(house: House, mark: Mark, unknown: Uncertain) -> bool:
    """Whether a commit of unknown outcome was recorded, as soon as the database answers; else raises `unknown`."""
    until = time.monotonic() + LOOK_FOR
    pause = 0.05
    while True:
        try:
            # The write lock: the lost connection's transaction has ended, one way or the other, once we hold it.
            with db.write(house.engine) as conn:
                return commits.marked(conn, mark)
        except PacteError:
            if time.monotonic() > until:
                raise unknown from None
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def _fail(calls: Sequence[_Call], error: BaseException) -> list[_Call]:
    for call in calls:
        if call.answered:
            continue
        if call.error is None and len(calls) == 1 and isinstance(error, PacteError):
            call.error = error
        elif call.error is None:
            # An error of its own for each caller: they are raised in several threads at once.
            call.error = type(error)(str(error)) if isinstance(error, Conflict | Unsafe | Uncertain) else _refused()
        call.wake()
    return []


def _refused() -> Unsafe:
    return Unsafe("the records refused this change; nothing of it was recorded")


_committers: WeakSet[Committer] = WeakSet()


def _after_fork() -> None:
    for committer in list(_committers):
        committer._begin()


os.register_at_fork(after_in_child=_after_fork)

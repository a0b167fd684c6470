"""What the worker can do: a handler for each kind of job, and the housekeeping that comes round by itself.

A handler may be run twice for one job, when a worker died before it could say that it was done: it must be idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacte.app import ahead, commits, contact, links, pending, soft_bounces
from pacte.app.choose import TELL
from pacte.app.publish import KEEP
from pacte.kernel import db, jobs
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.jobs import Job
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House

KEPT = 30 * DAY
"""How long a job that was done is remembered, in microseconds."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The job cannot be done before somebody mends what `code` names."""

    code: str


@dataclass(frozen=True, slots=True)
class Later:
    """The job is tried again `at` an instant; `code` is why this attempt failed, empty where there was none."""

    at: Instant
    code: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The job was not done, and no later attempt could do it; `code` says why, and shows for `KEPT`."""

    code: str


Handler = Callable[["House", Job, Instant], Waiting | Later | Ended | None]
"""Does a job at an instant of the clock; `None` when it is done. Raises where it failed and shall be tried again."""


def _tell_recipient(_house: House, _job: Job, _now: Instant) -> Waiting:
    # Nothing here can reach a recipient yet; the job stays, counts as late, and shows.
    return Waiting("no_connector")


def _end_evidence(house: House, _job: Job, now: Instant) -> None:
    from pacte.app.erase import end_evidence

    # Also the sealed sets and suppressions whose end has come. `before_round` has looked at the clock.
    end_evidence(house, now, by="worker", sure=True)


def _prune(house: House, _job: Job, now: Instant) -> None:
    from pacte.app import exports, partners, remembered, shadow
    from pacte.app.house import QUARANTINE
    from pacte.intake import quarantine

    quarantine.expire(house.path / QUARANTINE, house.keys, now)
    pending.end(house, now)
    shadow.prune(house, now)
    remembered.prune(house.engine, now)
    partners.prune(house, now)
    with db.write(house.engine) as conn:
        commits.prune(conn, now)
        links.prune(conn, now)
        soft_bounces.prune(conn, now)
        contact.prune(conn, now)
        exports.prune(conn, now)
        jobs.prune(conn, Instant(now - KEPT))


def _compact(house: House, _job: Job, _now: Instant) -> None:
    from pacte.app.compaction import compact

    compact(house)


def _send_mail(house: House, job: Job, now: Instant) -> Waiting | Ended | None:
    from pacte.app.mail import send

    return send(house, job, now)


def _announce_notice(house: House, job: Job, now: Instant) -> None:
    from pacte.app.announce import tell_batch

    tell_batch(house, job, now)


def _check_ledger(house: House, _job: Job, now: Instant) -> None:
    from pacte.app.checks import look

    look(house, now)


def _send_webhook(house: House, job: Job, now: Instant) -> Waiting | Later | None:
    from pacte.app.webhooks import send

    return send(house, job, now)


def _read_reports(house: House, _job: Job, now: Instant) -> Later:
    from pacte.app.bounces import read_folder

    return read_folder(house, now)


def _confirm_sms(house: House, job: Job, now: Instant) -> Ended | None:
    from pacte.app.replies import confirm

    return confirm(house, job, now)


def _end_list(house: House, job: Job, _now: Instant) -> Later | None:
    from pacte.app.exports import end_due

    again = end_due(house, str(job.target))
    return None if again is None else Later(again)


def _prepare_campaign(house: House, job: Job, now: Instant) -> Later | None:
    from pacte.app.preparing import prepare

    again = prepare(house, job, now)
    return None if again is None else Later(again)


def _keep_forms(house: House, job: Job, now: Instant) -> Later | Ended | None:
    from pacte.app import forms, pictures

    forms.publish(house)
    done = pictures.complete(house)
    again = pictures.next_try(job, now, done.why)
    if again is None:
        return Ended(done.why) if done.why else None
    # Without a browser nothing failed: the digests stand, and a picture is one thing more.
    return Later(again, done.why if done.why == pictures.NO_PICTURE else "")


READ_REPORTS = "read_reports"
"""The kind of job that reads the folder in which mail servers' reports arrive, where the settings name one."""

HANDLERS: Mapping[str, Handler] = {
    TELL: _tell_recipient,
    "send_mail": _send_mail,
    "announce_notice": _announce_notice,
    KEEP: _keep_forms,
    "check_ledger": _check_ledger,
    "webhook": _send_webhook,
    READ_REPORTS: _read_reports,
    "confirm_sms": _confirm_sms,
    "end_list": _end_list,
    "prepare_campaign": _prepare_campaign,
    "end_evidence": _end_evidence,
    "prune": _prune,
    "compact": _compact,
}
"""By kind of job."""

ROUND: Mapping[str, int] = {"end_evidence": 3_600 * SECOND, "prune": DAY, "compact": DAY}
"""Housekeeping: kinds that come round again, and after how many microseconds."""


CLOCK_AHEAD = "clock_ahead"
"""The code of housekeeping that waits because the clock stands too far ahead; see `app.ahead`."""


def before_round(house: House, job: Job, now: Instant, trusted: Instant | None) -> Waiting | None:
    """Housekeeping destroys for good: it waits while the clock stands ahead, unless somebody trusts it (`trusted`)."""
    if job.kind not in ROUND or (trusted is not None and now - trusted <= ahead.AHEAD):
        return None
    with house.reading() as conn:
        return Waiting(CLOCK_AHEAD) if ahead.days_ahead(conn, now) else None


def remind(house: House, now: Instant, *, trust: bool = False) -> None:
    """See to it that every kind of housekeeping is asked for, and that nothing lies years ahead after a wrong clock.

    With `trust`, what waits because the clock stands ahead is looked at again at once.
    """
    with db.write(house.engine) as conn:
        there = jobs.there(conn, ROUND)
        due = Instant(min(now, log.head(conn).time))
        jobs.add(conn, [Job(kind, due) for kind in ROUND if kind not in there])
        if house.settings.mail.reports and not jobs.there(conn, [READ_REPORTS]):
            jobs.add(conn, [Job(READ_REPORTS, due)])
        jobs.pull_back(conn, now)
        for kind, pause in ROUND.items():
            jobs.forget_deadline(conn, [kind], Instant(now + pause + ahead.LATE + ahead.AHEAD))
        if trust:
            jobs.hasten(conn, CLOCK_AHEAD, now)

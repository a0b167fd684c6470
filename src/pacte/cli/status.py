"""`status`, `jobs`: how a house stands, and what waits to be done for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pacte.cli.output import (
    HERE,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    code,
    counted,
    language,
    opened,
    say,
    tell,
    words,
)

if TYPE_CHECKING:
    from pacte.app.status import Status
    from pacte.kernel.instant import Instant
    from pacte.kernel.jobs import Job

jobs = typer.Typer(
    help="Show the jobs that are open; record one that was done by hand.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("status", short_help="Say how the house stands.")(status)
    app.add_typer(jobs, name="jobs", short_help="Show what waits to be done for people.")


def status(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Say what is in force, what is stopped, what waits, what vouches for the ledger, and where everything lies."""
    from pacte.app.status import status as look

    tongue = language(lang, house)
    with opened(house) as home:
        found = look(home)
    data = asdict(found) | {
        "policy": found.policy and found.policy._asdict(),
        "stops": [stop._asdict() for stop in found.stops],
        "anchored": found.anchored and {"entries": found.anchored[0], "at": found.anchored[1]},
    }
    say(data, as_json, lambda: _show_status(found, tongue))


def _show_status(found: Status, lang: str) -> None:
    from pacte.kernel.i18n import day, moment, number

    tell(counted("status.ledger", lang, found.entries, origin=found.origin, time=moment(found.last, lang)))
    if found.policy is None:
        tell(words("status.no_policy", lang), mark="!", color="yellow")
    else:
        since = day(found.policy.effective, lang)
        tell(words("status.policy", lang, since=since, entry=str(found.policy.entry)))
    if found.scheduled:
        tell(counted("status.scheduled", lang, found.scheduled))
    for stop in found.stops:
        scope = words("stop.everything", lang) if stop.scope == "*" else stop.scope
        line = words("stop.standing", lang, scope=scope, since=day(stop.since, lang), entry=str(stop.entry))
        tell(line, mark="!", color="yellow")
    waiting = sum(count for name, count in found.jobs.items() if name != "overdue")
    late = found.jobs["overdue"]
    line = counted("status.jobs", lang, waiting, late=late)
    tell(line, mark="!" if late else "", color="yellow")
    if found.anchored is not None:
        size, at = found.anchored
        tell(counted("status.anchored", lang, size, time=moment(at, lang)))
    tell(words("status.vouched", lang, stamped=found.stamped, witnessed=found.witnessed))
    service, version, folder = found.key_service, str(found.key_version), str(found.key_folder)
    tell(words("status.keys", lang, service=service, version=version, folder=folder), whole=True)
    megabytes = number(round(found.disk / 1_000_000, 1), lang)
    tell(words("status.where", lang, records=found.records, rows=found.rows, size=megabytes), whole=True)


@jobs.callback(short_help="Show what waits to be done for people.")
def show_jobs(
    context: typer.Context, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False
) -> None:
    """Show the jobs that are open: what, about whom (by subject identifier), for which recipient, until when, why.

    After them come those that ended in the last thirty days without being done, and why.
    """
    if context.invoked_subcommand is not None:
        return
    from pacte.app.duties import ended_jobs, open_jobs

    tongue = language(lang, house)
    with opened(house) as home:
        found, now = open_jobs(home)
        found += ended_jobs(home)
    data = [
        {
            "id": job.id,
            "kind": job.kind,
            "subject": job.about,
            "target": job.target,
            "entry": job.entry,
            "due": job.due,
            "deadline": job.deadline,
            "state": job.state,
            "attempts": job.attempts,
            "reason": job.error,
            "overdue": job.overdue(now),
        }
        for job in found
    ]
    say(data, as_json, lambda: _show_jobs(found, now, tongue))


def _show_jobs(found: list[Job], now: Instant, lang: str) -> None:
    from pacte.kernel.i18n import day
    from pacte.kernel.jobs import ENDED

    for job in found:
        late = job.overdue(now)
        over = job.state == ENDED
        until = "" if job.deadline is None or over else " " + words("jobs.until", lang, day=day(job.deadline, lang))
        about = "" if job.about is None else " " + words("jobs.about", lang, subject=job.about, target=job.target or "")
        reason = "" if job.error is None else " " + _reason(job.error, lang, over=over)
        state = words(f"jobs.{job.state}", lang)
        line = words("jobs.line", lang, id=job.id, kind=words(f"jobs.kind.{job.kind}", lang), state=state)
        tell(line + about + until + reason, mark="✗" if late else "·", color="red" if late else "dim")
    if all(job.state == ENDED for job in found):
        tell(words("jobs.none", lang), mark="✓", color="green")


def _reason(error: str, lang: str, *, over: bool) -> str:
    from pacte.app.wording import job_ended
    from pacte.kernel.i18n import catalogue

    key = f"jobs.reason.{error}"
    if over:
        return job_ended(error, lang)
    return words(key if key in catalogue("cli") else "jobs.reason.other", lang, code=error)


@jobs.command("done", short_help="Record that a recipient was told by hand.")
def done(
    job: Annotated[str, typer.Argument(metavar="ID", help="Identifier, as `pacte jobs` shows it.")],
    how: Annotated[str, typer.Option("--how", metavar="CODE", help="How: letter, phone, portal…")] = "letter",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record in the ledger that somebody told a recipient what a person said, and by whom; the job is done."""
    from pacte.app.duties import done_by_hand

    tongue = language(lang, house)
    with opened(house) as home:
        index = done_by_hand(home, job, code("--how", how), code("--by", by))
    said = words("jobs.told", tongue, entry=str(index))
    say({"entry": index, "job": job}, as_json, lambda: tell(said, mark="✓", color="green"))

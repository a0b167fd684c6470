"""`erase`, `stop`, `doctor`, `demo`: what a company owes, and what it should know about its installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pacte.cli.output import (
    HERE,
    WHO,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    code,
    counted,
    language,
    opened,
    person_named,
    person_typed,
    place_name,
    say,
    tell,
    words,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("erase", short_help="Erase one person.")(erase)
    app.command("stop", short_help="Stop a purpose with effect at once, or lift the stop.")(stop)
    app.command("doctor", short_help="Say what is unsafe, damaged or unfinished.")(doctor)
    app.command("demo", short_help="See it all on a fictional retailer.")(demo)


def erase(
    person: Annotated[str, typer.Argument(metavar="PERSON", help=WHO, show_default=False, callback=person_typed)] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    end_evidence: Annotated[
        bool, typer.Option("--end-evidence", help="Destroy the evidence of erased people whose declared end has come.")
    ] = False,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="With --end-evidence: the clock is right, though it stands far ahead.")
    ] = False,
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Erase one person: rows, sealed values, data key. What was recorded keeps verifying."""
    from pacte.app import erase as erasing
    from pacte.kernel.errors import BadInput
    from pacte.kernel.i18n import day

    tongue, by = language(lang, house), code("--by", by)
    with opened(house) as home:
        if end_evidence:
            ended = erasing.end_evidence(home, by=by, sure=trust_clock)
            say({"ended": ended}, as_json, lambda: tell(counted("erase.ended", tongue, len(ended))))
            return
        if not person:
            raise BadInput("say whom to erase, or use `--end-evidence`")
        plan = erasing.plan(home, person_named(person))
        if dry_run:
            would = {"subject": plan.subject, "would_erase": plan.counts, "evidence_until": plan.evidence_until}
            say(would, as_json, lambda: _show_plan(plan.counts, tongue))
            return
        if not yes:
            if as_json:
                raise BadInput("an erasure is for good; with `--json`, confirm it with `--yes`")
            _show_plan(plan.counts, tongue)
            if not _confirmed(tongue):
                tell(words("erase.nothing", tongue))
                raise typer.Exit(1)
        try:
            done = erasing.erase(home, person, by)
        except KeyboardInterrupt:
            sys.stderr.write(words("erase.interrupted", tongue) + "\n")
            raise
    data = {
        "subject": done.subject,
        "entry": done.index,
        "counts": done.counts,
        "evidence_until": done.evidence_until,
        "suppressed_until": done.suppressed_until,
    }
    until = day(done.evidence_until, tongue)
    text = words("erase.done", tongue, entry=str(done.index), subject=done.subject, until=until)
    say(data, as_json, lambda: tell(text))


def stop(
    scope: Annotated[
        str,
        typer.Argument(
            metavar="PURPOSE",
            help="Purpose to stop; '*' for everything. Without it: what is stopped.",
            show_default=False,
        ),
    ] = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="CODE", help="Short code: committee, incident-12…")
    ] = "unspecified",
    lift: Annotated[bool, typer.Option("--lift", help="Lift the stop.")] = False,
    house: HouseOption = HERE,
    by: ByOption = "dpo",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Stop a purpose with effect at once, or lift the stop; without a purpose, list the stops in force."""
    from pacte.app.campaigns import heeding
    from pacte.app.stop import stop as stopping
    from pacte.app.stop import stops_in_force
    from pacte.kernel.errors import BadInput
    from pacte.kernel.i18n import day

    tongue = language(lang, house)
    if not scope:
        if lift:
            raise BadInput("say which stop to lift: the purpose, or '*'; `pacte stop` lists them")
        with opened(house) as home:
            standing = stops_in_force(home)

        def show() -> None:
            for one in standing:
                named = words("stop.everything", tongue) if one.scope == "*" else one.scope
                line = words("stop.standing", tongue, scope=named, since=day(one.since, tongue), entry=str(one.entry))
                tell(line, mark="!", color="yellow")
            if not standing:
                tell(words("stop.none", tongue), mark="✓", color="green")

        say([one._asdict() for one in standing], as_json, show)
        return
    with opened(house) as home:
        index = stopping(home, scope, code("--reason", reason), lift=lift, by=code("--by", by))
        with home.reading() as conn:
            held = [] if lift else [one.id for one in heeding(conn, scope, home.present(conn))]
    key = "stop.lifted" if lift else "stop.done"

    def done() -> None:
        named = words("stop.everything", tongue) if scope == "*" else scope
        tell(words(key, tongue, scope=named, entry=str(index)))
        if held:
            tell(words("stop.holds", tongue, names=", ".join(one[:8] for one in held)))
        if not lift:
            tell(words("stop.lift", tongue, scope="'*'" if scope == "*" else scope))

    say({"entry": index, "scope": scope, "stopped": not lift, "holds": held}, as_json, done)


def doctor(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Say what is unsafe for production, damaged or unfinished. Exit code 0 when there is no error."""
    from pacte.app.doctor import examine

    tongue = language(lang, house)
    with opened(house) as home:
        findings = examine(home)
    marks = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}

    def show() -> None:
        for finding in findings:
            mark, color = marks[finding.level]
            tell(words(f"doctor.{finding.code}", tongue, detail=finding.detail), mark=mark, color=color)

    say([{"level": f.level, "code": f.code, "detail": f.detail} for f in findings], as_json, show)
    raise typer.Exit(5 if any(f.level == "error" for f in findings) else 0)


def demo(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Where the demo's house is made; a fresh one by default.")
    ] = None,
    people: Annotated[
        int, typer.Option("--people", metavar="N", min=200, max=1_000_000, help="How many customers to invent.")
    ] = 50_000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed invents the same customers.")] = 2026,
    anew: Annotated[
        bool, typer.Option("--anew", help="Take the place of an earlier demo in DIR, unless somebody serves it.")
    ] = False,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """See it all on a fictional retailer: load, audience, withdrawal, erasure, proof, verification."""
    from pacte.cli.demo import clear
    from pacte.cli.demo import tell as tell_story

    if anew and directory is not None:
        clear(directory)
    tell_story(directory, people, seed, language(lang), as_json)


def _show_plan(counts: dict[str, int], lang: str) -> None:
    tell(words("erase.would", lang))
    for place, rows in counts.items():
        tell(words("erase.place", lang, place=place_name(place, lang), rows=rows), indent=2)


def _confirmed(lang: str) -> bool:
    """Ask once more; anything but a clear yes, or nobody there to answer, is a no."""
    try:
        answer = input(words("erase.confirm", lang) + " ")
    except EOFError:
        return False
    return answer.strip().lower() in {"en": ("y", "yes"), "fr": ("o", "oui")}[lang]

"""`webhooks list|secret|dead|resend`: the messages to other systems, and those that nobody took."""

from __future__ import annotations

from typing import Annotated

import typer

from pacte.cli.output import (
    HERE,
    HouseOption,
    JsonOption,
    LangOption,
    counted,
    help_alone,
    language,
    opened,
    say,
    tell,
    words,
)

webhooks = typer.Typer(
    help="Look after the messages to other systems.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)
NameOption = Annotated[str, typer.Option("--to", metavar="NAME", help="Only those to this receiver.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(webhooks, name="webhooks")


@webhooks.command("list", short_help="Every receiver, and how it fares.")
def listed(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Every receiver that settings.toml declares: what it is told of, what waits, what nobody took."""
    from pacte.app import receivers as app
    from pacte.kernel.i18n import moment

    tongue = language(lang, house)
    with opened(house) as home:
        found = app.declared(home)

    def show() -> None:
        for one in found:
            fares = "✗" if one.dead else "!" if one.failures else "✓"
            tell(f"{one.name}: {', '.join(one.settings.events)}", mark=fares)
            tell(words("webhooks.line", tongue, waiting=one.waiting, dead=one.dead), indent=2)
            if one.last_failure and one.failures:
                failed = moment(one.last_failure, tongue)
                tell(words("webhooks.failed", tongue, moment=failed, error=one.error), indent=2)
        if not found:
            tell(words("webhooks.none", tongue))

    say(
        [
            {
                "name": one.name,
                "events": list(one.settings.events),
                "purposes": list(one.settings.purposes),
                "waiting": one.waiting,
                "dead": one.dead,
                "failures": one.failures,
                "last_answer": one.last_answer,
                "last_failure": one.last_failure,
                "error": one.error or None,
            }
            for one in found
        ],
        as_json,
        show,
    )


@webhooks.command("secret", short_help="What a receiver checks signatures with.")
def secret(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The receiver, as settings.toml calls it.")],
    house: HouseOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """What a receiver checks signatures with: a secret to keep (`whsec_…`), or a public key (`whpk_…`)."""
    from pacte.app import webhooks as app

    with opened(house) as home:
        found = app.secret(home, name)
    say({"name": name, "secret": found}, as_json, lambda: tell(found, whole=True))


@webhooks.command("dead", short_help="Messages that nobody took.")
def dead(to: NameOption = "", house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Messages that nobody took for three days, oldest first."""
    from pacte.app import receivers as app
    from pacte.kernel.i18n import day

    tongue = language(lang, house)
    with opened(house) as home:
        found = app.dead(home, to)

    def show() -> None:
        for job in found:
            since = day((job.deadline or job.due) - app.LATE, tongue)
            tell(
                words("webhooks.dead", tongue, name=str(job.target), entry=str(job.entry), since=since),
                mark="✗",
                color="red",
            )
        if not found:
            tell(words("webhooks.all_taken", tongue), mark="✓", color="green")

    rows = [{"webhook": job.target, "entry": job.entry, "error": job.error, "attempts": job.attempts} for job in found]
    say(rows, as_json, show)


@webhooks.command("resend", short_help="Send dead messages again.")
def resend(
    to: NameOption = "",
    entry: Annotated[
        list[int] | None, typer.Option("--entry", metavar="N", help="Only that of this entry; again for each.")
    ] = None,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Send dead messages again, as if they were new; the worker takes them up."""
    from pacte.app import receivers as app

    tongue = language(lang, house)
    with opened(house) as home:
        count = app.resend(home, to, entry or ())
    say({"resent": count}, as_json, lambda: tell(counted("webhooks.resent", tongue, count), mark="✓", color="green"))

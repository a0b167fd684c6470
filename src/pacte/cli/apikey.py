"""`apikey new|list|revoke`: keys for the programs that call the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pacte.cli.output import (
    HERE,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    code,
    help_alone,
    language,
    opened,
    say,
    tell,
    words,
)

apikey = typer.Typer(
    help="Make, list and revoke keys for programs.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(apikey, name="apikey")


@apikey.command("new", short_help="Make a key for a program; it is shown once.")
def new(
    label: Annotated[str, typer.Argument(metavar="NAME", help="The program that has it, such as shop-site.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="What it may do; again for each.", show_default=False)
    ],
    purpose: Annotated[
        list[str],
        typer.Option(
            "--purpose",
            metavar="PURPOSE",
            help="For which, or webhook:NAME; again for each; '*' is all.",
            show_default=False,
        ),
    ],
    rate: Annotated[int, typer.Option("--rate", metavar="N", help="Calls in a minute.")] = 600,
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="The day it ends.")] = "",
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write it there, for its owner only, and show nothing.")
    ] = None,
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a key for a program that calls the API. It is shown once, or written to a file; the house keeps a digest."""
    from pacte.app import apikeys
    from pacte.kernel.files import make_private
    from pacte.kernel.instant import parse_instant

    tongue, ends = language(lang, house), parse_instant(until) if until else None
    with opened(house) as home:
        file = make_private(to) if to else None
        secret, key = apikeys.new(home, label, scope, purpose, rate=rate, expires=ends, by=code("--by", by))
        if file is not None:
            file.write_text(secret + "\n", encoding="utf-8")

    def show() -> None:
        tell(words("apikey.made", tongue, prefix=key.prefix, label=key.label), mark="✓", color="green")
        if file is None:
            tell(words("apikey.once", tongue), mark="!", color="yellow")
            tell(secret, whole=True)
        else:
            tell(words("apikey.written", tongue, file=str(file)), whole=True)

    say(apikeys.to_json(key) | ({"secret": secret} if file is None else {"file": str(file)}), as_json, show)


@apikey.command("list", short_help="Every key: what it may do, until when, last used.")
def listed(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Every key that was made: what it may do, for which purposes, until when, and when it was last used."""
    from pacte.app import apikeys
    from pacte.kernel.i18n import day

    tongue = language(lang, house)
    with opened(house) as home:
        found, now = apikeys.listed(home), home.clock()

    def show() -> None:
        for key in found:
            works = key.works(now)
            tell(f"{key.prefix} {key.label}", mark="✓" if works else "·", color="green" if works else "")
            used = (
                words("apikey.used", tongue, day=day(key.used, tongue)) if key.used else words("apikey.unused", tongue)
            )
            about = words(
                "apikey.line", tongue, scopes=", ".join(key.scopes), purposes=", ".join(key.bound), rate=key.rate
            )
            ended = [words("apikey.revoked", tongue, day=day(key.revoked, tongue))] if key.revoked else []
            ended += [words("apikey.until", tongue, day=day(key.expires, tongue))] if key.expires else []
            tell(". ".join([about, used, *ended]) + ".", indent=2)
        if not found:
            tell(words("apikey.none", tongue))

    say([apikeys.to_json(key) for key in found], as_json, show)


@apikey.command("revoke", short_help="End a key at once.")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its identifier, or the beginning of it.")],
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a key at once: the next call with it is refused."""
    from pacte.app import apikeys

    tongue = language(lang, house)
    with opened(house) as home:
        found = apikeys.revoke(home, key, code("--by", by))
    done = words("apikey.ended", tongue, prefix=found.prefix, label=found.label)
    say(apikeys.to_json(found), as_json, lambda: tell(done, mark="✓", color="green"))

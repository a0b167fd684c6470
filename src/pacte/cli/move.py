"""`migrate`, `move`: bring a house to today's format, and its records to PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pacte.cli.output import JsonOption, LangOption, counted, language, refuse_nowhere, say, tell, words

DirectoryArgument = Annotated[
    Path, typer.Argument(metavar="DIR", envvar="PACTE_HOUSE", help="The house.", show_default="the current directory")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("migrate", short_help="Bring a house to today's format.")(migrate)
    app.command("move", short_help="Carry a house to PostgreSQL, and prove it.")(move)


YesOption = Annotated[bool, typer.Option("--yes", help="There is a copy of the house: do not ask.")]


def _refuse_uncopied(part: str, lang: str, as_json: bool) -> None:
    """Ask whether there is a copy of the house, in the words of `part`; without one the command ends."""
    from pacte.kernel.errors import BadInput

    if as_json:
        raise BadInput("copy the house first; with `--json`, say that you did with `--yes`")
    tell(words(f"{part}.backup", lang))
    if not typer.confirm(words("migrate.confirm", lang)):
        tell(words("migrate.nothing", lang))
        raise typer.Exit(1)


def migrate(
    directory: DirectoryArgument = Path(),
    yes: YesOption = False,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Bring a house that an earlier version of pacte made to today's format: all of it, or nothing.

    Stop what uses the house and copy it first, directory and database: there is no way back to the earlier version.
    """
    from pacte.app.migrate import migrate as migrating

    tongue = language(lang, directory)
    refuse_nowhere(directory, "`pacte migrate DIR`")
    if not yes:
        _refuse_uncopied("migrate", tongue, as_json)
    done = migrating(directory)
    key = "migrate.already" if done.before == done.after else "migrate.done"
    say(
        {"before": done.before, "after": done.after},
        as_json,
        lambda: tell(words(key, tongue, before=done.before, after=done.after), mark="✓", color="green"),
    )


def move(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="WHERE",
            help="An empty PostgreSQL database: env:NAME, file:PATH or postgresql://name@host/database.",
            show_default=False,
        ),
    ],
    directory: DirectoryArgument = Path(),
    yes: YesOption = False,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Carry the records and the rows of the lake to PostgreSQL and prove that nothing changed.

    Copy the house first: the old records stay aside as records.db.moved, but the files of the lake are removed once
    their rows were read back (unless the settings keep the lake in files). Nobody can write meanwhile, and until the
    end the old house serves. Cut short, it is begun again.
    """
    from pacte.app.move import move as moving
    from pacte.app.settings import load_settings
    from pacte.cli.progress import bar

    tongue = language(lang, directory)
    refuse_nowhere(directory, "`pacte move DIR`")
    if not yes and not load_settings(directory).records.database:
        _refuse_uncopied("move", tongue, as_json)
    with bar(words("move.bar", tongue), silent=as_json) as progress:
        done = moving(directory, to, progress=progress)
    if done is None:
        say({"moved": False}, as_json, lambda: tell(words("move.already", tongue)))
        return

    def show() -> None:
        tell(
            counted("move.done", tongue, done.rows, tables=len(done.tables), size=done.size, root=done.root),
            mark="✓",
            color="green",
        )
        tell(words("move.left", tongue), indent=2)
        tell(words("move.gone" if done.datasets else "move.files", tongue), indent=2)

    say({"moved": True, **done.to_json()}, as_json, show)

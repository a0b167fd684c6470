"""`migrate`, `move`: bring a house to today's format, and its records to PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pacte.cli.output import JsonOption, LangOption, counted, language, say, tell, words

DirectoryArgument = Annotated[
    Path, typer.Argument(metavar="DIR", envvar="PACTE_HOUSE", help="The house.", show_default="the current directory")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("migrate", short_help="Bring a house to today's format.")(migrate)
    app.command("move", short_help="Carry the records to PostgreSQL, and prove it.")(move)


def migrate(
    directory: DirectoryArgument = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="There is a copy of the house: do not ask.")] = False,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Bring a house that an earlier version of pacte made to today's format: all of it, or nothing.

    Stop what uses the house and copy it first, directory and database: there is no way back to the earlier version.
    """
    from pacte.app.migrate import migrate as migrating
    from pacte.kernel.errors import BadInput

    tongue = language(lang, directory)
    if not yes:
        if as_json:
            raise BadInput("copy the house first; with `--json`, say that you did with `--yes`")
        tell(words("migrate.backup", tongue))
        typer.confirm(words("migrate.confirm", tongue), abort=True)
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
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Carry the records from SQLite to PostgreSQL and prove that nothing changed; until then the old ones serve.

    Nobody can write meanwhile. Cut short, it is begun again. The old records stay aside as records.db.moved.
    """
    from pacte.app.move import move as moving
    from pacte.cli.progress import bar

    tongue = language(lang, directory)
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

    say({"moved": True, **done.to_json()}, as_json, show)

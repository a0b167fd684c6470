"""`receipt`: what a person said, as they can keep it and verify it alone."""

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
    language,
    opened,
    person_named,
    say,
    tell,
    words,
)
from pacte.cli.output import PersonArgument as Person


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("receipt", short_help="Write the receipt of a person's choice.")(receipt)


def receipt(
    person: Person,
    purpose: Annotated[
        str, typer.Option("--purpose", metavar="NAME", help="The latest choice for this purpose; of all if absent.")
    ] = "",
    entry: Annotated[
        int | None, typer.Option("--entry", metavar="N", min=0, help="The choice recorded as this ledger entry.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File or directory to write; receipts/ of the house if absent."
        ),
    ] = None,
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the receipt of a person's latest choice, with its proof. Looking is recorded in the ledger."""
    from pacte.app import receipts
    from pacte.kernel.errors import BadInput

    tongue = language(lang, house)
    if output is not None and not output.absolute().parent.is_dir():
        raise BadInput("the directory of `--output` does not exist")
    with opened(house) as home:
        if output is None:
            output = home.path / "receipts"
            output.mkdir(mode=0o700, exist_ok=True)
        named, by = person_named(person), code("--by", by)
        found = receipts.receipt(home, named, purpose=purpose, entry=entry, lang=tongue, by=by)
        target = receipts.save(found, output)
    data = {"receipt": str(target), "entry": found.index, "size": found.size}
    say(
        data,
        as_json,
        lambda: tell(words("receipt.done", tongue, entry=str(found.index), output=str(target)), whole=True),
    )

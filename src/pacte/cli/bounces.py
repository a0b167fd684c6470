"""`bounce`: act upon reports of mail servers that came as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pacte.cli.output import HERE, HouseOption, JsonOption, LangOption, language, opened, say, tell, typed_path, words


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("bounce", short_help="Act upon reports of mail servers that came as files.")(bounce)


def bounce(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Reports, as they came: one mail in each file.")],
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Read delivery reports and complaints: an address that is gone is written to no more, a complaint is a no.

    What names no message of this house, or another person's address, changes nothing; neither does a report that was
    read before.
    """
    from pacte.app import bounces
    from pacte.kernel.errors import BadInput
    from pacte.uses.message.reports import LARGEST

    tongue = language(lang, house)
    found = bounces.Heard()
    with opened(house) as home:
        for file in files:
            try:
                with file.open("rb") as content:
                    raw = content.read(LARGEST)
            except OSError:
                raise BadInput(f"`{typed_path(file)}` cannot be read") from None
            found = bounces.together(found, bounces.hear(home, raw, by="cli"))
    say(asdict(found), as_json, lambda: tell(words("bounce.done", tongue, **asdict(found))))

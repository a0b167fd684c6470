"""`bounce`: act upon reports of mail servers that came as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pacte.cli.output import (
    HERE,
    HouseOption,
    JsonOption,
    LangOption,
    counted,
    language,
    opened,
    say,
    tell,
    typed_path,
    words,
)


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
    found, strange, again = bounces.Heard(), 0, 0
    with opened(house) as home:
        for file in files:
            try:
                with file.open("rb") as content:
                    raw = content.read(LARGEST)
            except OSError:
                raise BadInput(f"{typed_path(file)} cannot be read") from None
            heard = bounces.hear(home, raw, by="cli")
            if not bounces.is_report(raw):
                strange += 1
            elif not heard.any:
                again += 1
            found = bounces.together(found, heard)

    def show() -> None:
        tell(words("bounce.done", tongue, **asdict(found)))
        if strange:
            tell(counted("bounce.strange", tongue, strange))
        if again:
            tell(counted("bounce.again", tongue, again))

    say(asdict(found) | {"no_report": strange, "nothing_new": again}, as_json, show)

"""`restore`: let a house serve again whose records were put back from a backup."""

from __future__ import annotations

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
    say,
    tell,
    words,
)


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("restore", short_help="Let a house serve again after its records were put back.")(restore)


def restore(
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a house serve again whose records were put back from a backup: erase again, begin a new log, stop uses."""
    from pacte.app.restore import restore as restoring
    from pacte.kernel.i18n import number

    tongue = language(lang, house)
    done = restoring(house, by=code("--by", by))

    def show() -> None:
        if done.shredded:
            again = counted("restore.shredded", tongue, done.shredded)
            tell(again, mark="✓", color="green")
        if not done.stopped:  # nothing but the keys was older
            return
        tell(words("restore.done", tongue, origin=done.origin, kept=number(done.kept, tongue)), mark="✓", color="green")
        tell(words("restore.key", tongue, vkey=done.vkey), indent=2, whole=True)
        for name, count in (
            ("lost", done.lost),
            ("erased", done.erased),
            ("gone", done.gone),
            ("unknown", done.unknown),
        ):
            if count:
                tell(words(f"restore.{name}", tongue, count=number(count, tongue)), indent=2)
        scopes = ", ".join(f"`{scope}`" for scope in done.stopped)
        tell(words("restore.stopped", tongue, scopes=scopes), mark="!", color="yellow")

    say(done.to_json(), as_json, show)

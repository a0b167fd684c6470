"""`partner enter|told|list`: lists that came from a partner, with the seller's proof and the people's right to know."""

from __future__ import annotations

from dataclasses import asdict
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
    counted,
    help_alone,
    language,
    opened,
    say,
    tell,
    words,
)

partner = typer.Typer(
    help="Lists that came from a partner: enter, told, list.",
    short_help="Lists that came from a partner.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(partner, name="partner")


@partner.command("enter", short_help="Enter a list, with the seller's proof.")
def enter(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The list, as mapping.yaml describes it.")],
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="Its source of mapping.yaml, its own alone.")],
    proof: Annotated[
        Path, typer.Option("--proof", metavar="FILE", help="What the seller proves that these people agreed to.")
    ],
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Enter a partner's list: whoever is suppressed or known here stays out; nothing is permitted before they know."""
    from pacte.app import partners
    from pacte.kernel.i18n import day

    tongue = language(lang, house)
    with opened(house) as home:
        entered, report = partners.enter(home, path, source, proof, by=code("--by", by))

    def show() -> None:
        for line in report.lines(tongue):
            tell(line)
        tell(words("partner.due", tongue, day=day(entered.due, tongue)))

    say(asdict(entered) | {"load": report.to_json()}, as_json, show)


@partner.command("told", short_help="Record that the people of a list were told.")
def told(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The list, by its source in the ledger.")],
    notice: Annotated[
        str, typer.Option("--notice", metavar="DIGEST", help="The notice that they were told; the current one.")
    ] = "",
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record that the people of a list were told of a notice, by a letter or a message of yours."""
    from pacte.app import partners

    tongue = language(lang, house)
    with opened(house) as home:
        count = partners.told_all(home, source, notice=notice, by=code("--by", by))
    say({"told": count}, as_json, lambda: tell(counted("partner.told", tongue, count)))


@partner.command("list", short_help="List the partners' lists.")
def listing(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """List the partners' lists: until when their people must be told, and when they were."""
    from pacte.app import partners
    from pacte.kernel.i18n import day

    tongue = language(lang, house)
    with opened(house) as home, home.reading() as conn:
        found, now = partners.listed(conn), home.clock()

    def show() -> None:
        for one in found:
            state = "known" if one.told else "late" if one.due <= now else "waits"
            on = day(one.told or one.due, tongue)
            tell(words(f"partner.{state}", tongue, source=one.source, day=on))
        if not found:
            tell(words("partner.none", tongue))

    say([asdict(one) for one in found], as_json, show)

"""`suppression add|lift|list`: addresses that are written to no more; who owns them is never said."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from pacte.cli.output import (
    HERE,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    counted,
    language,
    opened,
    person_typed,
    say,
    tell,
    words,
)

suppression = typer.Typer(name="suppression", help="Addresses that are written to no more.", no_args_is_help=True)

AddressArgument = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS",
        help="E-mail address or telephone number; - reads it from standard input, where no other process sees it.",
        show_default=False,
        callback=person_typed,
    ),
]
ChannelOption = Annotated[str, typer.Option("--channel", metavar="CHANNEL", help="email, sms or phone.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="WORD", help="bounced, complained or objected.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    suppression.command("add", short_help="Write to an address no more.")(add)
    suppression.command("lift", short_help="Take an address off the list.")(lift)
    suppression.command("list", short_help="Say how many addresses are on the list, and why.")(listed)
    app.add_typer(suppression, short_help="Addresses that are written to no more.")


def add(
    address: AddressArgument,
    channel: ChannelOption = "email",
    reason: ReasonOption = "objected",
    by: ByOption = "cli",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write to an address no more, whether its owner is known here or not. Only a fingerprint of it is kept."""
    from pacte.app import suppressions

    tongue = language(lang, house)
    with opened(house) as home:
        suppressions.add(home, address, channel, reason, by=by)
    say({"added": True}, as_json, lambda: tell(words("suppression.added", tongue), mark="✓", color="green"))


def lift(
    address: AddressArgument,
    channel: ChannelOption = "email",
    reason: ReasonOption = "objected",
    by: ByOption = "cli",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take an address off the list. What its owner chose still decides whether anybody may write."""
    from pacte.app import suppressions
    from pacte.kernel.errors import NotFound

    tongue = language(lang, house)
    with opened(house) as home:
        if not suppressions.lift(home, address, channel, reason, by=by):
            raise NotFound("this address is not on the list for this reason")
    say({"lifted": True}, as_json, lambda: tell(words("suppression.lifted", tongue), mark="✓", color="green"))


def listed(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Say how many addresses are on the list, by kind and reason; never which."""
    from pacte.app import suppressions
    from pacte.app.wording import suppressed_why

    tongue = language(lang, house)
    with opened(house) as home:
        found = suppressions.counts(home)

    def show() -> None:
        for one in found:
            kind = words(f"suppression.{one.channel}", tongue)
            why = suppressed_why(one.reason, tongue)
            tell(counted("suppression.line", tongue, one.addresses, kind=kind, why=why))
        if not found:
            tell(words("suppression.none", tongue))

    say([asdict(one) for one in found], as_json, show)

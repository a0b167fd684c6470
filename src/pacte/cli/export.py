"""`export make|list|collect|end|stale|trace`: lists for post, telephone, or a tool elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacte.cli.output import (
    HERE,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    PurposeArgument,
    code,
    help_alone,
    language,
    opened,
    person_typed,
    say,
    tell,
    words,
)

if TYPE_CHECKING:
    from pacte.app.exports import Export

export = typer.Typer(
    help="Lists for use outside: make, list, collect, end, stale, trace.",
    short_help="Lists for post, telephone, or a tool elsewhere.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)
NameArgument = Annotated[str, typer.Argument(metavar="LIST", help="The list, as `pacte export list` names it.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(export, name="export")


@export.command("make", short_help="Decide, record, and write a list.")
def make(
    purpose: PurposeArgument,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="post, phone; with a recipient also email, sms.")],
    segment: Annotated[str, typer.Option("--segment", metavar="NAME", help="Only people of this segment.")] = "",
    recipient: Annotated[
        str, typer.Option("--recipient", metavar="NAME", help="Whose tool it is for, as the policy calls them.")
    ] = "",
    days: Annotated[
        int, typer.Option("--days", min=0, max=30, metavar="N", help="Days until it ends; 7, for post 30.")
    ] = 0,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a list of everybody permitted: decided and recorded first, then written into the house, with an end."""
    from pacte.app import exports, segments
    from pacte.kernel.i18n import day
    from pacte.kernel.instant import DAY

    tongue = language(lang, house)
    with opened(house) as home:
        chosen = segments.get(home, segment).digest if segment else None
        made = exports.make(
            home,
            purpose,
            channel,
            segment=chosen,
            recipient=recipient,
            lasts=days * DAY if days else None,
            by=code("--by", by),
        )

    def show() -> None:
        people = _people(made.said["all"], tongue)
        tell(words("export.made", tongue, name=made.id[:8], day=day(made.until, tongue), people=people))
        for reason, number in made.said["refused"].items():
            tell(words("export.left", tongue, reason=_why(reason, tongue), people=_people(number, tongue)), indent=2)

    say(_json(made), as_json, show)


@export.command("list", short_help="List the lists.")
def listing(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """List the lists, the latest first: for what, until when, whether somebody took them."""
    from pacte.app import exports
    from pacte.kernel.i18n import day
    from pacte.policy.channels import named

    tongue = language(lang, house)
    with opened(house) as home, home.reading() as conn:
        found = exports.listed(conn)

    def show() -> None:
        for one in found:
            about = {"name": one.id[:8], "purpose": one.purpose, "channel": named(one.channel, tongue)}
            tell(words("export.line", tongue, **about, day=day(one.until, tongue), state=_state(one, tongue)))
        if not found:
            tell(words("export.none", tongue))

    say([_json(one) for one in found], as_json, show)


@export.command("collect", short_help="Write a list to a file; who takes it is recorded.")
def collecting(
    name: NameArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")],
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take out whoever said no since, record who takes the list, and write it to FILE, its header beside it."""
    from pacte.app import exports

    tongue = language(lang, house)
    with opened(house) as home:
        taken = exports.collect(home, _whole(home, name), output, by=code("--by", by))
    say(_json(taken), as_json, lambda: tell(words("export.collected", tongue, name=taken.id[:8])))


@export.command("end", short_help="Remove a list before its time.")
def ending(
    name: NameArgument,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a list: its file is removed. Whoever has a copy must delete it."""
    from pacte.app import exports

    tongue = language(lang, house)
    with opened(house) as home:
        ended = exports.end(home, _whole(home, name), by=code("--by", by))
    say(_json(ended), as_json, lambda: tell(words("export.over", tongue)))


@export.command("stale", short_help="Say whom to drop from copies of a list.")
def stale(name: NameArgument, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Say whom the holder of a list must drop now: a reference a line, as in the list's first column."""
    from pacte.app import exports, withdrawn

    tongue = language(lang, house)
    with opened(house) as home:
        with home.reading() as conn:
            one = exports.beginning(conn, name)
        found = withdrawn.asked(home, one)

    def show() -> None:
        for reference in found.references:
            typer.echo(reference)
        if not found.references:
            tell(words("export.over" if found.over else "export.fresh", tongue))

    say({"list": one.id, "over": found.over, "withdrawn": list(found.references)}, as_json, show)


@export.command("trace", short_help="Say of which list an address is the seed.")
def trace(
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="Address, number or name that turned up; - reads it from standard input.",
            show_default=False,
            callback=person_typed,
        ),
    ],
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say of which list an address, number or name is the seed: that list was used beyond what it was made for."""
    from pacte.app import exports
    from pacte.kernel.i18n import day
    from pacte.policy.channels import named

    tongue = language(lang, house)
    with opened(house) as home:
        found = exports.traced(home, value)

    def show() -> None:
        for one in found:
            about = {"name": one.id[:8], "purpose": one.purpose, "channel": named(one.channel, tongue)}
            tell(words("export.line", tongue, **about, day=day(one.until, tongue), state=_state(one, tongue)))
        if not found:
            tell(words("export.untraced", tongue))

    say([_json(one) for one in found], as_json, show)


def _whole(home: Any, name: str) -> str:
    """The whole identifier of a list of which the beginning was typed."""
    from pacte.app import exports

    with home.reading() as conn:
        return exports.beginning(conn, name).id


def _state(one: Export, tongue: str) -> str:
    if one.ended is not None:
        return words("export.ended", tongue)
    return words("export.out", tongue, by=one.collector) if one.collector else words("export.waits", tongue)


def _people(number: int | None, tongue: str) -> str:
    return words("export.few", tongue) if number is None else words("export.people", tongue, count=number)


def _why(reason: str, tongue: str) -> str:
    from pacte.kernel.i18n import catalogue, text

    key = f"contact.{reason}"
    return text("gate", key, tongue) if key in catalogue("gate") else reason


def _json(one: Export) -> dict[str, Any]:
    kept = ("id", "purpose", "channel", "recipient", "segment", "state", "made", "until", "use", "collected")
    return {key: getattr(one, key) for key in (*kept, "collector", "asked", "ended", "said")}

"""`segment save|list|show|size|remove`: whom to write to, said in a file, kept version by version, counted safely."""

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
    code,
    help_alone,
    language,
    opened,
    say,
    tell,
    words,
)

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.app.reach import Disparity, Reach
    from pacte.app.segments import Segment, Sized

segment = typer.Typer(
    help="Choose people by declared, coarse fields: save, list, show, size, remove.",
    short_help="Save segments and see how many people they have.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name of a saved segment.")]
Channel = Annotated[str, typer.Option("--channel", metavar="NAME", help="By this channel: email, sms, phone…")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(segment, name="segment")


@segment.command("save", short_help="Save a segment as its next version.")
def save(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The segment, in YAML.")],
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Save a segment as its next version, recorded; what means the same as the present one changes nothing."""
    from pacte.app import segments
    from pacte.kernel.errors import NotFound
    from pacte.uses.audience.reading import read_file

    tongue = language(lang, house)
    if not file.is_file():
        raise NotFound("no such file; a segment is a file in YAML")
    read = read_file(file.read_bytes(), file.name)
    with opened(house) as home:
        saved = segments.save(home, read.name, read.purpose, read.who, code("--by", by))
        found = _json(saved) | {"says": _says(home, saved, tongue)}
    say(found, as_json, lambda: _show_saved(found, tongue))


@segment.command("list", short_help="List the saved segments.")
def listing(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """List the saved segments, each in its present version."""
    from pacte.app import segments

    tongue = language(lang, house)
    with opened(house) as home:
        found = [_json(one) | {"says": _says(home, one, tongue)} for one in segments.listed(home)]

    def show() -> None:
        for one in found:
            tell(words("segment.line", tongue, name=one["name"], version=one["version"], purpose=one["purpose"]))
            tell(one["says"], indent=2)
        if not found:
            tell(words("segment.none", tongue))

    say(found, as_json, show)


@segment.command("show", short_help="Show a segment and its versions.")
def showing(name: NameArgument, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Show every version of a segment, the latest first."""
    from pacte.app import segments

    tongue = language(lang, house)
    with opened(house) as home:
        found = [_json(one) | {"says": _says(home, one, tongue)} for one in segments.versions(home, name)]

    def show() -> None:
        for one in found:
            tell(words("segment.line", tongue, name=one["name"], version=one["version"], purpose=one["purpose"]))
            tell(one["says"], indent=2)
            tell(one["digest"], indent=2, whole=True)

    say(found, as_json, show)


@segment.command("size", short_help="Say whom a segment may reach: the funnel, then its size.")
def sizing(
    name: NameArgument,
    channel: Channel = "",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say who may be reached and why others may not, then about how many people the segment has, and who is left out.

    Numbers are about so many people, never about few, and the same all day.
    """
    from pacte.app import reach, segments
    from pacte.app.uses import declare

    tongue = language(lang, house)
    with opened(house) as home:
        found = segments.get(home, name)
        funnel = reach.reach(home, found.purpose, channel)
        use = declare(home, found.purpose, channel=channel, by=code("--by", by))
        sized = segments.size(home, use, found)
        uneven = reach.disparity(home, use, found)
        smallest = segments.smallest(home)
        named = {one.field.path: segments.title(home, one.field.path, tongue) for one in uneven}
        coarser = "" if sized.coarser is None else segments.say(home, found.purpose, sized.coarser, tongue)
    data: dict[str, Any] = {
        "funnel": _funnel_json(funnel),
        "size": sized.size,
        "rarest": sized.rarest,
        "refused": sized.refused,
    }
    data |= {"coarser": sized.coarser, "disparity": [_disparity_json(one) for one in uneven], "smallest": smallest}

    def show() -> None:
        _show_funnel(funnel, smallest, tongue)
        _show_size(sized, smallest, coarser, tongue)
        _show_disparity(uneven, named, tongue)

    say(data, as_json, show)


@segment.command("remove", short_help="Take a segment out of the list.")
def removing(
    name: NameArgument,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a segment out of the list; its versions stay for the campaigns that name them."""
    from pacte.app import segments

    tongue = language(lang, house)
    with opened(house) as home:
        segments.remove(home, name, code("--by", by))
    say({"removed": name}, as_json, lambda: tell(words("segment.removed", tongue, name=name)))


def _json(one: Segment) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "digest": one.digest,
        "purpose": one.purpose,
        "who": dict(one.written),
    }


def _says(home: House, one: Segment, lang: str) -> str:
    from pacte.app import segments

    return segments.say(home, one.purpose, one.written, lang)


def _show_saved(found: dict[str, Any], lang: str) -> None:
    tell(words("segment.saved", lang, name=found["name"], version=found["version"]))
    tell(found["says"], indent=2)


def _about(people: int | None, smallest: int, lang: str) -> str:
    from pacte.kernel.i18n import number

    if people is None:
        return words("segment.few", lang, smallest=smallest)
    return words("segment.about", lang, people=number(people, lang))


def _show_funnel(funnel: Reach, smallest: int, lang: str) -> None:
    from pacte.kernel.i18n import text

    tell(words("segment.everybody", lang, people=_about(funnel.everybody, smallest, lang)))
    for reason, people in funnel.reasons:
        if people is not None and reason != "other":
            why = text("policy", f"reason.{reason}", lang)
            tell(words("segment.reason", lang, why=why, people=_about(people, smallest, lang)), indent=2)
    tell(words("segment.others", lang, smallest=smallest), indent=2)
    tell(words("segment.permitted", lang, people=_about(funnel.permitted, smallest, lang)))


def _show_size(sized: Sized, smallest: int, coarser: str, lang: str) -> None:
    if sized.refused:
        tell(words("segment.refused", lang, smallest=smallest), mark="✗", color="red")
        tell(words("segment.coarser", lang, says=coarser) if coarser else words("segment.no_coarser", lang), indent=2)
        return
    tell(words("segment.size", lang, people=_about(sized.size, smallest, lang)), mark="=", color="green")
    if sized.rarest is not None:
        tell(words("segment.rarest", lang, people=sized.rarest), indent=2)


def _show_disparity(uneven: list[Disparity], named: dict[str, str], lang: str) -> None:
    for one in uneven:
        tell(words("segment.share", lang, field=named[one.field.path], share=one.share))
        for part in one.parts:
            value = part.value or words("segment.rest", lang)
            key = "segment.at_most" if part.at_most else "segment.part"
            tell(words(key, lang, value=value, share=part.share), indent=2)


def _funnel_json(funnel: Reach) -> dict[str, Any]:
    return {"everybody": funnel.everybody, "permitted": funnel.permitted, "reasons": dict(funnel.reasons)}


def _disparity_json(one: Disparity) -> dict[str, Any]:
    parts = [{"value": part.value, "share": part.share, "at_most": part.at_most} for part in one.parts]
    return {"field": one.field.path, "share": one.share, "parts": parts}

"""`campaign prepare|report|send|list|show|hold|resume|stop`: one message to one segment, once."""

from __future__ import annotations

import re
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
    from collections.abc import Mapping

    from pacte.app.campaigns import Campaign
    from pacte.app.house import House
    from pacte.app.results import Counted

campaign = typer.Typer(
    help="Send a message to a segment: prepare, report, send, list, show, hold, resume, stop.",
    short_help="Send messages to segments, and see what became of it.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)
NameArgument = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="The campaign, as `pacte campaign list` names it.")
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="CODE", help="Why, as a short code.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(campaign, name="campaign")


@campaign.command("prepare", short_help="Decide about everybody, and write down whom to write to.")
def prepare(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="The name of a saved message.")],
    segment: Annotated[str, typer.Option("--segment", metavar="NAME", help="Only people of this segment.")] = "",
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a campaign of a message: decide about everybody, and write down whom to write to. Nothing is sent yet."""
    from pacte.app import campaigns, messages, segments

    tongue = language(lang, house)
    with opened(house) as home:
        said = messages.versions(home, message)[0]
        chosen = segments.get(home, segment).digest if segment else None
        made = campaigns.make(home, said.digest, segment=chosen, by=code("--by", by))
        ready = campaigns.prepare(home, made.id, by=code("--by", by))
    say(_json(ready), as_json, lambda: tell(words("campaign.prepared", tongue, name=ready.id)))


@campaign.command("report", short_help="Say who would be left out now, and why.")
def reporting(
    name: NameArgument, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False
) -> None:
    """Say who of a prepared campaign would be written to now, and for each reason how many would not."""
    from pacte.app import results

    tongue = language(lang, house)
    with opened(house) as home:
        found = results.report(home, _named(home, name))
    say(_numbers(found), as_json, lambda: _show_numbers(found, tongue))


@campaign.command("send", short_help="Begin to send a prepared campaign.")
def sending(
    name: NameArgument,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Begin to send a prepared campaign; `pacte serve` or `pacte worker` does the sending."""
    from pacte.app import campaigns

    tongue = language(lang, house)
    with opened(house) as home:
        begun = campaigns.go(home, _named(home, name), by=code("--by", by))
    say(_json(begun), as_json, lambda: tell(words("campaign.begun", tongue)))


@campaign.command("list", short_help="List the campaigns.")
def listing(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """List the campaigns, the latest first."""
    from pacte.app import campaigns
    from pacte.kernel.i18n import moment

    tongue = language(lang, house)
    with opened(house) as home, home.reading() as conn:
        found = campaigns.listed(conn)

    def show() -> None:
        for one in found:
            state = words(f"campaign.state.{one.state}", tongue)
            made = moment(one.made, tongue)
            tell(words("campaign.line", tongue, name=one.id[:8], message=one.name, state=state, moment=made))
        if not found:
            tell(words("campaign.none", tongue))

    say([_json(one) for one in found], as_json, show)


@campaign.command("show", short_help="Say how far a campaign is, and what became of it.")
def showing(name: NameArgument, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Say how far a campaign is and, once it is not being sent, what became of it: numbers that show nobody."""
    from pacte.app import campaigns, results

    tongue = language(lang, house)
    with opened(house) as home:
        whole = _named(home, name)
        with home.reading() as conn:
            found = campaigns.of(conn, whole)
        far, counted = results.progress(home, whole), results.results(home, whole)

    def show() -> None:
        state = words(f"campaign.state.{found.state}", tongue)
        tell(words("campaign.far", tongue, state=state, hundredths=far.hundredths))
        if found.state in (campaigns.HELD, campaigns.STOPPED, campaigns.ENDED):
            _show_numbers(counted, tongue)

    say(_json(found) | {"progress": far.hundredths} | _numbers(counted), as_json, show)


@campaign.command("hold", short_help="Write to nobody more until it is resumed.")
def holding(
    name: NameArgument,
    reason: ReasonOption = "by_hand",
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Hold a campaign: nobody more is written to until somebody resumes it."""
    from pacte.app import campaigns

    with opened(house) as home:
        held = campaigns.hold(home, _named(home, name), code("--reason", reason), by=code("--by", by))
    _turned(held, lang, house, as_json=as_json)


@campaign.command("resume", short_help="Let a held campaign go on.")
def resuming(
    name: NameArgument,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a campaign go on that was held."""
    from pacte.app import campaigns

    with opened(house) as home:
        found = campaigns.resume(home, _named(home, name), by=code("--by", by))
    _turned(found, lang, house, as_json=as_json)


@campaign.command("stop", short_help="End a campaign for good.")
def stopping(
    name: NameArgument,
    reason: ReasonOption = "by_hand",
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a campaign for good: nobody more is written to."""
    from pacte.app import campaigns

    with opened(house) as home:
        found = campaigns.stop(home, _named(home, name), code("--reason", reason), by=code("--by", by))
    _turned(found, lang, house, as_json=as_json)


def _turned(found: Campaign, lang: str, house: Any, *, as_json: bool) -> None:
    tongue = language(lang, house)
    state = words(f"campaign.state.{found.state}", tongue)
    say(_json(found), as_json, lambda: tell(words("campaign.turned", tongue, state=state)))


def _named(home: House, name: str) -> str:
    """The whole identifier of a campaign of which the beginning was typed."""
    from pacte.app import campaigns
    from pacte.kernel.errors import NotFound

    with home.reading() as conn:
        found = [one.id for one in campaigns.listed(conn, 10_000) if name and one.id.startswith(name)]
    if len(found) != 1:
        raise NotFound("no campaign, or several, begin with that name; `pacte campaign list` shows them")
    return found[0]


def _json(found: Campaign) -> dict[str, Any]:
    kept = (
        "id",
        "name",
        "kind",
        "purpose",
        "channel",
        "message",
        "segment",
        "state",
        "reason",
        "made",
        "started",
        "until",
    )
    return {key: getattr(found, key) for key in (*kept, "ended")}


def _numbers(found: Counted) -> dict[str, Any]:
    each = [
        {"outcome": outcome, "reason": reason or None, "people": number}
        for (outcome, reason), number in found.numbers.items()
    ]
    return {"people": found.all, "numbers": each}


def _show_numbers(found: Counted, tongue: str) -> None:
    for (outcome, reason), number in found.numbers.items():
        named = words(f"campaign.outcome.{outcome}", tongue)
        why = f" ({_why(reason, tongue)})" if reason else ""
        tell(words("campaign.number", tongue, about=f"{named}{why}", number=number))
    tell(words("campaign.few", tongue))


def _why(reason: str, tongue: str) -> str:
    """A reason in words where there are some."""
    from pacte.kernel.i18n import catalogue, text
    from pacte.uses.message.bounce import explained

    if found := re.fullmatch(r"(?:refused|status)_(\d{1,3})[._](\d{1,3})[._](\d{1,3})", reason):
        code = ".".join(found.groups())
        return f"{explained(code, tongue).rstrip('.')} ({code})"
    places: Mapping[str, str] = {
        "policy": f"reason.{reason}",
        "gate": f"contact.{reason}",
        "cli": f"campaign.why.{reason}",
    }
    return next((text(room, key, tongue) for room, key in places.items() if key in catalogue(room)), reason)

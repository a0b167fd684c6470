"""`campaign prepare|report|send|list|show|hold|resume|stop|remove`: one message to one segment, once."""

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
    from pacte.app.messages import Saved
    from pacte.app.reports import Counted, Report
    from pacte.gate.rules import Stop

campaign = typer.Typer(
    help="Send a message to a segment: prepare, report, send, list, show, hold, resume, stop, remove.",
    short_help="Send messages to segments, and see what became of it.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)
NameArgument = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="The campaign, as `pacte campaign list` names it.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="CODE", help="Why: by_hand, mistake, complaint, incident or committee.")
]


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
    from pacte.app import campaigns, segments

    tongue = language(lang, house)
    with opened(house) as home:
        said = _saved(home, message)
        chosen = segments.get(home, segment).digest if segment else None
        made = campaigns.make(home, said.digest, segment=chosen, by=code("--by", by))
        ready = campaigns.prepare(home, made.id, by=code("--by", by))
    say(_json(ready), as_json, lambda: tell(words("campaign.prepared", tongue, name=ready.id)))


@campaign.command("report", short_help="Say who would be left out now, and why.")
def reporting(
    name: NameArgument, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False
) -> None:
    """Say whom its purpose may reach; then who of a prepared campaign would be written to now, and why not the rest."""
    from pacte.app import results, segments

    tongue = language(lang, house)
    with opened(house) as home:
        whole = _named(home, name)
        found, smallest, stop = results.report(home, whole), segments.smallest(home), _stop(home, whole)

    def show() -> None:
        _show_stop(stop, tongue)
        _show_report(found, smallest, tongue)

    say(_report(found) | {"stopped": stop is not None}, as_json, show)


@campaign.command("send", short_help="Begin to send a prepared campaign.")
def sending(
    name: NameArgument,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Begin to send a prepared campaign; `pacte serve` or `pacte worker` does the sending."""
    from pacte.app import campaigns, readiness

    tongue = language(lang, house)
    with opened(house) as home:
        begun = campaigns.go(home, _named(home, name), by=code("--by", by))
        stop, lacking, url = _stop(home, begun.id), readiness.lacking(home, begun.channel), home.settings.web.url

    def show() -> None:
        tell(words("campaign.begun", tongue))
        _show_stop(stop, tongue)
        for one in lacking:
            tell(words(f"campaign.{one}", tongue, url=f"`{url}`"), mark="!", color="yellow")

    say(_json(begun) | {"lacking": lacking, "stopped": stop is not None}, as_json, show)


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
            _show_reason(one, tongue, indent=2)
        if not found:
            tell(words("campaign.none", tongue))

    say([_json(one) for one in found], as_json, show)


@campaign.command("show", short_help="Say how far a campaign is, and what became of it.")
def showing(name: NameArgument, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Say how far a campaign is, today's report where one was asked for, and what became of it once it is not sent.

    Numbers show nobody.
    """
    from pacte.app import campaigns, readiness, results, segments
    from pacte.kernel.i18n import counted as numbered
    from pacte.kernel.i18n import moment

    tongue = language(lang, house)
    with opened(house) as home:
        whole = _named(home, name)
        with home.reading() as conn:
            found, away = campaigns.of(conn, whole), readiness.away(conn, whole)
        sending, stop = found.state == campaigns.SENDING, _stop(home, whole)
        closed = sending and readiness.NO_WAY_OUT in readiness.lacking(home, found.channel)
        far, counted = results.progress(home, whole), results.results(home, whole)
        told = results.latest(home, whole) if found.state == campaigns.READY else None
        smallest = segments.smallest(home) if told else 0

    def show() -> None:
        state = words(f"campaign.state.{found.state}", tongue)
        tell(words("campaign.far", tongue, state=state, hundredths=far.hundredths))
        _show_reason(found, tongue)
        if found.state in (campaigns.READY, campaigns.SENDING, campaigns.HELD):
            _show_stop(stop, tongue)
        if closed:
            tell(words("campaign.no_way_out", tongue), mark="!", color="yellow")
        elif sending and away:
            times = {"since": moment(away.since, tongue), "again": moment(away.again, tongue)}
            tell(numbered("cli", "campaign.server_away", tongue, away.attempts, **times), mark="!", color="yellow")
        if found.state in (campaigns.HELD, campaigns.STOPPED, campaigns.ENDED):
            _show_numbers(counted, tongue)
        if told:
            _show_report(told, smallest, tongue)

    numbers = _report(told) if told else _numbers(counted)
    waits = {"no_way_out": closed, "server_away_since": away.since if sending and away else None}
    say(_json(found) | {"progress": far.hundredths, **waits} | numbers, as_json, show)


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
        held = campaigns.hold(home, _named(home, name), _reason(reason), by=code("--by", by))
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
        found = campaigns.stop(home, _named(home, name), _reason(reason), by=code("--by", by))
    _turned(found, lang, house, as_json=as_json)


@campaign.command("remove", short_help="Remove a campaign that has not begun.")
def removing(
    name: NameArgument,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Remove a campaign that has not begun, a draft or one that is ready: nobody is on its list any more."""
    from pacte.app import campaigns

    tongue = language(lang, house)
    with opened(house) as home:
        whole = _named(home, name)
        campaigns.remove(home, whole, by=code("--by", by))
    say({"removed": whole}, as_json, lambda: tell(words("campaign.removed", tongue)))


def _reason(typed: str) -> str:
    """A reason as given; raises `BadInput` for one that is none of those there are."""
    from pacte.app.campaigns import REASONS
    from pacte.kernel.errors import BadInput

    if typed not in REASONS:
        raise BadInput(f"`--reason` is one of {', '.join(f'`{one}`' for one in REASONS)}")
    return typed


def _saved(home: House, name: str) -> Saved:
    """The latest version of a saved message; raises `NotFound`, with what to do."""
    from pacte.app import messages
    from pacte.kernel.errors import NotFound, named
    from pacte.policy.mistakes import meant

    known = {one.name: one for one in messages.listed(home)}
    if name not in known:
        raise NotFound(
            f"no message {named(name)} is saved here{meant(name, known)}; "
            "`pacte message list` shows those there are, `pacte message save FILE` saves one"
        )
    return known[name]


def _stop(home: House, name: str) -> Stop | None:
    """The stop in force that a campaign's purpose heeds."""
    from pacte.app import campaigns
    from pacte.app.stop import over

    with home.reading() as conn:
        return over(conn, campaigns.of(conn, name).purpose, home.present(conn))


def _show_stop(stop: Stop | None, tongue: str) -> None:
    from pacte.kernel.i18n import day

    if stop is not None:
        scope = "'*'" if stop.scope == "*" else stop.scope
        tell(words("campaign.halted", tongue, day=day(stop.since, tongue), scope=scope), mark="!", color="yellow")


def _show_reason(found: Campaign, tongue: str, indent: int = 0) -> None:
    """Why it is held, was ended, or could not be prepared."""
    if found.reason:
        key, said = ("unready" if found.state == "draft" else "because"), _code(found.reason, tongue)
        tell(words(f"campaign.{key}", tongue, reason=said, name=found.id[:8]), indent=indent)


def _code(reason: str, tongue: str) -> str:
    """Why, in words: ours, or those for what the gate said."""
    from pacte.kernel.i18n import catalogue

    if f"campaign.code.{reason}" in catalogue("cli"):
        return words(f"campaign.code.{reason}", tongue)
    return _why("undeclared_field" if reason.startswith("undeclared") else reason, tongue)


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


def _report(found: Report) -> dict[str, Any]:
    reach = found.reach
    reasons = [{"reason": reason, "people": people} for reason, people in reach.reasons if people is not None]
    reached = {"known": reach.everybody, "permitted": reach.permitted, "reasons": reasons}
    return _numbers(found.entered) | {"purpose": reached}


def _show_report(found: Report, smallest: int, tongue: str) -> None:
    """First whom the purpose may reach, then whom the campaign would."""
    from pacte.kernel.i18n import number

    few = words("segment.few", tongue, smallest=smallest)

    def said(people: int | None) -> str:
        return few if people is None else words("segment.about", tongue, people=number(people, tongue))

    tell(words("campaign.reach", tongue))
    tell("  " + words("segment.everybody", tongue, people=said(found.reach.everybody)))
    for reason, people in found.reach.reasons:
        if people is not None and reason != "other":
            tell("  " + words("segment.reason", tongue, why=_why(reason, tongue), people=said(people)))
    tell("  " + words("segment.others", tongue, smallest=smallest))
    tell("  " + words("segment.permitted", tongue, people=said(found.reach.permitted)))
    tell(words("campaign.entered", tongue))
    _show_numbers(found.entered, tongue)


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

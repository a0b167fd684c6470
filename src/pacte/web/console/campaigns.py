"""Campaigns: made of a saved message and a saved segment, reported on, sent, held, ended, and what became of them.

A worker prepares it while the page waits. Before anything is sent the page says whom the purpose may reach, and how
many of those entered would be left out and why; while it is sent, how far it is; afterwards what became of it. Every
number comes from `app.results`, which tells none that is about few; nobody shows here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from pacte.app import campaigns, messages, preparing, readiness, results, segments
from pacte.app import staff as people
from pacte.app.campaigns import DRAFT, ENDED, ENTERING, HELD, READY, SENDING, STOPPED, WRITES, Campaign
from pacte.app.messages import Saved
from pacte.app.policies import published
from pacte.app.reach import Reach
from pacte.app.reports import Counted, Report
from pacte.app.staff import Member
from pacte.app.stop import over
from pacte.consent.notice.words import of_policy
from pacte.gate.rules import Stop
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound
from pacte.kernel.i18n import moment
from pacte.kernel.instant import Instant
from pacte.policy.compile import Compiled
from pacte.web.auth.staff import member
from pacte.web.console import chart
from pacte.web.console.campaign_words import Line, lines, unready, why
from pacte.web.console.codes import word
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()

SEES = campaigns.HALTS
"""What a role must be allowed to see campaigns: whoever may end one sees what it is."""
CODES = campaigns.REASONS
EVERYBODY = "*"
"""In place of a segment's name: whomever the purpose permits."""
SAID: Mapping[str, Collection[str]] = {
    "begun": (SENDING,),
    "held": (HELD,),
    "resumed": (SENDING,),
    "stopped": (STOPPED,),
    "preparing": (ENTERING,),
    "changed": (DRAFT, ENTERING, READY, SENDING, HELD, STOPPED, ENDED),
    "stopping": (HELD,),
}
"""What a page may say of what was just asked for, and in which states that is still so."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is told of people: how many in all, and each outcome with its reason; `drawn` is the same as bars.

    `reach` is whom the purpose may reach at all, told before it begins, with the words for each reason; `at` is when
    all of it was counted.
    """

    all: int | None
    lines: list[Line]
    drawn: str
    reach: Reach | None = None
    at: Instant | None = None


@router.get("/{lang}/staff/campaigns")
def listed(request: Request) -> Response:
    """Every campaign and its state, the latest first."""
    found = allowed(request)
    house, lang = request.app.state.house, language(request)
    with house.reading() as conn:
        rows = campaigns.listed(conn)
    return page(
        request,
        "console/campaigns.html",
        rows=rows,
        segments={one: segments.get(house, one).name for one in {row.segment for row in rows} if one},
        titles=_titles(request),
        lang=lang,
        writes=found.may(WRITES),
        removed="removed" in request.query_params,
    )


@router.get("/{lang}/staff/campaigns/new")
def new(request: Request, message: str = "") -> Response:
    """What a campaign is made of: first the message, then to whom."""
    _writer(request)
    return _making(request, message)


@router.post("/{lang}/staff/campaigns/new")
def make(request: Request, form: Posted) -> Response:
    """Make a campaign, decide about everybody, and write down whom to write to. Nothing is sent."""
    found, house = _writer(request), request.app.state.house
    throttle(request, "campaign-preparing", 30, 600, who=found.id)
    name, to_whom = str(form.get("message", "")), str(form.get("segment", ""))
    said = next((one for one in messages.listed(house) if one.name == name), None)
    if said is None:
        return _making(request, "", problem="message")
    if to_whom not in [value for value, _ in _audiences(request, said)]:
        return _making(request, name, problem="segment")
    chosen = None if to_whom == EVERYBODY else segments.get(house, to_whom).digest
    try:
        made = campaigns.make(house, said.digest, segment=chosen, by=found.actor)
    except (BadInput, NotFound) as error:
        return _making(request, name, problem="unsendable", detail=str(error))
    return _asked(request, made.id, found)


@router.get("/{lang}/staff/campaigns/{name}")
def one(request: Request, name: str) -> Response:
    """A campaign: who would be left out before it begins, how far it is, what became of it; and what may be done."""
    return _one(request, name, done=request.query_params.get("done", ""))


@router.get("/{lang}/staff/campaigns/{name}/far")
def far(request: Request, name: str) -> Response:
    """How far a campaign is, for a page that is open; once it is not being sent, that page is loaded again."""
    found = member(request, SEES)
    throttle(request, "campaign-progress", 1_200, 600, who=found.id)
    campaign = _named(request, name)
    if campaign.state != SENDING:
        return Response(headers={"HX-Refresh": "true"})
    return page(request, "console/campaign_far.html", campaign=campaign, far=_far(request, campaign))


@router.get("/{lang}/staff/campaigns/{name}/preparing")
def waits(request: Request, name: str) -> Response:
    """How its preparation stands, for a page that is open; once it is over, that page is loaded again."""
    found = member(request, SEES)
    throttle(request, "campaign-progress", 1_200, 600, who=found.id)
    campaign = _named(request, name)
    standing = preparing.standing(request.app.state.house, name)
    if campaign.state != ENTERING or standing.cut:
        return Response(headers={"HX-Refresh": "true"})
    return page(request, "console/campaign_preparing.html", campaign=campaign, standing=standing)


@router.get("/{lang}/staff/campaigns/{name}/numbers.csv")
def download(request: Request, name: str) -> Response:
    """What the page tells of people: a row for each outcome and reason, first of the purpose, then of the campaign."""
    allowed(request)
    found = _found(request, _named(request, name))
    if found is None:
        raise NotFound("nothing is told of a campaign while it is written down or sent")
    rows = io.StringIO(newline="")
    writer = csv.writer(rows)
    writer.writerow(["step", "outcome", "reason", "people"])
    counted = found.entered if isinstance(found, Report) else found
    if isinstance(found, Report):
        writer.writerows(("purpose", *row) for row in _reached(found.reach))
    writer.writerows(("campaign", outcome, reason, people) for (outcome, reason), people in counted.numbers.items())
    named = {"Content-Disposition": 'attachment; filename="pacte-campaign.csv"'}
    return Response(rows.getvalue(), media_type="text/csv", headers=named)


@router.get("/{lang}/staff/campaigns/{name}/send")
def asked(request: Request, name: str) -> Response:
    """Ask once more before a campaign begins."""
    _writer(request)
    campaign = _named(request, name)
    if campaign.state != READY:
        return to(request, f"staff/campaigns/{campaign.id}?done={_meanwhile(request, name)}")
    return page(
        request,
        "console/campaign_send.html",
        lacking=readiness.lacking(request.app.state.house, campaign.channel),
        leads_to=request.app.state.house.settings.web.url,
        **_about(request, campaign),
    )


@router.post("/{lang}/staff/campaigns/{name}/send")
def send(request: Request, name: str, form: Posted) -> Response:
    """Begin to send."""
    del form
    return _turned(request, name, _writer(request), "begun", campaigns.go)


@router.post("/{lang}/staff/campaigns/{name}/prepare")
def prepare(request: Request, name: str, form: Posted) -> Response:
    """Have everybody decided about anew."""
    del form
    found = _writer(request)
    throttle(request, "campaign-preparing", 30, 600, who=found.id)
    return _asked(request, name, found)


@router.post("/{lang}/staff/campaigns/{name}/remove")
def remove(request: Request, name: str, form: Posted) -> Response:
    """Take away a campaign that has not begun."""
    del form
    try:
        campaigns.remove(request.app.state.house, name, by=_writer(request).actor)
    except Conflict:
        return to(request, f"staff/campaigns/{name}?done={_meanwhile(request, name)}")
    return to(request, "staff/campaigns?removed")


@router.post("/{lang}/staff/campaigns/{name}/hold")
def hold(request: Request, name: str, form: Posted) -> Response:
    """Write to nobody more until somebody lets it go on."""
    return _turned(request, name, allowed(request), "held", campaigns.hold, _code(form))


@router.post("/{lang}/staff/campaigns/{name}/resume")
def resume(request: Request, name: str, form: Posted) -> Response:
    """Let it go on; where a stop is in force it stays held."""
    del form
    found = _writer(request)
    if _stop(request, _named(request, name)) is not None:
        return to(request, f"staff/campaigns/{name}?done=stopping")
    return _turned(request, name, found, "resumed", campaigns.resume)


@router.post("/{lang}/staff/campaigns/{name}/stop")
def stop(request: Request, name: str, form: Posted) -> Response:
    """End it for good."""
    return _turned(request, name, allowed(request), "stopped", campaigns.stop, _code(form))


def allowed(request: Request) -> Member:
    """Who may see campaigns and halt them; raises `SignInNeeded`, `Denied` for a role that may not, `TooFast`."""
    found = member(request, SEES)
    throttle(request, "campaigns", 300, 600, who=found.id)
    return found


def _writer(request: Request) -> Member:
    found = member(request, WRITES)
    throttle(request, "campaigns", 300, 600, who=found.id)
    return found


def _making(request: Request, name: str, problem: str = "", detail: str = "") -> Response:
    """The form of a new campaign; `name` is the message that was chosen, empty before."""
    house, lang = request.app.state.house, language(request)
    found = messages.listed(house)
    said = next((one for one in found if one.name == name), None)
    return page(
        request,
        "console/campaign_new.html",
        status=422 if problem else 200,
        offered=found,
        message=said,
        audiences=_audiences(request, said) if said else [],
        titles=_titles(request),
        problems={"segment" if said else "message": words("console", lang, f"campaigns.wrong.{problem}")}
        if problem
        else {},
        detail=detail,
    )


def _audiences(request: Request, said: Saved) -> list[tuple[str, str]]:
    """To whom a message may go: everybody for what people wait for, and the segments of its purpose, in words."""
    house, lang = request.app.state.house, language(request)
    everybody = [(EVERYBODY, words("console", lang, "campaigns.everybody"))] if said.kind == "service" else []
    chosen = [one for one in segments.listed(house) if one.purpose == said.purpose]
    return everybody + [
        (one.name, f"{one.name} – {segments.say(house, one.purpose, one.written, lang)}") for one in chosen
    ]


def _asked(request: Request, name: str, found: Member) -> Response:
    """Ask for the campaign to be prepared; where it is, or has begun, say so and do nothing."""
    try:
        preparing.ask(request.app.state.house, name, by=found.actor)
    except Conflict:
        return to(request, f"staff/campaigns/{name}?done={_meanwhile(request, name)}")
    return to(request, f"staff/campaigns/{name}")


def _turned(request: Request, name: str, found: Member, done: str, verb: Any, *code: str) -> Response:
    """Do this to a campaign; where it is in another state by now, say so and do nothing."""
    try:
        verb(request.app.state.house, name, *code, by=found.actor)
    except Conflict:
        done = _meanwhile(request, name)
    return to(request, f"staff/campaigns/{name}?done={done}")


def _meanwhile(request: Request, name: str) -> str:
    """Why nothing was done of what was asked for."""
    return "preparing" if _named(request, name).state == ENTERING else "changed"


def _one(request: Request, name: str, *, done: str = "") -> Response:
    found, house, lang = allowed(request), request.app.state.house, language(request)
    campaign, problem, counted = _named(request, name), "", None
    try:
        counted = _counted(request, campaign)
    except Denied as error:  # the policy changed since it was prepared
        problem = unready(error.code, lang)
    if campaign.state == DRAFT and campaign.reason:
        problem = unready(campaign.reason, lang, segments.smallest(house))
    return page(
        request,
        "console/campaign.html",
        writes=found.may(WRITES),
        standing=preparing.standing(house, name) if campaign.state == ENTERING else None,
        far=_far(request, campaign),
        waits=_waits(request, campaign),
        numbers=counted,
        stop=_stop(request, campaign),
        why=word(lang, "campaigns.code", campaign.reason) if campaign.reason else "",
        codes=CODES,
        smallest=segments.smallest(house) if counted else 0,
        word=partial(word, lang),
        reason=partial(why, lang=lang),
        done=done if campaign.state in SAID.get(done, ()) else "",
        problem=problem,
        **_about(request, campaign),
    )


def _about(request: Request, campaign: Campaign) -> dict[str, Any]:
    """What a campaign is: its message, its segment, whom it was begun by."""
    house = request.app.state.house
    segment = segments.get(house, campaign.segment) if campaign.segment else None
    version = next(
        (one.version for one in messages.versions(house, campaign.name) if one.digest == campaign.message), 0
    )
    staff = {one.actor: one.name for one in people.members(house)}
    return {
        "campaign": campaign,
        "segment": segment,
        "says": segments.say(house, segment.purpose, segment.written, language(request)) if segment else "",
        "version": version,
        "title": _titles(request).get(campaign.purpose, campaign.purpose),
        "by": staff.get(campaign.by) or word(language(request), "by", campaign.by.partition(":")[0]),
    }


def _found(request: Request, campaign: Campaign) -> Report | Counted | None:
    """What may be told of people at this state; while a campaign is written down or sent, nothing."""
    house = request.app.state.house
    if campaign.state == READY:
        return results.latest(house, campaign.id) or results.report(house, campaign.id)
    if campaign.state in (HELD, STOPPED, ENDED):
        return results.results(house, campaign.id)
    return None


def _counted(request: Request, campaign: Campaign) -> Numbers | None:
    """The same in words, and drawn."""
    found, lang = _found(request, campaign), language(request)
    if found is None:
        return None
    counted, reach, at = (found.entered, found.reach, found.at) if isinstance(found, Report) else (found, None, None)
    table, over = _compiled(request).table, campaign.state == STOPPED
    told = lines(counted, table, campaign.purpose, campaign.channel, lang, over=over)
    drawn = chart.bars([(one.label, one.people) for one in told], lang) if told else ""
    return Numbers(counted.all, told, drawn, reach, at)


def _reached(reach: Reach) -> Iterator[tuple[str, str, int]]:
    """(outcome, reason, people) of what may be told of whom a purpose may reach."""
    refused = [("refused", reason, count) for reason, count in reach.reasons]
    for outcome, reason, count in [("known", "", reach.everybody), *refused, ("permitted", "", reach.permitted)]:
        if count is not None:
            yield outcome, reason, count


def _far(request: Request, campaign: Campaign) -> int | None:
    """How far a campaign is that has begun and is not over, in a hundred."""
    if campaign.state not in (SENDING, HELD, STOPPED):
        return None
    return results.progress(request.app.state.house, campaign.id).hundredths


def _waits(request: Request, campaign: Campaign) -> str:
    """Why a campaign that is being sent cannot be, in words; empty where it can."""
    house, lang = request.app.state.house, language(request)
    if campaign.state != SENDING:
        return ""
    if readiness.NO_WAY_OUT in readiness.lacking(house, campaign.channel):
        return words("console", lang, "campaigns.lacking.no_way_out")
    with house.reading() as conn:
        away = readiness.away(conn, campaign.id)
    if away is None:
        return ""
    times = {"since": moment(away.since, lang), "again": moment(away.again, lang)}
    return words("console", lang, "campaigns.lacking.server_away", **times)


def _stop(request: Request, campaign: Campaign) -> Stop | None:
    """The stop in force that this campaign's purpose heeds."""
    house = request.app.state.house
    with house.reading() as conn:
        return over(conn, campaign.purpose, house.present(conn))


def _named(request: Request, name: str) -> Campaign:
    with request.app.state.house.reading() as conn:
        return campaigns.of(conn, name)


def _code(form: FormData) -> str:
    code = str(form.get("reason", ""))
    return code if code in CODES else CODES[0]


def _compiled(request: Request) -> Compiled:
    house = request.app.state.house
    with house.reading() as conn:
        return published(conn, house.present(conn))


def _titles(request: Request) -> dict[str, str]:
    """The purposes by what people are told that they are; none before a policy is in force."""
    try:
        found = _compiled(request).document.purposes
    except Denied:
        return {}
    return {name: of_policy(one.title, language(request)) for name, one in found.items()}

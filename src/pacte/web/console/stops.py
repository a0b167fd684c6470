"""Stops: which are in force and who may lift them; the data protection officer stops a purpose here, and lifts it.

A stop counts from the next decision on: nobody more is written to, and what is being sent is held. It is recorded with
a short code, which no name belongs in.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from pacte.app import campaigns
from pacte.app import staff as people
from pacte.app.house import House
from pacte.app.policies import document
from pacte.app.stop import EVERYTHING, HALTS, stop, stops_in_force
from pacte.consent.notice.words import of_policy
from pacte.gate.rules import Stop
from pacte.kernel.errors import Denied
from pacte.ledger import log
from pacte.web.auth.staff import member
from pacte.web.console.codes import word
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()

CODES = ("complaint", "incident", "error", "committee", "authority", "precaution")
"""Why somebody stops a purpose."""
LIFTED = ("resolved", "mistake", "committee", "authority")
"""Why somebody lifts a stop."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A stop in force: of what, why and by whom, in words."""

    stop: Stop
    title: str
    why: str
    by: str


@router.get("/{lang}/staff/stops")
def stops(request: Request) -> Response:
    """The page, for whoever may halt what is sent."""
    member(request, campaigns.HALTS)
    return _page(request)


@router.post("/{lang}/staff/stops")
def begin(request: Request, form: Posted) -> Response:
    """Stop a purpose, or everything."""
    return _change(request, form, CODES, lifting=False)


@router.post("/{lang}/staff/stops/lift")
def lift(request: Request, form: Posted) -> Response:
    """Lift a stop."""
    return _change(request, form, LIFTED, lifting=True)


def _change(request: Request, form: Posted, codes: tuple[str, ...], *, lifting: bool) -> Response:
    found, house = member(request, HALTS), request.app.state.house
    throttle(request, "stops", 60, 600, who=found.id)
    scope, code = str(form.get("scope", "")), str(form.get("reason", ""))
    standing = [one.scope for one in stops_in_force(house)]
    if scope not in (standing if lifting else _offered(request)):
        return to(request, "staff/stops?done=gone") if lifting else _page(request, problem="scope")
    if code not in codes:
        return _page(request, problem="reason", scope=scope)
    if lifting or scope not in standing:
        stop(house, scope, code, lift=lifting, by=found.actor)
    return to(request, f"staff/stops?done={'lifted' if lifting else 'stopped'}")


def _page(request: Request, *, problem: str = "", scope: str = "") -> Response:
    house, lang = request.app.state.house, language(request)
    looks, titles = member(request, campaigns.HALTS), _offered(request)
    members = people.members(house)
    rows = [_shown(house, one, titles, {one.actor: one.name for one in members}, lang) for one in stops_in_force(house)]
    done = request.query_params.get("done", "")
    return page(
        request,
        "console/stops.html",
        status=422 if problem else 200,
        rows=rows,
        offered={name: said for name, said in titles.items() if name not in [one.stop.scope for one in rows]},
        chosen=scope,
        halts=looks.may(HALTS),
        lifters=[one for one in members if one.may(HALTS)],
        codes={code: word(lang, "stops.code", code) for code in CODES},
        lifted={code: word(lang, "stops.code", code) for code in LIFTED},
        problems={problem: words("console", lang, f"stops.wrong_{problem}")} if problem else {},
        done=done if done in ("stopped", "lifted", "gone") else "",
    )


def _shown(house: House, found: Stop, titles: dict[str, str], staff: dict[str, str], lang: str) -> Shown:
    with house.reading() as conn:
        entry = log.entry(conn, found.entry) or {}
    by, code = str(entry.get("by", "")), str(entry.get("reason", ""))
    who = staff.get(by) or word(lang, "by", by.partition(":")[0])
    return Shown(found, titles.get(found.scope, found.scope), word(lang, "stops.code", code), who)


def _offered(request: Request) -> dict[str, str]:
    """What may be stopped: everything, and each purpose by what people are told that it is."""
    lang = language(request)
    everything = {EVERYTHING: words("console", lang, "stops.everything")}
    try:
        policy = document(request.app.state.house)
    except Denied:  # before a policy is in force there are no purposes
        return everything
    return {name: of_policy(one.title, lang) for name, one in policy.purposes.items()} | everything

"""My choices: every purpose with what the person may change, one action each, and a way back.

A no counts whatever the page showed; a yes counts only as it was shown: for a purpose that stands in the policy, and
where nothing was said elsewhere meanwhile. Source: GDPR Art. 4(11), 7(3), 21(2)-(4).
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from pacte.app.house import House
from pacte.app.overview import Standing, Switch, overview
from pacte.app.policies import document
from pacte.app.switches import said_no, turn
from pacte.app.unsubscribe import said_again
from pacte.consent.notice.purposes import told
from pacte.consent.notice.values import Told
from pacte.kernel.errors import Conflict, NotFound
from pacte.kernel.ids import SubjectId
from pacte.ledger import log
from pacte.web.centre.words import reasons
from pacte.web.pages import language, page, to
from pacte.web.security import Posted, throttle
from pacte.web.session import Session, person

router = APIRouter()

HOME = "home"
"""What a form says that stands on the person's first page, so that they come back there."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was just recorded, as the page says it: where it stands, and what takes it back."""

    index: int
    switch: Switch


@router.get("/{lang}/me/choices")
def choices(request: Request) -> Response:
    """The page."""
    return shown(request, person(request))


@router.post("/{lang}/me/choices")
def choose(request: Request, form: Posted) -> Response:
    """Record one choice, then show the page again that it was made on."""
    signed_in = person(request)
    on, home, seen = form.get("act") == "on", form.get("on") == HOME, _entry(form.get("seen"))
    if on:  # a no is never refused for coming too often
        throttle(request, "choices", 120, 600, who=signed_in.who)
    house: House = request.app.state.house
    switch, standing = _asked_for(overview(house, SubjectId(signed_in.who), language(request)), form)
    if not on and said_no(house, switch):
        said_again(house, switch.entry)
        return _back(request, switch.entry, switch, home=home)
    try:
        recorded = turn(
            house, SubjectId(signed_in.who), standing, switch, on=on, seen=seen, notice=str(form.get("notice", ""))
        )
    except Conflict:
        return shown(request, signed_in, home=home, changed=switch, status=409)
    return _back(request, recorded.index, switch, home=home)


def shown(
    request: Request,
    signed_in: Session,
    *,
    home: bool = False,
    changed: Switch | None = None,
    status: int = 200,
) -> Response:
    """The choices, or with `home` the person's first page; `changed` is what was said elsewhere meanwhile."""
    house, lang = request.app.state.house, language(request)
    standings = overview(house, SubjectId(signed_in.who), lang)
    now = {switch.name: switch for one in standings for switch in one.switches}
    facts, recipients = _of_policy(house, standings, lang)
    return page(
        request,
        "centre/home.html" if home else "centre/choices.html",
        status=status,
        on=HOME if home else "choices",
        standings=standings,
        asked=[one for one in standings if one.switches],
        unasked=[one for one in standings if not one.switches],
        done=_just_done(request, signed_in, standings),
        changed=now.get(changed.name) if changed else None,
        titles={one.name: one.purpose.title for one in standings},
        recipients=recipients,
        told=facts,
        why=reasons(lang),
    )


def _just_done(request: Request, signed_in: Session, standings: list[Standing]) -> Done | None:
    """What the address says was just recorded: only the person's own choice, and only while it is what counts."""
    said = request.query_params.get("done", "")
    if not said.isdecimal() or len(said) > 15:
        return None
    house: House = request.app.state.house
    try:
        with house.reading() as conn:
            entry = log.entry(conn, int(said))
    except NotFound:
        return None
    if entry is None or entry["kind"] != "choice" or entry.get("subject") != signed_in.who:
        return None
    switches = (switch for standing in standings for switch in standing.switches)
    return next((Done(int(said), switch) for switch in switches if switch.entry == int(said)), None)


def _of_policy(house: House, standings: list[Standing], lang: str) -> tuple[dict[str, Told], dict[str, str]]:
    """By purpose: what the notice tells of it, in words; and the names of the recipients."""
    policy = document(house)
    facts = {one.name: told(one.name, policy, lang) for one in standings if one.name in policy.purposes}
    return facts, {name: recipient.name for name, recipient in policy.recipients.items()}


def _asked_for(standings: list[Standing], form: Posted) -> tuple[Switch, Standing]:
    """The switch that a form names; raises `Conflict` for a purpose that left the policy while the page was open."""
    named = (str(form.get("purpose", "")), str(form.get("channel", "")), str(form.get("recipient", "")))
    for standing in standings:
        for switch in standing.switches:
            if (switch.purpose, switch.channel, switch.recipient) == named:
                return switch, standing
    raise Conflict("this purpose is no longer one that you are asked about; load the page again")


def _back(request: Request, index: int, switch: Switch, *, home: bool) -> Response:
    """The page that a choice was made on, which says what was recorded."""
    return to(request, f"{'me' if home else 'me/choices'}?done={index}#{switch.name}")


def _entry(said: object) -> int:
    """The ledger index that a form says was shown, -1 where it showed none; for anything else -2, which is no entry."""
    if said == "-1":
        return -1
    return int(said) if isinstance(said, str) and said.isdecimal() and len(said) < 16 else -2

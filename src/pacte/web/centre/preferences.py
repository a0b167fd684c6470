"""How I am reached, and how much is chosen for me: wishes by channel, and levels of personalisation; both with undo."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from pacte.app import levels
from pacte.app import preferences as wishes
from pacte.app.house import House
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.ids import SubjectId
from pacte.web.pages import language, page, to
from pacte.web.security import Posted, throttle
from pacte.web.session import Session, person

router = APIRouter()

SIDES = ("from", "to")
"""The two sides of the quiet hours, as the form names them."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as the page shows it: what can be wished, what holds, and the entry of the last wish about it.

    `hours` are the two sides of the quiet hours, as the form names them. Where one was left empty, `empty` is that
    side, and everything here is what was sent.
    """

    name: str
    settings: tuple[str, ...]
    values: dict[str, str]
    seen: str
    hours: dict[str, str]
    empty: str = ""


@router.get("/{lang}/me/preferences")
def preferences(request: Request) -> Response:
    """The page."""
    return _page(request, person(request))


@router.post("/{lang}/me/preferences")
def wish(request: Request, form: Posted) -> Response:
    """Record what is wished of one channel, then show the page again."""
    signed_in = person(request)
    throttle(request, "preferences", 120, 600, who=signed_in.who)
    channel = str(form.get("channel", ""))
    house: House = request.app.state.house
    if _empty(form) and channel in wishes.channels(house) and wishes.QUIET in wishes.CHANNELS[channel]:
        return _page(request, signed_in, sent=_sent(channel, form), status=422)
    values = {name: str(form[name]) for name in (wishes.REACH, wishes.FREQUENCY) if name in form}
    if "from" in form or wishes.QUIET in form:
        values[wishes.QUIET] = _quiet(form)
    seen = str(form.get("seen", ""))
    try:
        index = wishes.wish(
            house,
            SubjectId(signed_in.who),
            channel,
            values,
            by="person",
            seen=int(seen) if seen.removeprefix("-").isdecimal() and len(seen) < 16 else None,
        )
    except Conflict:
        return _page(request, signed_in, changed=channel, status=409)
    return to(request, f"me/preferences?done={index}#{channel}" if index is not None else f"me/preferences#{channel}")


@router.post("/{lang}/me/personalisation")
def choose(request: Request, form: Posted) -> Response:
    """Record the choices that make a level, then show the page again."""
    signed_in = person(request)
    house, subject, lang = request.app.state.house, SubjectId(signed_in.who), language(request)
    said = str(form.get("level", ""))
    if not said.isdecimal() or len(said) > 3:
        return _page(request, signed_in, unanswered=True, status=422)
    now = levels.steps(house, subject, lang)
    earlier = now.level
    if int(said) > (0 if earlier is None else earlier):  # to ask for less is never refused for coming too often
        throttle(request, "choices", 120, 600, who=signed_in.who)
    try:
        done = levels.choose_level(house, subject, int(said), now, seen=str(form.get("seen", "")))
    except Conflict:
        return _page(request, signed_in, changed="personalisation", status=409)
    back = "" if earlier is None or done is None else f"?from={earlier}"
    return to(request, f"me/preferences{back}#personalisation")


def _page(
    request: Request,
    signed_in: Session,
    *,
    changed: str = "",
    sent: Channel | None = None,
    unanswered: bool = False,
    status: int = 200,
) -> Response:
    house: House = request.app.state.house
    subject, lang = SubjectId(signed_in.who), language(request)
    known = wishes.preferences(house, subject)
    steps = levels.steps(house, subject, lang)
    done = request.query_params.get("done", "")
    before = wishes.before(house, subject, int(done)) if done.isdecimal() and len(done) < 16 else None
    earlier = request.query_params.get("from", "")
    return page(
        request,
        "centre/preferences.html",
        status=status,
        channels=[
            sent if sent is not None and sent.name == name else _channel(name, known) for name in wishes.channels(house)
        ],
        half=sent,
        words={setting: values for setting, values in wishes.SETTINGS.items() if setting != wishes.QUIET},
        steps=steps,
        undo=before,
        earlier=int(earlier) if earlier.isdecimal() and len(earlier) < 3 and int(earlier) != steps.level else None,
        changed=changed,
        unanswered=unanswered,
    )


def _channel(name: str, known: dict[wishes.Key, wishes.Preferred]) -> Channel:
    settings = wishes.CHANNELS[name]
    held = {setting: wishes.value_of(known, name, setting) for setting in settings}
    begin, end = wishes.hours(held.get(wishes.QUIET, "")) or ("", "")
    return Channel(name, settings, held, str(wishes.newest(known, name)), {"from": str(begin), "to": str(end)})


def _sent(channel: str, form: FormData) -> Channel:
    """A channel as it was sent with one side of the quiet hours left empty."""
    settings = wishes.CHANNELS[channel]
    said = {setting: str(form.get(setting, "")) for setting in settings if setting != wishes.QUIET}
    hours = {side: str(form.get(side, "")) for side in SIDES}
    return Channel(channel, settings, said, str(form.get("seen", "")), hours, _empty(form))


def _empty(form: FormData) -> str:
    """The side of the quiet hours that was left empty beside the other; "" where both were, or neither."""
    if wishes.QUIET in form:
        return ""
    empty = [side for side in SIDES if not form.get(side)]
    return empty[0] if len(empty) == 1 else ""


def _quiet(form: FormData) -> str:
    """Quiet hours as a form says them: one word (to take a wish back), or two hours; the same twice is none."""
    if wishes.QUIET in form:
        return str(form[wishes.QUIET])
    begin, end = str(form.get("from", "")), str(form.get("to", ""))
    if begin == end:
        return wishes.SETTINGS[wishes.QUIET][0]
    if not (begin.isdecimal() and end.isdecimal() and len(begin) < 3 and len(end) < 3):
        raise BadInput("expected hours from 0 to 23")
    return f"{int(begin):02}-{int(end):02}"

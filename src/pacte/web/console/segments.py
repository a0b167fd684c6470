"""Segments: whom to write to, chosen by rows of conditions; who may be reached is shown before how many they are.

Numbers are those of `app.shown`: about so many, never few, the same all day. Nobody shows here, so no look is recorded;
whoever counts uses data, which is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request, Response

from pacte.app import messages, reach, segments
from pacte.app.policies import published
from pacte.app.reach import Disparity, Reach
from pacte.app.segments import NAME, Sized
from pacte.app.staff import Member
from pacte.app.stop import over
from pacte.consent.notice.words import of_policy
from pacte.gate.questions import CHOICE_BASES
from pacte.gate.rules import Stop
from pacte.kernel.errors import BadInput, Denied, NotFound
from pacte.kernel.i18n import text
from pacte.policy.channels import named, titled
from pacte.policy.compile import Compiled
from pacte.uses.audience.fields import MONTHS, Field, conditionable
from pacte.uses.audience.query import ROWS
from pacte.uses.audience.words import title
from pacte.web.auth.staff import member
from pacte.web.console import segment_rows
from pacte.web.console.segment_rows import MOST, Row
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()

REACHING = ("direct_marketing", "service", "personalisation")
"""Kinds of purposes that write to people."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A segment as it stands in the form: `match` joins its rows (`all` or `any`)."""

    name: str
    purpose: str
    channel: str
    match: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a segment: who may be reached, how many it has, what would be coarser, who is left out."""

    says: str
    funnel: Reach
    sized: Sized
    coarser: str
    uneven: tuple[tuple[str, Disparity], ...]


@router.get("/{lang}/staff/segments")
def listed(request: Request) -> Response:
    """Every segment in its present version, and the way to a new one."""
    allowed(request)
    return _listed(request)


@router.get("/{lang}/staff/segments/{name}")
def one(request: Request, name: str) -> Response:
    """A saved segment in words, its versions, and what may be done with it."""
    allowed(request)
    return _one(request, name)


@router.post("/{lang}/staff/segments/count")
def count(request: Request, form: Posted) -> Response:
    """A saved segment, and how many people it has by a channel."""
    found = allowed(request)
    name, channel = str(form.get("name", "")), str(form.get("channel", ""))
    house = request.app.state.house
    segment = segments.get(house, name)
    if _stop(request, segment.purpose):
        return _one(request, name, channel=channel)
    try:
        told = _told(request, found, segment.purpose, channel, segment.written)
    except (BadInput, Denied) as error:
        return _one(request, name, problem=str(error), channel=channel)
    return _one(request, name, told=told, channel=channel)


@router.post("/{lang}/staff/segments/build")
def build(request: Request, form: Posted) -> Response:
    """Do what a button of the form says: begin, open a saved segment, add or take out a row, count, save."""
    found = allowed(request)
    sheet, act = _typed(request, form), str(form.get("do", "count"))
    if act == "open":
        opened = _opened(request, str(form.get("name", "")), str(form.get("channel", "")))
        return (
            _one(request, sheet.name, problem=words("console", language(request), "segments.by_file"))
            if (opened is None)
            else _build(request, found, opened)
        )
    if not NAME.fullmatch(sheet.name) or not sheet.purpose:
        return _listed(request, problem="name" if sheet.purpose else "for", typed=sheet)
    if act == "add":
        return _build(request, found, _added(request, sheet, str(form.get("path", ""))))
    if act.startswith("remove:"):
        kept = tuple(row for at, row in enumerate(sheet.rows) if f"remove:{at}" != act)
        return _build(request, found, replace(sheet, rows=kept))
    if act == "begin":
        return _build(request, found, sheet)
    return _finished(request, found, sheet, act)


@router.post("/{lang}/staff/segments/remove")
def remove(request: Request, form: Posted) -> Response:
    """Offer a segment no longer."""
    found = allowed(request)
    segments.remove(request.app.state.house, str(form.get("name", "")), found.actor)
    return to(request, "staff/segments?removed")


def allowed(request: Request) -> Member:
    """Who may choose whom to write to; raises `SignInNeeded`, `Denied` for a role that may not, `TooFast`."""
    found = member(request, messages.WRITES)
    throttle(request, "segments", 600, 600, who=found.id)
    return found


def _finished(request: Request, found: Member, sheet: Sheet, act: str) -> Response:
    """Count what the form says, or save it."""
    problems = _problems(request, sheet)
    if problems:
        return _build(request, found, sheet, problems=problems)
    written = segment_rows.joined(sheet.rows, sheet.match)
    try:
        if act == "save":
            segments.save(request.app.state.house, sheet.name, sheet.purpose, written, found.actor)
            return to(request, f"staff/segments/{sheet.name}?saved")
        if _stop(request, sheet.purpose):
            return _build(request, found, sheet)
        told = _told(request, found, sheet.purpose, sheet.channel, written)
    except (BadInput, Denied) as error:
        return _build(request, found, sheet, problem=str(error))
    return _build(request, found, sheet, told=told)


def _told(request: Request, found: Member, purpose: str, channel: str, written: Any) -> Told:
    """The funnel first, then the size and who is left out."""
    house, lang = request.app.state.house, language(request)
    throttle(request, "segment-counts", 120, 600, who=found.id)
    use = reach.of_today(house, purpose, channel, found.actor)
    funnel, sized = reach.reach(house, purpose, channel), segments.size(house, use, written)
    coarser = "" if sized.coarser is None else segments.say(house, purpose, sized.coarser, lang)
    policy = _compiled(request).document
    uneven = [(title(policy, one.field.path, lang), one) for one in reach.disparity(house, use, written)]
    return Told(segments.say(house, purpose, written, lang), funnel, sized, coarser, tuple(uneven))


def _typed(request: Request, form: Any) -> Sheet:
    """The segment in a sent form; a purpose or channel that is not offered is none."""
    wanted = str(form.get("for", ""))
    purpose, _, channel = wanted.partition(":") if wanted in dict(_offered(request)) else ("", "", "")
    fields = conditionable(_compiled(request).table, purpose) if purpose else {}
    rows = segment_rows.typed(form, form.getlist, fields)
    match = "any" if form.get("match") == "any" else "all"
    return Sheet(str(form.get("name", "")).strip(), purpose, channel, match, tuple(rows))


def _opened(request: Request, name: str, channel: str) -> Sheet | None:
    """A saved segment as the form holds it; `None` where its conditions are more than rows."""
    found = segments.get(request.app.state.house, name)
    compiled = _compiled(request)
    fields = conditionable(compiled.table, found.purpose) if found.purpose in compiled.table.purposes else {}
    rows = segment_rows.taken(found.written, fields)
    offered = [value for value, _ in _offered(request) if value.partition(":")[0] == found.purpose]
    if rows is None or not offered:
        return None
    chosen = f"{found.purpose}:{channel}"
    return Sheet(
        name, found.purpose, (chosen if chosen in offered else offered[0]).partition(":")[2], rows[0], tuple(rows[1])
    )


def _added(request: Request, sheet: Sheet, path: str) -> Sheet:
    kind = segment_rows.kind_of(path, conditionable(_compiled(request).table, sheet.purpose))
    if not kind or len(sheet.rows) >= MOST:
        return sheet
    return replace(sheet, rows=(*sheet.rows, Row(path, kind)))


def _problems(request: Request, sheet: Sheet) -> dict[str, str]:
    """By the name of an input: what lacks there."""
    lang, found = language(request), {}
    for at, row in enumerate(sheet.rows):
        if row.kind in ("words", "rows") and not row.values:
            found[f"row/{at}/in"] = words("console", lang, "segments.wrong.values")
        elif row.kind in ("number", "age") and not (row.at_least or row.below):
            found[f"row/{at}/at_least"] = words("console", lang, "segments.wrong.bounds")
        elif row.kind == "day" and not row.months:
            found[f"row/{at}/months"] = words("console", lang, "segments.wrong.months")
    return found if sheet.rows else {"path": words("console", lang, "segments.wrong.rows")}


def _build(request: Request, found: Member, sheet: Sheet, **more: Any) -> Response:
    """The form; `problem`, `problems` and `told` say how it went."""
    house, lang, compiled = request.app.state.house, language(request), _compiled(request)
    fields = conditionable(compiled.table, sheet.purpose)
    paths = {row.path for row in sheet.rows if row.kind in ("words", "rows")}
    offered: dict[str, list[str]] = {}
    if paths:
        use = reach.of_today(house, sheet.purpose, sheet.channel, found.actor)
        offered = reach.offered(house, use, paths)
    told = {"problem": "", "problems": {}, "told": None} | more
    return page(
        request,
        "console/segment.html",
        status=422 if told["problem"] or told["problems"] else 200,
        sheet=sheet,
        about=dict(_offered(request)).get(f"{sheet.purpose}:{sheet.channel}", ""),
        names={path: title(compiled.document, path, lang) for path in [*fields, *_counted(fields)]},
        choices=_choices(fields),
        offered={path: list(dict.fromkeys([*values, *_kept(sheet, path)])) for path, values in offered.items()},
        steps={path: field.steps for path, field in fields.items()},
        rows_steps=ROWS,
        months=MONTHS,
        full=len(sheet.rows) >= MOST,
        stop=_stop(request, sheet.purpose),
        smallest=segments.smallest(house),
        why=_why(lang),
        **told,
    )


def _listed(request: Request, problem: str = "", typed: Sheet | None = None) -> Response:
    house, lang = request.app.state.house, language(request)
    found = segments.listed(house)
    return page(
        request,
        "console/segments.html",
        status=422 if problem else 200,
        found=[(one, segments.say(house, one.purpose, one.written, lang)) for one in found],
        offered=_offered(request),
        problem=problem,
        typed=typed,
        removed="removed" in request.query_params,
        smallest=segments.smallest(house) if _offered(request) else 0,
    )


def _one(request: Request, name: str, *, told: Told | None = None, problem: str = "", channel: str = "") -> Response:
    house, lang = request.app.state.house, language(request)
    found = segments.versions(house, name)
    if found[0].removed is not None:
        raise NotFound("this segment was removed")
    return page(
        request,
        "console/segment_saved.html",
        status=422 if problem else 200,
        versions=[(one, segments.say(house, one.purpose, one.written, lang)) for one in found],
        offered=[(value, said) for value, said in _offered(request) if value.partition(":")[0] == found[0].purpose],
        channel=channel,
        stop=_stop(request, found[0].purpose),
        told=told,
        problem=problem,
        saved="saved" in request.query_params,
        smallest=segments.smallest(house),
        why=_why(lang),
    )


def _offered(request: Request) -> list[tuple[str, str]]:
    """What segments may be for, as `purpose:channel`, and in words."""
    try:
        policy, lang = _compiled(request).document, language(request)
    except Denied:  # before a policy is in force there are no purposes
        return []
    found = []
    for name, purpose in policy.purposes.items():
        said = of_policy(purpose.title, lang)
        if purpose.kind in REACHING and purpose.channels:
            found += [(f"{name}:{channel}", f"{said} – {titled(named(channel, lang))}") for channel in purpose.channels]
        elif purpose.kind in REACHING and purpose.basis not in CHOICE_BASES:
            found.append((f"{name}:", said))
    return found


def _choices(fields: dict[str, Field]) -> list[str]:
    """What a row may be about: fields of people, values of events, and how many events there are."""
    return [*fields, *_counted(fields)]


def _counted(fields: dict[str, Field]) -> list[str]:
    return list(dict.fromkeys(path.partition(".")[0] for path, field in fields.items() if field.kind == "rows"))


def _kept(sheet: Sheet, path: str) -> list[str]:
    """Values that were chosen before and that fewer people have by now."""
    return [value for row in sheet.rows if row.path == path for value in row.values]


def _why(lang: str) -> Any:
    return lambda reason: text("policy", f"reason.{reason}", lang)


def _stop(request: Request, purpose: str) -> Stop | None:
    """The stop in force that this purpose heeds: nobody is counted then."""
    house = request.app.state.house
    with house.reading() as conn:
        return over(conn, purpose, house.present(conn))


def _compiled(request: Request) -> Compiled:
    house = request.app.state.house
    with house.reading() as conn:
        return published(conn, house.present(conn))

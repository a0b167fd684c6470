"""The ledger for those who watch over it: entries in words, without whom they are about, and who vouches for it."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from pacte.app import checks, forms
from pacte.app.policies import published
from pacte.app.reading import nameless, signed_checkpoint
from pacte.app.status import status
from pacte.app.wording import describe
from pacte.consent.notice.words import of_policy
from pacte.kernel.errors import BadInput, Denied
from pacte.kernel.instant import DAY, Instant, parse_instant
from pacte.ledger import browse, log, queries
from pacte.ledger.entries import kinds
from pacte.policy.house import house_purposes
from pacte.web.auth.staff import member
from pacte.web.console.codes import word
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()

MOST = 50
"""Entries of one page."""


@router.get("/{lang}/staff/ledger")
def ledger(request: Request) -> Response:
    """A page of entries, newest first; `kind`, `day` and `before` (an index) choose which."""
    throttle(request, "ledger", 300, 600, who=member(request, "ledger").id)
    house, lang, asked = request.app.state.house, language(request), request.query_params
    kind = asked.get("kind", "") if asked.get("kind", "") in kinds() else ""
    start_at, problems = _day(request, asked.get("day", ""))
    with house.reading() as conn:
        start, stop = 0, log.head(conn).size
        if start_at is not None:
            start, stop = (queries.size_at(conn, Instant(at - 1)) for at in (start_at, start_at + DAY))
        before = asked.get("before", "")
        if before.isdecimal() and len(before) < 16:
            stop = min(stop, int(before))
        found = list(islice(browse.newest(conn, start, stop, [kind] if kind else []), MOST + 1))
        named = _named(conn, house.present(conn), lang)
    readers = {one.digest: one.reader for one in forms.kept(house)}
    return page(
        request,
        "console/ledger.html",
        status=422 if problems else 200,
        rows=[_row(index, name, entry, named, lang) | _to(entry, readers, lang) for index, name, entry in found[:MOST]],
        older=found[MOST - 1][0] if len(found) > MOST else None,
        kinds=sorted(kinds(), key=lambda one: word(lang, "kind", one)),
        kind=kind,
        word=partial(word, lang),
        day_asked=asked.get("day", "")[:10] if not problems else "",
        problems=problems,
        house=status(house),
        checked=checks.last(house),
        waits=checks.waits(house),
        vkey=house.vkey,
    )


@router.post("/{lang}/staff/ledger/check")
def check(request: Request, form: Posted) -> Response:
    """Ask for a check of everything; the worker makes it."""
    del form
    throttle(request, "check", 6, 600, who=member(request, "ledger").id)
    checks.ask(request.app.state.house)
    return to(request, "staff/ledger")


@router.get("/{lang}/staff/ledger/checkpoint")
def checkpoint(request: Request) -> Response:
    """The signed checkpoint, to be kept elsewhere: against it nobody rewrites or cuts the ledger unnoticed."""
    member(request, "ledger")
    headers = {"Content-Disposition": 'attachment; filename="checkpoint.txt"'}
    return Response(signed_checkpoint(request.app.state.house), media_type="text/plain", headers=headers)


def _named(conn: Connection, now: Instant, lang: str) -> dict[str, str]:
    """What purposes, forms and recipients are called, under the names that `app.wording` looks for."""
    titles = {name: rules.title[lang] for name, rules in house_purposes({}).items()}
    try:
        policy = published(conn, now).document
    except Denied:  # before a policy is in force
        return titles
    titles |= {name: of_policy(purpose.title, lang) for name, purpose in policy.purposes.items()}
    titles |= {f"form:{name}": of_policy(form.title, lang) for name, form in policy.forms.items()}
    return titles | {f"recipient:{name}": one.name for name, one in policy.recipients.items()}


def _row(index: int, kind: str, entry: dict[str, Any] | None, named: dict[str, str], lang: str) -> dict[str, Any]:
    said = "" if entry is None else describe(nameless(entry), lang, named)
    return {"index": index, "kind": kind, "at": entry["at"] if entry else None, "says": said}


def _to(entry: dict[str, Any] | None, readers: dict[str, str], lang: str) -> dict[str, str]:
    """To whom a form shows what an entry speaks of, in words."""
    reader = readers.get(str(entry["form"])) if entry and entry["kind"] == "form" else None
    return {"to": words("console", lang, f"ledger.to.{reader}") if reader else ""}


def _day(request: Request, given: str) -> tuple[Instant | None, dict[str, str]]:
    try:
        return (parse_instant(given[:10]) if given else None), {}
    except BadInput:
        return None, {"day": words("console", language(request), "figures.day")}

"""The proof inspector: what one person said, and how it is proved; and the files that prove it to somebody else.

Whoever looks says first why, from a closed list; the look stands in the ledger before anything is shown, and the person
can see it. The address holds a sealed name for the person, good for this member of staff and a quarter of an hour. Who
the person is shows nowhere here: whoever asks knows, and nobody else needs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from pacte.app import forms, history, links, looks, receipts
from pacte.app import prove as proving
from pacte.app.exhibit import exhibit
from pacte.app.house import House
from pacte.app.looks import REASONS
from pacte.app.overview import overview
from pacte.app.policies import published
from pacte.app.staff import Member
from pacte.app.wording import what
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound
from pacte.kernel.ids import SubjectId, parse_subject_id
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.policy.model import Notice
from pacte.web.auth.staff import member
from pacte.web.console.codes import word
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()

LOOKED = "looked"
"""The kind of link that names a person whom somebody looks at."""
LASTS = 900 * SECOND
BACK, MOST = 400 * DAY, 20
"""How far back uses are listed, and how many."""


Named = tuple[dict[str, str], dict[str, str]]
"""What purposes, and recipients, are called on screens."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One choice as the page shows it: its place and entry, in words, the text that was shown, whether a receipt is.

    `form` is whether the form that it answers is kept here.
    """

    index: int
    entry: dict[str, Any]
    says: str
    notice: Notice | None
    receipt: bool
    form: bool


@router.get("/{lang}/staff/people")
def asking(request: Request) -> Response:
    """The form: whom, and why."""
    member(request, "inspect")
    return _ask(request)


@router.post("/{lang}/staff/people")
def look(request: Request, form: Posted) -> Response:
    """Record the look, then lead to what it shows."""
    found, house = member(request, "inspect"), request.app.state.house
    throttle(request, "look", 30, 600, who=found.id)
    person, reason = str(form.get("person", "")).strip(), str(form.get("reason", ""))
    problems = {} if person else {"person": "person_missing"}
    problems |= {} if reason in REASONS else {"reason": "reason_missing"}
    if problems:
        return _ask(request, problems, reason)
    try:
        subject, index = looks.look(house, person, reason, found.actor)
    except (NotFound, BadInput):
        return _ask(request, {"person": "unknown"}, reason)
    except Conflict:
        return _ask(request, {"person": "shared"}, reason)
    except Denied as denied:
        if denied.code == "role":
            raise
        return _ask(request, {"person": "denied"}, reason)
    says: dict[str, str | int] = {"subject": subject, "member": found.id, "reason": reason, "look": index}
    return to(request, f"staff/people/{links.seal(house, LOOKED, says, LASTS)}")


@router.get("/{lang}/staff/people/{token}")
def shown(request: Request, token: str) -> Response:
    """What the person said, newest first, and the latest uses of their data."""
    found, house, lang = member(request, "inspect"), request.app.state.house, language(request)
    try:
        subject, link = _looked(house, found, token)
    except links.Expired:
        return _ask(request, {"person": "too_late"}, status=410)
    with house.reading() as conn:
        now = house.present(conn)
        titles, names = _named(conn, now, lang)
        uses, ended = history.used_between(conn, subject, Instant(now - BACK), Instant(now + SECOND))
    mine = [(index, entry) for index, entry in reversed(uses) if not entry["purpose"].startswith("house:")]
    return page(
        request,
        "console/person.html",
        token=token,
        why=link["reason"],
        word=partial(word, lang),
        entry=link["look"],
        whom=looks.pseudonym(house, subject),
        standings=[one for one in overview(house, subject, lang) if one.switches],
        recipients=names,
        statements=_statements(house, subject, (titles, names), lang),
        uses=[(index, entry, _says(entry, (titles, names), lang)) for index, entry in mine[:MOST]],
        more=max(0, len(mine) - MOST),
        ended=ended,
        proofs=found.may("proofs"),
    )


@router.post("/{lang}/staff/people/{token}/receipt")
def receipt(request: Request, token: str, form: Posted) -> Response:
    """The receipt of one choice, as the person would get it."""
    found, house, subject = _taking(request, token)
    entry = _number(form.get("entry"))
    made = receipts.receipt(house, subject, entry=entry, lang=language(request), by=found.actor)
    return _file(made.data, made.name, "application/json")


@router.post("/{lang}/staff/people/{token}/proof")
def proof(request: Request, token: str, form: Posted) -> Response:
    """The proof file of one use, for somebody who trusts nobody."""
    found, house, subject = _taking(request, token)
    made = proving.prove(house, subject, _use(form), by=found.actor)
    return _file(made.data, proving.file_name(made), "application/json")


@router.post("/{lang}/staff/people/{token}/exhibit")
def exhibited(request: Request, token: str, form: Posted) -> Response:
    """The page that says in plain words what the proof shows."""
    found, house, subject = _taking(request, token)
    lang = language(request)
    made = proving.prove(house, subject, _use(form), by=found.actor)
    name = proving.file_name(made).replace(".pacte-proof.json", f".{lang}.html")
    return _file(exhibit(house, made, lang).encode(), name, "text/html")


def _ask(
    request: Request, problems: dict[str, str] | None = None, reason: str = "", status: int | None = None
) -> Response:
    said = {name: words("console", language(request), f"people.{key}") for name, key in (problems or {}).items()}
    status = status or (422 if said else 200)
    return page(request, "console/people.html", status=status, reasons=list(REASONS), chosen=reason, problems=said)


def _looked(house: House, found: Member, token: str) -> tuple[SubjectId, links.Link]:
    """Whom this member looks at; raises `Forged` for a look that was somebody else's."""
    link = links.opened(house, LOOKED, token)
    if link["member"] != found.id:
        raise links.Forged
    return parse_subject_id(link["subject"]), link


def _taking(request: Request, token: str) -> tuple[Member, House, SubjectId]:
    found = member(request, "proofs")
    throttle(request, "proofs", 60, 600, who=found.id)
    house: House = request.app.state.house
    return found, house, _looked(house, found, token)[0]


def _statements(house: House, subject: SubjectId, named: Named, lang: str) -> list[Statement]:
    said, kept = receipts.choices_of(house, subject), {one.digest for one in forms.kept(house)}
    with house.reading() as conn:
        notices = {one.digest: one for one in _notices(conn, house.present(conn))}
        return [
            Statement(
                index,
                entry,
                _says(entry, named, lang),
                notices.get(entry.get("notice", "")),
                receipts.has_words(conn, index, entry),
                entry.get("form", "") in kept,
            )
            for index, entry in reversed(said)
        ]


def _says(entry: dict[str, Any], named: Named, lang: str) -> str:
    """An entry in words, with the names that people know in the place of the policy's own."""
    titles, recipients = named
    if recipient := entry.get("recipient"):
        entry = entry | {"recipient": recipients.get(recipient, recipient)}
    return what(entry, lang, titles)


def _notices(conn: Connection, now: Instant) -> list[Notice]:
    try:
        return list(published(conn, now).document.notices.values())
    except Denied:
        return []


def _named(conn: Connection, now: Instant, lang: str) -> Named:
    """What the policy in force calls its purposes and its recipients."""
    try:
        policy = published(conn, now).document
    except Denied:
        return {}, {}
    titles = {name: purpose.title.get(lang, name) for name, purpose in policy.purposes.items()}
    return titles, {name: recipient.name for name, recipient in policy.recipients.items()}


def _number(given: object) -> int:
    if isinstance(given, str) and given.isdecimal() and len(given) < 16:
        return int(given)
    raise BadInput("no entry of the ledger was named")


def _use(form: Posted) -> str:
    entry = form.get("use")
    if not isinstance(entry, str) or len(entry) != 32:
        raise BadInput("no use was named")
    return entry


def _file(data: bytes, name: str, media: str) -> Response:
    """A file to keep. INVARIANT: it is never shown here, where a page of another style would meet our policy."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=f"{media}; charset=utf-8", headers=headers)

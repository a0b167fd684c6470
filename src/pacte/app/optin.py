"""Double opt-in: a yes typed into a form counts once the owner of the address has confirmed it by a message.

Until then the address is sealed, nobody was told of anything, and the gate permits no use but this message; without an
answer it is deleted (`pending`). Everything may be done twice: the same request, the same confirmation. No answer of
this module says whether an address was known. Source: GDPR Art. 4(11), 7(1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import links, pending, sought
from pacte.app.confirming import LINK, Gone, arrival, requested, waiting_for
from pacte.app.forms import Shown, Ticket
from pacte.app.letters import Letter, address, letter_job
from pacte.app.pending import WAITS, Request, Said
from pacte.app.people import is_here, people_of
from pacte.app.policies import published
from pacte.consent.form.values import Asking
from pacte.intake import by_form
from pacte.kernel import db, jobs
from pacte.kernel.errors import Conflict
from pacte.kernel.i18n import day, text
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.ledger import queries

if TYPE_CHECKING:
    from pacte.app.house import House

LETTER = "confirm"
"""The letter that asks to confirm."""
LINK_LASTS = 3 * DAY
"""How long a link confirms, in microseconds; a new one may be asked for as long as the request waits."""
PAUSE = 60 * SECOND
"""The least time between two letters about one request, in microseconds."""
MOST_A_DAY = 5
"""Requests of one person that are followed by a letter within a day: nobody's mailbox is filled by way of a form."""


def ask(house: House, seen: Ticket, found: Shown, said: Said) -> str:
    """Ask the owner of an address to confirm what was typed; answers the name of the request.

    Somebody new is entered; where several people share the address, too: a yes is one person's. The same answer to the
    same showing of a form asks once.
    """
    name = _name(seen, said)
    with house.writing() as conn:
        if pending.read(conn, name) is None:
            subject = _one(house, conn, said.email)
            if subject is None:
                subject = _enter(house, conn, found.form, name, said.email)
            else:  # as many entries as for somebody new
                sought.record(house, conn, "form", "person")
            _begin(house, conn, name, subject, seen, said)
    return name


def ask_known(house: House, subject: SubjectId, seen: Ticket, yes: Collection[str]) -> str:
    """Ask somebody who is signed in to confirm by a message what their purposes want confirmed."""
    said = Said("", yes)
    name = _name(seen, said)
    with house.writing() as conn:
        if pending.read(conn, name) is None:
            _begin(house, conn, name, subject, seen, said)
    return name


def compose(house: House, subject: SubjectId, lang: str, name: str) -> Letter | None:
    """The letter that asks to confirm; `None` where there is nothing to confirm any more."""
    with house.reading() as conn:
        request = pending.read(conn, name)
    if request is None or request.confirmed or request.subject != subject:
        return None
    found = waiting_for(house, request)
    if not found.boxes or found.form is None:
        return None
    token = links.seal(house, LINK, {"request": name, "subject": subject, "form": request.form}, LINK_LASTS)
    company = found.form.company
    return Letter(
        "house:double_opt_in",
        _say("subject", lang, company=company),
        (_say("text", lang, company=company), *(f"– {one}" for one in found.labels), _say("until", lang)),
        address(house, lang, f"confirm/{token}"),
        _say("link", lang),
        (_say("not_you", lang, day=day(request.until, lang)),),
    )


def again(house: House, token: str) -> Request:
    """Send the letter once more, also by a link whose time is over; at most once a minute. Raises `Forged`, `Gone`."""
    request = requested(house, token)
    with db.write(house.engine) as conn:
        current = pending.read(conn, request.id)
        if current is None:
            raise Gone(request.form)
        clock = house.clock()
        if not current.confirmed and clock - current.sent >= PAUSE:
            pending.sent(conn, current.id, clock)
            jobs.add(conn, [letter_job(LETTER, current.subject, current.lang, current.id, clock, lasts=LINK_LASTS)])
    return current


def disown(house: House, token: str) -> str:
    """The owner of the address never asked: delete the request, and the address if it was new; answers the form."""
    request = requested(house, token)
    pending.drop(house, request)
    with house.reading() as conn:
        if pending.read(conn, request.id) is not None:
            raise Conflict("this was confirmed already; say no in your choices instead")
    return request.form


def _begin(house: House, conn: Connection, name: str, subject: SubjectId, seen: Ticket, said: Said) -> None:
    now, clock = house.present(conn), house.clock()
    often = pending.letters_since(conn, subject, Instant(clock - DAY)) >= MOST_A_DAY
    request = Request(
        name, subject, seen.form, seen.lang, seen.digest, seen.notice, pending.sealed_of(house, subject, said),
        "pending", None, now, Instant(now + WAITS), clock,
    )  # fmt: skip
    pending.insert(conn, request)
    if not often:
        jobs.add(conn, [letter_job(LETTER, subject, seen.lang, name, clock, lasts=LINK_LASTS)])


def _enter(house: House, conn: Connection, form: Asking, name: str, email: str) -> SubjectId:
    now = house.present(conn)
    policy = published(conn, now).document
    subject, entry = by_form.enter(conn, house.keys, policy, arrival(form, name, now), email)
    house.record(conn, [entry], house.clock())
    return subject


def _name(seen: Ticket, said: Said) -> str:
    """The same answer to the same showing has the same name; without the ticket it says nothing of the address."""
    whole = [seen.name, said.email, sorted(said.yes), sorted(said.values.items()), said.over, said.place]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:32]


def _one(house: House, conn: Connection, email: str) -> SubjectId | None:
    """The one person here who has the address; whoever is being erased has none any more."""
    here = [one for one in people_of(house, conn, f"email:{email}") if is_here(conn, one)]
    leaving = queries.unfinished_erasures(conn) if here else frozenset()
    here = [one for one in here if one not in leaving]
    return here[0] if len(here) == 1 else None


def _say(key: str, lang: str, **values: str) -> str:
    return text("app", f"letter.confirm.{key}", lang, **values)

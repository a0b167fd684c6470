"""Double opt-in: a yes typed into a form counts once the owner of the address has confirmed it by a message.

Until then the address is sealed, nobody was told of anything, and the gate permits no use but this message; without an
answer it is deleted (`pending`). Everything may be done twice: the same request, the same confirmation. No answer of
this module says whether an address was known. Source: GDPR Art. 4(11), 7(1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import links, pending
from pacte.app.choose import prepare
from pacte.app.forms import Shown, Ticket, is_about
from pacte.app.letters import Letter, address
from pacte.app.mail import letter_job
from pacte.app.pending import SOURCE, WAITS, Request, Said
from pacte.app.people import people_of
from pacte.app.policies import published
from pacte.consent import state
from pacte.consent.choices import PROTECTIVE
from pacte.consent.facts import ages_known
from pacte.consent.form.fragment import label, matter
from pacte.consent.form.values import Asking, Box, asking
from pacte.gate import rules as stored
from pacte.intake import by_form
from pacte.intake.facts import OVER, says_more
from pacte.kernel import db, jobs
from pacte.kernel.canonical import Json
from pacte.kernel.errors import Conflict, NotFound
from pacte.kernel.i18n import day, text
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.lake.numbers import number
from pacte.ledger import queries
from pacte.policy.vocabulary import ADULT_AT
from pacte.vault.evidence import commit_facts

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.policy.compile import Compiled

LETTER = "confirm"
"""The letter that asks to confirm, and the kind of its link."""
LINK_LASTS = 3 * DAY
"""How long a link confirms, in microseconds; a new one may be asked for as long as the request waits."""
PAUSE = 60 * SECOND
"""The least time between two letters about one request, in microseconds."""
MOST_A_DAY = 5
"""Requests of one person that are followed by a letter within a day: nobody's mailbox is filled by way of a form."""
METHOD = "double_opt_in_link"
ADULT = "adult"
WRITTEN = frozenset({"", "email"})
"""Channels whose yes is proved by a confirmation of the e-mail address; a telephone number is not."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request as its owner sees it: the form as it is now, and what they said yes to, as far as it is still asked.

    `refused` are, in words, the boxes to which they said no after they had asked: an older yes does not undo that.
    """

    request: Request
    form: Asking | None
    boxes: tuple[Box, ...]
    labels: tuple[str, ...]
    refused: tuple[str, ...] = ()

    @property
    def notice_changed(self) -> bool:
        """Whether the form shows another notice now than the one that was shown."""
        return self.form is not None and self.form.notice.digest != self.request.notice


class Gone(NotFound):
    """A request that was deleted: nobody confirmed it in time, or its owner said that it was not theirs."""

    def __init__(self, form: str = "") -> None:
        self.form = form
        super().__init__("this request waits no more: it was deleted, with the address; nothing was recorded")


def ask(house: House, seen: Ticket, found: Shown, said: Said) -> str:
    """Ask the owner of an address to confirm what was typed; answers the name of the request.

    Somebody new is entered; where several people share the address, too: a yes is one person's. The same answer to the
    same showing of a form asks once.
    """
    name = _name(seen, said)
    with house.writing() as conn:
        if pending.read(conn, name) is None:
            subject = _one(house, conn, said.email) or _enter(house, conn, found.form, name, said.email)
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
    found = _waiting(house, request)
    if not found.boxes or found.form is None:
        return None
    token = links.seal(house, LETTER, {"request": name, "subject": subject, "form": request.form}, LINK_LASTS)
    company = found.form.company
    return Letter(
        "house:double_opt_in",
        _say("subject", lang, company=company),
        (_say("text", lang, company=company), *(f"– {one}" for one in found.labels), _say("until", lang)),
        address(house, lang, f"confirm/{token}"),
        _say("link", lang),
        (_say("not_you", lang, day=day(request.until, lang)),),
    )


def waiting(house: House, token: str) -> Waiting:
    """What a link asks to confirm. Changes nothing. Raises `Forged`, `Expired` and `Gone`."""
    return _waiting(house, _of_link(house, links.opened(house, LETTER, token)))


def confirm(house: House, token: str, notice: str) -> Request:
    """Record what the owner of the address confirms, once; `notice` is the digest of the one that they were shown.

    One commit holds the choices, that they were told, what a rule needs to know of them, and that it is done. Raises
    `Conflict` where the form shows another notice by now, or asks for none of it any more.
    """
    request = _of_link(house, links.opened(house, LETTER, token))
    with house.writing() as conn:
        current = pending.read(conn, request.id)
        if current is None or not _is_here(conn, current.subject):
            raise Gone(request.form)
        if current.confirmed:
            return current
        now = house.present(conn)
        found = _waiting_in(house, conn, current, now)
        if not found.boxes or found.form is None:
            raise Conflict("nothing of this is asked for any more; nothing was recorded")
        if notice != found.form.notice.digest:
            raise Conflict("the information changed since this page was shown; look at it again")
        entries = _entries(house, conn, current, found.form, found.boxes, now)
        written = house.record(conn, entries, house.clock())
        first = next(index for index, entry in zip(written, entries, strict=True) if entry["kind"] == "choice")
        pending.finish(conn, current.id, first)
        done = pending.read(conn, current.id)
    return done or current


def again(house: House, token: str) -> Request:
    """Send the letter once more, also by a link whose time is over; at most once a minute. Raises `Forged`, `Gone`."""
    request = _of_link(house, _even_expired(house, token))
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
    request = _of_link(house, _even_expired(house, token))
    pending.drop(house, request)
    with house.reading() as conn:
        if pending.read(conn, request.id) is not None:
            raise Conflict("this was confirmed already; say no in your choices instead")
    return request.form


def opens(house: House, token: str) -> bool:
    """Whether the time of a link is not over: what it says of somebody's choices ends with it. Raises `Forged`."""
    try:
        links.opened(house, LETTER, token)
    except links.Expired:
        return False
    return True


def requested(house: House, token: str) -> Request:
    """The request behind a link, even one whose time is over. Raises `Forged` and `Gone`."""
    return _of_link(house, _even_expired(house, token))


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
    subject, entry = by_form.enter(conn, house.keys, policy, _arrival(form, name, now), email)
    house.record(conn, [entry], house.clock())
    return subject


def _name(seen: Ticket, said: Said) -> str:
    """The same answer to the same showing has the same name; without the ticket it says nothing of the address."""
    whole = [seen.name, said.email, sorted(said.yes), sorted(said.values.items()), said.over, said.place]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:32]


def _one(house: House, conn: Connection, email: str) -> SubjectId | None:
    """The one person here who has the address; whoever is being erased has none any more."""
    here = [one for one in people_of(house, conn, f"email:{email}") if _is_here(conn, one)]
    leaving = queries.unfinished_erasures(conn) if here else frozenset()
    here = [one for one in here if one not in leaving]
    return here[0] if len(here) == 1 else None


def _is_here(conn: Connection, subject: SubjectId) -> bool:
    person = state.look_up(conn, [subject]).get(subject)
    return person is not None and person.known and not person.erased


def _arrival(form: Asking, name: str, now: Instant) -> by_form.Arrival:
    return by_form.Arrival(form.email.path, f"{SOURCE}{form.name}", f"form-{name[:16]}", now, "person")


def _of_link(house: House, link: links.Link) -> Request:
    with house.reading() as conn:
        request = pending.read(conn, link["request"])
    if request is None:
        raise Gone(link["form"])
    if request.subject != link["subject"]:
        raise links.Forged
    return request


def _even_expired(house: House, token: str) -> links.Link:
    try:
        return links.opened(house, LETTER, token)
    except links.Expired as over:
        return over.link


def _waiting(house: House, request: Request) -> Waiting:
    with house.reading() as conn:
        return _waiting_in(house, conn, request, house.present(conn))


def _waiting_in(house: House, conn: Connection, request: Request, now: Instant) -> Waiting:
    try:
        form = asking(published(conn, now), request.form, request.lang, at=now)
    except NotFound:  # the form has left the policy
        return Waiting(request, None, (), ())
    yes = pending.opened(house, request)["yes"]
    asked = [box for name, box in form.boxes.items() if name in yes]
    noes = [entry for entry in _noes(conn, request.subject) if _said(entry) >= request.asked]
    boxes = tuple(box for box in asked if not any(is_about(entry, box) for entry in noes))
    titles = {one.purpose: one.title for one in form.questions}
    refused = tuple(matter(form, box, titles[box.purpose]) for box in asked if box not in boxes)
    return Waiting(request, form, boxes, tuple(label(form, box, titles[box.purpose]) for box in boxes), refused)


def _noes(conn: Connection, subject: SubjectId) -> list[Mapping[str, Any]]:
    about = queries.about_of_kind(conn, subject, "choice")
    return [entry for _, entry in about if entry["act"] in PROTECTIVE]


def _said(entry: Mapping[str, Any]) -> int:
    return int(entry.get("effective", entry["learned"]))


def _entries(
    house: House, conn: Connection, request: Request, form: Asking, boxes: tuple[Box, ...], now: Instant
) -> list[dict[str, Any]]:
    """All that a confirmation records; what was typed beside the address goes to the vault.

    Of somebody new a box left empty is a no; of somebody known it takes back no earlier yes.
    """
    compiled, said, subject = published(conn, now), pending.opened(house, request), request.subject
    new = pending.is_address_alone(conn, subject)
    about: dict[str, Any] = {**stored.role(conn, now), "subject": subject, "by": "person", "effective": now}
    entries = [{**about, "kind": "told", "notice": form.notice.digest, "how": METHOD}]
    if facts := _facts(conn, subject, form, said, new=new):
        sealed = commit_facts(house.keys.evidence_key(subject), subject, facts)
        entries.append({**about, "kind": "fact", "source": f"{SOURCE}{form.name}", **sealed})
    if new and said["values"]:
        arrival = _arrival(form, request.id, now)
        by_form.complete(conn, house.keys, compiled.document, arrival, subject, said["values"], form.notice.digest)
    entries += [_choice(compiled, request, form, box, "given", now) for box in boxes]
    if new:
        others = [box for box in form.boxes.values() if box not in boxes]
        entries += [_choice(compiled, request, form, box, "refused", now) for box in others]
    return entries


def _choice(compiled: Compiled, request: Request, form: Asking, box: Box, act: str, now: Instant) -> dict[str, Any]:
    return prepare(
        compiled,
        request.subject,
        box.purpose,
        act,
        by="person",
        now=now,
        effective=now,
        method=METHOD,
        grade="double_opt_in" if box.channel in WRITTEN else "form",
        authenticated=True,
        channel=box.channel or None,
        recipient=box.recipient or None,
        notice=form.notice_name,
        form=request.shown,
    )


def _facts(
    conn: Connection, subject: SubjectId, form: Asking, said: Mapping[str, Any], *, new: bool
) -> dict[str, Json]:
    """What rules need of somebody new; of somebody known only an age that says more than what is known."""
    declared = "" if not said["over"] else ADULT if said["over"] >= ADULT_AT else f"{OVER}{said['over']}"
    if new:
        told = {"capacity": form.capacity, "place": said["place"], "age": declared}
        return {key: value for key, value in told.items() if value}
    no = number(conn, subject)
    known = ages_known(conn, [no]).get(no, "") if no is not None else ""
    if declared == ADULT:
        return {} if known and not known.startswith(OVER) else {"age": ADULT}
    return {"age": declared} if declared and says_more(declared, known) else {}


def _say(key: str, lang: str, **values: str) -> str:
    return text("app", f"letter.confirm.{key}", lang, **values)

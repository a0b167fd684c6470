"""What a link of a message asks to confirm, and the one commit that records it.

The confirmation is the proof that the owner of the address said yes: it holds the choices, that they were told, and
what a rule needs to know of them. Everything may be done twice. Source: GDPR Art. 4(11), 7(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import links, pending
from pacte.app.choose import prepare
from pacte.app.form_answers import is_about
from pacte.app.pending import SOURCE, Request
from pacte.app.people import is_here
from pacte.app.policies import published
from pacte.app.receipts import choices_of
from pacte.consent.choices import PROTECTIVE
from pacte.consent.facts import ages_known
from pacte.consent.form.fragment import labels, matters
from pacte.consent.form.values import Asking, Box, asking
from pacte.gate import rules as stored
from pacte.intake import by_form
from pacte.intake.facts import OVER, says_more
from pacte.kernel.canonical import Json
from pacte.kernel.errors import Conflict, NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake.numbers import number
from pacte.ledger import queries
from pacte.policy.vocabulary import ADULT_AT
from pacte.vault.evidence import commit_facts

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.policy.compile import Compiled

LINK = "confirm"
"""The kind of link that confirms."""
METHOD = "double_opt_in_link"
ADULT = "adult"
WRITTEN = frozenset({"", "email"})
"""Channels whose yes is proved by a confirmation of the e-mail address; a telephone number is not."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request as its owner sees it: the form as it is now, and what they said yes to, as far as it is still asked.

    `refused` are, in words, the boxes to which they said no after they had asked: an older yes does not undo that.
    `unkept` are the fields, as the form calls them, of which nothing is kept: a form changes nothing that is held of
    somebody known.
    """

    request: Request
    form: Asking | None
    boxes: tuple[Box, ...]
    labels: tuple[str, ...]
    refused: tuple[str, ...] = ()
    unkept: tuple[str, ...] = ()

    @property
    def notice_changed(self) -> bool:
        """Whether the form shows another notice now than the one that was shown."""
        return self.form is not None and self.form.notice.digest != self.request.notice


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A choice that was recorded: its ledger entry, whether it is a yes, and what it is about, in words."""

    entry: int
    given: bool
    words: str


class Gone(NotFound):
    """A request that was deleted: nobody confirmed it in time, or its owner said that it was not theirs."""

    def __init__(self, form: str = "") -> None:
        self.form = form
        super().__init__("this request waits no more: it was deleted, with the address; nothing was recorded")


def waiting(house: House, token: str) -> Waiting:
    """What a link asks to confirm. Changes nothing. Raises `Forged`, `Expired` and `Gone`."""
    return waiting_for(house, _request_of(house, links.opened(house, LINK, token)))


def confirm(house: House, token: str, notice: str) -> Request:
    """Record what the owner of the address confirms, once; `notice` is the digest of the one that they were shown.

    One commit holds the choices, that they were told, what a rule needs to know of them, and that it is done. Raises
    `Conflict` where the form shows another notice by now, or asks for none of it any more.
    """
    request = _request_of(house, links.opened(house, LINK, token))
    with house.writing() as conn:
        current = pending.read(conn, request.id)
        if current is None or not is_here(conn, current.subject):
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


def recorded(house: House, request: Request) -> list[tuple[int, dict[str, Any]]]:
    """The choices that were recorded when this was confirmed, by their ledger index; none before."""
    first = -1 if request.entry is None else request.entry
    found = choices_of(house, request.subject)
    return [(index, said) for index, said in found if index >= first >= 0 and said.get("form") == request.shown]


def confirmed(house: House, request: Request, lang: str) -> list[Confirmed]:
    """Those choices in words; a box that the form has no more is said by its purpose."""
    with house.reading() as conn:
        compiled = published(conn, house.present(conn))
    about: dict[tuple[str, str, str], str] = {}
    with suppress(NotFound):  # the form may have left the policy
        form = asking(compiled, request.form, lang)
        keys = [(box.purpose, box.channel, box.recipient) for box in form.boxes.values()]
        about = dict(zip(keys, matters(form, form.boxes), strict=True))
    return [
        Confirmed(index, said["act"] == "given", about.get(_about(said), str(said["purpose"])))
        for index, said in recorded(house, request)
    ]


def opens(house: House, token: str) -> bool:
    """Whether the time of a link is not over: what it says of somebody's choices ends with it. Raises `Forged`."""
    try:
        links.opened(house, LINK, token)
    except links.Expired:
        return False
    return True


def requested(house: House, token: str) -> Request:
    """The request behind a link, even one whose time is over. Raises `Forged` and `Gone`."""
    return _request_of(house, _even_expired(house, token))


def _even_expired(house: House, token: str) -> links.Link:
    try:
        return links.opened(house, LINK, token)
    except links.Expired as over:
        return over.link


def _request_of(house: House, link: links.Link) -> Request:
    with house.reading() as conn:
        request = pending.read(conn, link["request"])
    if request is None:
        raise Gone(link["form"])
    if request.subject != link["subject"]:
        raise links.Forged
    return request


def waiting_for(house: House, request: Request) -> Waiting:
    """What a request asks to confirm. Changes nothing."""
    with house.reading() as conn:
        return _waiting_in(house, conn, request, house.present(conn))


def arrival(form: Asking, name: str, now: Instant) -> by_form.Arrival:
    """What a form brings, for the rooms in which data arrive."""
    return by_form.Arrival(form.email.path, f"{SOURCE}{form.name}", f"form-{name[:16]}", now, "person")


def _waiting_in(house: House, conn: Connection, request: Request, now: Instant) -> Waiting:
    try:
        form = asking(published(conn, now), request.form, request.lang, at=now)
    except NotFound:  # the form has left the policy
        return Waiting(request, None, (), ())
    said = pending.opened(house, request)
    asked = [box for name, box in form.boxes.items() if name in said["yes"]]
    noes = [entry for entry in _noes(conn, request.subject) if _said(entry) >= request.asked]
    boxes = tuple(box for box in asked if not any(is_about(entry, box) for entry in noes))
    refused = matters(form, [box.name for box in asked if box not in boxes])
    new = not said["values"] or pending.is_address_alone(conn, request.subject)
    unkept = () if new else tuple(one.label for one in form.fields if one.path in said["values"])
    return Waiting(request, form, boxes, tuple(labels(form, [box.name for box in boxes])), tuple(refused), unkept)


def _noes(conn: Connection, subject: SubjectId) -> list[Mapping[str, Any]]:
    about = queries.about_of_kind(conn, subject, "choice")
    return [entry for _, entry in about if entry["act"] in PROTECTIVE]


def _about(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["purpose"], entry.get("channel", ""), entry.get("recipient", "")


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
        brought = arrival(form, request.id, now)
        by_form.complete(conn, house.keys, compiled.document, brought, subject, said["values"], form.notice.digest)
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

"""Why this message? The true decision behind one use of one person's data, taken again for that person.

A link in every message leads to it, without signing in. A message may be forwarded: what is told are purposes, kinds of
data, days and the person's own choice behind it, never a value; and nothing can be allowed from there.
Source: GDPR Art. 12(1), 13, 15(1), 21(4); Regulation (EU) 2022/2065 Art. 26(1); CPCE art. L34-5.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import history, links, timeline
from pacte.app.letters import address
from pacte.app.people import is_here
from pacte.app.policies import compiled, published
from pacte.gate import replay as replaying
from pacte.gate.replay import Replay
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import DAY, Instant
from pacte.keys.pseudonym import pseudonym, reverse
from pacte.ledger import log, queries
from pacte.policy.model import PolicyFile, Purpose

if TYPE_CHECKING:
    from pacte.app.history import Used
    from pacte.app.house import House
    from pacte.app.timeline import Said

LINK, LASTS = "why", 1_827 * DAY
"""The kind of link that every message holds, and how long it works, in microseconds: five years."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")
"""Sixteen bytes in their one spelling. Source: RFC 4648 § 3.5."""


@dataclass(frozen=True, slots=True)
class Why:
    """One use of one person's data, and what it stood on.

    `fields` are `dataset.field` names, and `policy` what was declared when it was made; `purpose` is what that policy
    said of it. `said` is the person's own word that decided, `None` where the decision stands on none. `declared` says
    whether the policy of today still has that purpose.
    """

    used: Used
    fields: tuple[str, ...]
    policy: PolicyFile
    purpose: Purpose
    again: Replay
    said: Said | None
    campaign: str
    declared: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """How those were chosen, among all whom the purpose permits, who got a message of a campaign.

    `words` is the condition, empty where everybody got it; `fields` are what it is about, as people call them.
    """

    words: str
    fields: tuple[str, ...]


def key(house: House) -> bytes:
    """What the links are made with; looked up once for many of them."""
    return house.keys.house_key(LINK)


def link(house: House, use: UseId, lang: str, made_with: bytes | None = None) -> str:
    """The address that tells a person why they got a message, for five years; short enough for a text message.

    It is that of a use of one person. Its name is one AES block of the use's own, which is random: nobody can guess one
    or tell from it which use it is. Whoever makes many of them passes the `key`.
    """
    block = bytes.fromhex(pseudonym(made_with or key(house), SubjectId(use)))
    return address(house, lang, f"why/{urlsafe_b64encode(block).decode().rstrip('=')}")


def opened(house: House, token: str) -> tuple[SubjectId, UseId]:
    """Whom and which use a link is about; raises `Forged`, and `Expired` after five years."""
    with house.reading() as conn:
        try:
            if not _TOKEN.fullmatch(token):
                raise links.Forged
            use = UseId(reverse(key(house), urlsafe_b64decode(f"{token}==").hex()))
            _, entry = queries.use(conn, use)
        except NotFound:
            raise links.Forged from None
    if entry["mode"] != "one":
        raise links.Forged
    until = Instant(entry["at"] + LASTS)
    if until <= house.clock():
        raise links.Expired(links.Link({}, until))
    return SubjectId(entry["subject"]), use


def why(house: House, subject: SubjectId, use: UseId) -> Why:
    """The decision behind a use, for a person who was in it.

    Raises `NotFound` for anybody else, for somebody erased, and for what the policy does not show people one by one.
    """
    with house.reading() as conn:
        if not is_here(conn, subject):
            raise NotFound("nothing is held of this person any more")
        index, entry = queries.use(conn, use)
    used = history.use_of(house, subject, index)
    with house.reading() as conn:
        again = replaying.replay(conn, use, subject)
        policy = compiled(conn, str(entry["policy"])).document
        declared = used.purpose in _today(house, conn).purposes
    cited = again.answers.by_known.cited
    said = timeline.said_in(house, subject, [cited.entry] if cited else [])
    return Why(
        used,
        tuple(entry["fields"]),
        policy,
        policy.purposes[used.purpose],
        again,
        said[0] if said else None,
        str(entry.get("campaign", "")),
        declared,
    )


def of_entry(house: House, subject: SubjectId, index: int) -> Why:
    """The same of the use at a ledger index, as the list of uses names it."""
    return why(house, subject, history.use_of(house, subject, index).use)


def chosen(house: House, found: Why, lang: str) -> Chosen | None:
    """How a campaign chose whom to write to; `None` for a use of none, or of one that is not kept any more."""
    from pacte.app import campaigns, segments

    if not found.campaign:
        return None
    try:
        with house.reading() as conn:
            segment = campaigns.of(conn, found.campaign).segment
        if segment is None:
            return Chosen("", ())
        kept = segments.get(house, segment)
    except NotFound:
        return None
    fields = (segments.title(house, path, lang) for path in _read_by(house, kept.purpose, kept.written))
    return Chosen(segments.say(house, kept.purpose, kept.written, lang), tuple(dict.fromkeys(fields)))


def text_shown(house: House, said: Said | None) -> Mapping[str, str]:
    """By locale: the text that was shown with somebody's word; none where it names none, or is not kept."""
    if said is None:
        return {}
    with house.reading() as conn:
        entry = log.entry(conn, said.index)
        digest = "" if entry is None else str(entry.get("notice", ""))
        known = _today(house, conn).notices.values()
    return {one.locale: one.text for one in known if one.digest == digest}


def _read_by(house: House, purpose: str, written: Mapping[str, Any]) -> Iterator[str]:
    """The fields, or the datasets, that a condition reads; none where the policy of today no longer allows it."""
    from pacte.uses.audience.condition import atoms
    from pacte.uses.audience.reading import read

    with house.reading() as conn:
        table = published(conn, house.present(conn)).table
    try:
        measures = [one.measure for one in atoms(read(table, purpose, written))]
    except BadInput:
        return
    for one in measures:
        name = one.name or one.where
        yield f"{one.dataset}.{name}" if name else one.dataset


def _today(house: House, conn: Connection) -> PolicyFile:
    return published(conn, house.present(conn)).document

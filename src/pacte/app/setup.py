"""What a house still lacks before it serves anybody: seen in the house itself, so that no step is ticked by hand.

Each step is done or says in a word what lacks; what there is to know of it is in `facts`. Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pacte.app import mail, notices
from pacte.app.policies import published
from pacte.consent.form.values import declared
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Denied, PacteError
from pacte.kernel.i18n import LANGUAGES
from pacte.ledger import log
from pacte.policy.compile import Compiled

if TYPE_CHECKING:
    from pacte.app.house import House

DONE = "done"
_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `state` is `done`, or says what lacks; `facts` and `listed` are for the page that shows it."""

    name: str
    state: str
    facts: Mapping[str, str | int] = field(default_factory=dict)
    listed: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether nothing lacks."""
        return self.state == DONE


def steps(house: House) -> list[Step]:
    """Every step, in the order in which they are best taken."""
    compiled = _in_force(house)
    found = [_policy(house, compiled), _data(house, compiled), _notice(house, compiled), _form(house, compiled)]
    return [*found, _mail(house), _address(house), _keys(house)]


def is_done(house: House) -> bool:
    """Whether no step lacks anything."""
    return all(step.done for step in steps(house))


def _in_force(house: House) -> Compiled | None:
    with house.reading() as conn:
        try:
            return published(conn, house.present(conn))
        except Denied:
            return None


def _policy(house: House, compiled: Compiled | None) -> Step:
    """A policy of the company's own; that of a template speaks of an invented one (an address of RFC 2606)."""
    state, found = DONE, compiled
    if found is None:
        try:
            state, found = "unpublished", house.policy()
        except PacteError as error:
            return Step("policy", "unreadable", listed=tuple(str(error).splitlines()))
    controller, purposes = found.document.controller, found.document.purposes
    if controller.contact.strip().endswith(".example"):
        state = "invented" if state == DONE else "invented_draft"
    return Step("policy", state, {"name": controller.name, "contact": controller.contact, "purposes": len(purposes)})


def _data(house: House, compiled: Compiled | None) -> Step:
    """At least one dataset with rows; which ones, and which of those declared have none."""
    if compiled is None:
        return Step("data", "later")
    with house.reading() as conn:
        loaded = {str(entry["dataset"]) for _, entry in log.of_kind(conn, "load")}
    lacking = tuple(name for name in compiled.document.datasets if name not in loaded)
    return Step("data", DONE if loaded else "empty", {"count": len(loaded)}, lacking if loaded else ())


def _notice(house: House, compiled: Compiled | None) -> Step:
    """A notice in force, in at least one language, that lacks nothing which a law asks for."""
    if compiled is None:
        return Step("notice", "later")
    there = [lang for lang in LANGUAGES if notices.current(house, lang) is not None]
    if not there:
        return Step("notice", "none")
    gaps = tuple(dict.fromkeys(gap.words for lang in there for gap in notices.shown(house, lang).layers.gaps))
    return Step("notice", "gaps" if gaps else DONE, {"languages": " ".join(there)}, gaps)


def _form(house: House, compiled: Compiled | None) -> Step:
    """A form that asks, within the company's own site; one that was answered there counts, too."""
    if compiled is None:
        return Step("form", "later")
    forms = declared(compiled)
    if not forms:
        return Step("form", "none")
    with house.reading() as conn:
        answered = bool(db.fetch(conn, "SELECT 1 FROM optin LIMIT 1"))
    state = DONE if house.settings.web.embedded_by or answered else "unembedded"
    return Step("form", state, {"form": forms[0], "url": house.settings.web.url}, tuple(forms))


def _mail(house: House) -> Step:
    settings = house.settings.mail
    if settings.folder and not settings.host:
        return Step("mail", "folder", {"folder": settings.folder})
    try:
        mail.check(settings)
    except BadInput as error:
        return Step("mail", "wrong", listed=(str(error),))
    return Step("mail", DONE if settings.host else "none", {"host": settings.host})


def _address(house: House) -> Step:
    """An address by https; this machine's own is nobody else's."""
    url = house.settings.web.url
    parts = urlsplit(url)
    if parts.hostname in _HERE:
        return Step("address", "none")
    return Step("address", DONE if parts.scheme == "https" else "insecure", {"url": url})


def _keys(house: House) -> Step:
    """Keys that a copy of the house does not bring along, and a ledger that somebody elsewhere vouches for."""
    settings = house.settings
    if settings.keys.service == "file" and house.path.stat().st_dev == house.key_folder.stat().st_dev:
        return Step("keys", "open")
    elsewhere = settings.timestamps.authority or settings.witnesses or _apart(house)
    return Step("keys", DONE if elsewhere else "unwitnessed")


def _apart(house: House) -> bool:
    return house.path.stat().st_dev != house.anchor_file.stat().st_dev

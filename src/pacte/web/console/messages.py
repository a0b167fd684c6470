"""Messages: written in every language side by side, looked at as people will see them, tested, saved in versions.

Who writes, why you, the information and how to stop stand under every message and cannot be taken out: the page shows
them where they will be. Nobody's data are opened here; the values in a preview are invented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from pacte.app import deliverability, messages, specimen
from pacte.app.policies import document
from pacte.app.staff import Member
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound, PacteError
from pacte.kernel.i18n import LANGUAGES
from pacte.policy.findings import Finding
from pacte.policy.model import PolicyFile
from pacte.uses.message.checks import MOST_BLOCKS, stopping
from pacte.uses.message.model import BLOCKS, Message
from pacte.uses.message.render import Rendered, fixed, style_sources
from pacte.uses.message.short import segments
from pacte.web.auth.staff import member
from pacte.web.console import composer
from pacte.web.console.composer import Sheet
from pacte.web.pages import language, page, to, words
from pacte.web.security import CSP, Posted, throttle

router = APIRouter()

SHOWING = CSP.replace("style-src 'self'", f"style-src 'self' {style_sources()}")
"""A page that shows mails has their own styles, by digest, and no other."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
WRITTEN = ("email", "sms", "push", "messaging")
"""Channels by which a text goes out; by the others people call or write themselves."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One language of a message as it would look: what a mail reader shows first, and the page in each frame."""

    lang: str
    rendered: Rendered
    parts: int
    """How many short texts it makes; 0 for a mail."""

    @property
    def frames(self) -> list[tuple[str, str]]:
        """The page in a telephone, in the dark, on a desk."""
        html = self.rendered.html
        named = [("phone", False), ("dark", True), ("desk", False)]
        return [(name, fixed(html, dark=dark)) for name, dark in named] if html else []


@router.get("/{lang}/staff/messages")
def listed(request: Request) -> Response:
    """Every message, its latest version, and the way to a new one."""
    allowed(request)
    house = request.app.state.house
    policy = _policy(request)
    return page(
        request,
        "console/messages.html",
        found=messages.listed(house),
        purposes=_titles(policy, language(request)),
        offered=_offered(policy, language(request)),
        problem="",
        typed={"name": "", "for": ""},
        done="removed" if "removed" in request.query_params else "",
    )


@router.get("/{lang}/staff/delivery")
def delivery(request: Request) -> Response:
    """Whether mail services will believe that the company's mail is its own, and what to publish for it."""
    allowed(request)
    house = request.app.state.house
    said = [one for one in deliverability.judge(house) if one[0] != "ok"]
    unusable = any(code == "dkim_key" for _, code, _ in said)
    records = [] if unusable else [one.line() for one in deliverability.records(house)]
    return page(request, "console/delivery.html", said=said, records=records, mail=house.settings.mail)


@router.post("/{lang}/staff/messages/new")
def new(request: Request, form: Posted) -> Response:
    """The form of a new message, for a purpose and a channel."""
    allowed(request)
    policy, name, wanted = _policy(request), str(form.get("name", "")).strip(), str(form.get("for", ""))
    offered = _offered(policy, language(request))
    problem = ""
    if not _NAME.fullmatch(name):
        problem = "name"
    elif any(one.name == name for one in messages.listed(request.app.state.house)):
        problem = "taken"
    elif policy is None or wanted not in [value for value, _ in offered]:
        problem = "for"
    if problem or policy is None:
        return page(
            request,
            "console/messages.html",
            status=422,
            found=messages.listed(request.app.state.house),
            purposes=_titles(policy, language(request)),
            offered=offered,
            problem=problem,
            typed={"name": name, "for": wanted},
            done="",
        )
    purpose, _, channel = wanted.partition(":")
    kind = composer.kind_for(policy.purposes[purpose].kind)
    return _compose(request, composer.blank(name, kind, purpose, channel, _languages(policy)))


@router.get("/{lang}/staff/messages/{name}")
def one(request: Request, name: str) -> Response:
    """A saved message, ready to be changed, and its versions."""
    allowed(request)
    house = request.app.state.house
    versions = messages.versions(house, name)
    found = messages.by_digest(house, versions[0].digest)
    sheet = composer.of_message(found, versions[0].version, _languages(_policy(request)))
    return _compose(request, sheet, done=request.query_params.get("done", ""))


@router.post("/{lang}/staff/messages/write")
def write(request: Request, form: Posted) -> Response:
    """Do what a button of the form says: change its parts, look at it, test it, save it."""
    found = allowed(request)
    sheet, act = composer.of_form(form, _languages(_policy(request))), str(form.get("do", "look"))
    if not _NAME.fullmatch(sheet.name) or sheet.kind not in ("service", "promotion"):
        raise NotFound("no message of this name is written here")
    if act == "save":
        return _save(request, sheet, found)
    if act == "test":
        return _test(request, sheet, found)
    return _compose(request, composer.changed(sheet, act))


@router.post("/{lang}/staff/messages/remove")
def remove(request: Request, form: Posted) -> Response:
    """Offer a message no longer."""
    found = allowed(request)
    messages.remove(request.app.state.house, str(form.get("name", "")), by=found.actor)
    return to(request, "staff/messages?removed")


def allowed(request: Request) -> Member:
    """Who may write messages; raises `SignInNeeded`, `Denied` for a role that may not, `TooFast`."""
    found = member(request, messages.WRITES)
    throttle(request, "messages", 600, 600, who=found.id)
    return found


def _save(request: Request, sheet: Sheet, found: Member) -> Response:
    if stopping(messages.findings(request.app.state.house, sheet.message())):
        return _compose(request, sheet, status=422, pressing=True)
    try:
        messages.save(request.app.state.house, sheet.message(), by=found.actor, seen=sheet.seen)
    except Conflict:
        return _compose(request, sheet, status=409, failed="overtaken")
    return to(request, f"staff/messages/{sheet.name}?done=saved")


def _test(request: Request, sheet: Sheet, found: Member) -> Response:
    """Send it as it stands in the form to whoever wrote it; nothing is saved."""
    throttle(request, "message-tests", 30, 3_600, who=found.id)
    house = request.app.state.house
    if stopping(messages.findings(house, sheet.message())):
        return _compose(request, sheet, status=422, pressing=True)
    try:
        count = specimen.send(house, sheet.message(), found, house.clock())
    except BadInput as error:
        return _compose(request, sheet, status=422, failed="unsendable", why=str(error))
    except PacteError as error:
        return _compose(request, sheet, status=502, failed="unsent", why=str(error))
    return _compose(request, sheet, done="tested", count=count)


def _compose(
    request: Request,
    sheet: Sheet,
    *,
    status: int = 200,
    pressing: bool = False,
    failed: str = "",
    why: str = "",
    done: str = "",
    count: int = 0,
) -> Response:
    """The form, what is to be said of it, and what it looks like. `pressing`: mistakes are why nothing was done."""
    house, lang, policy = request.app.state.house, language(request), document(request.app.state.house)
    message = sheet.message()
    findings = messages.findings(house, message)
    stops = stopping(findings) if pressing else []
    found = page(
        request,
        "console/message.html",
        status=status,
        sheet=sheet,
        langs=list(sheet.subjects),
        kinds=[kind for kind in BLOCKS if kind != "offer" or sheet.kind == "promotion"],
        full=len(sheet.rows) >= MOST_BLOCKS,
        problems={_anchor(one): f"{_place(one, lang)}{one.say(lang)}" for one in stops},
        wrong={composer.field_of(one): one.say(lang) for one in stops},
        hints={composer.field_of(one): one.say(lang) for one in findings if one.level == "advice"},
        title=_titles(policy, lang).get(sheet.purpose, sheet.purpose),
        fields=_fields(policy, sheet),
        seen=[_seen(request, message, one) for one in message.texts],
        versions=messages.versions(house, sheet.name) if sheet.seen else [],
        failed=failed,
        why=why,
        done=done if done in ("saved", "tested") else "",
        count=count,
    )
    found.headers["Content-Security-Policy"] = SHOWING
    return found


def _seen(request: Request, message: Message, lang: str) -> Seen:
    rendered = specimen.look(request.app.state.house, message, lang)
    return Seen(lang, rendered, 0 if rendered.html else segments(rendered.text))


def _anchor(finding: Finding) -> str:
    return composer.field_of(finding) or "parts"


def _place(finding: Finding, lang: str) -> str:
    """In which language a mistake stands."""
    parts = finding.field.split(".")
    said = parts[1] if parts[0] == "texts" and len(parts) > 2 else ""
    return f"{words('console', lang, f'{said}.name')} – " if said in LANGUAGES else ""


def _fields(policy: PolicyFile, sheet: Sheet) -> list[str]:
    """What the message may print of a person: who they are, as far as the purpose declares it."""
    purpose = policy.purposes.get(sheet.purpose)
    declared = ((path, *path.partition(".")[::2]) for path in (purpose.uses if purpose else ()))
    known = ((path, policy.datasets[name].fields.get(column)) for path, name, column in declared)
    return [path for path, one in known if one is not None and one.identity]


def _policy(request: Request) -> PolicyFile | None:
    try:
        return document(request.app.state.house)
    except Denied:  # before one is in force
        return None


def _languages(policy: PolicyFile | None) -> list[str]:
    return [lang for lang in (policy.languages if policy else LANGUAGES) if lang in LANGUAGES]


def _titles(policy: PolicyFile | None, lang: str) -> dict[str, str]:
    if policy is None:
        return {}
    return {name: one.title.get(lang) or next(iter(one.title.values())) for name, one in policy.purposes.items()}


def _offered(policy: PolicyFile | None, lang: str) -> list[tuple[str, Any]]:
    """Every purpose and channel by which a message may go out: what a form sends, and what it is in words."""
    from pacte.policy.channels import named

    titles = _titles(policy, lang)
    return [
        (f"{name}:{channel}", f"{titles[name]} – {named(channel, lang)}")
        for name, one in (policy.purposes.items() if policy else ())
        for channel in one.channels
        if channel in WRITTEN
    ]

"""A message as its reader gets it: a mail in HTML and in text, or a short text.

Who writes, why you, the information, how to stop: these stand under every mail because this module puts them there.
No message says them, and none can leave them out. The HTML loads nothing, tells nobody that it was read, has no script;
it fits from 320 pixels on, light and dark. Source: CPCE art. L34-5; GDPR Art. 13, 14, 21(4).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import Any

from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import check_language, text
from pacte.kernel.redacted import Redacted
from pacte.uses.message.model import PLACEHOLDER, Block, Message, Text, line
from pacte.uses.message.short import plain
from pacte.uses.message.values import filled, shown

ROOM = "uses.message"
MAIL = "email"
_LINK = re.compile(r"https://[^\s\"<>\\^`{|}]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s\"<>\\^`{|}]*)?")

_LIGHT = (
    "body{margin:0;padding:0;background:#fff;color:#1c211d;font:17px/1.55 system-ui,-apple-system,Segoe UI,Roboto,"
    "Helvetica,Arial,sans-serif;overflow-wrap:anywhere}"
    "main,footer{max-width:600px;margin:0 auto;padding:16px 20px}"
    "h1{font-size:26px;line-height:1.25;margin:12px 0 16px}h2{font-size:20px;line-height:1.3;margin:28px 0 8px}"
    "p{margin:0 0 16px}a{color:#0b5234}"
    ".button{display:inline-block;padding:12px 20px;border-radius:7px;background:#14532d;color:#fff;"
    "font-weight:600;text-decoration:none}"
    ".offer{border:2px solid #14532d;border-radius:10px;padding:16px 20px 4px;margin:0 0 16px}"
    ".offer strong{font-size:19px}"
    "footer{border-top:1px solid #d5dad6;color:#414a43;font-size:15px;padding-bottom:32px}"
    "footer p{margin:0 0 8px}ul{list-style:none;margin:0;padding:0}li{padding:6px 0}"
    ".ahead{display:none;max-height:0;overflow:hidden}"
)
_DARK = (
    "body{background:#141815;color:#eceeec}a{color:#8edcad}"
    ".button{background:#7fd3a0;color:#0b2114}.offer{border-color:#7fd3a0}"
    "footer{border-color:#39413b;color:#b9c1bb}"
)
_WHERE_DARK = f"@media(prefers-color-scheme:dark){{{_DARK}}}"
STYLES = (_LIGHT, _WHERE_DARK)
"""Two sheets: a mail reader that does not know a rule of one drops that one whole."""


def style_sources() -> str:
    """What a Content-Security-Policy allows so that a mail can be looked at in a browser: the digests of its styles."""
    digests = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in (*STYLES, _DARK))
    return " ".join(f"'sha256-{one}'" for one in digests)


def fixed(html: str, *, dark: bool) -> str:
    """A mail as it looks in one mode, whatever the browser that shows it is set to."""
    return html.replace(f"<style>{_WHERE_DARK}</style>", f"<style>{_DARK}</style>" if dark else "")


@dataclass(frozen=True, slots=True)
class Frame:
    """What the renderer says by itself: who writes, how to reach them, why this person, and where each link leads.

    `why` is a sentence. A promotion needs `unsubscribe_link`; `choices_link` may be empty. `postal` is where the
    company is, on one line, which some laws want in every promotion.
    """

    company: str
    contact: str
    why: str
    why_link: str
    notice_link: str
    unsubscribe_link: str = field(default="", repr=False)
    choices_link: str = field(default="", repr=False)
    postal: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message for one person. A short text has neither subject nor HTML."""

    subject: str = field(repr=False)
    html: str = field(repr=False)
    text: str = field(repr=False)


def render(message: Message, lang: str, values: Mapping[str, Redacted[Any]], frame: Frame) -> Rendered:
    """The message for a person whose values are these, by `dataset.field`.

    Raises `BadInput` for a language that the message lacks, and for a frame without what must stand in every message.
    """
    found = message.texts.get(check_language(lang))
    if found is None:
        raise BadInput(f"the message `{message.name}` has no text in `{lang}`")
    _check(frame, message)
    if message.channel != MAIL:
        return Rendered("", "", short(message, found, lang, values, frame.company, frame.why_link))
    subject = line(filled(found.subject, values, lang))
    page = _page(found, lang)
    top = "".join(one if isinstance(one, str) else _slot(one, values, lang) for one in page)
    body = "\n\n".join(part for block in found.blocks if (part := _plain(block, lang, values)))
    return Rendered(
        subject, f"{_head(escape(subject), lang)}{top}{_foot(frame, lang)}", f"{body}\n\n{_said(frame, lang)}"
    )


def leads(link: str) -> bool:
    """Whether a link of a message may be this address: https, or a server on this machine to try it with."""
    return _LINK.fullmatch(link) is not None


def _check(frame: Frame, message: Message) -> None:
    needed = ["company"]
    if message.channel == MAIL:
        needed += ["contact", "why", "why_link", "notice_link"]
        needed += ["unsubscribe_link"] if message.kind == "promotion" else []
    if lacking := [name for name in needed if not getattr(frame, name).strip()]:
        raise BadInput(
            f"a message that does not say {', '.join(f'`{name}`' for name in lacking)}; it is sent to nobody"
        )
    for name in ("why_link", "notice_link", "unsubscribe_link", "choices_link"):
        if (link := getattr(frame, name)) and not leads(link):
            raise BadInput(f"`{name}` of a message: expected an https address")


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place for a value: its name, and what stands there without one."""

    name: str
    otherwise: str


def _slot(slot: _Slot, values: Mapping[str, Redacted[Any]], lang: str) -> str:
    return escape(shown(values.get(slot.name), lang)) or slot.otherwise


@lru_cache(maxsize=64)
def _page(found: Text, lang: str) -> tuple[str | _Slot, ...]:
    """The part of the page above the footer, the same for everybody but for its places."""
    blocks = found.blocks
    titled = any(block.kind == "heading" for block in blocks)
    whole = [f'<div class="ahead">{escape(found.preheader)}</div>' if found.preheader else "", "<main>"]
    whole += [] if titled else [f"<h1>{escape(found.subject)}</h1>"]
    first = True
    for block in blocks:
        whole.append(_block(block, lang, "h1" if first else "h2"))
        first = first and block.kind != "heading"
    return _cut("".join((*whole, "</main>")))


def _cut(whole: str) -> tuple[str | _Slot, ...]:
    """A page in pieces; what stands in braces was escaped as all else, and a name has nothing to escape."""
    pieces: list[str | _Slot] = []
    end = 0
    for found in PLACEHOLDER.finditer(whole):
        pieces += [whole[end : found.start()], _Slot(found[1], found[2] or "")]
        end = found.end()
    return (*pieces, whole[end:])


def _block(block: Block, lang: str, heading: str) -> str:
    words, link = escape(block.text), escape(_link(block))
    match block.kind:
        case "heading":
            return f"<{heading}>{words}</{heading}>"
        case "button":
            return f'<p><a class="button" href="{link}">{words}</a></p>'
        case "offer":
            more = f'<p><a href="{link}">{escape(_say("offer", lang))}</a></p>' if link else ""
            return f'<div class="offer"><p><strong>{words}</strong></p>{more}</div>'
    return "".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in re.split(r"\n{2,}", words) if part)


def _plain(block: Block, lang: str, values: Mapping[str, Redacted[Any]]) -> str:
    """A block as text."""
    words = filled(block.text, values, lang)
    return f"{words}\n{_link(block)}" if block.link else words


def _link(block: Block) -> str:
    """Where a block leads; no value of a person ever stands in an address."""
    return block.link.replace("{", "%7B").replace("}", "%7D")


def _head(subject: str, lang: str) -> str:
    styles = "".join(f"<style>{one}</style>" for one in STYLES)
    return (
        f'<!doctype html><html lang="{lang}" dir="ltr"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<meta name="supported-color-schemes" content="light dark"><title>{subject}</title>{styles}</head><body>'
    )


def _links(frame: Frame) -> list[tuple[str, str]]:
    """The links under a mail that are there, by the name of their words."""
    every = [("why", frame.why_link), ("notice", frame.notice_link), ("choices", frame.choices_link),
             ("unsubscribe", frame.unsubscribe_link)]  # fmt: skip
    return [(name, link) for name, link in every if link]


def _foot(frame: Frame, lang: str) -> str:
    links = "".join(f'<li><a href="{escape(link)}">{escape(_say(name, lang))}</a></li>' for name, link in _links(frame))
    postal = f"<p>{escape(_one(frame.postal))}</p>" if frame.postal else ""
    return (
        f"<footer><p>{escape(_say('from', lang, company=_one(frame.company), contact=_one(frame.contact)))}</p>{postal}"
        f"<p>{escape(_one(frame.why))}</p><ul>{links}</ul></footer></body></html>\n"
    )


def _said(frame: Frame, lang: str) -> str:
    """The footer as text; the line above it is the one that mail readers know a signature by."""
    links = [f"{_say(name, lang)}\n{link}" for name, link in _links(frame)]
    who = _say("from", lang, company=_one(frame.company), contact=_one(frame.contact))
    postal = f"\n{_one(frame.postal)}" if frame.postal else ""
    return "\n\n".join((f"-- \n{who}{postal}", _one(frame.why), *links)) + "\n"


def short(
    message: Message, found: Text, lang: str, values: Mapping[str, Redacted[Any]], company: str, why_link: str
) -> str:
    """A short text: who writes stands first, then what is said, why you, and how to stop last."""
    said = _one(" ".join(f"{filled(one.text, values, lang)} {_link(one)}" for one in found.blocks))
    stop = f" {_say('stop', lang)}" if message.kind == "promotion" else ""
    why = f" {_say('why', lang)} {why_link}" if why_link else ""
    return plain(f"{_say('short', lang, company=_one(company))} {said}{why}{stop}")


def _one(words: str) -> str:
    """Words on one line."""
    return line(words)


def _say(key: str, lang: str, **parts: str) -> str:
    """Words of ours; the parts are the company's own, the same in every message."""
    return _said_once(key, lang, tuple(parts.items()))


@lru_cache(maxsize=64)
def _said_once(key: str, lang: str, parts: tuple[tuple[str, str], ...]) -> str:
    return text(ROOM, key, lang, **dict(parts))

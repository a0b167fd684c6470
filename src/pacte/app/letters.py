"""Letters: what the house writes by itself, such as a link to sign in; each in French and in English.

A letter is composed when it is sent, from the records of that moment; a job names only its kind, its language, its
person and one argument, none of which is a personal value. Advertising is none of these.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING

from pacte.app import links
from pacte.kernel.i18n import check_language, text
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.jobs import Job
from pacte.kernel.redacted import Redacted

if TYPE_CHECKING:
    from pacte.app.house import House

SEND = "send_mail"
"""The kind of job that sends a letter."""
LATE = DAY // 24
"""After how long an unsent letter counts as late, in microseconds."""
SIGN_IN = "sign_in"
"""The letter, and the kind of link, that somebody signs in with."""
SIGN_IN_LASTS = 900 * SECOND
CONFIRM = "confirm"
"""The letter that asks to confirm what was typed into a form; composed by `app.optin`."""
PASSKEY_ADDED = "passkey_added"
"""The letter that tells somebody of a new way into their page. Source: OWASP ASVS 5.0, 6.3.7."""
PASSKEY_REMOVED = "passkey_removed"
STAFF_SIGN_IN = "staff_sign_in"
"""The letter that tells a member of the staff what changed in how they sign in."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a letter says: its subject line, paragraphs, and one link with its words. `purpose` is why it is sent.

    `after` stands below the link. No part holds more of the person than the link's sealed token. Whoever was sent it
    counts as told of `notice`, the digest of one. `to` is where a letter to the staff goes; a person's address is
    opened when it is sent.
    """

    purpose: str
    subject: str
    paragraphs: tuple[str, ...]
    link: str = ""
    link_words: str = ""
    after: tuple[str, ...] = ()
    notice: str = ""
    to: Redacted[str] | None = None

    def plain(self, lang: str) -> str:
        """As text."""
        words = text("app", "letter.linked", lang, words=self.link_words)
        link = (f"{words}\n{self.link}",) if self.link else ()
        return "\n\n".join((*self.paragraphs, *link, *self.after)) + "\n"

    def html(self, lang: str) -> str:
        """As HTML: no picture, nothing that is loaded, nothing that tells whether it was read."""
        style = "font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:1em auto;padding:0 1em"
        button = "display:inline-block;padding:.6em 1.1em;border-radius:7px;background:#14532d;color:#fff"
        link = (
            f'<p><a style="{button}" href="{escape(self.link)}">{escape(self.link_words)}</a></p>' if self.link else ""
        )
        before, after = ("".join(f"<p>{escape(one)}</p>" for one in some) for some in (self.paragraphs, self.after))
        title = escape(self.subject)
        return (
            f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title></head>'
            f'<body style="{style}">{before}{link}{after}</body></html>\n'
        )


Composer = Callable[["House", SubjectId, str, str], "Letter | None"]
"""(house, person, language, argument) → the letter, or `None` when there is no more reason to send it."""

COMPOSERS: Mapping[str, str] = {
    SIGN_IN: "pacte.app.letters:sign_in",
    PASSKEY_ADDED: "pacte.app.letters:passkey_added",
    PASSKEY_REMOVED: "pacte.app.letters:passkey_removed",
    STAFF_SIGN_IN: "pacte.app.staff_letters:compose",
    "notice_changed": "pacte.app.announce:compose",
    CONFIRM: "pacte.app.optin:compose",
}
"""By kind of letter: `module:function` of its composer."""


def no_letter_job(kind: str, lang: str, now: Instant, *, lasts: int) -> Job:
    """The job that stands where one letter would be sent if the address were known; it is to nobody, and sends none."""
    job = letter_job(kind, "", lang, secrets.token_hex(16), now, lasts=lasts)
    return job._replace(about=None)


def letter_job(
    kind: str, subject: str, lang: str, argument: str, now: Instant, *, entry: int | None = None, lasts: int = DAY
) -> Job:
    """The job that sends a letter; `argument` (of letters, digits, `_`, `-` and `.`) names it among its kind.

    After `lasts` microseconds it is sent no more.
    """
    # Jobs are told apart by what they say: the person is part of it, or two people would share a letter.
    target = f"{kind}:{check_language(lang)}:{now + lasts}:{subject}:{argument}"
    return Job(SEND, now, subject, entry, target, Instant(now + LATE))


def compose(house: House, kind: str, subject: SubjectId, lang: str, argument: str) -> Letter | None:
    """The letter of a kind to one person, as of now."""
    module, _, name = COMPOSERS[kind].partition(":")
    composer: Composer = getattr(import_module(module), name)
    return composer(house, subject, lang, argument)


def sign_in(house: House, subject: SubjectId, lang: str, browser: str) -> Letter:
    """The link that signs in the browser that asked for it, and no other; `browser` is a digest of its cookie."""
    token = links.seal(house, SIGN_IN, {"subject": subject, "browser": browser}, SIGN_IN_LASTS)
    return Letter(
        "house:rights",
        _say("subject", lang),
        (_say("text", lang), _say("once", lang)),
        address(house, lang, f"sign-in/{token}"),
        _say("link", lang),
        (_say("not_you", lang),),
    )


def passkey_added(house: House, subject: SubjectId, lang: str, _argument: str) -> Letter:  # noqa: ARG001 # nobody is in it
    """Somebody added a passkey to this person's page: if it was not them, they see it here first."""
    return _of_passkey(house, lang, PASSKEY_ADDED)


def passkey_removed(house: House, subject: SubjectId, lang: str, _argument: str) -> Letter:  # noqa: ARG001 # nobody is in it
    """Somebody removed one."""
    return _of_passkey(house, lang, PASSKEY_REMOVED)


def address(house: House, lang: str, path: str) -> str:
    """The public address of a page of ours."""
    return f"{house.settings.web.url}/{lang}/{path}"


def _of_passkey(house: House, lang: str, kind: str) -> Letter:
    return Letter(
        "house:rights",
        _say("subject", lang, kind),
        (_say("text", lang, kind), _say("not_you", lang, kind)),
        address(house, lang, "me/sign-in"),
        _say("link", lang, kind),
    )


def _say(key: str, lang: str, letter: str = SIGN_IN) -> str:
    return text("app", f"letter.{letter}.{key}", lang)

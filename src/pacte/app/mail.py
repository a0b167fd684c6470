"""Send letters over SMTP: a job per letter, tried again until the mail server takes it.

A job may be done twice when a worker dies between sending and saying so: a letter may then arrive twice, and never not
at all. Every letter is a recorded use of the person's address. Source: RFC 5321, RFC 8314 (TLS), RFC 3834 (marking).
"""

from __future__ import annotations

import os
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path
from typing import TYPE_CHECKING

from pacte.app import letters, sought
from pacte.app.identity import email_of
from pacte.app.jobs import Ended, Waiting
from pacte.app.settings import MailSettings, secret
from pacte.app.told import record_told
from pacte.kernel.errors import BadInput, Denied, NotFound, Unsafe
from pacte.kernel.ids import parse_subject_id
from pacte.kernel.instant import Instant, to_datetime
from pacte.kernel.jobs import Job

if TYPE_CHECKING:
    from pacte.app.house import House

SECONDS = 20.0
"""How long the mail server may take for each answer."""
ASKED_BY_ANYBODY = {letters.SIGN_IN: "sign_in", letters.CONFIRM: "form"}
"""Letters that follow when anybody types an address, and why their owner is sought."""
TOO_LATE, NO_ADDRESS = "too_late", "no_address"
"""Why a letter ends unsent, beside the reasons of the gate: its time was over; the house holds no address."""


def send(house: House, job: Job, now: Instant) -> Waiting | Ended | None:
    """Do a job of `letter_job`: `None` when it is sent, or when there is no more reason for it.

    A letter that a stop holds up waits. One whose time is over, that the gate does not permit, or whose address nobody
    has, ends unsent and says why: whoever still wants it asks anew. Raises `Unsafe` when the mail server cannot be
    reached or does not take the letter, `BadInput` for settings that could send nothing; it is then tried again.
    """
    kind, lang, until, _, argument = str(job.target).split(":", 4)
    if int(until) <= now:
        return Ended(TOO_LATE)
    if not (house.settings.mail.host or house.settings.mail.folder):
        return Waiting("no_mail_server")
    check(house.settings.mail)
    if job.about is None:
        _to_nobody(house, kind)
        return None
    try:
        subject = parse_subject_id(str(job.about))
        letter = letters.compose(house, kind, subject, lang, argument)
        if letter is None:
            return None
        to = letter.to or email_of(house, subject, letter.purpose, by="worker")
    except Denied as denied:
        return Waiting(denied.code) if denied.code == "stopped" else _unsent(house, kind, denied.code)
    except NotFound:  # erased since
        return None
    if to is None:
        return Ended(NO_ADDRESS)
    _hand_over(house, letter, lang, to.reveal(), now)
    if letter.notice:
        record_told(house, subject, letter.notice)
    return None


def _unsent(house: House, kind: str, code: str) -> Ended:
    """A letter that the gate does not permit; where a stranger asked for it, as much is recorded as if it were sent."""
    if kind in ASKED_BY_ANYBODY:
        _record_sought(house, kind)
    return Ended(code)


def _to_nobody(house: House, kind: str) -> None:
    """Do for an unknown address all that is done for a known one, so that nobody can tell them apart, and send nothing.

    Raises as `deliver` does where the mail server is not there: what is tried again is recorded again, for both.
    """
    _record_sought(house, kind)
    if house.settings.mail.host:
        deliver(house.settings.mail, None)


def _record_sought(house: House, kind: str) -> None:
    with house.writing() as conn:
        sought.record(house, conn, ASKED_BY_ANYBODY[kind], "worker")


def send_now(house: House, letter: letters.Letter, lang: str, now: Instant) -> None:
    """Send a letter that names its own address while somebody waits; raises as `send` does, and says why it did not.

    Raises `BadInput` too where no mail server is named.
    """
    mail = house.settings.mail
    if letter.to is None or not (mail.host or mail.folder):
        raise BadInput("settings.toml: `[mail]` names no mail server yet")
    check(mail)
    _hand_over(house, letter, lang, letter.to.reveal(), now)


def _hand_over(house: House, letter: letters.Letter, lang: str, to: str, now: Instant) -> None:
    message = _message(house, letter, lang, to, now)
    if house.settings.mail.folder:
        put(house.path / house.settings.mail.folder, message.as_bytes(), letter.html(lang), now)
    else:
        deliver(house.settings.mail, message)


def deliver(settings: MailSettings, message: EmailMessage | None) -> None:
    """Hand a message to the mail server; raises `Unsafe`, which never repeats what the server said of the address.

    Without one, only see that the server is there and lets us in.
    """
    context = ssl.create_default_context(cafile=settings.ca or None)
    try:
        with connected(settings, context) as server:
            if settings.tls == "starttls":
                server.starttls(context=context)
            if settings.user:
                server.login(settings.user, secret(settings.password))
            if message is None:
                server.ehlo_or_helo_if_needed()
            else:
                server.send_message(message)
    except ssl.SSLError:
        raise Unsafe("the mail server's certificate is not trusted; see `[mail]` in settings.toml") from None
    except smtplib.SMTPAuthenticationError:
        raise Unsafe("the mail server refuses the name or the password of `[mail]` in settings.toml") from None
    except smtplib.SMTPRecipientsRefused:
        raise Unsafe("the mail server does not take mail for this address") from None
    except (smtplib.SMTPException, OSError):
        raise Unsafe("the mail server cannot be reached, or did not take the message") from None


def put(folder: Path, message: bytes, page: str, now: Instant) -> None:
    """Put a letter into a folder instead of sending it: the message, and its page for a browser; for its owner alone.

    Raises `Unsafe` when the folder takes no file.
    """
    name = f"{to_datetime(now):%Y%m%d-%H%M%S-%f}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for suffix, content in ((".eml", message), (".html", page.encode())):
            with open(folder / f".{name}", "xb", opener=_for_its_owner) as file:
                file.write(content)
            (folder / f".{name}").rename(folder / (name + suffix))
    except OSError:
        raise Unsafe("the folder of `mail.folder` in settings.toml takes no letter") from None


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def check(settings: MailSettings) -> None:
    """Raise `BadInput` for settings that could send nothing, or would send in the clear over a network."""
    if settings.host and settings.folder:
        raise BadInput("settings.toml: `mail` has a `host` and a `folder`; letters are sent, or put into a folder")
    if not settings.host:
        return
    refuse_nobody(settings)
    if settings.tls == "none" and settings.host not in ("127.0.0.1", "::1", "localhost"):
        raise BadInput("settings.toml: `mail.tls` may be `none` for a server on this machine only")


def refuse_nobody(settings: MailSettings) -> None:
    """Raise `BadInput` where nobody is named whom mail comes from."""
    if not parseaddr(settings.sender)[1]:
        raise BadInput("settings.toml: `mail.from` is missing: the address that letters come from")


def connected(settings: MailSettings, context: ssl.SSLContext) -> smtplib.SMTP:
    """A connection to the mail server, nothing said yet."""
    check(settings)
    if settings.tls == "implicit":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=SECONDS, context=context)
    return smtplib.SMTP(settings.host, settings.port, timeout=SECONDS)


def _message(house: House, letter: letters.Letter, lang: str, to: str, now: Instant) -> EmailMessage:
    message = EmailMessage(SMTP)
    sender = house.settings.mail.sender
    message["From"], message["To"], message["Subject"] = sender, to, letter.subject
    message["Date"] = format_datetime(to_datetime(now))
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or None)
    message["Content-Language"], message["Auto-Submitted"] = lang, "auto-generated"
    message.set_content(letter.plain(lang))
    message.add_alternative(letter.html(lang), subtype="html")
    return message

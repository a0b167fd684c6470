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

from pacte.app import letters
from pacte.app.identity import email_of
from pacte.app.settings import MailSettings, secret
from pacte.kernel.errors import BadInput, Denied, NotFound, Unsafe
from pacte.kernel.i18n import check_language
from pacte.kernel.ids import parse_subject_id
from pacte.kernel.instant import DAY, Instant, to_datetime
from pacte.kernel.jobs import Job

if TYPE_CHECKING:
    from pacte.app.house import House

SEND = "send_mail"
"""The kind of job that sends a letter."""
SECONDS = 20.0
"""How long the mail server may take for each answer."""
LATE = DAY // 24
"""After how long an unsent letter counts as late, in microseconds."""


def letter_job(
    kind: str, subject: str, lang: str, argument: str, now: Instant, *, entry: int | None = None, lasts: int = DAY
) -> Job:
    """The job that sends a letter; `argument` (of letters, digits, `_`, `-` and `.`) names it among its kind.

    After `lasts` microseconds it is sent no more.
    """
    # Jobs are told apart by what they say: the person is part of it, or two people would share a letter.
    target = f"{kind}:{check_language(lang)}:{now + lasts}:{subject}:{argument}"
    return Job(SEND, now, subject, entry, target, Instant(now + LATE))


def send(house: House, job: Job, now: Instant) -> str | None:
    """Do a job of `letter_job`. Answers what it waits for, or `None` when it is done or there is no more reason for it.

    Raises `Unsafe` when the mail server cannot be reached or does not take the letter, `BadInput` for settings that
    could send nothing; the job is then tried again.
    """
    kind, lang, until, _, argument = str(job.target).split(":", 4)
    if int(until) <= now:
        return None
    if not (house.settings.mail.host or house.settings.mail.folder):
        return "no_mail_server"
    check(house.settings.mail)
    try:
        subject = parse_subject_id(str(job.about))
        letter = letters.compose(house, kind, subject, lang, argument)
        to = None if letter is None else email_of(house, subject, letter.purpose, by="worker")
    except Denied as denied:
        return "stopped" if denied.code == "stopped" else None
    except NotFound:  # erased since
        return None
    if letter is not None and to is not None:
        message = _message(house, letter, lang, to.reveal(), now)
        if house.settings.mail.folder:
            put(house.path / house.settings.mail.folder, message, letter.html(lang), now)
        else:
            deliver(house.settings.mail, message)
        if letter.notice:
            from pacte.app.announce import record_told

            record_told(house, subject, letter.notice)
    return None


def deliver(settings: MailSettings, message: EmailMessage) -> None:
    """Hand a message to the mail server; raises `Unsafe`, which never repeats what the server said of the address."""
    context = ssl.create_default_context(cafile=settings.ca or None)
    try:
        with _connected(settings, context) as server:
            if settings.tls == "starttls":
                server.starttls(context=context)
            if settings.user:
                server.login(settings.user, secret(settings.password))
            server.send_message(message)
    except ssl.SSLError:
        raise Unsafe("the mail server's certificate is not trusted; see `[mail]` in settings.toml") from None
    except smtplib.SMTPAuthenticationError:
        raise Unsafe("the mail server refuses the name or the password of `[mail]` in settings.toml") from None
    except smtplib.SMTPRecipientsRefused:
        raise Unsafe("the mail server does not take mail for this address") from None
    except (smtplib.SMTPException, OSError):
        raise Unsafe("the mail server cannot be reached, or did not take the message") from None


def put(folder: Path, message: EmailMessage, page: str, now: Instant) -> None:
    """Put a letter into a folder instead of sending it: the message, and its page for a browser; for its owner alone.

    Raises `Unsafe` when the folder takes no file.
    """
    name = f"{to_datetime(now):%Y%m%d-%H%M%S-%f}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for suffix, content in ((".eml", message.as_bytes()), (".html", page.encode())):
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
    if not parseaddr(settings.sender)[1]:
        raise BadInput("settings.toml: `mail.from` is missing: the address that letters come from")
    if settings.tls == "none" and settings.host not in ("127.0.0.1", "::1", "localhost"):
        raise BadInput("settings.toml: `mail.tls` may be `none` for a server on this machine only")


def _connected(settings: MailSettings, context: ssl.SSLContext) -> smtplib.SMTP:
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
    message.set_content(letter.plain())
    message.add_alternative(letter.html(lang), subtype="html")
    return message

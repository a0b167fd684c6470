"""Hand messages over one after the other, and know of each whether it was taken: to a mail server, or a text service.

SMTP takes responsibility for a message with its answer to the final dot, and at no other moment: before the dot nothing
was taken, after it only the answer tells. Source: RFC 5321 §4.1.1.4, §4.2.5, §6.1; RFC 3463 (enhanced codes).
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import SMTP
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pacte.app import mail
from pacte.app.settings import secret
from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import now as system_clock

if TYPE_CHECKING:
    from pacte.app.composing import Ready
    from pacte.app.house import House
    from pacte.app.settings import MailSettings

MAIL, SMS = "email", "sms"
LASTS = 200
"""Messages that go over one connection; servers end longer ones by themselves."""
_ENHANCED = re.compile(rb"^([245])\.(\d{1,3})\.(\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said of one message: taken, not now (4xx), or never (5xx); `code` as `5.1.1`, or `550`."""

    taken: bool
    permanent: bool = False
    code: str = ""


class Unanswered(Exception):
    """The message was handed over to its end, and no answer came: nobody knows whether it was taken."""


class Away(Unsafe):
    """The server is not there, does not let us in, or went away before it was handed anything."""

    def __init__(self) -> None:
        super().__init__("the mail server cannot be reached, or does not let us in; it is tried again later")


class Door(Protocol):
    """The way by which messages of a channel leave; spoken to by one thread."""

    def offer(self, message: Ready) -> Answer | None:
        """Name sender and recipient; answers what the other side says if it will not have it. Raises `Away`.

        Nothing is handed over yet, and after `close` or another `offer` nothing was.
        """
        ...

    def hand(self, message: Ready, begun: Callable[[], None]) -> Answer:
        """Hand over a message that was offered. `begun` is called before its first byte: from there on it may arrive.

        Where `begun` raises, nothing of it leaves.
        Raises `Away` where nothing was taken, `Unanswered` where nobody knows.
        """
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


def channels(house: House) -> tuple[str, ...]:
    """The channels by which this house's settings let messages leave."""
    mail = house.settings.mail
    return ((MAIL,) if mail.host or mail.folder else ()) + ((SMS,) if house.settings.sms.url else ())


def door(house: House, channel: str) -> Door:
    """The way by which this house's messages leave by a channel."""
    mail = house.settings.mail
    if channel == SMS:
        from pacte.app.sms import Gateway

        return Gateway(house)
    return _Folder(house.path / mail.folder) if mail.folder and not mail.host else Server(mail)


class Server:
    """A mail server, spoken to by one thread. The connection is made when it is needed, and again when it was lost."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None
        self._sent = 0
        self._named = False

    def offer(self, message: Ready) -> Answer | None:
        """As `Door.offer`: `MAIL` and `RCPT`."""
        for last in (False, True):
            smtp = self._open()
            try:
                if self._named:
                    smtp.rset()
                self._named = True
                # Both addresses have the form that a header may hold; `smtplib` would take them apart once more.
                code, said = smtp.docmd("MAIL", f"FROM:<{message.sender}>")
                if code == 250:
                    code, said = smtp.docmd("RCPT", f"TO:<{message.to.reveal()}>")
                if code in (250, 251):
                    return None
                if code == 421:  # the server ends this connection
                    raise smtplib.SMTPServerDisconnected
                return _answer(code, said)
            except (smtplib.SMTPException, OSError):
                self.close()
                if last:
                    raise Away from None
        raise Away

    def hand(self, message: Ready, begun: Callable[[], None]) -> Answer:
        """As `Door.hand`: `DATA`, the message, the final dot."""
        smtp = self._open()
        try:
            smtp.putcmd("data")
            code, said = smtp.getreply()
            if code != 354:
                return _answer(code, said)
        except (smtplib.SMTPException, OSError):
            self.close()
            raise Away from None
        try:
            begun()
        except BaseException:  # it must not leave: the server, which waits for it, is hung up on
            self._hang_up()
            raise
        try:
            smtp.send(_dotted(message.body))
        except (smtplib.SMTPException, OSError):
            self._hang_up()
            raise Away from None
        try:
            code, said = smtp.getreply()
        except (smtplib.SMTPException, OSError):
            self.close()
            raise Unanswered from None
        self._sent += 1
        self._named = False
        if self._sent >= LASTS or code == 421:
            self.close()
        return _answer(code, said)

    def close(self) -> None:
        """Let go of the connection."""
        if self._smtp is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._smtp.quit()
        self._hang_up()

    def _hang_up(self) -> None:
        """End the connection without a word."""
        if self._smtp is not None:
            with suppress(OSError):
                self._smtp.close()
        self._smtp, self._sent, self._named = None, 0, False

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Who is believed about the server's certificate: read once, however often we connect."""
        return ssl.create_default_context(cafile=self._settings.ca or None)

    def _open(self) -> smtplib.SMTP:
        if self._smtp is not None:
            return self._smtp
        settings = self._settings
        try:
            smtp = mail.connected(settings, self._trust)
            smtp.ehlo_or_helo_if_needed()
            if settings.tls == "starttls":
                smtp.starttls(context=self._trust)
                smtp.ehlo_or_helo_if_needed()
            if settings.user:
                smtp.login(settings.user, secret(settings.password))
        except (smtplib.SMTPException, OSError):
            raise Away from None
        self._smtp = smtp
        return smtp


class _Folder:
    """A folder in place of a server, to try a house with invented people."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def offer(self, message: Ready) -> Answer | None:  # noqa: ARG002 # whoever it is from and for stands in it
        """A folder takes everything."""
        return None

    def hand(self, message: Ready, begun: Callable[[], None]) -> Answer:
        """Put the message there, for its owner alone."""
        begun()
        page = message_from_bytes(message.body, policy=SMTP).get_body(("html",))
        mail.put(self._folder, message.body, str(page.get_content()) if page else "", system_clock())
        return Answer(taken=True)

    def close(self) -> None:
        """Nothing is held."""


def _dotted(message: bytes) -> bytes:
    """The message, whose lines end in CRLF, as it goes over the wire: dots doubled, the final dot. RFC 5321 §4.5.2."""
    first = b"." if message.startswith(b".") else b""
    return first + message.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def _answer(code: int, said: bytes) -> Answer:
    found = _ENHANCED.match(said.strip())
    words = b".".join(found.groups()).decode() if found else str(code)
    return Answer(200 <= code < 300, 500 <= code < 600, words)

"""A shop that writes to its customers: a message, a campaign, and a sink that takes what is sent."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from pacte.app import campaigns, messages
from pacte.app.campaigns import Campaign
from pacte.app.house import House
from pacte.app.people import people_of
from pacte.app.sending import Sent, sender
from pacte.app.settings import MailSettings
from pacte.kernel.ids import SubjectId
from pacte.uses.message.model import Message, read
from tests.app.mail import serving

ROOT = Path(__file__).parents[2]


class Port(Protocol):
    """Something that listens."""

    port: int


SPRING = """
message: spring
kind: promotion
purpose: newsletter
channel: email
texts:
  en:
    subject: Spring is here
    preheader: New colours in the shop
    blocks:
      - heading: Spring is here
      - text: Good day {customers.first_name|to you}, the new colours are in the shop.
      - button: Look at them
        link: https://shop.example/spring
  fr:
    subject: Le printemps est là
    preheader: Les nouvelles couleurs sont en boutique
    blocks:
      - heading: Le printemps est là
      - text: Bonjour {customers.first_name|à vous}, les nouvelles couleurs sont en boutique.
      - button: Les voir
        link: https://shop.example/printemps
"""


def message(**changes: str) -> Message:
    """The message of spring, with other words where a test asks for them."""
    text = SPRING
    for before, after in changes.items():
        text = text.replace(before, after)
    return read(text.encode())


def with_mail(house: House, box: Port) -> House:
    """The same house with a mail server."""
    mail = MailSettings.model_validate(
        {"host": "127.0.0.1", "port": box.port, "tls": "none", "from": "Shop <hello@shop.example>"}
    )
    return replace(house, settings=house.settings.model_copy(update={"mail": mail}))


def subjects(house: House, emails: tuple[str, ...]) -> list[SubjectId]:
    """The people behind these addresses."""
    with house.reading() as conn:
        return [people_of(house, conn, f"email:{email}")[0] for email in emails]


def begun(house: House, emails: tuple[str, ...], made: Message | None = None) -> Campaign:
    """A campaign that has begun, to these people."""
    saved = messages.save(house, made or message(), by="cli")
    campaign = campaigns.make(house, saved.digest, by="cli")
    return campaigns.start(house, campaign.id, by="cli", people=subjects(house, emails))


def send(house: House) -> Sent:
    """Send whatever is due."""
    return sender(house).run(threading.Event(), once=True)


@dataclass
class Sink:
    """A mail server that takes everything, in the order it came, or does what `does` says of an address."""

    port: int = 0
    taken: list[tuple[str, float]] = field(default_factory=list)
    does: Callable[[str], str] = lambda _address: "250 taken"
    pause: float = 0.0
    gone: set[str] = field(default_factory=set)

    async def handle_RCPT(self, _server: Any, _now: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        """Have an address, or say that it is gone."""
        if address in self.gone:
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 # the library's name
        """Take a message, refuse it with a reply such as `451 later`, `drop` the connection or take it and `vanish`."""
        to = str(envelope.rcpt_tos[0])
        if self.pause:
            await asyncio.sleep(self.pause)
        said = self.does(to)
        if said in ("250 taken", "vanish"):
            self.taken.append((to, monotonic()))
        if said in ("drop", "vanish"):
            server.transport.abort()
            return "421 gone"
        return said

    @property
    def addresses(self) -> list[str]:
        """To whom messages were taken."""
        return [address for address, _ in self.taken]


@contextmanager
def sink() -> Iterator[Sink]:
    """A sink on a free port while the block runs."""
    found = Sink()
    with serving(found) as port:
        found.port = port
        yield found


CHILD = """
import os, sys, threading
from pathlib import Path
from types import SimpleNamespace
from pacte.app.house import open_house
from pacte.testing.world import TestClock
from tests.app.sending import send, with_mail
house = open_house(Path(sys.argv[1]), clock=TestClock(int(sys.argv[3])))
send(with_mail(house, SimpleNamespace(port=int(sys.argv[2]))))
house.close()
"""


def send_elsewhere(house: House, port: int, crash: str = "") -> int:
    """Send in a process of its own, which may be told to die at a crash point; answers how it ended."""
    command = [sys.executable, "-c", CHILD, str(house.path), str(port), str(house.clock())]
    environment = {**os.environ, **({"PACTE_CRASH": crash} if crash else {})}
    return subprocess.run(command, env=environment, cwd=ROOT, timeout=120, check=False).returncode

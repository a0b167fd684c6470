"""The whole loop: a message that a campaign sent, and what its reader, and their mail server, do with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from pacte.app import bounces, campaigns, contact, messages, segments, unsubscribe
from pacte.app.bounces import Heard
from pacte.app.house import House
from pacte.ledger import log
from pacte.vault import index
from pacte.web.server import application
from tests.app.mail import serving
from tests.app.sending import message, send, subjects, with_mail
from tests.web.conftest import Site


@dataclass
class Mailbox:
    """A mail server that keeps what it takes, by address."""

    port: int = 0
    mails: dict[str, Message] = field(default_factory=dict)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 # the library's name
        """Take a message."""
        self.mails[envelope.rcpt_tos[0]] = message_from_bytes(envelope.content)
        return "250 taken"


@dataclass(frozen=True)
class Loop:
    """A house that sent a campaign to three people, before its doors, and what they got."""

    site: Site
    house: House
    campaign: str
    box: Mailbox

    def link(self, email: str, path: str) -> str:
        """The address in a message that leads to a page of ours."""
        body = self.box.mails[email].get_payload(0)
        assert isinstance(body, Message)
        plain = bytes(body.get_payload(decode=True) or b"").decode()
        found = next(word.strip("<>()") for word in plain.split() if f"/{path}/" in word)
        return urlsplit(found).path


@pytest.fixture
def loop(site: Site) -> Iterator[Loop]:
    """The campaign is sent; the whole house is in order afterwards."""
    box, people = Mailbox(), site.shop.permitted[:3]
    with serving(box) as box.port:
        house = with_mail(site.house, box)
        saved = messages.save(house, message(), by="cli")
        near = segments.save(house, "near", "newsletter", {"field": "customers.country", "in": ["FR"]}, "cli")
        campaign = campaigns.make(house, saved.digest, segment=near.digest, by="cli")
        campaigns.start(house, campaign.id, by="cli", people=subjects(house, people))
        assert send(house).sent == 3
    with TestClient(application(house), base_url="http://127.0.0.1:8080") as client:
        yield Loop(Site(site.shop, client), house, campaign.id, box)
    assert house.check() == []


def test_one_click_of_the_mail_program_ends_it(loop: Loop) -> None:
    """What stands in the headers is enough: the POST that they ask for is answered, and the gate says no."""
    email = loop.site.shop.permitted[0]
    mail = loop.box.mails[email]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = urlsplit(mail["List-Unsubscribe"].strip("<> \r\n")).path
    name, _, value = mail["List-Unsubscribe-Post"].partition("=")
    answer = loop.site.client.post(path, data={name: value}, follow_redirects=False)
    assert answer.status_code == 200
    assert not loop.house.may(f"email:{email}", "newsletter", channel="email").permitted


def test_its_link_names_the_address_that_it_went_to(loop: Loop) -> None:
    """So that a no counts for whoever is written to there, and for nobody whose address the reader names later."""
    for email in loop.site.shop.permitted[:3]:
        asked = unsubscribe.opened(loop.house, loop.link(email, "u").rpartition("/")[2])
        with loop.house.reading() as conn:
            assert unsubscribe.behind(conn, loop.house, asked) == (loop.site.subject(email),)
        assert bytes.fromhex(asked.to) == index.blinder(loop.house.keys, "email", "")(email)


def test_its_why_says_how_the_reader_was_chosen(loop: Loop) -> None:
    """By the link, what the choice was made by; the words of the segment only to whoever is signed in."""
    email = loop.site.shop.permitted[1]
    page = loop.site.get("/en" + loop.link(email, "why").removeprefix("/fr")).text
    told = page.partition("How you were chosen")[2].partition("</div>")[0]
    assert "Among those whom we may write to for this, by: country" in told
    assert "FR" not in told
    subject = loop.site.as_person(email)
    with loop.house.reading() as conn:
        about = log.of_subject(conn, subject)
    use = next(index for index, entry in about if entry.get("campaign") == loop.campaign)
    own = loop.site.get(f"/en/me/use/{use}/why").text
    assert "FR" in own.partition("How you were chosen")[2].partition("</div>")[0]


def test_its_bounce_ends_writing_to_the_address(loop: Loop) -> None:
    """A report that carries the message's own identifier is that of its reader."""
    email = loop.site.shop.permitted[2]
    mail = loop.box.mails[email]
    report = (
        'Content-Type: multipart/report; boundary="B"\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n'
        f"Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; {email}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--B\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {mail['Message-ID']}\r\n\r\n--B--\r\n"
    ).encode()
    subject = loop.site.subject(email)
    assert bounces.hear(loop.house, report, by="cli") == Heard(suppressed=1)
    with loop.house.reading() as conn:
        now = loop.house.present(conn)
        assert contact.refusals(conn, loop.house, "service", "email", [subject], now)[subject].reason == "suppressed"

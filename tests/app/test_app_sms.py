"""Text messages: what the service gets, and what becomes of an answer that ends them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacte.app import campaigns, messages, posting, replies, segments, sms
from pacte.app.composing import Ready
from pacte.app.handing import Answer, Away, Unanswered
from pacte.app.house import House
from pacte.app.overview import overview
from pacte.app.people import people_of
from pacte.app.sms import Gateway, Text
from pacte.app.worker import work
from pacte.kernel import db
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.redacted import Redacted
from pacte.ledger import log
from pacte.testing.shop import Shop
from pacte.testing.sms import Service, service
from pacte.uses.message.model import read
from tests.app.sending import send
from tests.web.template import Template, made

NUMBER = "+33639980001"


@pytest.fixture(scope="module", params=[os.environ.get("PACTE_TEST_RECORDS", "sqlite")])
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A shop's house, made once; each test works on a copy of it."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return made(tmp_path_factory.mktemp("shop"), server)


@pytest.fixture
def shop(template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Shop, Service]]:
    """A shop, and the service that takes its text messages; the house is in order afterwards."""
    monkeypatch.setenv("PACTE_SMS_KEY", "secret")
    with service("secret") as found, template.open(tmp_path / "house", found.settings) as shop:
        yield shop, found
        assert shop.house.check() == []


def _somebody(shop: Shop) -> tuple[SubjectId, str]:
    """Somebody who has a telephone number, and said yes to text messages; and that number."""
    from pacte.app.identity import identified

    for email in shop.permitted:
        with shop.house.reading() as conn:
            subject = people_of(shop.house, conn, f"email:{email}")[0]
        known = identified(shop.house, subject, "house:rights", ("phone",), by="cli")
        number = next((str(one.reveal()) for one in known.values() if one.reveal()), "")
        if not number:
            continue
        shop.house.choose(
            subject, "newsletter", "given", channel="sms", by="person", method="web_form", grade="form",
            authenticated=True, notice="web-2024",
        )  # fmt: skip
        shop.clock.forward(1e-6)
        return subject, number
    raise AssertionError("nobody has a number")


def _by_sms(shop: Shop, subject: SubjectId) -> set[str]:
    """The purposes that may still send this person text messages, by their own word."""
    found = (one for standing in overview(shop.house, subject, "en") for one in standing.switches)
    return {one.purpose for one in found if one.on and one.channel == "sms"}


def _work(shop: Shop) -> None:
    work(shop.house, threading.Event(), once=True)


def test_the_service_gets_the_number_the_words_and_a_name(shop: tuple[Shop, Service]) -> None:
    """And its key, and nothing else; the same name again is one message."""
    house, found = shop[0].house, shop[1]
    message = Text(Redacted(NUMBER), "Été à −20 % ? STOP 36180", "a" * 32)
    sms.send(house, message)
    sms.send(house, message)
    assert found.taken == {
        "a" * 32: {"id": "a" * 32, "to": NUMBER, "text": "Été à −20 % ? STOP 36180", "from": "36180"}
    }


@pytest.mark.parametrize("status", [400, 401, 429, 500, 302])
def test_a_refusal_is_an_error_that_names_nobody(shop: tuple[Shop, Service], status: int) -> None:
    """Whatever the service answers, the error holds neither the number nor the words."""
    shop[1].status = status
    with pytest.raises(posting.Refused) as error:
        sms.send(shop[0].house, Text(Redacted(NUMBER), "words of ours", "b" * 32))
    assert NUMBER not in str(error.value)
    assert "words" not in str(error.value)


def _handed(house: House) -> Answer:
    begun: list[bool] = []
    gateway, packed = Gateway(house), Text(Redacted(NUMBER), "Spring", "d" * 32).packed()
    message = Ready("d" * 32, "", Redacted(NUMBER), packed)
    assert gateway.offer(message) is None
    found = gateway.hand(message, lambda: begun.append(True))
    assert begun == [True]
    return found


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (201, Answer(taken=True)),
        (409, Answer(taken=True)),
        (400, Answer(taken=False, permanent=True, code="400")),
        (429, Answer(taken=False, code="429")),
        (503, Answer(taken=False, code="503")),
    ],
)
def test_a_campaign_hears_what_became_of_each(shop: tuple[Shop, Service], status: int, answer: Answer) -> None:
    """Taken, taken before, never, or not now: in the words that a mail server's answers have."""
    shop[1].status = status
    assert _handed(shop[0].house) == answer


def test_a_service_that_lets_nobody_in_is_away(shop: tuple[Shop, Service]) -> None:
    """A wrong key, a redirect or nobody there is no refusal of one number: all of them are tried again."""
    for status in (401, 302):
        shop[1].status = status
        with pytest.raises(Away):
            _handed(shop[0].house)
    away = shop[0].house.settings.sms.model_copy(update={"url": "http://127.0.0.1:9/messages"})
    with pytest.raises(Away):
        _handed(replace(shop[0].house, settings=shop[0].house.settings.model_copy(update={"sms": away})))


def test_what_nobody_answered_may_have_been_sent(shop: tuple[Shop, Service]) -> None:
    """A service that hangs up after it read the message: nobody knows, so that it is not simply sent again."""
    shop[1].status = 0
    with pytest.raises(Unanswered):
        _handed(shop[0].house)


def test_without_a_service_nothing_is_sent(template: Template, tmp_path: Path) -> None:
    """It says which setting is missing."""
    with template.open(tmp_path / "house") as shop, pytest.raises(BadInput, match=r"\[sms\]"):
        sms.send(shop.house, Text(Redacted(NUMBER), "x", "c" * 32))


ENDING = """STOP|stop.| Stop SVP |STOP 36180|stop36180|Arrêt|ARRET|Arrêtez svp|quit|End|REVOKE|opt out|Opt-Out|cancel
unsubscribe|Désabo !|De\u0301sabonnement|stop all|Stop, please"""
OTHERS = "|yes|merci|the end is near|don't stop|cancel my order|Stopover"


@pytest.mark.parametrize(
    ("words", "ending"),
    [*((one, True) for one in ENDING.replace("\n", "|").split("|")), *((one, False) for one in OTHERS.split("|"))],
)
def test_words_that_end_text_messages(words: str, ending: bool) -> None:
    """Those of the TCPA's rules and of French practice, however they are written; others are none."""
    assert replies.ends(words) is ending


def test_stop_ends_them_before_it_is_answered_and_is_confirmed_once(shop: tuple[Shop, Service]) -> None:
    """The no counts for every purpose by text message and for no other channel; one message confirms it."""
    house, found = shop[0].house, shop[1]
    subject, number = _somebody(shop[0])
    by_mail = house.may(subject, "newsletter", channel="email").permitted
    assert "newsletter" in _by_sms(shop[0], subject)
    assert replies.answered(house, Redacted(number), "STOP", by="api:k1")
    assert _by_sms(shop[0], subject) == set()
    assert house.may(subject, "newsletter", channel="email").permitted is by_mail
    assert replies.answered(house, Redacted(number), "STOP", by="api:k1")
    _work(shop[0])
    _work(shop[0])
    (confirmation,) = found.taken.values()
    assert confirmation["to"].replace(" ", "") == number.replace(" ", "")
    assert "no more text messages" in confirmation["text"] or "plus de SMS" in confirmation["text"]
    assert subject not in confirmation["id"]
    with house.reading() as conn:
        said = [one for _, one in log.of_subject(conn, subject) if one.get("method") == "message_reply"]
    assert {(one["act"], one["by"], one["channel"]) for one in said} <= {
        ("withdrawn", "api:k1", "sms"),
        ("objected", "api:k1", "sms"),
    }


def test_no_job_holds_a_number(shop: tuple[Shop, Service]) -> None:
    """Neither the number nor the words of an answer stand in any table in the clear."""
    house = shop[0].house
    _, number = _somebody(shop[0])
    replies.answered(house, Redacted(number), "Stop de vous, merci", by="api:k1")
    with house.reading() as conn:
        rows = db.fetch(conn, "SELECT * FROM job")
    assert rows
    assert not any(number in str(row) or "merci" in str(row) for row in rows)


def test_a_confirmation_that_is_late_is_not_sent(shop: tuple[Shop, Service]) -> None:
    """More than five minutes after the answer it would be one message too many."""
    house, found = shop[0].house, shop[1]
    _, number = _somebody(shop[0])
    replies.answered(house, Redacted(number), "STOP", by="api:k1")
    shop[0].clock.forward(1 / 24)
    _work(shop[0])
    assert found.taken == {}


@pytest.mark.parametrize("number", [NUMBER, "12", "not a number", ""])
def test_an_answer_of_a_stranger_changes_nothing(shop: tuple[Shop, Service], number: str) -> None:
    """It is acknowledged like any other, and nothing is recorded or sent."""
    house, found = shop[0].house, shop[1]
    with house.reading() as conn:
        size = log.head(conn).size
    assert replies.answered(house, Redacted(number), "STOP", by="api:k1")
    assert not replies.answered(house, Redacted(number), "Bonjour", by="api:k1")
    with house.reading() as conn:
        assert log.head(conn).size == size
    _work(shop[0])
    assert found.taken == {}


SPRING = """
message: spring_text
kind: promotion
purpose: newsletter
channel: sms
texts:
  en: {blocks: [{text: "Spring is here, in the shop."}]}
  fr: {blocks: [{text: "Le printemps est en boutique."}]}
"""


def test_a_campaign_of_text_messages_keeps_its_hours_and_hears_stop(shop: tuple[Shop, Service]) -> None:
    """Before the shop opens nothing leaves; then each gets one, with its why; after STOP none of the next campaign."""
    house, found = shop[0].house, shop[1]
    subject, number = _somebody(shop[0])

    def begin() -> None:
        saved = messages.save(house, read(SPRING.encode()), by="cli")
        near = segments.save(house, "near", "newsletter", {"field": "customers.country", "in": ["FR"]}, "cli")
        campaign = campaigns.make(house, saved.digest, segment=near.digest, by="cli")
        campaigns.start(house, campaign.id, by="cli", people=[subject])

    begin()
    assert send(house).sent == 0  # a quarter to seven in Paris
    assert found.taken == {}
    shop[0].clock.forward(4 / 24)
    assert send(house).sent == 1
    (text,) = found.taken.values()
    assert text["to"] == number
    assert "/why/" in text["text"]
    assert "STOP" in text["text"]
    assert len(text["text"]) < 306
    replies.answered(house, Redacted(number), "STOP", by="api:k1")
    shop[0].clock.forward(8)
    begin()
    assert send(house).sent == 0
    assert len(found.taken) == 1

"""Messages as they travel: what every one of them says, what no value can do to one, and that its signature holds."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import dkim as other
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import LANGUAGES
from pacte.kernel.instant import parse_instant
from pacte.kernel.redacted import Redacted
from pacte.uses.message.dkim import Signer, canonical
from pacte.uses.message.mime import LONGEST, Envelope, address, build, return_path
from pacte.uses.message.model import Block, Message, Text, from_json, placeholders, read
from pacte.uses.message.render import Frame, Rendered, render

FRAME = Frame(
    company="Le Comptoir",
    contact="privacy@comptoir.example",
    why="You get this because you agreed to our newsletter.",
    why_link="https://privacy.comptoir.example/en/why/t0k-en",
    notice_link="https://privacy.comptoir.example/en/notice",
    unsubscribe_link="https://privacy.comptoir.example/en/u/t0k-en",
)
NOTHING: Mapping[str, Redacted[Any]] = {}


def text(name: str) -> Text:
    """A text that prints a name everywhere it can."""
    return Text(
        f"{name}, winter tables",
        f"New for {name}",
        (
            Block("heading", f"Hello {name}"),
            Block("text", f"Dear {name},\nthey are here.\n\nÀ bientôt."),
            Block("offer", f"For {name}: 20 % off", "https://shop.example/winter?a=1&b=2"),
            Block("button", "See them", "https://shop.example/tables"),
        ),
    )


def message(kind: Any = "promotion", name: str = "{customers.first_name|you}", channel: str = "email") -> Message:
    """A message in both languages."""
    return Message("winter", kind, "newsletter", channel, {lang: text(name) for lang in LANGUAGES})


def named(value: Any) -> dict[str, Redacted[Any]]:
    """The values of a person of this name."""
    return {"customers.first_name": Redacted(value)}


def envelope(**other: Any) -> Envelope:
    """Who it is from and for."""
    given = {
        "sender": "Le Comptoir d'Été <news@comptoir.example>",
        "to": Redacted("ada@example.com"),
        "message_id": "<0f1e.1@comptoir.example>",
        "date": parse_instant("2026-11-18T05:46:40Z"),
        "unsubscribe": FRAME.unsubscribe_link,
        "list_id": "newsletter.comptoir.example",
        "feedback": "0f1e",
        "complaints": "complaints@comptoir.example",
    }
    return Envelope(**given | other)


def parsed(raw: bytes) -> EmailMessage:
    """The mail as the standard library reads it; nothing in it is out of form."""
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    for part in found.walk():
        assert not part.defects
    for name in found:
        assert not getattr(found[name], "defects", ()), name
    return found


def body(mail: EmailMessage, kind: str) -> str:
    """The words of one part, lines ended as they are written."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.fixture(scope="module")
def key() -> bytes:
    """A private key in PEM."""
    return pem(rsa.generate_private_key(public_exponent=65_537, key_size=2_048))


def pem(key: Any) -> bytes:
    """A key as a file has it."""
    form = serialization.PrivateFormat.PKCS8
    return bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


@pytest.fixture(scope="module")
def sign(key: bytes) -> Signer:
    """Whoever signs for the company's domain."""
    return Signer("comptoir.example", "pacte", key)


def holds(signer: Signer, raw: bytes) -> bool:
    """Whether somebody else's programme finds the signature good."""
    name, record = signer.record

    def ask(asked: bytes, timeout: float = 5) -> bytes | None:
        return record.encode() if asked == f"{name}.".encode() else None

    return bool(other.verify(raw, dnsfunc=ask))


def test_a_message_is_what_its_file_says() -> None:
    """Read from a file, kept as JSON and read again, it is the same, under the same digest."""
    file = (
        "message: winter\nkind: promotion\npurpose: newsletter\nchannel: email\ntexts:\n"
        '  en: {subject: Hi, blocks: [{heading: "{customers.first_name|You}"}, {button: Go, link: "https://a.example"}]}\n'
    )
    found = read(file.encode())
    assert from_json(found.to_json()) == found
    assert from_json(found.to_json()).digest == found.digest
    assert placeholders(found) == ("customers.first_name",)
    assert read(file.replace("Hi", "Ho").encode()).digest != found.digest


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", ["promotion", "service"])
def test_every_mail_says_who_why_and_where_to_look(kind: str, lang: str) -> None:
    """Company, contact, reason and the links stand in both parts, whatever the message says."""
    found = render(message(kind), lang, named("Zoé"), FRAME)
    for part in (found.html, found.text):
        assert FRAME.company in part
        assert FRAME.contact in part
        assert FRAME.why in part
        for link in (FRAME.why_link, FRAME.notice_link, FRAME.unsubscribe_link):
            assert link in part


def test_a_postal_address_stands_under_a_mail_that_has_one() -> None:
    """On one line and escaped, beneath who writes; without one nothing stands there."""
    whole = render(message(), "en", NOTHING, replace(FRAME, postal="Le Comptoir & Cie,\n12 quai de la Fosse, Nantes"))
    assert "<p>Le Comptoir &amp; Cie, 12 quai de la Fosse, Nantes</p>" in whole.html
    assert "\nLe Comptoir & Cie, 12 quai de la Fosse, Nantes\n" in whole.text
    assert "<p></p>" not in render(message(), "en", NOTHING, FRAME).html


@pytest.mark.parametrize("name", ["company", "contact", "why", "why_link", "notice_link", "unsubscribe_link"])
def test_no_mail_leaves_without_what_it_must_say(name: str) -> None:
    """A frame with a hole renders nothing; a service message needs no way to unsubscribe."""
    given = {
        one: getattr(FRAME, one) for one in ("company", "contact", "why", "why_link", "notice_link", "unsubscribe_link")
    }
    hole = Frame(**given | {name: " "})
    with pytest.raises(BadInput, match=name):
        render(message(), "en", NOTHING, hole)
    if name == "unsubscribe_link":
        assert render(message("service"), "en", NOTHING, Frame(**given | {name: ""})).html


@pytest.mark.parametrize("link", ["http://comptoir.example/u/x", "javascript:alert(1)", 'https://a.example/">', "/u/x"])
def test_a_frame_leads_to_the_web_alone(link: str) -> None:
    """A link of the footer is an address on the web, and encrypted."""
    with pytest.raises(BadInput, match="https"):
        render(message(), "en", NOTHING, Frame("a", "b", "c", "https://a.example", "https://a.example", link))


def test_a_value_that_is_unknown_leaves_its_words() -> None:
    """Who gave no name is not called by a hole."""
    found = render(message(), "en", NOTHING, FRAME)
    assert found.subject == "you, winter tables"
    assert "Hello you" in found.html
    assert "Hello you" in found.text


def test_nothing_is_loaded_and_nothing_runs() -> None:
    """No picture, frame, script, form, remote style: opening a mail tells nobody."""
    found = render(message(), "en", named("Zoé"), FRAME).html
    assert not re.search(
        r"(?i)<(img|script|iframe|link|form|object|video|audio|svg|input|base|meta http)|url\(|@import|\bon\w+=", found
    )
    assert set(re.findall(r"(?:href|src)=\"([a-z]+):", found)) == {"https"}


EVIL = [
    "Eve\r\nBcc: all@example.com",
    "Eve\nList-Unsubscribe: <https://evil.example>",
    "\r\n\r\n<script>alert(1)</script>",
    '"><img src=https://evil.example/p.gif>',
    "{customers.email}",
    "=?utf-8?q?x=0D=0ABcc:?=",
    "Eve\u2028Bcc: x\u0085y\x0bz\x00",
    "a\u202egpj.exe",
    "\udcff",
    "👩🏽\u200d🚀",
    "é" * 5_000,
    ".",
]


@pytest.mark.parametrize("value", EVIL, ids=range(len(EVIL)))
def test_a_name_adds_no_header_and_no_tag(value: str) -> None:
    """Whatever somebody calls themselves, the mail has the same headers and elements as for anybody."""
    usual = parsed(build(render(message(), "en", named("Zoe"), FRAME), "en", envelope()))
    raw = build(render(message(), "en", named(value), FRAME), "en", envelope())
    found = parsed(raw)
    assert found.keys() == usual.keys()
    assert re.findall(r"<[/\w]+", body(found, "html")) == re.findall(r"<[/\w]+", body(usual, "html"))
    assert not set(body(found, "plain")) & set("\u2028\u0085\x0b\x00\u202e")
    assert all(len(line) <= LONGEST for line in raw.split(b"\r\n"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://evil.example/win", False),
        ("www.evil.example", False),
        ("Win at evil.example", False),
        ("t.co/x", False),
        ("tel:+33899", False),
        ("Jean-Pierre", True),
        ("M. Dupont", True),
        ("J.R.R. Tolkien", True),
        ("Anne Sophie Jr.", True),
        ("ada@example.com", False),
        ("O'Neil", True),
        ("g.co", False),
        ("evil\uff0ecom", False),
        ("evil\u3002com", False),
        ("evil\uff61com", False),
        ("evil\u2024com", False),
        ("evil\ufe52com", False),
        ("evil\u200d.com", False),
        ("evil.\u200dcom", False),
        ("evil.\u200ccom", False),
        ("evil.\ufe0fcom", False),
        ("evil.c\u034fom", False),
        ("\U0001f4a9.com", False),
        ("пример.рф", False),
        ("उदाहरण.भारत", False),
        ("evil.xn--p1ai", False),
        ("192.0.2.1", False),
        ("a@evil.com", False),
        ("a\uff20evil", False),
        ("Appelez le 0899 70 12 34", False),
        ("0899701234", False),
        ("+33 (0)8 99 70 12 34", False),
        ("08.99.70.12.34", False),
        ("０８９９７０１２３４", False),
        ("٠٨٩٩٧٠١٢٣٤", False),
        ("0\u200d8\u200d99701234", False),
        ("C0000003", True),
        ("12 rue du Four, 75006 Paris", True),
        ("né le 22/11/2026", True),
        ("2026-11-22", True),
        ("à 12.50 €", True),
        ("Zoé @ Paris", True),
        ("Loïs… et Noa", True),
        ("می\u200cخواهم", True),
        ("नमस्ते", True),
    ],
)
def test_no_value_becomes_a_link_or_a_call(value: str, shown: bool) -> None:
    """Mail readers make links of what looks like one: no site or telephone is advertised under somebody's name."""
    assert (value in render(message(), "en", named(value), FRAME).text) is shown


@settings(max_examples=60)
@given(st.text(), st.text(max_size=200))
def test_any_words_arrive_as_they_are(value: str, subject: str) -> None:
    """Any name and subject make a mail in form, of short lines, whose parts read as they were written."""
    found = Message("m", "promotion", "p", "email", {"en": Text(subject.replace("{", ""), "", text("{a.b}").blocks)})
    rendered = render(found, "en", {"a.b": Redacted(value)}, FRAME)
    raw = build(rendered, "en", envelope())
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = parsed(raw)
    assert body(mail, "plain") == rendered.text.encode(errors="replace").decode()
    assert len(mail.keys()) == len(set(mail.keys())) == 14


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_headers_are_those_of_a_list(lang: str, sign: Signer) -> None:
    """One POST unsubscribes, both headers that say so are signed; complaints have somewhere to go."""
    raw = sign.sign(build(render(message(), lang, named("Zoé"), FRAME), lang, envelope()))
    mail = parsed(raw)
    assert mail["subject"] == "Zoé, winter tables"
    assert mail["from"] == "Le Comptoir d'Été <news@comptoir.example>"
    assert mail["list-unsubscribe"] == f"<{FRAME.unsubscribe_link}>"
    assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert mail["list-id"] == "<newsletter.comptoir.example>"
    assert mail["cfbl-address"] == "complaints@comptoir.example; report=arf"
    assert mail["date"] == "Wed, 18 Nov 2026 05:46:40 +0000"
    assert mail["precedence"] == "bulk"
    covered = re.sub(r"\s", "", re.search(r"h=([^;]*);", str(mail["dkim-signature"]))[1]).split(":")  # type: ignore[index]
    assert {"from", "to", "subject", "list-unsubscribe", "list-unsubscribe-post", "cfbl-address"} <= set(covered)
    assert holds(sign, raw)


def test_a_service_message_is_no_list() -> None:
    """It is marked as written by a machine, so that nobody's absence is answered to it."""
    mail = parsed(build(render(message("service"), "en", NOTHING, FRAME), "en", envelope(unsubscribe="", list_id="")))
    assert mail["auto-submitted"] == "auto-generated"
    assert mail["list-unsubscribe"] is None
    assert mail["precedence"] is None


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"List-Unsubscribe: <https://privacy", b"List-Unsubscribe: <https://pirate"),
        lambda raw: raw.replace(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        lambda raw: raw.replace(b"\r\nTo: ", b"\r\nSubject: another\r\nTo: "),
        lambda raw: raw.replace(b"\r\nTo: ", b"\r\nFrom: eve@evil.example\r\nTo: "),
        lambda raw: raw.replace(b"they are here", b"they are gone"),
    ],
    ids=["unsubscribe", "post", "subject", "from", "body"],
)
def test_what_is_changed_on_the_way_is_signed_no_more(sign: Signer, change: Callable[[bytes], bytes]) -> None:
    """Headers changed, taken away or added, and another body, break the signature."""
    raw = sign.sign(build(render(message(), "en", NOTHING, FRAME), "en", envelope()))
    assert change(raw) != raw
    assert not holds(sign, change(raw))


def test_a_signature_survives_the_way(sign: Signer) -> None:
    """A server that folds headers anew, adds some above, and sends dots twice leaves the signature good."""
    raw = sign.sign(build(render(message(), "en", named("Zoé"), FRAME), "en", envelope()))
    assert holds(sign, b"Received: from a by b; Wed, 18 Nov 2026 05:46:41 +0000\r\n" + raw)
    assert holds(sign, raw.replace(b"\r\nPrecedence: bulk", b"\r\nPrecedence:   bulk "))
    assert holds(sign, smtplib._fix_eols(raw.decode()).encode())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("domain", "bad"),
    [
        ("comptoir.example", b"nothing"),
        ("comptoir.example", pem(rsa.generate_private_key(public_exponent=65_537, key_size=1_024))),  # noqa: S505 # refused
        ("comptoir.example", pem(ec.generate_private_key(ec.SECP256R1()))),
        ("comptoir.example; x=y", pem(rsa.generate_private_key(public_exponent=65_537, key_size=2_048))),
    ],
    ids=["no key", "a short key", "another kind", "no domain"],
)
def test_a_key_that_no_receiver_accepts_is_refused(domain: str, bad: bytes) -> None:
    """At the start, not at the first mail."""
    with pytest.raises(BadInput):
        Signer(domain, "pacte", bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"to": Redacted("ada@example.com\r\nBcc: all@example.com")},
        {"to": Redacted("ada@example.com, bob@example.com")},
        {"to": Redacted("ada example.com")},
        {"to": Redacted("@example.com")},
        {"to": Redacted("ada@" + "x" * 64 + ".example")},
        {"sender": "nobody"},
        {"message_id": "<a b@c>"},
        {"unsubscribe": "https://a.example/> , <mailto:x@y"},
        {"unsubscribe": "http://a.example/u/x"},
        {"unsubscribe": "https://a.example/" + "x" * 1_000},
        {"list_id": "a b"},
        {"feedback": "a\r\nb"},
        {"complaints": "a b"},
    ],
    ids=lambda bad: "-".join(bad),
)
def test_an_envelope_that_no_header_holds_is_refused(bad: dict[str, Any]) -> None:
    """Nothing is cut or mended in silence, and the error shows no value."""
    with pytest.raises(BadInput) as refused:
        build(Rendered("a", "b", "c"), "en", envelope(**bad))
    assert "example" not in str(refused.value)


def test_addresses_are_of_ascii() -> None:
    """A domain in another script travels under its ASCII name; a return path holds a token."""
    assert address("zoe@exämple.example") == "zoe@xn--exmple-cua.example"
    assert return_path("bounces@comptoir.example", "0f1e") == "bounces+0f1e@comptoir.example"
    with pytest.raises(BadInput):
        return_path("bounces@comptoir.example", "0F1E+x")


def test_nothing_rendered_prints_itself() -> None:
    """A value of a person reaches no log by way of a `repr`."""
    found = render(message(), "en", named("Zoé"), FRAME)
    assert "Zoé" not in f"{found} {found!r}"
    assert "ada@" not in repr(envelope())


def test_a_short_text_says_who_and_how_to_stop() -> None:
    """A text by telephone begins with the company and ends with STOP, in signs that every telephone types."""
    words = Text("", "", (Block("text", "Jusqu’à dimanche, vos tables d’hiver sont là."),))
    found = Message("winter", "promotion", "newsletter", "sms", {"fr": words})
    frame = Frame("Le Comptoir", "", "", "", "")
    rendered = render(found, "fr", NOTHING, frame)
    assert rendered.text == (
        "Le Comptoir : Jusqu'à dimanche, vos tables d'hiver sont là. Répondez STOP pour ne plus rien recevoir."
    )
    assert (rendered.html, rendered.subject) == ("", "")
    assert "STOP" not in render(Message("w", "service", "p", "sms", {"fr": words}), "fr", NOTHING, frame).text


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"b c", b"=20"]), max_size=12).map(b"".join))
def test_a_body_is_signed_as_others_read_it(body: bytes) -> None:
    """Whether a body is looked at or written anew, what is signed is what a receiver makes of it."""
    form = other.canonicalization.CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
    assert canonical(body) == form.canonicalize_body(body)

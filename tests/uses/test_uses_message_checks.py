"""What keeps a message from being saved, beside the policy of a shop."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.kernel.errors import PolicyError
from pacte.kernel.i18n import LANGUAGES
from pacte.policy.document import load_policy
from pacte.uses.message.checks import CODES, MOST_SEGMENTS, check, stopping
from pacte.uses.message.model import Message, read
from pacte.uses.message.render import Frame, render
from pacte.uses.message.short import segments

POLICY = load_policy(Path(__file__).parents[2] / "src/pacte/policy/templates/shop/policy.yaml")
GOOD = """\
message: winter
kind: promotion
purpose: newsletter
channel: email
texts:
  en:
    subject: "{customers.first_name|Hello}, our winter tables"
    preheader: New this week
    blocks:
      - heading: Winter tables
      - text: They are here.
      - offer: 20 % off until Sunday
        link: https://shop.example/winter
      - button: See them all
        link: https://shop.example/tables
  fr:
    subject: "{customers.first_name|Bonjour}, nos tables d'hiver"
    preheader: Arrivées cette semaine
    blocks:
      - heading: Les tables d'hiver
      - text: Elles sont là.
      - offer: 20 % de remise jusqu'à dimanche
        link: https://shop.example/hiver
      - button: Les voir toutes
        link: https://shop.example/tables
"""
SERVICE = """\
message: parcel
kind: service
purpose: order_service
channel: email
texts:
  en:
    subject: Your parcel is on its way
    blocks:
      - text: It arrives on Tuesday.
  fr:
    subject: Votre colis est en route
    blocks:
      - text: Il arrive mardi.
"""


def changed(text: str, *changes: tuple[str, str]) -> Message:
    """The message of a text in which words were replaced; each of them must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return read(text.encode())


def codes(message: Message) -> list[str]:
    """The codes of what stops a message."""
    return [one.code for one in stopping(check(message, POLICY))]


def test_good_messages_have_nothing_said_of_them() -> None:
    """A promotion that people could refuse and a service message pass without a word."""
    assert check(read(GOOD.encode()), POLICY) == []
    assert check(read(SERVICE.encode()), POLICY) == []


BAD = [
    (GOOD, [("newsletter", "newsleter")], "unknown_purpose"),
    (GOOD, [("channel: email", "channel: phone")], "unknown_channel"),
    (GOOD, [("customers.first_name", "customers.phone_of_a_friend")], "undeclared_field"),
    (GOOD, [("customers.first_name", "orders.spent")], "not_who"),
    (GOOD, [("Winter tables", "Winter } tables")], "brace"),
    (GOOD, [("https://shop.example/tables", "http://shop.example/tables")], "link_not_https"),
    (GOOD, [("https://shop.example/tables", "javascript:alert(1)")], "link_not_https"),
    (GOOD, [("https://shop.example/tables", "https://shop.example@evil.example/")], "link_not_https"),
    (GOOD, [("https://shop.example/tables", '"https://shop.example/?who={customers.first_name}"')], "link_personal"),
    (GOOD, [("https://shop.example/tables", "https://shop.example/tables?mc_eid=1f2e")], "link_tracks"),
    (GOOD, [("Winter tables", "x" * 201)], "too_long"),
    (GOOD, [("They are here.", '""')], "empty"),
    (GOOD, [("kind: promotion", "kind: service")], "service_for_another"),
    (GOOD, [("newsletter", "order_service")], "promotion_for_service"),
    (SERVICE, [("- text: Il", "- offer: Une table\n      - text: Il")], "offer_in_service"),
    (SERVICE, [("It arrives on Tuesday.", "It arrives on Tuesday. 20% off your next one")], "words_of_an_offer"),
    (SERVICE, [("Il arrive mardi.", "Il arrive mardi. Profitez de nos nouveautés")], "words_of_an_offer"),
    (SERVICE, [("Il arrive mardi.", "Et −30 % sur le reste")], "words_of_an_offer"),
    (SERVICE, [("Il arrive mardi.", "２０ pour cent de remise")], "words_of_an_offer"),
    (SERVICE, [("Votre colis est en route", '""')], "empty"),
    (SERVICE, [("channel: email", "channel: sms"), ("It arrives on Tuesday.", "o" * 500)], "short_too_long"),
]


@pytest.mark.parametrize(("text", "changes", "code"), BAD, ids=[f"{one[2]}-{place}" for place, one in enumerate(BAD)])
def test_a_bad_message_is_stopped(text: str, changes: list[tuple[str, str]], code: str) -> None:
    """Each way of being bad is found, at a line of the file, and said in both languages."""
    found = stopping(check(changed(text, *changes), POLICY))
    assert code in [one.code for one in found]
    first = next(one for one in found if one.code == code)
    assert all("{" not in first.say(lang).replace("{customers", "") for lang in LANGUAGES)
    assert 1 <= first.line <= text.count("\n") + 1


def test_nobody_is_followed_whatever_a_purpose_says() -> None:
    """A yes to pixels is asked of each person, and a mark in an address is in everybody's mail."""
    purpose = POLICY.purposes["newsletter"].model_copy(update={"technology": ("email_pixel",)})
    policy = POLICY.model_copy(update={"purposes": {**POLICY.purposes, "newsletter": purpose}})
    marked = changed(GOOD, ("https://shop.example/tables", "https://shop.example/tables?mkt_tok=1f2e"))
    assert {one.code for one in stopping(check(marked, policy))} == {"link_tracks"}


@pytest.mark.parametrize("site", ["https://a.example", "https://privacy.of.a.company.with.a.long.name.example"])
@pytest.mark.parametrize("kind", ["promotion", "service"])
def test_a_text_is_counted_as_it_leaves(kind: str, site: str) -> None:
    """With the company, why it came and how to stop: the longest that passes is three parts once it is rendered."""
    parts = []
    for length in range(250, 440):
        words = SERVICE.replace("kind: service", f"kind: {kind}")
        message = changed(words, ("channel: email", "channel: sms"), ("It arrives on Tuesday.", "o" * length))
        stops = "short_too_long" in [one.code for one in check(message, POLICY, site)]
        frame = Frame(POLICY.controller.name, "", "", f"{site}/en/why/{'x' * 22}", "")
        parts.append((stops, segments(render(message, "en", {}, frame).text) > MOST_SEGMENTS))
    assert all(one == other for one, other in parts)
    assert {one for one, _ in parts} == {True, False}


def test_a_message_lacks_no_language_of_the_policy() -> None:
    """Somebody who reads French is not written to in English only."""
    english = GOOD.partition("  fr:")[0]
    assert codes(read(english.encode())) == ["language_missing"]


@pytest.mark.parametrize(
    "words",
    [
        "Your order was refunded: the discount of 5 € no longer applied.",
        "Le solde de votre compte est de 12 €.",
        "En cas de violation de données, nous vous disons ce que nous avons fait.",
        "We offer our apologies; your card was not charged.",
        "Votre carte a été débitée de 49,90 €, TVA de 20 % comprise.",
    ],
)
def test_words_of_service_are_no_offer(words: str) -> None:
    """A receipt may speak of money."""
    assert codes(changed(SERVICE, ("It arrives on Tuesday.", f'"{words}"'))) == []


def test_a_field_without_words_for_whom_it_is_unknown_is_said() -> None:
    """It does not stop the message."""
    found = check(changed(GOOD, ("|Hello", "")), POLICY)
    assert [(one.code, one.level, one.field) for one in found] == [("without_words", "advice", "texts.en.subject")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "expected a message"),
        (GOOD.replace("kind: promotion", "kind: advert"), "`kind`"),
        (GOOD.replace("preheader", "preheeder", 1), "preheeder"),
        (GOOD.replace("- heading: Winter tables", "- heading: Winter tables\n        text: both"), "expected one of"),
        (GOOD.replace("- text: They are here.", "- image: https://shop.example/p.gif"), "image"),
        (GOOD.replace("- text: They are here.", "- text: Here.\n        link: https://a.example"), "`link`"),
        (GOOD.replace("channel: email", "channel: pigeon"), "pigeon"),
    ],
    ids=["list", "kind", "key", "two", "picture", "link", "channel"],
)
def test_a_file_of_another_form_is_refused_with_its_line(text: str, said: str) -> None:
    """The mistake names the file and its line; a picture is no block, so that no pixel gets in."""
    with pytest.raises(PolicyError) as refused:
        read(text.encode(), "winter.yaml")
    assert any(one.startswith("winter.yaml:") and said in one for one in refused.value.problems), refused.value.problems


def test_every_code_is_tried() -> None:
    """A way of being bad that no test tries would rot."""
    tried = {code for _, _, code in BAD} | {"language_missing", "without_words"}
    assert set(CODES) - tried == {"language_unknown", "link_missing", "texts_differ"}


def test_texts_of_different_parts_and_a_button_to_nowhere() -> None:
    """One language with another part than the other is said; a button without an address stops."""
    found = check(
        changed(GOOD, ("      - button: See them all\n        link: https://shop.example/tables\n", "")), POLICY
    )
    assert [one.code for one in found] == ["texts_differ"]
    assert codes(changed(GOOD, ("        link: https://shop.example/tables\n", ""))) == ["link_missing", "link_missing"]

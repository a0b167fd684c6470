"""Receipts as documents: valid by other people's rules, for every act, purpose and language, of every trade."""

from __future__ import annotations

import json
import re
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pacte.app.templates import TEMPLATES, policy_text
from pacte.consent import choices, receipt
from pacte.kernel.canonical import canonical
from pacte.kernel.instant import Instant, parse_instant
from pacte.policy.document import load_policy_text
from pacte.policy.model import PolicyFile

ASSETS = Path(__file__).parents[1] / "assets" / "receipts"
ADA = "a" * 32
VKEY = "shop.example/log+00000000+" + "A" * 44
NOW = parse_instant("2026-05-03T10:00:00Z")
PLACE = receipt.Place("shop.example/log", VKEY, 7, 9, "https://privacy.shop.example", Instant(NOW + 1))


@cache
def _schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((ASSETS / name).read_text(encoding="utf-8")))


@cache
def _policy(name: str) -> PolicyFile:
    return load_policy_text(policy_text(name))


def _entry(purpose: str = "newsletter", act: str = "given", **more: Any) -> dict[str, Any]:
    how = {"method": "web_form", "grade": "form", "voice": "self", "authenticated": 1, "learned": NOW, "at": NOW}
    return {"kind": "choice", "v": 1, "subject": ADA, "purpose": purpose, "act": act, **how, **more}


def _problems(document: dict[str, Any]) -> list[str]:
    found = [*_schema("kantara-1.1.json").iter_errors(document)]
    found += _schema("iso-27560.json").iter_errors(document["record"])
    return [f"{'/'.join(map(str, one.path))}: {one.message}" for one in found]


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_every_receipt_fits_both_standards(name: str, lang: str) -> None:
    """For every purpose and every act, the receipt fits Kantara 1.1 and the mandatory fields of ISO/IEC TS 27560."""
    policy = _policy(name)
    for purpose in (*policy.purposes, "*", *choices.STANDING):
        for act in choices.ACTS:
            document = receipt.receipt(policy, _entry(purpose, act), PLACE, lang)
            assert _problems(document) == [], (purpose, act)
            assert canonical(document)  # it can be sealed


def test_the_schemas_find_what_is_missing() -> None:
    """The assets refuse a receipt without any one of its mandatory parts."""
    whole = receipt.receipt(_policy("shop"), _entry(), PLACE, "en")
    for key in ("version", "consentTimestamp", "piiControllers", "services", "policyUrl", "spiCat"):
        assert _problems({name: value for name, value in whole.items() if name != key})
    record = whole["record"]
    assert isinstance(record, dict)
    for key in ("dct:conformsTo", "dct:identifier", "dpv:hasRecordOfActivity"):
        assert _problems({**whole, "record": {name: value for name, value in record.items() if name != key}})


def test_it_says_what_the_choice_says() -> None:
    """Who, what, when, by what means, under which notice and until when stand in both halves alike."""
    notice = {"notice": "d" * 64, "notice_version": "3", "locale": "fr", "expires": NOW + 10**13, "effective": NOW}
    document: Any = receipt.receipt(_policy("shop"), _entry(**notice), PLACE, "en")
    activity = document["record"]["dpv:hasRecordOfActivity"][0]
    assert document["consentTimestamp"] == NOW // 1_000_000
    assert document["piiPrincipalId"] == activity["dpv:hasDataSubject"]["dct:identifier"] == ADA
    assert activity["dpv:hasNotice"]["dct:identifier"] == "d" * 64
    assert activity["dpv:hasConsentStatus"][0]["dpv:isIndicatedAtTime"] == "2026-05-03T10:00:00Z"
    assert activity["dpv:hasProcess"][0]["dpv:hasPersonalData"][0].startswith("pd:")
    assert document["services"][0]["purposes"][0]["termination"].startswith("until 2026-08-27")


def test_one_recipient_is_named_alone() -> None:
    """A choice for one recipient names that one, and says that it is a third party."""
    policy = _policy("shop")
    name, recipient = next((n, one) for n, one in policy.recipients.items() if one.role == "controller")
    document: Any = receipt.receipt(policy, _entry("partner_offers", recipient=name), PLACE, "fr")
    told = document["services"][0]["purposes"][0]
    assert (told["thirdPartyDisclosure"], told["thirdPartyName"]) == (True, recipient.name)


def test_it_speaks_one_language() -> None:
    """The words around the choice are in the language that was asked for, and different in each."""
    english, french = (
        str(receipt.receipt(_policy("shop"), _entry(), PLACE, lang)["services"]) for lang in ("en", "fr")
    )
    assert "newsletter" in english
    assert re.search(r"lettre|Lettre", french)


def test_identifiers_follow_from_the_place() -> None:
    """An identifier is a UUID of version 8; another entry or size has another, the same place the same."""
    names = {receipt.receipt_id(VKEY, index, size) for index in (1, 2) for size in (3, 4)}
    assert len(names | {receipt.record_id(VKEY, 1)}) == 5
    assert {uuid.UUID(name).version for name in names} == {8}
    assert receipt.receipt_id(VKEY, 1, 3) in names


def test_it_holds_nothing_but_the_entry_and_the_policy() -> None:
    """Nothing of the entry gets in but what a receipt is of: no salt, no actor, no other key."""
    document = receipt.receipt(_policy("shop"), _entry(by="staff:17", form="e" * 64), PLACE, "en")
    assert "staff" not in str(document)
    assert "e" * 64 not in str(document)

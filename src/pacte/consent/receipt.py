"""A receipt of one recorded choice, as the person who made it keeps it: what was said, to whom, and where it stands.

One JSON document in two other people's words: its own keys are a Kantara consent receipt, and `record` is the same
choice as an ISO/IEC TS 27560 receipt in JSON-LD of the Data Privacy Vocabulary. The ledger's proof is added by whoever
holds the log's key. It holds no personal value: the person is their subject identifier, everything else is the
policy's words of the day and the keys of the entry.

Source: Kantara Consent Receipt Specification 1.1.0; W3C DPVCG, "Consent Records and Receipts as per ISO/IEC TS
27560:2023 using DPV".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pacte.kernel.canonical import Json
from pacte.kernel.i18n import text
from pacte.kernel.instant import SECOND, Instant, to_iso
from pacte.policy.categories import Category, categories
from pacte.policy.model import PolicyFile, Purpose

FORMAT = "pacte-receipt/1"
KANTARA = "KI-CR-v1.1.0"
PROFILE = "https://w3id.org/dpv/schema/dpv-27560#"
"""Where the profiles of the Data Privacy Vocabulary for ISO/IEC TS 27560 live."""

CONSENTS = {"given": "dpv:ConsentGiven", "refused": "dpv:ConsentRefused", "withdrawn": "dpv:ConsentWithdrawn"}
"""Acts that are about a consent, and the state that each leaves; the others exercise another right."""
RIGHTS = {"objected": "eu-gdpr:A21", "objection_lifted": "eu-gdpr:A21", "objection_overruled": "eu-gdpr:A21"}
"""The right behind an act that is about no consent; restriction (Art. 18) behind all that are not here."""
BASES = {
    "consent": "a",
    "contract": "b",
    "legal_obligation": "c",
    "vital_interests": "d",
    "public_task": "e",
    "legitimate_interests": "f",
}
"""The letter of each legal basis in GDPR Art. 6(1)."""
LAWS = {"gdpr": "eu-gdpr:GDPR"}
"""Laws that the vocabulary has a term for; others are named as the policy names them."""
NOT_RECORDED, NOT_DECLARED, NO_LANGUAGE = "not recorded", "not declared", "und"

_CONTEXT: dict[str, Json] = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "pacte": "urn:pacte:act:",
    "pd": "https://w3id.org/dpv/pd#",
}
_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>.,;]+")
_PHONE = re.compile(r"\+?\d[\d ().-]{6,18}\d")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the choice stands and who says so: the log's name and verifier key, the entry's index, the log's size.

    `url` is where people reach the house, `made` when the receipt was.
    """

    origin: str
    vkey: str
    index: int
    size: int
    url: str
    made: Instant


def receipt(policy: PolicyFile, entry: Mapping[str, Any], place: Place, lang: str) -> dict[str, Json]:
    """The receipt of a `choice` entry in the words of the policy in force when it was recorded, without the proof."""
    words = _Words(policy, entry, place, lang)
    held = words.categories
    return {
        "format": FORMAT,
        "version": KANTARA,
        "jurisdiction": policy.controller.established or ", ".join(policy.laws),
        "consentTimestamp": max(0, words.said // SECOND),
        "collectionMethod": words.method,
        "consentReceiptID": words.identifier,
        "publicKey": place.vkey,
        "language": lang,
        "piiPrincipalId": entry["subject"],
        "piiControllers": [_controller(policy)],
        "policyUrl": words.notice_url,
        "services": [{"service": policy.controller.name, "purposes": [_purpose(words)]}],
        "sensitive": any(category.special for category in held),
        "spiCat": [words.named(category) for category in held if category.special],
        "record": _record(words),
    }


def receipt_id(vkey: str, index: int, size: int) -> str:
    """The identifier of the receipt of an entry under the checkpoint of a size."""
    return _uuid(f"{vkey}\n{index}\n{size}")


def record_id(vkey: str, index: int) -> str:
    """The identifier of the record of an entry, the same in all of its receipts."""
    return _uuid(f"{vkey}\n{index}")


def _uuid(named: str) -> str:
    """A UUID that follows from a text, so that whoever verifies can form it again. Source: RFC 9562 §5.8."""
    raw = bytearray(sha256(f"{FORMAT}\n{named}".encode()).digest()[:16])
    raw[6] = 0x80 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@dataclass(frozen=True)
class _Words:
    """What both halves of a receipt say, said once."""

    policy: PolicyFile
    entry: Mapping[str, Any]
    place: Place
    lang: str

    @property
    def said(self) -> int:
        """When the choice took effect; when it was recorded, if nobody knows."""
        return int(self.entry.get("effective", self.entry["at"]))

    @property
    def identifier(self) -> str:
        return receipt_id(self.place.vkey, self.place.index, self.place.size)

    @property
    def purpose(self) -> Purpose | None:
        """The one purpose that the choice is about; `None` for a choice about many."""
        return self.policy.purposes.get(self.entry["purpose"])

    @property
    def concerned(self) -> Sequence[Purpose]:
        return tuple(self.policy.purposes.values()) if self.purpose is None else (self.purpose,)

    @property
    def title(self) -> str:
        if self.purpose is not None:
            return self.of(self.purpose.title)
        return self.text("purpose." + self.entry["purpose"].replace("*", "all:every").replace(":", "_"))

    @property
    def reason(self) -> str:
        return self.of(self.purpose.reason) if self.purpose is not None else self.title

    @property
    def method(self) -> str:
        """How the choice was made, and how well that is proved."""
        keys = (f"method.{self.entry['method']}", f"grade.{self.entry['grade']}")
        return ", ".join(text("consent", key, self.lang) for key in keys)

    @property
    def categories(self) -> list[Category]:
        """The categories of data of the purposes that the choice is about."""
        known, data = categories(), self.policy.datasets
        paths = (path.split(".", 1) for purpose in self.concerned for path in purpose.uses)
        return [known[name] for name in sorted({data[where].category_of(field) for where, field in paths})]

    @property
    def recipients(self) -> list[str]:
        """Who receives the data: the one that the choice names, or all of its purposes."""
        if "recipient" in self.entry:
            return [self.entry["recipient"]]
        return list(dict.fromkeys(name for purpose in self.concerned for name in purpose.recipients))

    @property
    def until(self) -> str:
        """Until when the choice holds, in words."""
        if "expires" in self.entry:
            return self.text("until", day=to_iso(self.entry["expires"])[:10])
        return self.text("until_changed")

    @property
    def kept(self) -> str:
        """How long the data are kept, as the policy says it."""
        found = dict.fromkeys(f"{purpose.retention.keep} ({purpose.retention.event})" for purpose in self.concerned)
        return ", ".join(found)

    @property
    def notice_url(self) -> str:
        return f"{self.place.url}/{self.lang}/notice"

    def of(self, localised: Mapping[str, str]) -> str:
        """A text of the policy in the receipt's language, or else in its first."""
        return localised.get(self.lang) or next(iter(localised.values()))

    def named(self, category: Category) -> str:
        return category.fr if self.lang == "fr" else category.en

    def text(self, key: str, **parameters: str | int) -> str:
        return text("consent", f"receipt.{key}", self.lang, **parameters)


def _controller(policy: PolicyFile) -> dict[str, Json]:
    controller = policy.controller
    reached = f"{controller.contact} {controller.dpo.contact}"
    email, phone = _EMAIL.search(reached), _PHONE.search(reached)
    return {
        "piiController": controller.name,
        "onBehalf": controller.role == "processor",
        "contact": controller.contact,
        "address": {"addressCountry": controller.established or NOT_DECLARED},
        "email": email[0] if email else NOT_DECLARED,
        "phone": phone[0] if phone else NOT_DECLARED,
    }


def _purpose(words: _Words) -> dict[str, Json]:
    others = [name for name in words.recipients if words.policy.recipients[name].role == "controller"]
    act = words.entry["act"]
    return {
        "purpose": words.title,
        "purposeCategory": list(dict.fromkeys(purpose.kind for purpose in words.concerned)),
        "consentType": "EXPLICIT" if act == "given" else act.upper(),
        "piiCategory": [words.named(category) for category in words.categories],
        "primaryPurpose": any(purpose.basis == "contract" for purpose in words.concerned),
        "termination": words.until,
        "thirdPartyDisclosure": bool(others),
        **({"thirdPartyName": ", ".join(words.policy.recipients[name].name for name in others)} if others else {}),
    }


def _record(words: _Words) -> dict[str, Json]:
    """The receipt in the words of the Data Privacy Vocabulary: a wrapper around one record."""
    return {
        "@context": _CONTEXT,
        "@id": f"urn:uuid:{words.identifier}",
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": f"{PROFILE}receipt",
        "dct:identifier": words.identifier,
        "dct:created": to_iso(words.place.made // SECOND * SECOND),
        "dct:publisher": words.policy.controller.name,
        "dct:audience": "dpv:DataSubject",
        "dpv:hasRecordOfActivity": [_activity(words)],
    }


def _activity(words: _Words) -> dict[str, Json]:
    entry, place, policy = words.entry, words.place, words.policy
    identifier = record_id(place.vkey, place.index)
    consent = entry["act"] in CONSENTS
    home = policy.controller.established
    said: dict[str, Json] = {
        "@id": f"urn:uuid:{identifier}",
        "@type": "dpv:ConsentRecord" if consent else "dpv:RightExerciseRecord",
        "dct:conformsTo": f"{PROFILE}record",
        "dct:identifier": identifier,
        "dct:source": f"{place.origin}#{place.index}",
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": entry["subject"]},
        "dpv:hasDataController": [_party(words)],
        "dpv:hasJurisdiction": [f"loc:{home}" if home else NOT_DECLARED],
        "dpv:hasApplicableLaw": [LAWS.get(law, law) for law in policy.laws],
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice" if consent else "dpv:PrivacyNotice",
            "@id": words.notice_url,
            "dct:identifier": entry.get("notice", NOT_RECORDED),
            "dct:hasVersion": entry.get("notice_version", NOT_RECORDED),
            "dct:language": entry.get("locale", NO_LANGUAGE),
        },
        "dpv:hasProcess": [_process(words)],
        "dpv:hasConsentControl": {"@type": "dpv:WithdrawConsent", "dpv:isExercisedAt": f"{place.url}/{words.lang}/"},
    }
    if consent:
        return said | {"dpv:hasConsentStatus": [_status(words, CONSENTS[entry["act"]])]}
    right = RIGHTS.get(entry["act"], "eu-gdpr:A18")
    return said | {"dpv:hasRight": right, "dpv:hasStatus": [_status(words, f"pacte:{entry['act']}")]}


def _party(words: _Words) -> dict[str, Json]:
    controller = words.policy.controller
    return {
        "@type": "dpv:DataProcessor" if controller.role == "processor" else "dpv:DataController",
        "dct:identifier": words.place.origin,
        "dpv:hasName": controller.name,
        "dpv:hasAddress": controller.established or NOT_DECLARED,
        "dpv:hasContact": [controller.contact, controller.dpo.contact],
    }


def _process(words: _Words) -> dict[str, Json]:
    policy = words.policy
    receiving = [policy.recipients[name] for name in words.recipients]
    homes = [policy.controller.established, *(recipient.place for recipient in receiving)]
    places: list[Json] = [f"loc:{place}" for place in dict.fromkeys(homes) if place]
    return {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@type": "dpv:Purpose",
            "dct:identifier": words.entry["purpose"],
            "dct:title": words.title,
            "dct:description": words.reason,
        },
        "dpv:hasLegalBasis": list(dict.fromkeys(f"eu-gdpr:A6-1-{BASES[one.basis]}" for one in words.concerned)),
        "dpv:hasPersonalData": [category.concept for category in words.categories],
        "dpv:hasRecipient": [
            {
                "@type": "dpv:DataProcessor" if recipient.role == "processor" else "dpv:ThirdParty",
                "dpv:hasName": recipient.name,
                "dpv:hasLocation": f"loc:{recipient.place}",
            }
            for recipient in receiving
        ],
        "dpv:hasStorageCondition": [
            {"@type": "dpv:StorageLocation", "dpv:hasLocation": places or [NOT_DECLARED]},
            {"@type": "dpv:StorageDuration", "dpv:hasDuration": words.kept},
        ],
    }


def _status(words: _Words, state: str) -> dict[str, Json]:
    """The event: its state, how and when it was said, by whom, until when it holds."""
    entry = words.entry
    kind = "dpv:ExplicitlyExpressedConsent" if any(one.explicit for one in words.concerned) else "dpv:ExpressedConsent"
    return {
        "@type": [state, kind] if entry["act"] in CONSENTS else [state],
        "dpv:isIndicatedBy": "dpv:DataSubject" if entry["voice"] == "self" else "dpv:GuardianOfDataSubject",
        "dpv:hasIndicationMethod": entry["method"],
        "dpv:isIndicatedAtTime": to_iso(words.said // SECOND * SECOND),
        "dct:valid": to_iso(entry["expires"] // SECOND * SECOND) if "expires" in entry else "until changed",
    }

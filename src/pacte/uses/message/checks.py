"""What is wrong with a message beside a policy: where, how grave, in words, by which article.

What stops a message is never sent, and not even saved: a message is checked when it is saved, and again, beside the
policy in force, when somebody wants to send it. No message can hold a picture, nor an address made for one person, so
that none can tell who read it; the one way left, an address that a mailing tool has marked, is looked for here. It is
refused whatever the purpose says: nothing here knows whose yes to being followed there is, and nothing could end it in
mails that were sent. That is our own rule, and stricter than the law's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from unicodedata import normalize
from urllib.parse import parse_qsl, urlsplit

from pacte.kernel.i18n import LANGUAGES, text
from pacte.policy.findings import Finding, Level
from pacte.policy.model import Dataset, PolicyFile, Purpose
from pacte.policy.vocabulary import SERVICE
from pacte.uses.message.model import PLACEHOLDER, Block, Message
from pacte.uses.message.render import short
from pacte.uses.message.short import segments

ROOM = "uses.message"
SHORT = ("sms",)
MOST_SEGMENTS = 3
SITE, TOKEN = "https://privacy.company.example", 22
"""An address of a house as long as many are, and how many characters of a link say why a message came."""
LONGEST = {"subject": 150, "preheader": 200, "heading": 200, "text": 5_000, "button": 80, "offer": 500}
"""Characters of each part of a text."""
MOST_BLOCKS = 30

CODES: Mapping[str, tuple[Level, str]] = {
    "unknown_purpose": ("stops", "GDPR Art. 5(1)(b)"),
    "unknown_channel": ("stops", "GDPR Art. 5(1)(b)"),
    "language_missing": ("stops", "GDPR Art. 12(1)"),
    "language_unknown": ("stops", "GDPR Art. 12(1)"),
    "empty": ("stops", ""),
    "too_long": ("stops", ""),
    "brace": ("stops", ""),
    "undeclared_field": ("stops", "GDPR Art. 5(1)(b)-(c)"),
    "not_who": ("stops", "GDPR Art. 5(1)(c)"),
    "service_for_another": ("stops", "GDPR Art. 21(2); CPCE art. L34-5"),
    "promotion_for_service": ("stops", "GDPR Art. 6(4), 21(2); CPCE art. L34-5"),
    "offer_in_service": ("stops", "CPCE art. L34-5; Directive 2002/58/EC, Art. 13"),
    "words_of_an_offer": ("stops", "CPCE art. L34-5; Directive 2002/58/EC, Art. 13"),
    "link_missing": ("stops", ""),
    "link_not_https": ("stops", "GDPR Art. 32(1)"),
    "link_personal": ("stops", "GDPR Art. 5(1)(f); loi 78-17 art. 82"),
    "link_tracks": ("stops", "Loi 78-17 art. 82; délibération CNIL 2026-042"),
    "short_too_long": ("stops", ""),
    "without_words": ("advice", ""),
    "texts_differ": ("advice", "GDPR Art. 12(1)"),
}
"""Every code: its level and its article. `stops`: it is not saved, and never sent."""

_OFFER = re.compile(
    r"(?i)[-–−]\s?\d{1,2}\s?%|\b\d{1,2}\s?(%|per ?cent|pour ?cent)\s?(off|discount|de (réduction|remise|rabais))|"
    r"\bpromo\b|code promo|"
    r"\b(special|exclusive|limited)[ -](time )?offers?\b|\b(buy|shop|order) (it )?now\b|\bcoupons?\b|"
    r"\bfree (shipping|delivery|gift)|\bsave (up to )?[£$€]?\d|\bdon['’]t miss\b|\bprofitez\b|\bne manquez pas\b|"
    r"\boffres? (spéciale|exclusive|limitée|promotionnelle)|\bbons? d['’]achat|\bbons? de réduction|\bbons plans?\b|"
    r"\bventes? privées?|\b(les|en) soldes?\b(?! de)|\b(achetez|commandez) (vite|maintenant|dès)|"
    r"\blivraison (offerte|gratuite)|\bcadeaux? offerts?"
)
_MARKS = frozenset(
    {
        *("mc_eid", "_hsenc", "_hsmi", "mkt_tok", "vero_id", "vero_conv", "oly_enc_id", "oly_anon_id", "__s", "s_cid"),
        *("rb_clickid", "ml_subscriber", "ml_subscriber_hash", "sc_uid", "dm_i", "ck_subscriber_id", "wickedid"),
        *("elqtrackid", "elq", "bsft_eid", "bsft_uid", "email", "e_mail", "mail", "subscriber_id", "recipient_id"),
        *("contact_id", "user_id", "uid"),
    }
)
"""What mailing tools add to an address to know who followed it."""


def check(message: Message, policy: PolicyFile, site: str = SITE) -> list[Finding]:
    """Everything to be said of a message beside a policy, in the order of the message.

    `site` is the public address of the house, to which a link in every message leads.
    """
    return list(_all(message, policy, site))


def stopping(found: list[Finding]) -> list[Finding]:
    """Those of them that keep a message from being saved and sent."""
    return [one for one in found if one.level == "stops"]


def _all(message: Message, policy: PolicyFile, site: str) -> Iterator[Finding]:
    purpose = policy.purposes.get(message.purpose)
    if purpose is None:
        yield _found(message, "unknown_purpose", "purpose", name=message.purpose)
    else:
        yield from _beside(message, purpose)
    for lang in policy.languages:
        if lang in LANGUAGES and lang not in message.texts:
            yield _found(message, "language_missing", "texts", which=lang)
    for lang in message.texts:
        if lang not in policy.languages:
            yield _found(message, "language_unknown", f"texts.{lang}", which=lang)
        yield from _text(message, lang, purpose, policy, site)
    if len({tuple(one.kind for one in found.blocks) for found in message.texts.values()}) > 1:
        yield _found(message, "texts_differ", "texts")


def _beside(message: Message, purpose: Purpose) -> Iterator[Finding]:
    """The message's kind and channel beside its purpose."""
    if message.channel not in purpose.channels:
        yield _found(message, "unknown_channel", "channel", name=message.channel)
    if message.kind == "service" and purpose.kind not in SERVICE:
        yield _found(message, "service_for_another", "kind")
    if message.kind == "promotion" and purpose.kind in SERVICE:
        yield _found(message, "promotion_for_service", "kind")


def _text(message: Message, lang: str, purpose: Purpose | None, policy: PolicyFile, site: str) -> Iterator[Finding]:
    found, here = message.texts[lang], f"texts.{lang}"
    if not found.subject and message.channel == "email":
        yield _found(message, "empty", f"{here}.subject")
    if not found.blocks or len(found.blocks) > MOST_BLOCKS:
        yield _found(message, "too_long" if found.blocks else "empty", f"{here}.blocks", most=MOST_BLOCKS)
    for place, words in found.parts():
        kind = found.blocks[int(place.partition(".")[2])].kind if "." in place else place
        yield from _words(message, f"{here}.{place}", kind, words)
        yield from _fields(message, f"{here}.{place}", words, purpose, policy)
    for number, block in enumerate(found.blocks):
        yield from _block(message, f"{here}.blocks.{number}", block)
    if message.channel in SHORT and (parts := segments(_longest(message, lang, policy, site))) > MOST_SEGMENTS:
        yield _found(message, "short_too_long", f"{here}.blocks", parts=parts, most=MOST_SEGMENTS)


def _fields(message: Message, place: str, words: str, purpose: Purpose | None, policy: PolicyFile) -> Iterator[Finding]:
    """The fields that a text prints: declared by the purpose, and of who somebody is, which alone is opened for one."""
    for one in PLACEHOLDER.finditer(words):
        dataset, _, column = one[1].partition(".")
        if purpose is not None and one[1] not in purpose.uses:
            yield _found(message, "undeclared_field", place, name=one[1], known=_printable(purpose, policy, one[1]))
        elif dataset in policy.datasets and not _says_who(policy.datasets[dataset], column):
            yield _found(message, "not_who", place, name=one[1])
        elif one[2] is None:
            yield _found(message, "without_words", place, name=one[1])


def _printable(purpose: Purpose, policy: PolicyFile, near: str) -> str:
    """What a message for a purpose may print, what reads most like a mistaken name first."""
    split = ((path, path.partition(".")) for path in purpose.uses)
    datasets = policy.datasets
    known = [path for path, (of, _, name) in split if of in datasets and _says_who(datasets[of], name)]
    closest = get_close_matches(near, known, n=1)
    return ", ".join(f"`{path}`" for path in [*closest, *(one for one in known if one not in closest)]) or "–"


def _says_who(dataset: Dataset, column: str) -> bool:
    return column in dataset.fields and dataset.fields[column].identity is not None


def _words(message: Message, place: str, kind: str, words: str) -> Iterator[Finding]:
    if len(words) > LONGEST[kind]:
        yield _found(message, "too_long", place, most=LONGEST[kind])
    if not words and kind not in ("subject", "preheader"):
        yield _found(message, "empty", place)
    if set("{}") & set(PLACEHOLDER.sub("", words)):
        yield _found(message, "brace", place)
    if message.kind == "service" and (offer := _OFFER.search(normalize("NFKC", words))):
        yield _found(message, "words_of_an_offer", place, words=offer[0])


def _block(message: Message, place: str, block: Block) -> Iterator[Finding]:
    if block.kind == "offer" and message.kind == "service":
        yield _found(message, "offer_in_service", place)
    if block.kind == "button" and not block.link:
        yield _found(message, "link_missing", place)
    if block.link:
        yield from _link(message, f"{place}.link", block.link)


def _link(message: Message, place: str, link: str) -> Iterator[Finding]:
    if "{" in link or "}" in link:
        yield _found(message, "link_personal", place)
        return
    if not re.fullmatch(r"https://[^\s\"<>\\^`{|}@]+", link) or len(link) > 800 or not _parts(link)[0]:
        yield _found(message, "link_not_https", place)
        return
    if marks := sorted(_MARKS & _parts(link)[1]):
        yield _found(message, "link_tracks", place, name=marks[0])


def _parts(link: str) -> tuple[str, set[str]]:
    """The host of an address, and the names in its query."""
    try:
        found = urlsplit(link)
        return found.hostname or "", {name.lower() for name, _ in parse_qsl(found.query, keep_blank_values=True)}
    except ValueError:
        return "", set()


def _longest(message: Message, lang: str, policy: PolicyFile, site: str) -> str:
    """A short text as long as it commonly gets: twelve characters for each value, and all that the renderer adds."""
    blocks = tuple(replace(block, text=PLACEHOLDER.sub("x" * 12, block.text)) for block in message.texts[lang].blocks)
    why = f"{site}/{lang}/why/{'x' * TOKEN}"
    return short(message, replace(message.texts[lang], blocks=blocks), lang, {}, policy.controller.name, why)


def _found(message: Message, code: str, place: str, **parts: str | int) -> Finding:
    level, article = CODES[code]
    words = {lang: text(ROOM, f"check.{code}", lang, **parts) for lang in LANGUAGES}
    return Finding(message.line(place), level, code, words, message.purpose, place, article)

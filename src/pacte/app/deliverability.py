"""Whether mail services will believe that the company's mail is the company's, as far as the settings tell.

Nothing is asked of the network: what is judged is what this house would send, and what to publish in the DNS for it.
Two names are aligned where one is the other or lies within it; two beside one another may be, which only the registry
of the suffix knows. Sources: RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 §3.1 (alignment), RFC 8058 §4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parseaddr
from typing import TYPE_CHECKING

from pacte.app.messages import signer
from pacte.kernel.errors import BadInput

if TYPE_CHECKING:
    from pacte.app.house import House

HERE = ("127.0.0.1", "::1", "localhost")
"""A server on this machine hands mail on under a name that the settings do not say: the domain's own servers may."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of type TXT to publish in the DNS."""

    name: str
    text: str

    def line(self) -> str:
        """As a zone file has it, in strings of 255 characters at most. Source: RFC 1035 §3.3."""
        parts = (self.text[start : start + 255] for start in range(0, len(self.text), 255))
        return f"{self.name} TXT " + " ".join(f'"{part}"' for part in parts)


def judge(house: House) -> Iterator[tuple[str, str, str]]:
    """What there is to say: level (`error`, `warning`, `ok`), code, detail. Nothing where no mail server is named."""
    settings = house.settings.mail
    if not settings.host:
        return
    sender = domain_of(settings.sender)
    try:
        found = signer(house)
    except BadInput as error:
        yield "error", "dkim_key", str(error)
        return
    if found is None:
        yield "warning", "dkim_none", ""
    elif not aligned(sender, settings.dkim.domain):
        yield "error", "dkim_unaligned", f"`{settings.dkim.domain}`, `{sender}`"
    if not settings.bounces:
        yield "warning", "no_bounces", ""
    elif not aligned(sender, domain_of(settings.bounces)):
        yield "warning", "spf_unaligned", f"`{domain_of(settings.bounces)}`, `{sender}`"
    if not house.settings.web.url.startswith("https://"):
        yield "warning", "unsubscribe_in_clear", f"`{house.settings.web.url}`"
    for one in records(house):
        yield "ok", "dns_record", one.line()


def records(house: House) -> list[Record]:
    """What to publish: who may send for the domain (SPF), the key (DKIM), what to do with all other mail (DMARC).

    A name has one record of SPF: what is proposed is to be merged into the one that is there. Source: RFC 7208 §3.2.
    Raises `BadInput` for a key of no use.
    """
    settings = house.settings.mail
    sender = domain_of(settings.sender)
    if not sender:
        return []
    found = signer(house)
    back = domain_of(settings.bounces) or sender
    reports = parseaddr(settings.complaints or settings.bounces or settings.sender)[1]
    return [
        # `~all`: whoever forgets a server of theirs loses no mail by it.
        Record(back, f"v=spf1 {'a mx' if settings.host in HERE else f'a:{settings.host}'} ~all"),
        *([Record(*found.record)] if found else []),
        Record(f"_dmarc.{sender}", f"v=DMARC1; p=quarantine; rua=mailto:{reports}"),
    ]


def domain_of(sender: str) -> str:
    """The domain of an address, in small letters; empty for what is none."""
    return parseaddr(sender)[1].rpartition("@")[2].lower()


def aligned(one: str, other: str) -> bool:
    """Whether two domains are one another's, by the relaxed rule.

    >>> aligned("shop.example", "mail.shop.example"), aligned("shop.example", "workshop.example")
    (True, False)
    """
    return bool(one and other) and (one == other or one.endswith(f".{other}") or other.endswith(f".{one}"))

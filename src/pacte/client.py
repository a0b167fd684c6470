"""A client of a house's API, in one file without anything but Python: copy it, or import it.

>>> from pacte.client import Client
>>> house = Client("https://privacy.shop.example", key)          # doctest: +SKIP
>>> house.decide("key:C0000003", "newsletter", channel="email")["permitted"]  # doctest: +SKIP
False

Calls that write are named by an idempotency key, and tried again where no answer came: nothing is recorded twice.
What a house answers comes back as it is documented under `/en/api` there; what it refuses raises `Problem`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import random
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

__all__ = ["Client", "Forged", "Problem", "Unreachable", "read_webhook"]

AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which the same call may succeed."""
LONGEST = 60.0
"""Seconds to wait at most before a call is tried again."""
LARGEST = 64 << 20
"""Bytes of an answer."""
MINUTES = 5
"""How old a message may be."""


class Problem(Exception):
    """A call that the house refused (RFC 9457). `code` is the last word of its type, such as `denied` or `scope`.

    `more` holds all other members: `reason`, `decision`, `errors`. Nothing in it repeats what was sent.
    """

    def __init__(self, status: int, said: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.type = str(said.get("type", "about:blank"))
        self.code = self.type.rpartition("/")[2]
        self.title = str(said.get("title", ""))
        self.detail = str(said.get("detail", ""))
        self.more = {name: value for name, value in said.items() if name not in ("type", "title", "status", "detail")}
        self.retry_after = retry_after
        super().__init__(f"{self.status} {self.code}: {self.detail or self.title}")


class Unreachable(Exception):
    """Nobody answered, each time that the call was tried; a call that writes may have been recorded all the same.

    `key` is its idempotency key: the same call with it gets the answer that was lost.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__("the house does not answer; call again later with the same idempotency key")


class Forged(Exception):
    """A message that is not the house's, that was changed on its way, or that is too old."""


class Client:
    """One house, and one key of its. Give people as `key:…`, `email:…`, `phone:…`, or a subject identifier."""

    def __init__(self, url: str, key: str = "", *, timeout: float = 30.0, tries: int = 5) -> None:
        """`url` is the house's address; `timeout` in seconds for each of at most `tries` tries."""
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.netloc:
            raise ValueError("expected the address of a house, such as https://privacy.shop.example")
        self._root = f"{url.rstrip('/')}/api/v1"
        self._key = key
        self._timeout = timeout
        self._tries = max(1, tries)
        self._opener = urllib.request.build_opener(_NoRedirect)

    def __repr__(self) -> str:
        """Without the key."""
        return f"<Client of {self._root}>"

    def choose(
        self, person: str, purpose: str, act: str, *, method: str, idempotency_key: str = "", **details: Any
    ) -> dict[str, Any]:
        """Record what a person said; answers `entry`, `size`, `at`. `details`: `channel`, `grade`, `notice`, …"""
        said = {"person": person, "purpose": purpose, "act": act, "method": method, **_given(details)}
        return self._write("/choices", said, idempotency_key)

    def choose_all(self, choices: Iterable[Mapping[str, Any]], *, idempotency_key: str = "") -> dict[str, Any]:
        """Record up to a thousand choices, all or none; answers `entries`, in their order."""
        return self._write("/choices/batch", {"choices": [_given(one) for one in choices]}, idempotency_key)

    def choices(self, person: str, lang: str = "en") -> dict[str, Any]:
        """What a person said (`choices`) and what holds now (`standing`). The look is recorded."""
        return self._read("/choices/read", {"person": person, "lang": lang})

    def decide(self, person: str, purpose: str, **question: Any) -> dict[str, Any]:
        """May we? Answers `permitted`, `reason`, `obligations`, …; releases nothing.

        `question`: `fields`, `channel`, `recipient`, `as_of`, `known_at`, `lang`.
        """
        return self._read("/decisions", {"person": person, "purpose": purpose, **_given(question)})

    def decide_all(self, questions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The answers to up to a thousand questions: each holds a `decision` or a `problem`."""
        found = self._read("/decisions/batch", {"questions": [_given(one) for one in questions]})
        return list(found["decisions"])

    def use(
        self, person: str, purpose: str, fields: Iterable[str] = (), *, idempotency_key: str = "", **place: Any
    ) -> dict[str, Any]:
        """Use one person's data: recorded first, then opened. Answers `use`, `entry`, `expires`, `values`.

        Raises `Problem` with the code `denied` for a refusal; its `more["decision"]` says why. `place`: `channel`,
        `recipient`.
        """
        said = {"person": person, "purpose": purpose, "fields": list(fields), **_given(place)}
        return self._write("/uses", said, idempotency_key)

    def shadow(self, reports: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What the gate would have said to each of up to a thousand reports of what was `did`, or left."""
        # Tried once: a report that is sent twice counts twice.
        found = self._call("POST", "/decisions/shadow", {"reports": [_given(one) for one in reports]}, tries=1)
        return list(found["answers"])

    def shadow_report(self, first: str = "", last: str = "") -> list[dict[str, Any]]:
        """How often both agreed, by day and purpose, between two days (`YYYY-MM-DD`)."""
        asked = urlencode(_given({"first": first or None, "last": last or None}))
        return list(self._call("GET", f"/shadow/report?{asked}" if asked else "/shadow/report")["days"])

    def receipt(self, person: str, **which: Any) -> dict[str, Any]:
        """The receipt of a choice, for the person to keep; looking is recorded. `which`: `entry`, `purpose`, `lang`."""
        return self._read("/receipts", {"person": person, **_given(which)})

    def notice(self, lang: str = "en") -> dict[str, Any]:
        """The notice in force, for pages of your own; needs no key."""
        return self._call("GET", f"/notice/{quote(lang, safe='')}")

    def checkpoint(self) -> dict[str, Any]:
        """The ledger's signed checkpoint; needs no key."""
        return self._call("GET", "/ledger/checkpoint")

    def key(self) -> dict[str, Any]:
        """What the key of this client may do."""
        return self._call("GET", "/key")

    def webhooks(self) -> list[dict[str, Any]]:
        """The receivers of the house's messages, and how each fares."""
        return list(self._call("GET", "/webhooks")["webhooks"])

    def dead_messages(self) -> list[dict[str, Any]]:
        """The messages that nobody took."""
        return list(self._call("GET", "/webhooks/dead")["dead"])

    def resend(self, webhook: str = "", entries: Iterable[int] = ()) -> int:
        """Send dead messages again: of one receiver or all, some or all of them. Answers how many."""
        said = _given({"webhook": webhook or None, "entries": list(entries)})
        return int(self._call("POST", "/webhooks/dead/resend", said)["resent"])

    def pseudonyms(self, webhook: str, people: Iterable[str]) -> list[str | None]:
        """Under which name a receiver hears of people whom you know already; `None` for whom the house does not."""
        return list(self._read("/webhooks/pseudonyms", {"webhook": webhook, "people": list(people)})["pseudonyms"])

    def _write(self, path: str, said: Any, key: str) -> dict[str, Any]:
        return self._call("POST", path, said, key=key or str(uuid.uuid4()))

    def _read(self, path: str, said: Any) -> dict[str, Any]:
        return self._call("POST", path, said)

    def _call(self, method: str, path: str, said: Any = None, *, key: str = "", tries: int = 0) -> dict[str, Any]:
        """One call, tried again with the same name while nobody answers, or the house asks to wait."""
        most = tries or self._tries
        for attempt in range(1, most + 1):
            try:
                return self._once(method, path, said, key)
            except Problem as problem:
                if attempt == most or problem.status not in AGAIN:
                    raise
                wait = problem.retry_after
            except (OSError, http.client.HTTPException):
                if attempt == most:
                    raise Unreachable(key) from None
                wait = None
            time.sleep(min(_pause(attempt) if wait is None else wait, LONGEST))
        raise Unreachable(key)

    def _once(self, method: str, path: str, said: Any, key: str) -> dict[str, Any]:
        body = None if said is None else json.dumps(said).encode()
        headers = {"Accept": "application/json", "User-Agent": "pacte-client"}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        headers |= {"Idempotency-Key": key} if key else {}
        request = urllib.request.Request(self._root + path, body, headers, method=method)  # noqa: S310 # http(s), as checked
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                found: dict[str, Any] = json.loads(answer.read(LARGEST))
                return found
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A house redirects no call: whoever does would get the key."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nowhere."""
        return


def read_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: Callable[[], float] = time.time,  # pacte: allow clock because whoever hears a house has a clock of their own
) -> dict[str, Any]:
    """The message that a house sent, once it is known to be the house's. Raises `Forged`.

    `secret` is what `pacte webhooks secret` says (`whsec_…`). Source: Standard Webhooks 1.0.
    """
    found = {name.lower(): value for name, value in headers.items()}
    name, stamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(now() - int(stamp)) > MINUTES * 60:
        raise Forged("the message is too old, or from the future, or does not say of when it is")
    said = b".".join((name.encode(), stamp.encode(), body))
    wanted = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), said, hashlib.sha256)
    brought = [one.partition(",")[2] for one in found.get("webhook-signature", "").split(" ") if one.startswith("v1,")]
    if not any(hmac.compare_digest(base64.b64encode(wanted), one.encode()) for one in brought):
        raise Forged("the message is not the house's, or was changed on its way")
    message: dict[str, Any] = json.loads(body)
    return message


def _given(details: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, without what was left out."""
    return {name: value for name, value in details.items() if value is not None}


def _problem(error: urllib.error.HTTPError) -> Problem:
    try:
        said = json.loads(error.read(1 << 20))
    except (ValueError, OSError, http.client.HTTPException):
        said = {}
    after = error.headers.get("Retry-After", "")
    waits = float(after) if after.isdecimal() else None
    return Problem(error.code, said if isinstance(said, dict) else {}, waits)


def _pause(attempt: int) -> float:
    """Seconds before the next try: twice as long each time, and never at the same moment as everybody else's."""
    return float(random.uniform(0.5, 1.0) * 0.2 * 2.0 ** (attempt - 1))  # noqa: S311 # not a secret

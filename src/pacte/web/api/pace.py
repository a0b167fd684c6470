"""How many calls a key has left in this minute. Source: draft-ietf-httpapi-ratelimit-headers; RFC 6585 § 4."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

WINDOW = 60
"""Seconds for which calls are counted together."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a key has left: calls, seconds until it has all of them again, and whether this one was too many."""

    rate: int
    calls: int
    seconds: int
    over: bool

    def headers(self) -> dict[str, str]:
        """As every answer to that key says it."""
        said = {"RateLimit-Policy": f'"key";q={self.rate};w={WINDOW}'}
        said |= {"RateLimit": f'"key";r={self.calls};t={self.seconds}'}
        return said | ({"Retry-After": str(self.seconds)} if self.over else {})


class Budgets:
    """The calls of each key in its present minute, in this process; those who came last are remembered."""

    KEPT = 10_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def spend(self, key: str, rate: int, calls: int = 1) -> Left:
        """Count some calls of a key; what does not fit into its minute is not counted."""
        now = time.monotonic()
        with self._lock:
            begun, spent = self._begun.pop(key, (now, 0))
            if now - begun >= WINDOW:
                begun, spent = now, 0
            over = spent + calls > rate
            spent += 0 if over else calls
            self._begun[key] = (begun, spent)
            while len(self._begun) > self.KEPT:
                self._begun.popitem(last=False)
        return Left(rate, rate - spent, max(1, round(begun + WINDOW - now)), over)

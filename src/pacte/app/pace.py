"""How fast mail may leave, in all and for each domain: mail services turn away who comes too fast.

Counted in this process: with several, each has the rates to itself. A domain goes by a keyed name, so that what is
remembered of it tells nobody's provider.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Mapping
from time import monotonic

PATIENCE = 3.0
"""Seconds for which a worker waits for its turn; whoever would wait longer is put off."""
EVERY = ""
"""Stands for all domains together."""


class Pace:
    """Turns at a steady pace: `rates` are messages per minute by domain, `EVERY` for all; no rate, no waiting."""

    def __init__(self, rates: Mapping[str, int], key: bytes, clock: Callable[[], float] = monotonic) -> None:
        self._rates, self._key, self._clock = dict(rates), key, clock
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def turn(self, domain: str) -> float:
        """Seconds until a message to this domain may leave. Up to `PATIENCE` the turn is taken, beyond it is not."""
        about = [one for one in (EVERY, domain) if self._rates.get(one)]
        if not about:
            return 0.0
        with self._lock:
            now = self._clock()
            wait = max(0.0, *(self._next.get(one, now) - now for one in about))
            if wait <= PATIENCE:
                for one in about:
                    self._next[one] = max(self._next.get(one, now), now) + 60 / self._rates[one]
        return wait

    def busy(self) -> list[str]:
        """The names of the domains to which nothing may leave within `PATIENCE`."""
        with self._lock:
            until = self._clock() + PATIENCE
            return [self.named(domain) for domain, at in self._next.items() if at > until and domain]

    def named(self, domain: str) -> str:
        """The name of a domain: 16 hexadecimal characters."""
        return hmac.digest(self._key, domain.encode(), hashlib.sha256).hex()[:16]

"""The versions of a policy that a person can name: a file, the one in force, one published before by its digest."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection

from pacte.app.house import House
from pacte.gate import rules as stored
from pacte.kernel.errors import BadInput, Denied, NotFound
from pacte.kernel.instant import Instant
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.document import load_policy, load_policy_text

SHORTEST = 6
"""Characters of a digest that are enough to name a published policy."""


def in_file(path: Path) -> Compiled:
    """The policy of a file, compiled; it needs no house."""
    return compile_policy(load_policy(path))


def in_force(house: House, at: Instant | None = None) -> Compiled:
    """The policy that is, or was, in force, with the rule table that decides; raises `Denied` when there is none."""
    with house.reading() as conn:
        found = stored.present(conn, house.present(conn) if at is None else at)
        if found is None:
            raise Denied("unknown_purpose", "no policy is in force at that instant; publish one with `pacte publish`")
        return _published(conn, found.policy, found.rules)


def by_digest(house: House, prefix: str) -> Compiled:
    """A published policy by the beginning of its digest; raises `NotFound`, and `BadInput` where several begin so."""
    if not re.fullmatch(f"[0-9a-f]{{{SHORTEST},64}}", prefix):
        raise BadInput(f"expected a policy file that is there, or at least {SHORTEST} characters of a policy's digest")
    with house.reading() as conn:
        found = stored.beginning(conn, prefix)
        if not found:
            raise NotFound("no policy with this digest was published here")
        if len(found) > 1:
            raise BadInput(f"{len(found)} published policies begin so; give more characters of the digest")
        return _published(conn, *found[0])


def _published(conn: Connection, policy: str, rules: str) -> Compiled:
    # The stored table, not one compiled anew: it is what decided, under the laws of its day.
    return Compiled(policy, stored.load(conn, rules), load_policy_text(stored.policy_text(conn, policy)))

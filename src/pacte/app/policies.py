"""Policies in force, compiled once each: a stored policy never changes, its digest names what it compiles to."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.gate import rules as stored
from pacte.kernel.errors import Denied
from pacte.kernel.instant import Instant
from pacte.kernel.quiet import free_in_copies
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.document import load_policy_text
from pacte.policy.model import PolicyFile

if TYPE_CHECKING:
    from pacte.app.house import House

KEPT = 16
"""How many compiled policies a process keeps, the latest used ones."""

_compiled: OrderedDict[str, tuple[str, Compiled]] = OrderedDict()
"""By digest: the text that has this digest, and what it compiles to."""
_lock = free_in_copies(Lock())


class Uncompiled(Exception):
    """The policy in force was not compiled in this process yet; `digest` names it."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__("the policy in force is not compiled yet")


def published(conn: Connection, as_of: Instant) -> Compiled:
    """The policy in force at `as_of`, from its stored text; raises `Denied` when there is none."""
    try:
        return in_force(conn, as_of)
    except Uncompiled as missing:
        return compiled(conn, missing.digest)


def document(house: House) -> PolicyFile:
    """What the policy in force now declares; raises `Denied` when there is none."""
    with house.reading() as conn:
        return published(conn, house.present(conn)).document


def in_force(conn: Connection, as_of: Instant) -> Compiled:
    """`published` where it was compiled before; raises `Uncompiled` where it was not.

    What is stored is compared with what was compiled each time, so that a policy that was changed decides nothing.
    """
    found = stored.text_in_force(conn, as_of)
    if found is None:
        raise Denied("unknown_purpose", "no policy is in force; publish one with `pacte publish`")
    digest, body = found
    with _lock:
        known = _compiled.get(digest)
        if known is None or known[0] != body:
            raise Uncompiled(digest)
        _compiled.move_to_end(digest)
        return known[1]


def compiled(conn: Connection, digest: str) -> Compiled:
    """Compile the policy stored under `digest` and keep it: long work, beside all that is done under the write lock.

    One that is kept is not compiled again. Raises `NotFound` for one that is not stored, and `Unsafe` for one that was
    changed since.
    """
    body = stored.policy_text(conn, digest)
    with _lock:
        known = _compiled.get(digest)
        if known is not None and known[0] == body:
            _compiled.move_to_end(digest)
            return known[1]
    found = compile_policy(load_policy_text(body, "policy.yaml"))
    with _lock:
        _compiled[digest] = (body, found)
        while len(_compiled) > KEPT:
            _compiled.popitem(last=False)
    return found

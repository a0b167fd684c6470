"""Which rules are in force: stored rule tables, the policy that names them, and stops.

Rule tables are stored by digest and never recompiled, so that a decision can be taken again under the rules of its
day. Everything here is derived from `policy`, `stop`, `stop_lifted` and `use` entries, and rebuilt from them.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Index, LargeBinary, String, Table, Text, insert, select

from pacte.kernel import db
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import NotFound, Unsafe
from pacte.kernel.instant import Instant
from pacte.kernel.quiet import free_in_copies
from pacte.policy.table import RuleTable

tables = Table("gate_rules", metadata, Column("digest", String(64), primary_key=True), Column("body", Text))

policies = Table(
    "gate_policy",
    metadata,
    Column("entry", Int64, primary_key=True, autoincrement=False),
    Column("policy", String(64), nullable=False),
    Column("rules", String(64), nullable=False),
    Column("effective", Int64, nullable=False),
)

texts = Table("gate_policy_text", metadata, Column("digest", String(64), primary_key=True), Column("body", Text))

notices_seen = Table(
    "gate_notice", metadata, Column("digest", String(64), primary_key=True), Column("entry", Int64, nullable=False)
)

stops = Table(
    "gate_stop",
    metadata,
    Column("entry", Int64, primary_key=True, autoincrement=False),
    Column("scope", String, nullable=False),
    Column("stopped", Int64, nullable=False),
    Column("effective", Int64, nullable=False),
)

use_sets = Table(
    "gate_use_set",
    metadata,
    Column("use", String(32), primary_key=True),
    Column("bucket", Int64, primary_key=True, autoincrement=False),
    Column("members", LargeBinary, nullable=False),
)
Index("gate_stop_scope", stops.c.scope)


def store(conn: Connection, table: RuleTable) -> str:
    """Keep a rule table under its digest; storing the same table twice changes nothing. Returns the digest."""
    digest = table.digest
    if conn.execute(select(tables.c.digest).where(tables.c.digest == digest)).first() is None:
        conn.execute(insert(tables).values(digest=digest, body=canonical(table.to_json()).decode()))
    return digest


def load(conn: Connection, digest: str) -> RuleTable:
    """The rule table stored under `digest`; `Unsafe` when what is stored no longer has that digest."""
    return _table(digest, _stored(conn, digest))


def load_in_force(conn: Connection, as_of: Instant, known: int) -> tuple[str, str, RuleTable] | None:
    """The policy and rules digests and the rule table in force at `as_of`, by what was known at ledger size `known`.

    In one look.
    """
    found = db.fetch(
        conn,
        "SELECT p.policy, p.rules, r.body FROM gate_policy AS p LEFT JOIN gate_rules AS r ON r.digest = p.rules "
        "WHERE p.entry < ? AND p.effective <= ? ORDER BY p.entry DESC LIMIT 1",
        (known, as_of),
    )
    if not found:
        return None
    policy, digest, body = found[0]
    return policy, digest, _table(digest, body)


KEPT_TABLES = 32
"""Rule tables kept read in a process; the one read longest ago goes first."""

_reading = free_in_copies(Lock())
_read: OrderedDict[str, tuple[str, RuleTable]] = OrderedDict()
"""By digest: bytes that have this digest, and the table that they are."""


def _table(digest: str, body: str | None) -> RuleTable:
    # What is stored is fetched and compared every time, so that a changed table is found at the next answer; only its
    # hashing and reading are done once. Nothing kept here depends on the house, the moment or the ledger.
    known = _read.get(digest)
    if known is not None and known[0] == body:
        return known[1]
    whole = _whole(digest, body)
    table = RuleTable.from_json(json.loads(whole))
    with _reading:
        _read[digest] = (whole, table)
        while len(_read) > KEPT_TABLES:
            _read.popitem(last=False)
    return table


class Published(NamedTuple):
    """A published policy: the ledger entry that says so, the digests of its text and rules, and from when it holds."""

    entry: int
    policy: str
    rules: str
    effective: Instant


def latest(conn: Connection) -> Published | None:
    """The policy published last, or `None`."""
    return next(iter(_published(conn, "ORDER BY entry DESC LIMIT 1")), None)


def present(conn: Connection, as_of: Instant, known: int | None = None) -> Published | None:
    """The policy in force at `as_of`, or `None`.

    By what was known at ledger size `known`, or by all that is. Of the policies that have taken effect by then, the one
    published last counts: whoever publishes calls back what was recorded before for the same or a later day.
    """
    seen = ("effective <= ?", (as_of,)) if known is None else ("effective <= ? AND entry < ?", (as_of, known))
    return next(iter(_published(conn, f"WHERE {seen[0]} ORDER BY entry DESC LIMIT 1", *seen[1])), None)


def scheduled(conn: Connection, after: Instant) -> list[Published]:
    """The policies that will take effect after an instant, by that day; without those called back."""
    found: list[Published] = []
    for row in _published(conn, "ORDER BY entry DESC"):
        # From the last to the first: whatever was published later must take effect later to leave it a day.
        if not found or row.effective < found[-1].effective:
            found.append(row)
        if row.effective <= after:
            break
    return [row for row in reversed(found) if row.effective > after]


def role(conn: Connection, as_of: Instant) -> dict[str, str]:
    """In what capacity the company acts under the policy in force at `as_of`: keys `role` and `behalf` of an entry."""
    row = present(conn, as_of)
    if row is None:
        return {"role": "controller"}
    return role_of(load(conn, row.rules))


def role_of(table: RuleTable) -> dict[str, str]:
    """In what capacity the company acts under a rule table, as keys of an entry."""
    return {name: str(table.controller[name]) for name in ("role", "behalf", "jointly") if name in table.controller}


def store_text(conn: Connection, digest: str, body: str) -> None:
    """Keep a text that an entry names by its digest: a published policy, the advice on one, the layers of a notice."""
    if conn.execute(select(texts.c.digest).where(texts.c.digest == digest)).first() is None:
        conn.execute(insert(texts).values(digest=digest, body=body))


def policy_text(conn: Connection, digest: str) -> str:
    """The text of the policy published under `digest`; raises `NotFound`, and `Unsafe` when it was changed since."""
    body = text_of(conn, digest)
    if body is None:
        raise NotFound("the policy that this permit was given under is not stored here")
    return body


def text_of(conn: Connection, digest: str) -> str | None:
    """The text kept under a digest, `None` where there is none; raises `Unsafe` when it was changed since."""
    body = conn.execute(select(texts.c.body).where(texts.c.digest == digest)).scalar()
    if body is not None and hashlib.sha256(body.encode()).hexdigest() != digest:
        raise Unsafe("a stored policy was changed; its digest no longer matches, and nothing is decided by it")
    return None if body is None else str(body)


def text_in_force(conn: Connection, as_of: Instant) -> tuple[str, str | None] | None:
    """The digest of the policy in force at `as_of` and what is stored under it, in one look and not checked against it.

    For whoever compares it with a text that was checked before; `policy_text` checks.
    """
    found = db.fetch(
        conn,
        "SELECT p.policy, t.body FROM gate_policy AS p LEFT JOIN gate_policy_text AS t ON t.digest = p.policy "
        "WHERE p.effective <= ? ORDER BY p.entry DESC LIMIT 1",
        (as_of,),
    )
    return (str(found[0][0]), found[0][1]) if found else None


def beginning(conn: Connection, prefix: str) -> list[tuple[str, str]]:
    """(policy digest, rules digest) of the published policies whose digest begins so, each once, oldest first."""
    rows = conn.execute(select(policies).where(policies.c.policy.startswith(prefix, autoescape=True)))
    found = {row.policy: row.rules for row in sorted(rows, key=lambda row: row.entry)}
    return list(found.items())


def advice_text(conn: Connection, digest: str) -> str:
    """The data protection officer's advice kept under `digest`; `NotFound`, and `Unsafe` when it was changed since."""
    body = conn.execute(select(texts.c.body).where(texts.c.digest == digest)).scalar()
    if body is None:
        raise NotFound("the text of the data protection officer's advice is not stored here")
    if hashlib.sha256(body.encode()).hexdigest() != digest:
        raise Unsafe("the stored text of the data protection officer's advice was changed; its digest does not match")
    return str(body)


def notices(conn: Connection) -> dict[str, int]:
    """Digests of the notices recorded so far, with the ledger index of each."""
    return {row.digest: row.entry for row in conn.execute(select(notices_seen))}


def policy_entries(conn: Connection) -> list[tuple[int, str]]:
    """(ledger index, rules digest) of every published policy, oldest first."""
    return [(row.entry, row.rules) for row in conn.execute(select(policies).order_by(policies.c.entry))]


def load_json(conn: Connection, digest: str) -> Json:
    """The rule table stored under `digest` as JSON; `Unsafe` when what is stored no longer has that digest."""
    found: Json = json.loads(_whole(digest, _stored(conn, digest)))
    return found


def _published(conn: Connection, which: str, *values: int) -> list[Published]:
    rows = db.fetch(conn, f"SELECT entry, policy, rules, effective FROM gate_policy {which}", values)
    return [Published(entry, policy, rules, Instant(effective)) for entry, policy, rules, effective in rows]


def _stored(conn: Connection, digest: str) -> str | None:
    found = db.fetch(conn, "SELECT body FROM gate_rules WHERE digest = ?", (digest,))
    return found[0][0] if found else None


def _whole(digest: str, body: str | None) -> str:
    if body is None:
        raise NotFound("the rule table that this decision needs is not stored here")
    if hashlib.sha256(body.encode()).hexdigest() != digest:
        raise Unsafe("a stored rule table was changed; its digest no longer matches, and nothing is decided by it")
    return body


def in_force(conn: Connection, as_of: Instant, known: int) -> tuple[str, str] | None:
    """The (policy digest, rules digest) in force at `as_of`, by what was known at ledger size `known`."""
    row = present(conn, as_of, known)
    return None if row is None else (row.policy, row.rules)


def stopped(conn: Connection, purpose: str, as_of: Instant, known: int) -> bool:
    """Whether a stop of the whole house or of this purpose had effect; each rule table says which purposes heed it."""
    found = db.fetch(
        conn,
        "SELECT scope, stopped FROM gate_stop WHERE scope IN ('*', ?) AND entry < ? AND effective <= ? "
        "ORDER BY effective, entry",
        (purpose, known, as_of),
    )
    return any(dict(found).values())  # the last word about each scope


class Stop(NamedTuple):
    """A stop in force: of what (`*` for everything), since when, and the ledger entry that says so."""

    scope: str
    since: Instant
    entry: int


def stops_in_force(conn: Connection, as_of: Instant) -> list[Stop]:
    """Every stop in force at `as_of`, the oldest first; each rule table says which purposes heed it."""
    sql = "SELECT scope, stopped, effective, entry FROM gate_stop WHERE effective <= ? ORDER BY effective, entry"
    last = {scope: (flag, effective, entry) for scope, flag, effective, entry in db.fetch(conn, sql, (as_of,))}
    found = [Stop(scope, Instant(since), entry) for scope, (flag, since, entry) in last.items() if flag]
    return sorted(found, key=lambda stop: stop.entry)


def differences(conn: Connection, entries: Iterable[tuple[int, Mapping[str, Any]]]) -> list[str]:
    """Which of this room's derived tables say something else than the ledger (`entries` in order): their names."""
    derived: dict[str, list[tuple[Any, ...]]] = {"gate_policy": [], "gate_notice": [], "gate_stop": []}
    for index, entry in entries:
        if entry["kind"] == "policy":
            derived["gate_policy"].append((index, entry["policy"], entry["rules"], entry["effective"]))
        elif entry["kind"] == "notice":
            derived["gate_notice"].append((entry["notice"], index))
        elif entry["kind"] in ("stop", "stop_lifted"):
            flag = int(entry["kind"] == "stop")
            derived["gate_stop"].append((index, entry["scope"], flag, entry["effective"]))
    held = {
        table.name: [tuple(row) for row in conn.execute(select(table))] for table in (policies, notices_seen, stops)
    }
    return [name for name, rows in derived.items() if sorted(rows) != sorted(held[name])]


def apply(conn: Connection, entries: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Derive this room's rows from ledger entries; other kinds are passed over."""
    for index, entry in entries:
        if entry["kind"] == "policy":
            values = {key: entry[key] for key in ("policy", "rules", "effective")}
            conn.execute(insert(policies).values(entry=index, **values))
        elif entry["kind"] == "notice":
            conn.execute(insert(notices_seen).values(digest=entry["notice"], entry=index))
        elif entry["kind"] in ("stop", "stop_lifted"):
            flag = int(entry["kind"] == "stop")
            conn.execute(
                insert(stops).values(entry=index, scope=entry["scope"], stopped=flag, effective=entry["effective"])
            )

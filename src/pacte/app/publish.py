"""Publish a policy: from then on it binds every use. Published versions are kept by digest, never edited in place."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from pacte.app.house import POLICY, House
from pacte.gate import rules as stored
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.document import load_policy_text, read_limited
from pacte.policy.model import Notice


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did: the ledger index of the `policy` entry, or the earlier one where nothing changed."""

    index: int
    policy: str
    rules: str
    changed: bool


def publish(house: House, by: str = "cli") -> Published:
    """Compile `policy.yaml`, record it and its notices, put it in force now; the same file twice changes nothing."""
    text = read_limited(house.path / POLICY).decode("utf-8", "surrogateescape")  # what is not UTF-8 is refused next
    compiled = compile_policy(load_policy_text(text, POLICY))
    with house.writing() as conn:
        latest = stored.latest(conn)
        if latest and (latest.policy, latest.rules) == (compiled.policy_digest, compiled.table.digest):
            return Published(latest.entry, latest.policy, latest.rules, False)
        stored.store(conn, compiled.table)
        stored.store_text(conn, compiled.policy_digest, text)
        role = compiled.document.controller.standing
        _keep_notices(conn, compiled)
        entries = [*_notices(conn, compiled, by, role), _policy(compiled, by, role, house.present(conn))]
        index = house.record(conn, entries, house.clock())[-1]
    return Published(index, compiled.policy_digest, compiled.table.digest, True)


def _policy(compiled: Compiled, by: str, role: dict[str, str], now: Instant) -> dict[str, object]:
    return {
        "kind": "policy",
        "policy": compiled.policy_digest,
        "rules": compiled.table.digest,
        "decider": compiled.table.decider,
        "effective": now,
        "by": by,
        **role,
    }


_TOLD = ("purposes", "locale", "version", "effective")
"""What a notice entry says beside its text."""


def _keep_notices(conn: Connection, compiled: Compiled) -> None:
    """Refuse to change what a recorded notice told: nobody is informed of anything after the fact."""
    recorded = {str(entry["notice"]): entry for _, entry in log.of_kind(conn, "notice")}
    for name, notice in compiled.document.notices.items():
        before = recorded.get(notice.digest)
        after = _told(notice)
        changed = [key for key in _TOLD if before is not None and _sorted(before[key]) != _sorted(after[key])]
        if changed:
            words = ", ".join(f"`{'tells' if key == 'purposes' else key}`" for key in changed)
            raise BadInput(
                f"notice `{name}` was recorded with other {words}: what people were told stays what it was; keep the "
                "old notice as it is and add a new one with a text of its own"
            )


def _told(notice: Notice) -> dict[str, object]:
    return {
        "purposes": {purpose: list(categories) for purpose, categories in notice.tells.items()},
        "locale": notice.locale,
        "version": notice.version,
        "effective": notice.effective,
    }


def _sorted(told: object) -> object:
    # The order of categories tells nobody anything.
    return {purpose: sorted(names) for purpose, names in told.items()} if isinstance(told, dict) else told


def _notices(conn: Connection, compiled: Compiled, by: str, role: dict[str, str]) -> list[dict[str, object]]:
    known = stored.notices(conn)
    return [
        {
            "kind": "notice",
            "notice": notice.digest,
            **_told(notice),
            "by": by,
            **role,
        }
        for notice in compiled.document.notices.values()
        if notice.digest not in known
    ]

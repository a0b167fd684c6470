"""The life of a house's keys: rotation and the end of versions, each recorded in the ledger.

The key store acts first, the ledger follows: a rotation or an end that was cut short before its entry is asked for
again, changes nothing more, and is recorded then.
"""

from __future__ import annotations

from dataclasses import dataclass

from pacte.app.house import House
from pacte.gate.rules import role
from pacte.kernel import crash
from pacte.keys.shredding import Tombstone


@dataclass(frozen=True, slots=True)
class Rotated:
    """The version that wraps now, and the ledger entry that says so."""

    version: int
    index: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A version that was destroyed: which shreddings became final by it, and the ledger entry that says so."""

    version: int
    final: list[Tombstone]
    index: int


def rotate(house: House, by: str = "cli") -> Rotated:
    """Wrap every key again under a new version, while others read and write; no sealed byte is touched."""
    version = house.keys.rotate(house.clock())
    # Crash point `rotated-unrecorded`: asking again begins the next version, which is recorded.
    crash.point("rotated-unrecorded")
    return Rotated(version, _record(house, "rotated", version, by))


def end(house: House, version: int, by: str = "cli") -> Ended:
    """Destroy an old version for good; raises `Conflict` while anything is wrapped under it."""
    final = house.keys.destroy_version(version, house.clock())
    # Crash point `ended-unrecorded`: the version is gone; asking again records it.
    crash.point("ended-unrecorded")
    return Ended(version, final, _record(house, "ended", version, by))


def change_passphrase(house: House, passphrase: str | None) -> None:
    """Lock the key file with another passphrase, or with none; no key is wrapped again. Restart what uses the house."""
    house.keys.lock_with(passphrase)


def _record(house: House, step: str, version: int, by: str) -> int:
    with house.writing() as conn:
        now = house.present(conn)
        entry = {"kind": "keys", "step": step, "epoch": version, "effective": now, "by": by, **role(conn, now)}
        return house.record(conn, [entry], house.clock())[0]

"""The life of a house's keys: rotation and the end of versions, each recorded in the ledger.

The key store acts first, the ledger follows: a rotation or an end that was cut short before its entry is asked for
again, changes nothing more, and is recorded then.
"""

from __future__ import annotations

from dataclasses import dataclass

from pacte.app import settings as configuration
from pacte.app.house import House
from pacte.gate.rules import role
from pacte.kernel import crash, unfinished
from pacte.kernel.errors import BadInput
from pacte.kernel.files import replace_whole
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


_UNSAID = "the ledger may not say yet"


def rotate(house: House, by: str = "cli") -> Rotated:
    """Wrap every key again under a new version, while others read and write; no sealed byte is touched."""
    version = house.keys.rotate(house.clock())
    # Crash point `rotated-unrecorded`: asking again begins the next version, which is recorded.
    crash.point("rotated-unrecorded")
    with unfinished.saying(lambda _: f"every key is wrapped under version {version}, which {_UNSAID}; rotate again"):
        return Rotated(version, _record(house, "rotated", version, by))


def end(house: House, version: int, by: str = "cli") -> Ended:
    """Destroy an old version for good; raises `Conflict` while anything is wrapped under it."""
    final = house.keys.destroy_version(version, house.clock())
    # Crash point `ended-unrecorded`: the version is gone; asking again records it.
    crash.point("ended-unrecorded")
    with unfinished.saying(lambda _: f"version {version} is destroyed, which {_UNSAID}; ask again"):
        return Ended(version, final, _record(house, "ended", version, by))


def change_passphrase(house: House, passphrase: str | None, reference: str = "") -> str:
    """Lock the key file with another passphrase, or with none; no key is wrapped again. Restart what uses the house.

    Where the file had none, `reference` (`env:NAME`, `file:PATH`) says where the new one is read from, and is written
    into `settings.toml` with `service`; a house that reads its passphrase somewhere goes on reading it there. Answers
    where it is read from now, `""` for no passphrase.
    """
    was = house.settings.keys
    if was.service == "socket":
        house.keys.lock_with(passphrase)  # refused, with what to do
    if passphrase is not None and was.service == "passphrase":
        house.keys.lock_with(passphrase)
        return was.passphrase
    if passphrase is None and was.service == "file":
        return ""
    if passphrase is not None and not reference:
        raise BadInput("say where the passphrase is read from in future: `env:NAME` or `file:PATH`")
    words = configuration.with_lock(house.path, "file" if passphrase is None else "passphrase", reference)
    house.keys.lock_with(passphrase)
    # Crash point `locked-not-said`: the house does not open, and says which lines `settings.toml` lacks.
    crash.point("locked-not-said")
    replace_whole(house.path / configuration.FILE, words)
    return reference


def _record(house: House, step: str, version: int, by: str) -> int:
    with house.writing() as conn:
        now = house.present(conn)
        entry = {"kind": "keys", "step": step, "epoch": version, "effective": now, "by": by, **role(conn, now)}
        return house.record(conn, [entry], house.clock())[0]

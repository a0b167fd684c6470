"""The house's ledger in other people's eyes: time-stamped by an authority, cosigned by witnesses, served to readers.

INVARIANT: nobody outside is asked inside a transaction. Whoever is dead or slow keeps nothing from being recorded, and
what fails leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pacte.app.house import House
from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe, VerificationFailed
from pacte.kernel.instant import Instant
from pacte.ledger import log, timestamp, tree, witness
from pacte.ledger.checkpoint import open_checkpoint, unsigned_checkpoint
from pacte.ledger.note import parse_vkey

TIMESTAMPS, WITNESSES = "timestamps", "witnesses"


@dataclass(frozen=True, slots=True)
class Stamping:
    """A checkpoint of `size` entries and its time-stamp; `problem` says why it does not hold, "" when it does.

    `expired_since` says that the authority's certificate has ended after it signed.
    """

    size: int
    path: Path
    time: Instant | None
    expired_since: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Witnessing:
    """A checkpoint of `size` entries and one witness's cosignature."""

    size: int
    name: str
    time: Instant
    path: Path


def stamp(house: House) -> tuple[Stamping, bool]:
    """Have the newest checkpoint time-stamped; the second value says that it was already, and nobody was asked."""
    authority, ca = _authority(house)
    with house.reading() as conn:
        note = log.head(conn).checkpoint
    standing = timestamp.kept(house.path / TIMESTAMPS, note)
    if standing is not None:
        path = house.path / TIMESTAMPS / f"{timestamp.name_of(standing)}.tsr"
        found = _checked(house, path, standing, ca)
        if found.problem:
            raise VerificationFailed(f"`{path.name}`: {found.problem}; move its three files elsewhere to stamp again")
        return found, True
    stamped, checked = timestamp.obtain(authority, note, ca)
    path = timestamp.keep(house.path / TIMESTAMPS, stamped)
    return Stamping(stamped.checkpoint.size, path, checked.time), False


def stamps(house: House) -> list[Stamping]:
    """Every kept time-stamp, checked again: the token, and that its checkpoint is one of this ledger."""
    _, ca = _authority(house)
    kept = timestamp.all_kept(house.path / TIMESTAMPS)
    return [_checked(house, path, stamped, ca) for path, stamped in kept]


def ask_witness(house: House, url: str, key: str) -> Witnessing:
    """Have the newest checkpoint cosigned by a witness, who first checks that it continues what they saw before."""
    known, now, directory = witness.parse_witness_key(key), house.clock(), house.path / WITNESSES
    old = witness.newest_size(directory, known, now)
    for _ in range(3):  # the second time with the size that the witness names; a third when somebody asked in between
        note, proof = _continuation(house, old, known)
        answer = witness.add_checkpoint(url, known, note, old, proof, now)
        if isinstance(answer, witness.Cosignature):
            path = witness.keep(directory, note, answer)
            return Witnessing(unsigned_checkpoint(note).size, answer.name, answer.time, path)
        old = answer.size
    raise Conflict(f"the witness `{known.name}` is being asked by somebody else at the same time; try again later")


def ask_witnesses(house: House) -> list[Witnessing | PacteError]:
    """The same for every witness of the settings; one that fails keeps none of the others."""
    if not house.settings.witnesses:
        raise BadInput("name a witness and its key, or write them into settings.toml under `[[witnesses]]`")
    found: list[Witnessing | PacteError] = []
    for one in house.settings.witnesses:
        try:
            found.append(ask_witness(house, one.url, one.key))
        except PacteError as error:
            found.append(error)
    return found


def published(house: House) -> str:
    """The newest signed checkpoint, with the cosignatures that were kept of it."""
    with house.reading() as conn:
        note = log.head(conn).checkpoint
    return witness.kept(house.path / WITNESSES, unsigned_checkpoint(note)) or note


def _continuation(house: House, old: int, key: witness.WitnessKey) -> tuple[str, Sequence[bytes]]:
    with house.reading() as conn:
        state = log.head(conn)
        if old > state.size:
            raise Unsafe(
                f"the witness `{key.name}` has seen {old} entries of this ledger, which holds {state.size}: it was "
                "restored or cut; nothing was asked"
            )
        return state.checkpoint, tree.prove_consistency(conn, old, state.size)


def _checked(house: House, path: Path, stamped: timestamp.Stamped, ca: Path) -> Stamping:
    size = 0
    try:
        signed = open_checkpoint(stamped.note, parse_vkey(house.vkey))
        size = signed.size
        with house.reading() as conn:
            if size > log.head(conn).size or tree.root_at(conn, size) != signed.root:
                raise VerificationFailed("its checkpoint is not one of this ledger: the ledger was rewritten or cut")
        found = timestamp.check(stamped, ca)
    except VerificationFailed as error:
        return Stamping(size, path, None, problem=str(error))
    return Stamping(size, path, found.time, found.expired_since)


def _authority(house: House) -> tuple[str, Path]:
    found = house.settings.timestamps
    if not (found.authority and found.ca):
        raise BadInput(
            "no time-stamping authority is set; write `authority` and `ca` into settings.toml under `[timestamps]`"
        )
    return found.authority, house.path / found.ca

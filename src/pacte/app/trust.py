"""Before a house serves: are its keys, its records and its anchors the ones that belong together, and the newest?

Three things can be put back from different days, or from another house. Each of them alone would make the house lie:
older records do not know who was erased since, older keys open erased people again, other keys find nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from pacte.kernel.errors import NotFound, PacteError, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.keys.compared import Mark, Shredded
from pacte.keys.shredding import Tombstone
from pacte.keys.store import KeyStore
from pacte.ledger import anchors, log, queries, renewal
from pacte.ledger.tree import root_at


class OlderRecords(Unsafe):
    """The records are an older state of this house's: `pacte restore` makes them serve again."""


class OlderKeys(Unsafe):
    """The key store opens people who were erased since: `pacte restore` destroys those keys again."""


AGAIN = 256
"""How many shreddings and steps of erasures are compared again at each opening, rather than marked as compared."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What lies outside the records: the newest anchors, `None` where there is no file, and what was shredded."""

    anchors: Sequence[anchors.Anchor] | None
    shredded: Shredded


def noted(keys: KeyStore, vkey: str, anchor_file: Path) -> Noted:
    """What the records are compared with; read it before the transaction that is compared.

    INVARIANT: first the anchors and the tombstones, then the snapshot. The other way round, what another process
    commits, anchors and shreds in between would look like a rollback.
    """
    known = anchors.read_latest(anchor_file).anchors if anchor_file.exists() else None
    return Noted(known, keys.shredded(vkey))


def refuse_untrusted(conn: Connection, keys: KeyStore, vkey: str, anchor_file: Path, known: Noted) -> None:
    """Raise `Unsafe`, with what to do, unless keys, records and anchors belong together and none has gone back."""
    refuse_of_another(conn, keys, vkey)
    _refuse_older_records(conn, anchor_file, known)
    compared = refuse_older_keys(conn, keys)
    if compared + len(known.shredded.since) > AGAIN:
        head = log.head(conn)
        with suppress(PacteError, DatabaseError):  # a store that is busy or cannot be written is compared again
            keys.remember_compared(Mark(vkey, known.shredded.shreddings, head.size, head.root))


def refuse_of_another(conn: Connection, keys: KeyStore, vkey: str) -> None:
    """Raise `Unsafe` unless these are the keys of this house, and the log goes by the name of the settings."""
    _refuse_other_keys(conn, vkey)
    keys.refuse_other_house(identity(conn))


def differences(conn: Connection, keys: KeyStore, tombstones: Sequence[Tombstone]) -> Iterator[str]:
    """All tombstones against all erasures of the ledger, whatever was compared before; read the tombstones first."""
    steps = queries.erasure_steps(conn)
    shredded = {one.name for one in tombstones if one.which != "house"}
    if lacking := len(shredded - {str(subject) for subject, _ in steps}):
        yield f"the key store knows of {lacking} erased people of whom the ledger says nothing"
    if standing := keys.without_tombstone(_ends(steps)):
        yield f"{len(standing)} keys stand, or were never here, that the ledger says were destroyed"
    people = sorted({SubjectId(one.name) for one in tombstones if one.which == "data"})
    if opening := len(keys.data_keys(people)):
        yield f"the data keys of {opening} erased people open again"


def standing(conn: Connection, keys: KeyStore) -> set[tuple[str, str]]:
    """The (name, which) of every key that the ledger says was destroyed, and the key store does not."""
    return keys.without_tombstone(_ends(queries.erasure_steps(conn)))


def identity(conn: Connection) -> str:
    """What names this house, whatever its logs were called since: the first entry of the first of them says it."""
    return str((log.entry(conn, 0) or {}).get("house", ""))


def _refuse_other_keys(conn: Connection, vkey: str) -> None:
    begun = log.head(conn).vkey
    if begun == vkey:
        return
    if begun.rpartition("+")[2] == vkey.rpartition("+")[2]:
        here, wanted = (renewal.place(conn, name.partition("+")[0]) for name in (begun, vkey))
        if here is not None and wanted is not None:
            raise OlderRecords(
                "a restore was cut short; run `pacte restore` to finish it"
                if here > wanted
                else "the records are older than the last restore of this house, and the people erased since are "
                "unknown to them; nothing is served; put back the newest copy, or run `pacte restore`"
            )
        raise Unsafe(
            f"`origin` in settings.toml is not the name that this ledger began with, `{begun.partition('+')[0]}`; "
            "put that name back"
        )
    raise Unsafe(
        "the key store is not the one that this ledger was signed with: it belongs to another house; "
        "put back this house's `keys` folder"
    )


def _refuse_older_records(conn: Connection, anchor_file: Path, known: Noted) -> None:
    if known.anchors is None:
        raise Unsafe(
            f"`{anchor_file.name}` is missing, and without it a restored or rewritten ledger goes unnoticed; put back "
            "your copy of it (if there is none left, check the ledger against a checkpoint kept elsewhere, then make "
            "an empty file of that name, readable by its owner only)"
        )
    problem = anchors.rollback(conn, known.anchors)
    if problem:
        raise OlderRecords(
            f"the ledger is not the one this house anchored last ({problem}); it was restored or rewritten, and "
            "nothing is served. Put back the newest copy, or run `pacte restore` to go on with this one"
        )
    mark = known.shredded.mark
    if mark is not None and not _speaks_for(conn, mark):
        raise OlderRecords(f"the records are older than the key store, which saw {mark.size} entries; {_NEWEST}")
    shredded = {SubjectId(name) for name, which in known.shredded.since if which != "house"}
    lately = {subject for subject, _ in queries.erasure_steps(conn, 0 if mark is None else mark.size)}
    if not all(mark is not None and _is_erased(conn, subject) for subject in sorted(shredded - lately)):
        raise OlderRecords(f"the records are older than the key store: it knows of people erased since; {_NEWEST}")


_NEWEST = "put back the newest copy of `records.db` and `anchors.log`, or run `pacte restore`"


def _speaks_for(conn: Connection, mark: Mark) -> bool:
    """Whether the log continues the one that the mark is about."""
    return mark.size <= log.head(conn).size and root_at(conn, mark.size) == mark.root


def _is_erased(conn: Connection, subject: SubjectId) -> bool:
    return any(entry["kind"] == "erasure" for _, entry in queries.about(conn, subject))


def refuse_older_keys(conn: Connection, keys: KeyStore) -> int:
    """Raise `Unsafe` when the key store was put back from before the records: it lacks people, or opens erased ones.

    Answers how many steps of erasures were looked at: those that no mark speaks for.
    """
    newest = queries.newest_subject(conn)
    try:
        known = newest is None or keys.evidence_keys([newest]) is not None
    except NotFound:
        known = False
    if not known:
        raise Unsafe(f"the key store is older than the records: it has no keys for the people who came last; {_MEND}")
    mark = keys.shredded(log.head(conn).vkey).mark
    steps = queries.erasure_steps(conn, mark.size if mark is not None and _speaks_for(conn, mark) else 0)
    if keys.without_tombstone(_ends(steps)):
        raise OlderKeys(
            f"the key store is older than the records: it opens people who were erased since; {_MEND}, or run `pacte "
            "restore` to destroy their keys again"
        )
    return len(steps)


_MEND = "put back the newest copy of the `keys` folder"


def _ends(steps: Iterable[tuple[SubjectId, str]]) -> list[tuple[str, str]]:
    """The (name, which) of the keys that must be gone, by these steps of erasures."""
    which = {"done": "data", "evidence_ended": "evidence"}
    return [(str(subject), which[step]) for subject, step in steps if step in which]

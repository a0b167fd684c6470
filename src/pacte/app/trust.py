"""Before a house serves: are its keys, its records and its anchors the ones that belong together, and the newest?

Three things can be put back from different days, or from another house. Each of them alone would make the house lie:
older records do not know who was erased since, older keys open erased people again, other keys find nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from pacte.kernel.errors import NotFound, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.keys.store import KeyStore
from pacte.ledger import anchors, log, queries, renewal


class OlderRecords(Unsafe):
    """The records are an older state of this house's: `pacte restore` makes them serve again."""


def noted(anchor_file: Path) -> Sequence[anchors.Anchor] | None:
    """The newest anchors, `None` where there is no file; read them before the transaction that is compared with them.

    INVARIANT: first the anchors, then the snapshot. The other way round, what another process commits and anchors in
    between would look like a rollback.
    """
    return anchors.read_latest(anchor_file).anchors if anchor_file.exists() else None


def refuse_untrusted(
    conn: Connection, keys: KeyStore, vkey: str, anchor_file: Path, anchored: Sequence[anchors.Anchor] | None
) -> None:
    """Raise `Unsafe`, with what to do, unless keys, records and anchors belong together and none has gone back."""
    _refuse_other_keys(conn, vkey)
    _refuse_older_records(conn, keys, anchor_file, anchored)
    refuse_older_keys(conn, keys)


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


def _refuse_older_records(
    conn: Connection, keys: KeyStore, anchor_file: Path, anchored: Sequence[anchors.Anchor] | None
) -> None:
    if anchored is None:
        raise Unsafe(
            f"`{anchor_file.name}` is missing, and without it a restored or rewritten ledger goes unnoticed; put back "
            "your copy of it (if there is none left, check the ledger against a checkpoint kept elsewhere, then make "
            "an empty file of that name, readable by its owner only)"
        )
    problem = anchors.rollback(conn, anchored)
    if problem:
        raise OlderRecords(
            f"the ledger is not the one this house anchored last ({problem}); it was restored or rewritten, and the "
            "people erased since are unknown to it; nothing is served; put back the newest copy, or run `pacte restore`"
        )
    shredded = [tombstone.name for tombstone in keys.tombstones() if tombstone.which != "house"]
    if shredded and not any(entry["kind"] == "erasure" for _, entry in log.of_subject(conn, shredded[-1])):
        raise OlderRecords(
            "the records are older than the key store: it knows of people erased since; put back the newest copy of "
            f"`records.db` and `{anchor_file.name}`, or run `pacte restore`"
        )


def refuse_older_keys(conn: Connection, keys: KeyStore) -> None:
    """Raise `Unsafe` when the key store was put back from before the records: it lacks people, or opens erased ones."""
    newest = queries.newest_subject(conn)
    try:
        known = newest is None or keys.evidence_keys([newest]) is not None
    except NotFound:
        known = False
    if not known:
        raise Unsafe(f"the key store is older than the records: it has no keys for the people who came last; {_MEND}")
    erased = queries.newest_erasure(conn)
    if erased is not None and _opens(keys, *erased):
        raise Unsafe(f"the key store is older than the records: it opens people who were erased since; {_MEND}")


_MEND = "put back the newest copy of the `keys` folder"


def _opens(keys: KeyStore, subject: SubjectId, step: str) -> bool:
    return bool(keys.data_keys([subject]) or (step == "evidence_ended" and keys.evidence_keys([subject])))

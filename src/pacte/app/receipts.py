"""Receipts: the proof of one recorded choice, for the person who made it to keep.

A receipt carries the log's signed checkpoint, and the paths from the checkpoints of that person's earlier receipts: one
customer who keeps two of them finds a ledger that was rewritten or shown differently to somebody else. Who keeps one
alone asks for a continuation, which is public and shows nobody.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from pacte.app.ask import ACCOUNTABILITY
from pacte.app.house import House
from pacte.app.policies import compiled
from pacte.app.prove import RECEIPT, anchored, known, receipted
from pacte.app.reading import published
from pacte.consent import receipt as words
from pacte.gate import rules as stored
from pacte.gate import use as using
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.errors import BadInput, Denied, NotFound
from pacte.kernel.files import make_private
from pacte.kernel.i18n import check_language
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.ledger import log, queries, renewal
from pacte.ledger.proof import pretty, write_proof
from pacte.ledger.tree import prove_consistency
from pacte.policy.model import PolicyFile

CONTINUATION = "pacte-continuation/1"
MOST = 64
"""How many earlier sizes one continuation leads from."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt's bytes, and the choice that it is of: ledger index and entry; `size` is its checkpoint's."""

    data: bytes
    subject: SubjectId
    index: int
    entry: dict[str, Any]
    size: int

    @property
    def name(self) -> str:
        """The name of its file: the purpose, the entry and the beginning of the subject identifier."""
        purpose = str(self.entry["purpose"]).replace("*", "all").replace(":", "-")
        return f"{purpose}-{self.index}-{self.subject[:8]}.pacte-receipt.json"


def choices_of(house: House, subject: SubjectId, purpose: str = "") -> list[tuple[int, dict[str, Any]]]:
    """The choices of a person that a receipt can be written of, oldest first; only those for `purpose` if it is given.

    It looks at nothing beyond the choices and records no look: it is for whoever shows that person their own page.
    """
    with house.reading() as conn:
        return _choices(conn, subject, purpose)


def has_words(conn: Connection, index: int, said: dict[str, Any]) -> bool:
    """Whether a receipt of a recorded choice can be written: a policy of that day says what it was about."""
    try:
        return bool(_policy(conn, index, said))
    except (Denied, NotFound):
        return False


def receipt(
    house: House, person: str, *, purpose: str = "", entry: int | None = None, lang: str = "", by: str = "cli"
) -> Receipt:
    """The receipt of one choice of a person: of the entry, or of the latest (for `purpose`). Looking is recorded.

    Raises `NotFound` for somebody unknown or a choice that is not theirs, `Denied` where no policy says the words.
    """
    lang = check_language(lang or house.settings.language)
    with house.writing() as conn:
        subject = known(house, conn, person)
        index, said = _wanted(conn, subject, purpose, entry)
        policy = _policy(conn, index, said)
        made = house.present(conn)
        # The look is the last entry under the receipt's own checkpoint: its place tells later receipts that size.
        using.look(conn, subject, ACCOUNTABILITY, RECEIPT, house.clock(), house.signer, by)
        size = log.head(conn).size
        place = words.Place(house.signer.name, house.vkey, index, size, house.settings.web.url, made)
        proof = write_proof(
            conn,
            house.signer,
            subject=subject,
            entries=_around(conn, index, said),
            question={"entry": index, "asked": made, "lang": lang},
            since=[*receipted(conn, subject, size), *anchored(house, size)],
        )
    data = _sealed(house, words.receipt(policy, said, place, lang), proof)
    return Receipt(data, subject, index, said, size)


def continuation(house: House, since: Iterable[int] = (), *, public: bool = False) -> bytes:
    """The log's checkpoint and the paths to it from earlier sizes: what an old receipt is compared with.

    It shows hashes and nobody; `public` is for everybody, and of the last full hour (`reading.published`). Raises
    `BadInput` for a size that this log does not have, or that is not public yet.
    """
    sizes = sorted(set(since))
    head = published(house) if public else None
    with house.reading() as conn:
        head = log.head(conn) if head is None else head
        if len(sizes) > MOST or any(not 0 < size <= head.size for size in sizes):
            raise BadInput(f"expected at most {MOST} sizes of earlier checkpoints of this log")
        paths: list[Json] = [
            {"size": size, "path": [node.hex() for node in prove_consistency(conn, size, head.size)]} for size in sizes
        ]
    return pretty({"format": CONTINUATION, "vkey": house.vkey, "checkpoint": head.checkpoint, "consistency": paths})


def save(found: Receipt, target: Path) -> Path:
    """Write a receipt, readable by its owner only, to a file or into a directory; returns its path."""
    target = target / found.name if target.is_dir() else target
    make_private(target).write_bytes(found.data)
    return target


def _choices(conn: Connection, subject: SubjectId, purpose: str = "") -> list[tuple[int, dict[str, Any]]]:
    return [
        (index, entry)
        for index, entry in queries.about(conn, subject)
        if entry["kind"] == "choice" and purpose in ("", entry["purpose"])
    ]


def _wanted(conn: Connection, subject: SubjectId, purpose: str, entry: int | None) -> tuple[int, dict[str, Any]]:
    found = _choices(conn, subject, purpose)
    if entry is not None:
        found = [(index, said) for index, said in found if index == entry]
    if not found:
        raise NotFound("no such choice of this person is recorded here; `pacte ledger log --person` shows theirs")
    return found[-1]


def _policy(conn: Connection, index: int, said: dict[str, Any]) -> PolicyFile:
    """The policy in force when the choice was recorded: its words are the receipt's."""
    found = stored.present(conn, Instant(said["at"]), index) or stored.latest(conn)
    if found is None:
        raise Denied("unknown_purpose", "no policy was published here: nothing says what the choice was about")
    policy = compiled(conn, found.policy).document
    declared = said["purpose"] in policy.purposes or said["purpose"] == "*" or said["purpose"].startswith("all:")
    if not declared or not {said.get("recipient")} <= {None, *policy.recipients}:
        raise Denied("unknown_purpose", "the policy of that day does not say what this choice was about")
    return policy


def _around(conn: Connection, index: int, said: dict[str, Any]) -> list[int]:
    """The choice, the beginning of the log, the policy of the day and the information that was shown."""
    notices = stored.notices(conn)
    shown = {notices[said["notice"]]} if said.get("notice") in notices else set()
    policies = [one for one, _ in stored.policy_entries(conn) if one < index][-1:]
    return sorted({0, renewal.begun(conn)[0], *policies, *shown, index})


def _sealed(house: House, said: dict[str, Json], proof: bytes) -> bytes:
    document = {**said, "proof": json.loads(proof)}
    signature = house.signer.sign(words.FORMAT.encode() + b"\n" + canonical(document))
    return pretty({**document, "seal": base64.b64encode(signature).decode()})

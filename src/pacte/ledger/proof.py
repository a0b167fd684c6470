"""Proof files: what the log says about one person, in one file that a stranger can verify alone.

The file is pretty-printed JSON in exactly one spelling (`pretty`), sealed by the log's key over everything in it. It
opens only entries about its subject and about the house; `pacte.verifier` reads it without anything of pacte.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from pacte.kernel.canonical import Json, canonical
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.ids import SubjectId
from pacte.ledger import log
from pacte.ledger.membership import MembershipProof, verify
from pacte.ledger.merkle import consistency_proof
from pacte.ledger.note import Signer
from pacte.ledger.tree import reader, tlog_proof_by

FORMAT = "pacte-proof/1"


@dataclass(frozen=True, slots=True)
class FactOpening:
    """What opens the commitment of a `fact` entry: its index, the 32-byte nonce and the vector of facts."""

    index: int
    nonce: bytes
    facts: dict[str, Json]

    def opens(self, commit: object) -> bool:
        """Whether this is what `commit` (hexadecimal) was made from."""
        return hashlib.sha256(self.nonce + canonical(self.facts)).hexdigest() == commit


def write_proof(
    conn: Connection,
    signer: Signer,
    *,
    subject: SubjectId,
    entries: Sequence[int],
    membership: Sequence[MembershipProof] = (),
    facts: Sequence[FactOpening] = (),
    rules: Sequence[Json] = (),
    question: dict[str, Json],
    answers: Sequence[Json] = (),
    since: Sequence[int] = (),
) -> bytes:
    """The proof file about `subject` under the log's present checkpoint.

    `since` holds the sizes of earlier checkpoints (the person's receipts, the last anchor): for each the file shows
    that today's log continues it. Raises `NotFound` for a redacted entry and `BadInput` for an entry about somebody
    else, a set or a fact that does not belong to the entries, a size beyond the log.
    """
    state = log.head(conn)
    opened = {index: _open(conn, index, subject) for index in sorted(set(entries))}
    _check_facts(facts, opened)
    _check_membership(membership, opened, subject)
    if any(not 0 < size <= state.size for size in since):
        raise BadInput("an earlier checkpoint of a size that this log does not have")
    read = reader(conn)
    document: dict[str, Json] = {
        "format": FORMAT,
        "vkey": signer.vkey,
        "checkpoint": state.checkpoint,
        "subject": subject,
        "question": question,
        "answers": list(answers),
        "entries": [
            {
                "index": index,
                "entry": entry,
                "salt": salt.hex(),
                "tlog_proof": tlog_proof_by(read, index, state.checkpoint),
            }
            for index, (entry, salt) in opened.items()
        ],
        "membership": [proof.to_json() for proof in membership],
        "facts": [{"index": fact.index, "nonce": fact.nonce.hex(), "facts": fact.facts} for fact in facts],
        "rules": list(rules),
        "consistency": [
            {"size": size, "path": [node.hex() for node in consistency_proof(read, size, state.size)]}
            for size in sorted(set(since))
        ],
    }
    return pretty({**document, "seal": seal(document, signer)})


def seal(document: dict[str, Json], signer: Signer) -> str:
    """The log key's signature over a whole proof document (without its seal), in base64."""
    return base64.b64encode(signer.sign(FORMAT.encode() + b"\n" + canonical(document))).decode()


def pretty(document: dict[str, Json]) -> bytes:
    """The one spelling of a proof file."""
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def _open(conn: Connection, index: int, subject: SubjectId) -> tuple[dict[str, Json], bytes]:
    found = log.opening(conn, index)
    if found is None:
        raise NotFound(f"entry {index} was redacted and cannot be shown any more")
    if found[0].get("subject", subject) != subject:
        raise BadInput(f"entry {index} is about somebody else and does not belong in this proof")
    return found


def _check_facts(facts: Sequence[FactOpening], opened: dict[int, tuple[dict[str, Json], bytes]]) -> None:
    for fact in facts:
        entry = opened[fact.index][0] if fact.index in opened else {}
        if not fact.opens(entry.get("commit")):
            raise BadInput(f"facts that do not open entry {fact.index} of this proof")


def _check_membership(
    proofs: Sequence[MembershipProof], opened: dict[int, tuple[dict[str, Json], bytes]], subject: SubjectId
) -> None:
    # A use of one person has no set: its entry names them.
    roots = {entry["use"]: entry["set"] for entry, _ in opened.values() if entry["kind"] == "use" and "set" in entry}
    for proof in proofs:
        sealed = roots.get(proof.use)
        if not isinstance(sealed, dict) or not verify(proof, subject, bytes.fromhex(str(sealed["root"]))):
            raise BadInput("a proof of membership that does not belong to a use of this proof")

"""Proofs for somebody who trusts nobody: a proof file, and one page that a judge can read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from pacte.app.ask import ACCOUNTABILITY
from pacte.app.choose import published, subject_of
from pacte.app.house import House
from pacte.gate import replay as replaying
from pacte.gate import rules as stored
from pacte.gate import use as using
from pacte.gate.replay import Replay
from pacte.gate.values import Decision
from pacte.kernel.canonical import Json
from pacte.kernel.errors import NotFound
from pacte.kernel.files import make_private
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import Instant
from pacte.keys.store import KeyGone
from pacte.ledger import anchors, log, membership, queries, renewal
from pacte.ledger.membership import MembershipProof
from pacte.ledger.proof import FactOpening, write_proof
from pacte.policy.vocabulary import STANDING_CHOICES
from pacte.vault.evidence import open_facts

RECEIPT = "receipt"
"""The reason of the look that each receipt leaves in the ledger."""
CONTINUED = 64
"""How many earlier checkpoints a proof file shows itself to continue."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof file's bytes and what they answer."""

    data: bytes
    subject: SubjectId
    use_entry: dict[str, Any]
    use_index: int
    replay: Replay
    size: int
    made: Instant


def prove(house: House, person: str, use_id: str, by: str = "cli") -> Proof:
    """Prove, for one person and one recorded use, what was recorded and in which order. Looking is recorded too."""
    with house.writing() as conn:
        now = house.present(conn)
        subject = known(house, conn, person)
        queries.use(conn, UseId(use_id))  # an unknown use is refused before the look is recorded
        if not replaying.evidence_ended(conn, subject):
            using.look(conn, subject, ACCOUNTABILITY, "prove", house.clock(), house.signer, by)
    with house.reading() as conn:
        again = replaying.replay(conn, UseId(use_id), subject)
        index, entry = queries.use(conn, UseId(use_id))
        data = _write(house, conn, subject, index, entry, again, now)
        size = log.head(conn).size
    return Proof(data, subject, entry, index, again, size, now)


def uses_on(house: House, person: str, purpose: str, start: Instant, end: Instant) -> list[tuple[int, UseId, Instant]]:
    """The recorded uses of a purpose between two instants that had this person in their set, the last one first.

    Each with its place in the ledger, its identifier and its moment. Raises `NotFound` where there is none.
    """
    with house.reading() as conn:
        subject = known(house, conn, person)
        uses = [one for one in queries.uses_near(conn, subject) if one[1]["purpose"] == purpose]
        if not uses and purpose not in (declared := published(conn, house.present(conn)).document.purposes):
            raise NotFound("the policy declares these purposes: " + ", ".join(f"`{name}`" for name in declared))
        had, _ = using.had(conn, [entry for _, entry in uses if start <= entry["as_of"] < end], subject)
        found = [
            (index, UseId(entry["use"]), Instant(entry["as_of"]))
            for index, entry in reversed(uses)
            if entry["use"] in had
        ]
    if not found:
        raise NotFound(
            "no recorded use of that purpose on that day had this person in its set; to prove that a use did not have "
            "them, name it with `--use ID`"
        )
    return found


def known(house: House, conn: Connection, person: str) -> SubjectId:
    """Whom a name of a person stands for, if the log says anything about them; raises `NotFound` otherwise."""
    subject = subject_of(house, conn, person)
    if subject is None or not log.of_subject(conn, subject):
        raise NotFound(
            "nobody with that identifier is known here; an erased person is named by their subject identifier"
        )
    return subject


def _write(
    house: House, conn: Connection, subject: SubjectId, index: int, entry: dict[str, Any], again: Replay, now: Instant
) -> bytes:
    person = [(i, e) for i, e in queries.about(conn, subject) if _relevant(e, entry["purpose"])]
    notices = stored.notices(conn)
    shown = {notices[e["notice"]] for _, e in person if e.get("notice") in notices}
    policies = [i for i, digest in stored.policy_entries(conn) if digest == entry["rules"] and i < index][-1:]
    begun = renewal.begun(conn)[0]  # after a restore the log has taken another's place
    indices = sorted({0, begun, index, *shown, *policies, *(i for i, _ in person)})
    return write_proof(
        conn,
        house.signer,
        subject=subject,
        entries=indices,
        membership=_membership(conn, entry, subject),
        facts=_openings(house, subject, person),
        rules=[stored.load_json(conn, entry["rules"])],
        question={"use": entry["use"], "purpose": entry["purpose"], "as_of": entry["as_of"], "asked": now},
        answers=[_answer("by_known", again.answers.by_known), _answer("by_true", again.answers.by_true)],
        since=[*receipted(conn, subject, log.head(conn).size), *anchored(house, log.head(conn).size)],
    )


def _membership(conn: Connection, entry: dict[str, Any], subject: SubjectId) -> list[MembershipProof]:
    """That the person was in the set, or was not; a use of one person says so itself, an ended set says nothing."""
    if entry["mode"] == "one" or not using.is_whole(conn, entry):
        return []
    return [membership.prove(using.sealed_set(conn, UseId(entry["use"])), subject)]


def anchored(house: House, size: int) -> list[int]:
    """Sizes of the checkpoints kept outside the database, the latest ones: the proof shows that it continues them."""
    house.anchoring.flush()  # INVARIANT: no anchor of this size or below comes into the file after it was looked at
    noted = sorted(anchors.read_latest(house.anchor_file).anchors, key=lambda anchor: anchor.size, reverse=True)
    signed = (anchor.size for anchor in noted if anchor.size <= size and anchors.is_signed(anchor, house.vkey))
    return sorted(size for size, _ in islice(groupby(signed), CONTINUED))


def receipted(conn: Connection, subject: SubjectId, size: int) -> list[int]:
    """The sizes of the checkpoints of this person's receipts, the latest ones below `size`.

    A receipt leaves a look, which is the last entry under its checkpoint (`app.receipts`).
    """
    about = queries.about(conn, subject)
    looks = [index + 1 for index, entry in about if entry["kind"] == "look" and entry["reason"] == RECEIPT]
    return [one for one in looks if one < size][-CONTINUED:]


def _relevant(entry: dict[str, Any], purpose: str) -> bool:
    if entry["kind"] == "choice":
        return entry["purpose"] in (purpose, "*", *STANDING_CHOICES.values())
    return entry["kind"] in ("fact", "collection", "told", "erasure")


def _openings(house: House, subject: SubjectId, person: list[tuple[int, dict[str, Any]]]) -> list[FactOpening]:
    try:
        key = house.keys.evidence_key(subject)
    except KeyGone:
        return []
    found = []
    for index, entry in person:
        if entry["kind"] == "fact":
            nonce, facts = open_facts(key, entry)
            found.append(FactOpening(index, bytes.fromhex(nonce), facts))
    return found


def _answer(name: str, decision: Decision) -> dict[str, Json]:
    reason = decision.reason
    answer: dict[str, Json] = {
        "answer": name,
        "permitted": int(decision.permitted),
        "reason": reason.code,
        "known": decision.question.known,
        "rules": decision.rules,
    }
    if reason.article:
        answer["article"] = reason.article
    if decision.cited:
        answer["entry"] = decision.cited.entry
    return answer


def file_name(proof: Proof) -> str:
    """The name of the proof's file: the purpose, the entry of the use, and the beginning of the subject identifier."""
    return f"{proof.use_entry['purpose']}-{proof.use_index}-{proof.subject[:8]}.pacte-proof.json"


def save(proof: Proof, directory: Path) -> Path:
    """Write the proof file, readable by its owner only; returns its path."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = directory / file_name(proof)
    make_private(target).write_bytes(proof.data)
    return target

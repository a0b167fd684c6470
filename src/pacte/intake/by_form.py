"""Enter one person who typed an address into a form: who they are to the vault, and nothing else yet.

Whoever types an address may type anybody's: until its owner has confirmed, nothing says that they were told of
anything, so that the gate permits no use of them. Source: GDPR Art. 5(1)(b), 7(1), 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from pacte.intake.people import group_of
from pacte.intake.tables import new_collections
from pacte.kernel import crash
from pacte.kernel.canonical import Json
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import Instant
from pacte.keys.store import KeyStore
from pacte.lake.numbers import allot
from pacte.policy.model import PolicyFile
from pacte.vault import index, sealed
from pacte.vault.normalise import normalise_email, normalise_phone


@dataclass(frozen=True, slots=True)
class Arrival:
    """From which form, when: `source` stands in the ledger, `path` is the field of the e-mail address."""

    path: str
    source: str
    load: str
    now: Instant
    by: str

    @property
    def dataset(self) -> str:
        """The table of people that the address belongs to."""
        return self.path.partition(".")[0]


def enter(
    conn: Connection, keys: KeyStore, policy: PolicyFile, arrival: Arrival, email: str
) -> tuple[SubjectId, dict[str, Json]]:
    """Enter somebody new under an e-mail address; answers who they are now, and the entry that says so.

    In a write transaction of the caller's, who records the entry. Raises `BadInput` for what is no address.
    """
    normal = normalise_email(email)
    subject = new_subject_id()
    # Crash point `keys-made`: keys are durable before anything sealed with them is; unused ones harm nobody.
    drawn = keys.create_subject_keys([subject])
    crash.point("keys-made")
    no = allot(conn, [subject])[subject]
    _, _, field = arrival.path.partition(".")
    group = group_of(policy.datasets[arrival.dataset], field)
    row = (subject, group, {arrival.path: normal}, arrival.source, arrival.now, None)
    sealed.put(conn, keys, [row], drawn.data)
    index.add(conn, keys, [(subject, "email", normal)])
    new_collections(conn, arrival.dataset, arrival.source, {(no, ""): arrival.now})
    entry: dict[str, Json] = {
        **policy.controller.standing,
        "kind": "collection",
        "by": arrival.by,
        "subject": subject,
        "dataset": arrival.dataset,
        "source": arrival.source,
        "effective": arrival.now,
        "load": arrival.load,
    }
    return subject, entry


def complete(
    conn: Connection,
    keys: KeyStore,
    policy: PolicyFile,
    arrival: Arrival,
    subject: SubjectId,
    values: Mapping[str, str],
    notice: str,
) -> None:
    """Add what else somebody typed, once they have confirmed; `values` are in normal form, by `dataset.field`."""
    rows, phones = [], []
    for path, value in sorted(values.items()):
        dataset, _, field = path.partition(".")
        declared = policy.datasets[dataset].fields.get(field)
        if declared is None or declared.identity is None:
            continue  # the policy has changed since
        rows.append(
            (subject, group_of(policy.datasets[dataset], field), {path: value}, arrival.source, arrival.now, notice)
        )
        if declared.identity == "phone":
            phones.append((subject, "phone", value))
    sealed.merge(conn, keys, rows, {})
    index.add(conn, keys, phones)


def normal(kind: str, value: str, region: str) -> str:
    """What was typed, as it is kept: an address in small letters, a number in E.164. Raises `BadInput`."""
    if kind == "email":
        return normalise_email(value)
    return normalise_phone(value, region) if kind == "phone" else " ".join(value.split())

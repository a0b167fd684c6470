"""Facts as evidence: a commitment that anybody may keep, and an opening that only the evidence key gives.

A `fact` entry holds SHA-256(nonce ‖ canonical facts) and, sealed under the person's evidence key, the nonce and the
facts. When the key is shredded the commitment stays in the ledger and says nothing any more.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from pacte.kernel.canonical import Json, canonical
from pacte.kernel.errors import Unsafe
from pacte.kernel.ids import SubjectId
from pacte.keys import seal
from pacte.keys.store import KeyGone, KeyStore

Facts = Mapping[str, Json]
"""The closed, coarse vector: place, capacity, age, minor_until, contract_since, contract_until, guardian.

It speaks of what it mentions only; `unknown` lists the names of which nothing is known any more."""


def commit_facts(key: bytes, subject: SubjectId, facts: Facts) -> dict[str, str]:
    """The keys `commit` and `sealed` of a `fact` entry, under the evidence key of the person."""
    nonce = secrets.token_bytes(32)
    commit = hashlib.sha256(nonce + canonical(dict(facts))).hexdigest()
    opening = canonical({"nonce": nonce.hex(), "facts": dict(facts)})
    sealed = seal.seal(key, opening, _bound_to(subject, commit))
    return {"commit": commit, "sealed": base64.b64encode(sealed).decode()}


def open_facts(key: bytes, entry: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(nonce, facts) of a `fact` entry; raises `Unsafe` if they are not the ones committed to."""
    bound = _bound_to(entry["subject"], entry["commit"])
    opening = json.loads(seal.unseal(key, base64.b64decode(entry["sealed"]), bound))
    nonce, facts = opening["nonce"], opening["facts"]
    if hashlib.sha256(bytes.fromhex(nonce) + canonical(facts)).hexdigest() != entry["commit"]:
        raise Unsafe("the opening of a recorded fact does not match its commitment")
    return nonce, facts


def opener(keys: KeyStore) -> Callable[[str, int, Mapping[str, Any]], dict[str, Any] | None]:
    """A function that opens `fact` entries while evidence lives, and answers `None` once its key was shredded.

    Raises `NotFound` for a key that was never shredded and is not there: that key store is older than the records.
    """

    def open_entry(subject: str, _index: int, entry: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            key = keys.evidence_key(SubjectId(subject))
        except KeyGone:
            return None
        return open_facts(key, entry)[1]

    return open_entry


def _bound_to(subject: str, commit: str) -> bytes:
    return canonical({"group": "evidence", "subject": subject, "commit": commit})

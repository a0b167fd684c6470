"""The certificate of an erasure: what was erased, what stays and until when, and a file of it that anybody can check.

It shows the erasure and nothing else of the person, who is a drawn identifier in it. Source: GDPR Art. 5(2), 12(3), 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pacte.app.erase import Certificate, certificate_in
from pacte.app.prove import anchored, receipted
from pacte.kernel.errors import NotFound
from pacte.kernel.ids import SubjectId
from pacte.ledger import log, renewal
from pacte.ledger.proof import write_proof

if TYPE_CHECKING:
    from pacte.app.house import House


def certificate(house: House, subject: SubjectId) -> Certificate:
    """What the ledger says of an erasure that is done; raises `NotFound`."""
    with house.reading() as conn:
        found = certificate_in(conn, subject)
    if found is None:
        raise NotFound("no erasure of this person is recorded here as done")
    return found


def certificate_file(house: House, found: Certificate, lang: str) -> bytes:
    """The proof file of an erasure: its entry under the log's present checkpoint."""
    with house.reading() as conn:
        size = log.head(conn).size
        return write_proof(
            conn,
            house.signer,
            subject=found.subject,
            entries=sorted({0, renewal.begun(conn)[0], found.index}),
            question={"entry": found.index, "asked": house.present(conn), "lang": lang},
            since=[*receipted(conn, found.subject, size), *anchored(house, size)],
        )


def file_name(found: Certificate) -> str:
    """The name of that file: the entry and the beginning of the subject identifier."""
    return f"erasure-{found.index}-{found.subject[:8]}.pacte-proof.json"

"""The export of a whole ledger as JSON lines, which anybody can verify alone.

Every line is canonical JSON and ends with a newline. The first is the header `{"format":"pacte-ledger/1","size":n,
"vkey":…}`; then one line per entry in order, `{"entry":{…},"index":i,"salt":hex}` or, when it was redacted,
`{"index":i,"leaf":hex}` (the 32-byte commitment); the last is `{"checkpoint":signed note}` over exactly these entries.
A leaf of the tree is SHA-256(0x00 ‖ commitment), a commitment is SHA-256(salt ‖ canonical entry).
Source: RFC 9162 §2.1.
"""

from __future__ import annotations

from typing import BinaryIO

from sqlalchemy import Connection, select

from pacte.kernel.canonical import canonical
from pacte.ledger.log import head
from pacte.ledger.tables import entry_table

FORMAT = "pacte-ledger/1"
_CHUNK = 4_096


def export(conn: Connection, out: BinaryIO) -> int:
    """Write the whole ledger to `out`; returns how many entries. `conn` is one snapshot (a read transaction)."""
    state = head(conn)
    out.write(canonical({"format": FORMAT, "size": state.size, "vkey": state.vkey}) + b"\n")
    columns = select(entry_table.c.idx, entry_table.c.leaf, entry_table.c.salt, entry_table.c.body)
    for first in range(0, state.size, _CHUNK):
        last = min(first + _CHUNK, state.size) - 1
        rows = conn.execute(columns.where(entry_table.c.idx.between(first, last)).order_by(entry_table.c.idx))
        out.writelines(_line(row.idx, row.leaf, row.salt, row.body) for row in rows)
    out.write(canonical({"checkpoint": state.checkpoint}) + b"\n")
    return state.size


def _line(index: int, leaf: bytes, salt: bytes | None, body: bytes | None) -> bytes:
    if body is None or salt is None:
        return b'{"index":%d,"leaf":"%s"}\n' % (index, leaf.hex().encode())
    # The stored body is canonical already, and `entry` < `index` < `salt`: the line is canonical as it stands.
    return b'{"entry":%s,"index":%d,"salt":"%s"}\n' % (body, index, salt.hex().encode())

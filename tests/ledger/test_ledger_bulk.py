"""Entries looked at many at once are judged as they would be one by one, when written and when checked."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.canonical import LARGEST
from pacte.kernel.errors import BadInput
from pacte.ledger.bulk import bodies
from pacte.ledger.entries import Entry, encode, validate
from pacte.ledger.matching import FEW, Examples, Told, read_body, well_formed
from tests.ledger.test_ledger_entries import ANYTHING, WHOLE

NOW = 1_800_000_000_000_000
GIVEN = [{key: value for key, value in entry.items() if key not in ("v", "at", "clock")} for entry in WHOLE]
DIFFERING: dict[str, st.SearchStrategy[Any]] = {
    "subject": st.text("0123456789abcdef", min_size=32, max_size=32),
    "commit": st.text("0123456789abcdef", min_size=64, max_size=64),
    "sealed": st.sampled_from(["", "QUJD", "QUI=", "QQ==", "Zm9v", "+/+/"]),
    "effective": st.one_of(st.integers(-9, 99), st.integers(LARGEST - 9, LARGEST), st.integers(10**15, 10**15 + 9)),
    "learned": st.integers(10**15, 9 * 10**15),
    "act": st.sampled_from(["given", "refused", "objected"]),
    "source": st.sampled_from(["crm", "web", "100:percent"]),
    "role": st.just("controller"),
}
FAULTS: list[dict[str, Any]] = [
    {"email": "x"},
    {"role": "processor"},
    {"role": "processor", "behalf": "100 % \u00e9 \U0001f600"},
    {"act": "objection_overruled"},
    {"act": "objection_overruled", "reason": "claim"},
    {"step": "done"},
    {"by": "dpo"},
    {"subject": "A" * 32},
    {"subject": "a" * 32 + "\n"},
    {"effective": True},
    {"effective": LARGEST + 1},
    {"effective": 1.5},
    {"fields": "email"},
    {"label": "\ud800"},
    {"label": 'a"\\b'},
    {"kind": "stop_lifted"},
    {"kind": []},
    {"v": 2},
]


@st.composite
def batches(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Entries of two kinds, most of them right, differing where entries of one kind do."""
    given: list[dict[str, Any]] = []
    for pattern in draw(st.lists(st.sampled_from(GIVEN), min_size=1, max_size=2)):
        keys = [key for key in pattern if key in DIFFERING]
        count = draw(st.integers(1, 8))
        given += [{**pattern, **{key: draw(DIFFERING[key]) for key in keys}} for _ in range(count)]
    if draw(st.booleans()):
        place, change = draw(st.integers(0, len(given) - 1)), draw(st.sampled_from(FAULTS))
        given[place] = {**given[place], **change}
    if draw(st.booleans()):
        place, key = draw(st.integers(0, len(given) - 1)), draw(st.sampled_from([*given[0]]))
        given[place] = {**given[place], key: draw(ANYTHING)}
    return given


def one_by_one(batch: list[dict[str, Any]], filled: Entry) -> list[bytes]:
    for entry in batch:
        validate({**entry, **filled})
    return [encode({**entry, **filled}) for entry in batch]


def outcome(work: Any, *given: Any) -> Any:
    try:
        return work(*given)
    except BadInput:
        return BadInput


@given(batches(), st.sampled_from([{"v": 1, "at": NOW}, {"v": 1, "at": NOW, "clock": 5}]))
def test_what_is_written(batch: list[dict[str, Any]], filled: Entry) -> None:
    """A batch has the bodies that its entries have alone, and is refused if one of them would be."""
    assert outcome(bodies, batch, filled) == outcome(one_by_one, batch, filled)


RIGHT = [entry for entry in GIVEN if entry["kind"] in ("fact", "choice", "told", "use", "erasure")]
WRONG = [
    lambda body: body.replace(b":", b": ", 1),
    lambda body: body.replace(b"}", b',"zz":1}', 1) if body.endswith(b"}") else body,
    lambda body: body[:-1],
    lambda body: json.dumps(json.loads(body), separators=(",", ":")).encode(),
]


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[bytes, str, str | None, str | None]]:
    """Rows of many like entries as they are stored, perhaps one of them touched."""
    pattern = draw(st.sampled_from(RIGHT))
    keys = [key for key in pattern if key in DIFFERING and key not in ("act", "role", "sealed")]
    rows = []
    for number in range(FEW + draw(st.integers(-2, 6))):
        entry = {**pattern, **{key: draw(DIFFERING[key]) for key in keys}, "v": 1, "at": NOW + number}
        rows.append((encode(entry), str(entry["kind"]), entry.get("subject"), entry.get("use")))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(rows) - 1))
        body, kind, subject, use = rows[place]
        match draw(st.integers(0, 4)):
            case 0 | 1:
                at = draw(st.integers(0, len(body) - 1))
                body = body[:at] + bytes([draw(st.integers(0, 255))]) + body[at + 1 :]
            case 2:
                body = draw(st.sampled_from(WRONG))(body)
            case 3:
                kind, use = draw(st.sampled_from([("look", use), (kind, "f" * 32), (kind, None)]))
            case 4:
                subject = draw(st.sampled_from([None, "e" * 32, "\u00e9" * 16, "e" * 31]))
        rows[place] = (body, kind, subject, use)
    return rows


SEEN = Examples()
"""Kept over all runs that are drawn, as a check keeps them over a ledger."""


@given(runs())
def test_what_is_checked(rows: list[tuple[bytes, str, str | None, str | None]]) -> None:
    """A run passes if and only if each row, read alone, says what it tells, with its instants; whatever came before."""
    bodies, told = [row[0] for row in rows], Told(*zip(*[row[1:] for row in rows], strict=True))
    found = well_formed(bodies, told, SEEN)
    entries: list[Any] = [read_body(row[0]) for row in rows]
    good = all(
        entry is not None and (entry["kind"], entry.get("subject"), entry.get("use")) == row[1:]
        for entry, row in zip(entries, rows, strict=True)
    )
    assert (found is not None) == good
    if found is not None:
        assert found.instants.tolist() == [entry["at"] for entry in entries]
        assert found.skewed == sum("clock" in entry for entry in entries)

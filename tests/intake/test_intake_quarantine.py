"""Rows set aside: sealed, given back, forgotten with their person, gone at their end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.intake.quarantine import KEPT, expire, forget, open_quarantine
from pacte.kernel.errors import NotFound, Unsafe
from pacte.kernel.instant import DAY, Instant, parse_instant
from pacte.keys.blind import blind
from pacte.keys.store import KeyGone
from pacte.vault import index

NOW = parse_instant("2026-06-01T08:00")
HEAD = "id,mail,phone,first_name,last_name,birth_date,city,postcode,country,region,kind,signup_date,customer_since"
ROWS = (
    ",closed_at,notice,parent_id,remark\n"
    "K1,k1@poste.example,,Zaharie,Martin,1980-02-03,Nantes,44000,France,,private,2024-03-04,2024-03-04,,v9,,so told\n"
    "K2,broken line\n"
)


@pytest.fixture
def kept(house, tmp_path: Path) -> Path:
    """The file of a load that set two rows aside."""
    path = tmp_path / "customers.csv"
    path.write_text(HEAD + ROWS)
    report = house.load(path)
    assert report.quarantine is not None
    return report.quarantine


def test_rows_come_back_as_they_were(house, kept: Path) -> None:
    """The mapped columns of a split row, the bytes of one that was not; neither prints, nothing is readable on disk."""
    first, second = open_quarantine(kept, house.keys)
    assert (first.line, first.column, first.reason) == (2, "notice", "bad_value")
    row = first.row.reveal()
    assert isinstance(row, dict)
    assert row["first_name"] == "Zaharie"
    assert "remark" not in row
    assert (second.line, second.reason) == (3, "wrong_column_count")
    assert second.row.reveal() == b"K2,broken line\n"
    assert "Zaharie" not in repr(first) + kept.read_text()


def test_an_altered_row_is_refused(house, kept: Path) -> None:
    """A row moved to another line, or changed, does not open."""
    text = kept.read_text()
    kept.write_text(text.replace('"line":2', '"line":4'))
    with pytest.raises(Unsafe):
        list(open_quarantine(kept, house.keys))
    kept.write_text(text[:-20])
    with pytest.raises(Unsafe, match="damaged"):
        list(open_quarantine(kept, house.keys))


def test_an_erasure_reaches_the_rows_of_its_person(house, kept: Path) -> None:
    """With any of the person's fingerprints their rows go, others stay; without rows the file goes."""
    mail = blind(house.keys.house_key("blind:email"), "email", "k1@poste.example")
    folder = house.stores.quarantine
    assert forget(folder, [b"somebody else...", mail]) == 1
    assert [row.line for row in open_quarantine(kept, house.keys)] == [3]
    assert forget(folder, [mail]) == 0
    assert kept.stat().st_mode & 0o777 == 0o600


NAMED = {
    "a byte that is no text": b"K1,,\xff\xfe,\n",
    "a byte beside the key": b"x,K1\xff,y,\n",
    "a NUL beside the key": b"K1\0,x\n",
    "a mark of a byte order": b"\xef\xbb\xbfK1,x\n",
    "other quotes": b"'K1','x'\n",
    "a quote that stays open": b'K1,"Nantes,\n',
    "an address in a sentence": b"write to <k1@poste.example>, please,\n",
    "an address with a prefix": b"mailto:K1@Poste.example,\xff\n",
    "far behind": b"x," * 900 + b"K1,k1@poste.example\n",
}
"""Lines that cannot enter and name the person K1, by key or by address."""


@pytest.mark.parametrize("line", NAMED.values(), ids=NAMED)
def test_an_erasure_reaches_lines_that_could_not_be_read(house, tmp_path: Path, line: bytes) -> None:
    """Wherever and however a broken line names the person, it goes with them, and no other."""
    path = tmp_path / "customers.csv"
    path.write_bytes(
        (HEAD + ROWS.partition("K1")[0]).encode() + line.replace(b"K1", b"K7").replace(b"k1", b"k7") + line
    )
    report = house.load(path)
    assert report.rejected_rows == 2
    names = [("key:customers.customer_id", "K1"), ("email", "k1@poste.example")]
    assert forget(house.stores.quarantine, index.blinds(house.keys, names)) == 1
    assert [row.line for row in open_quarantine(report.quarantine, house.keys)] == [2]


def test_a_line_of_endless_words_is_kept_as_far_as_people_are_looked_for(house, tmp_path: Path) -> None:
    """Who is named behind that would stay after an erasure: that part stays in the file that was loaded."""
    path = tmp_path / "customers.csv"
    path.write_text(HEAD + ROWS.partition("K1")[0] + "é " * 5_000 + "K1\n")
    report = house.load(path)
    (row,) = open_quarantine(report.quarantine, house.keys)
    kept = row.row.reveal()
    assert isinstance(kept, bytes)
    assert kept.decode().startswith("é é")
    assert kept.endswith(b"\n[cut: 15003 bytes]")
    assert b"K1" not in kept


def test_rows_set_aside_have_an_end(house, kept: Path) -> None:
    """After thirty days file and key are gone; before, nothing happens."""
    folder = house.stores.quarantine
    assert expire(folder, house.keys, Instant(NOW + KEPT - 1)) == 0
    copy = kept.read_bytes()
    assert expire(folder, house.keys, Instant(NOW + KEPT)) == 1
    with pytest.raises(NotFound):
        list(open_quarantine(kept, house.keys))
    kept.write_bytes(copy)
    with pytest.raises(KeyGone):
        list(open_quarantine(kept, house.keys))


def test_a_mended_file_leaves_nothing_set_aside(house, kept: Path, tmp_path: Path) -> None:
    """Loading the same file again replaces what was set aside; once all its rows enter, nothing is left."""
    again = house.load(tmp_path / "customers.csv", Instant(NOW + DAY))
    assert again.quarantine is not None
    assert [path.name for path in house.stores.quarantine.iterdir()] == [again.quarantine.name]
    assert again.quarantine != kept

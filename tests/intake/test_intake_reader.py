"""Reading files: one bad row never costs the others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacte.intake import reader
from pacte.intake.mapping import Cell, Source
from pacte.intake.reader import open_table
from pacte.kernel.errors import BadInput

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


def source(suffix: str = "csv", encoding: str = "utf-8") -> Source:
    return Source(
        name="test",
        pattern="*",
        format=suffix,
        encoding=encoding,
        delimiter=",",
        dates="ymd",
        decimal=".",
        choices=False,
        dataset="people",
        provenance="test",
        collected=Cell(),
        notice=Cell(),
        fields={"a": "a", "b": "b"},
        place=None,
        facts={},
        person=("", ""),
        choice={},
    )


def read(path: Path, **how: str) -> tuple[list[tuple[str, str]], list[reader.Aside]]:
    rows, aside = [], []
    for batch in open_table(path, source(**how)).batches:
        rows += list(zip(batch.columns["a"], batch.columns["b"], strict=True))
        aside += batch.aside
    return rows, aside


garbage = st.binary(max_size=60).map(lambda line: line.replace(b'"', b"").replace(b"\n", b"").replace(b"\r", b""))


@ONE_FILE
@given(lines=st.lists(st.one_of(st.just(b"good,row"), garbage), max_size=30))
def test_every_sound_row_is_read_whatever_stands_between(tmp_path: Path, lines: list[bytes]) -> None:
    """However broken some lines are, every sound line is read, and every other one is set aside or blank."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n" + b"".join(line + b"\n" for line in lines))
    rows, aside = read(path)
    assert rows.count(("good", "row")) >= lines.count(b"good,row")
    assert len(rows) + len(aside) == sum(1 for line in lines if line)


@ONE_FILE
@given(lines=st.lists(st.one_of(st.just(b"good,row"), st.binary(max_size=40)), max_size=20))
def test_no_line_is_ever_lost(tmp_path: Path, lines: list[bytes]) -> None:
    """Quotes may join lines; whatever they do, the bytes of every line are in a row or set aside."""
    path = tmp_path / "x.csv"
    body = b"".join(b"%d,%s\n" % (n, line.replace(b"\n", b"")) for n, line in enumerate(lines))
    path.write_bytes(b"a,b\n" + body)
    rows, aside = read(path)
    told = "\n".join(f"{a},{b}" for a, b in rows).encode() + b"".join(bytes(row.row) for row in aside)  # type: ignore[arg-type]
    assert all(b"%d," % n in told for n in range(len(lines)))


cells = st.sampled_from(["x", "", '"q"', '"a ""b"""', '"', "é", "\r", "\0", "1,2", '"two\nlines"', "\udcff", " "])
file_lines = st.lists(st.lists(cells, max_size=4).map(",".join), max_size=40)


@ONE_FILE
@given(lines=file_lines, end=st.sampled_from(["\n", "\r\n"]), block=st.integers(1, 120), batch=st.integers(1, 12))
def test_many_lines_at_once_say_what_they_say_one_by_one(
    tmp_path: Path, lines: list[str], end: str, block: int, batch: int
) -> None:
    """However much of a file is split at once, the same rows are read and the same ones set aside, in their order."""
    path = tmp_path / "x.csv"
    path.write_bytes(end.join(["a,b", *lines]).encode("utf-8", "surrogateescape"))
    found = []
    for size, rows in ((0, batch), (block, batch), (64 * 1024, 25_000)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "BLOCK", size)
            patch.setattr(reader, "BATCH", rows)
            batches = list(open_table(path, source()).batches)
        assert all(len(one) + len(one.aside) <= rows for one in batches)
        numbers = [number for one in batches for number in one.lines]
        values = [one.columns[name] for name in "ab" for one in batches]
        found.append((numbers, [v for column in values for v in column], [row for one in batches for row in one.aside]))
    assert found[0] == found[1] == found[2]


def test_a_field_of_ten_megabytes_costs_one_row(tmp_path: Path) -> None:
    """A huge field is set aside with the reason; the rows around it are read."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,one\n2," + b"x" * 10_000_000 + b"\n3,three\n4," + b"y" * 70_000 + b"\n")
    rows, aside = read(path)
    assert rows == [("1", "one"), ("3", "three")]
    assert [(row.line, row.reason) for row in aside] == [(3, "field_too_long"), (5, "field_too_long")]
    assert len(aside[0].row) > 10_000_000


def test_an_endless_line_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a line beyond all limits only its beginning and its length are kept."""
    monkeypatch.setattr(reader, "LINE_BYTES", 100_000)
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1," + b"x" * 350_000 + b"\n2,two\n")
    rows, aside = read(path)
    assert rows == [("2", "two")]
    assert len(aside[0].row) < 70_000
    assert b"350003 bytes" in bytes(aside[0].row)  # type: ignore[arg-type]


def test_a_quote_never_closed_costs_one_line(tmp_path: Path) -> None:
    """An open quote swallows neither the rest of the file nor the next line."""
    path = tmp_path / "x.csv"
    path.write_bytes(b'a,b\n1,"open\n' + b"".join(b"%d,fine\n" % n for n in range(2, 2_000)))
    rows, aside = read(path)
    assert len(rows) == 1_998
    assert [(row.line, row.reason) for row in aside] == [(2, "open_quote")]


def test_quoted_fields_may_hold_lines_and_delimiters(tmp_path: Path) -> None:
    """What RFC 4180 allows is read: commas, quotes and line ends within quotes, CRLF, a byte order mark."""
    path = tmp_path / "x.csv"
    path.write_bytes('\ufeffa,b\r\n"x, ""y""","two\r\nlines"\r\n\r\nlast,row'.encode())
    assert read(path)[0] == [('x, "y"', "two\r\nlines"), ("last", "row")]


def test_other_encodings_are_declared_not_guessed(tmp_path: Path) -> None:
    """A Windows file is read when the mapping says so, and set aside row by row when it does not."""
    path = tmp_path / "x.csv"
    path.write_bytes("a,b\n1,Orléans\n2,Nantes\n".encode("cp1252"))
    assert read(path, encoding="cp1252")[0] == [("1", "Orléans"), ("2", "Nantes")]
    rows, aside = read(path)
    assert rows == [("2", "Nantes")]
    assert [(row.line, row.reason) for row in aside] == [(2, "bad_encoding")]


def test_parquet_is_read_in_batches_with_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress counts rows up to their number, batch by batch; NaN is nothing; columns not mapped are not read."""
    monkeypatch.setattr(reader, "BATCH", 40)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(100)), "b": [float("nan")] * 100, "secret": ["no"] * 100}), path)
    seen: list[tuple[int, int]] = []
    table = open_table(path, source("parquet"), lambda done, total: seen.append((done, total)))
    batches = list(table.batches)
    assert seen == [(40, 100), (80, 100), (100, 100)]
    assert table.undeclared == ("secret",)
    assert all(set(batch.columns) == {"a", "b"} for batch in batches)
    assert batches[2].columns["b"] == [None] * 20


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\xff\xfe,b\n", "header"),
        (b"1,2\n3,4\n", "no header line"),
        (b"a,c\n1,2\n", "lacks columns"),
        (b"a,b,a\n1,2,3\n", "columns 1 and 3"),
    ],
)
def test_a_file_without_a_usable_header_is_refused_whole(tmp_path: Path, content: bytes, says: str) -> None:
    """The message says what is wrong with the header and repeats nothing that may be a person's data."""
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=says):
        open_table(path, source())

"""`sql`: ask the permitted rows of a purpose a question in SQL."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacte.cli.output import (
    HERE,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    code,
    console,
    counted,
    language,
    opened,
    say,
    tell,
    words,
)
from pacte.cli.questions import Channel, Fields, Recipient

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 1_000
"""Rows of an answer that are shown unless more are asked for."""

RUNS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula."""


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("sql", short_help="Ask the permitted rows of a purpose in SQL.")(sql)


def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One SELECT.", show_default=False)] = "",
    use: Annotated[str, typer.Option("--use", "-u", metavar="PURPOSE", help="Purpose of the use.")] = "",
    field: Fields = None,
    channel: Channel = "",
    recipient: Recipient = "",
    tables: Annotated[
        bool, typer.Option("--tables", help="Say which tables and columns there are; no data are used.")
    ] = False,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="Show at most so many rows.")] = ROWS,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="N", min=1, max=3600, help="End a query that takes longer.")
    ] = 60.0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Answer in CSV, for spreadsheets.")] = False,
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask the permitted rows of a purpose in SQL, in a private copy with a table per dataset; the use is recorded."""
    from pacte.app.sql import check
    from pacte.app.sql import tables as offered
    from pacte.app.uses import declare
    from pacte.uses.sql import Limits, ask

    tongue, by = language(lang, house), code("--by", by)
    _check_options(query, use, tables, as_csv and as_json)
    about: dict[str, Any] = {"fields": tuple(field or ()), "channel": channel, "recipient": recipient}
    with opened(house) as home:
        if tables:
            return _show_tables(offered(home, use, **about), tongue, as_csv, as_json)
        check(home, use, query, **about)
        declared = declare(home, use, by=by, **about)
        answer = ask(declared.table(), query, Limits(rows=rows, seconds=seconds))
    names, lines = answer.table.column_names, _lines(answer.table)
    if as_csv:
        _write_csv(names, lines)
        return _note_more(answer.more, rows)

    def show() -> None:
        _draw(names, lines)
        tell(counted("sql.people", tongue, declared.funnel.permitted, use=declared.id, entry=str(declared.index)))
        if answer.more:
            tell(words("sql.more", tongue, rows=str(rows)), mark="!", color="yellow")

    shown = {"use": declared.id, "entry": declared.index, "permitted": declared.funnel.permitted, "more": answer.more}
    return say(shown | {"columns": names, "rows": [[_json(cell) for cell in line] for line in lines]}, as_json, show)


def safe(cell: Any) -> Any:
    """A cell of a CSV file that no spreadsheet runs: a text that begins like a formula gets an apostrophe before it."""
    shown = _word(cell)
    return "'" + shown if isinstance(cell, str) and shown.startswith(RUNS) else shown


def _check_options(query: str, use: str, tables: bool, both: bool) -> None:
    from pacte.kernel.errors import BadInput

    if not use:
        raise BadInput("`--use PURPOSE` is missing: nothing is read without a purpose")
    if bool(query.strip()) == tables:
        raise BadInput("give a query, or `--tables` to see which tables there are")
    if both:
        raise BadInput("`--csv` and `--json` answer the same in two ways; choose one")


def _show_tables(found: Sequence[tuple[str, str, str]], lang: str, as_csv: bool, as_json: bool) -> None:
    names = ["table", "column", "type"]
    heads = [words(f"sql.{name}", lang) for name in names]
    if as_csv:
        return _write_csv(names, found)
    return say([dict(zip(names, row, strict=True)) for row in found], as_json, lambda: _draw(heads, found))


def _lines(table: pa.Table) -> list[tuple[Any, ...]]:
    """The rows, by place: two columns of an answer may have one name."""
    return list(zip(*map(_cells, table.columns), strict=True))


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column; raises `BadInput` for what Python has no value for, such as a day of the year 300,000."""
    from pacte.kernel.errors import BadInput

    try:
        return list(column.to_pylist())
    except (ValueError, TypeError, OverflowError, ArithmeticError, NotImplementedError, LookupError):
        raise BadInput(
            "a column of the answer holds what cannot be shown here; ask for it as text: `CAST(… AS VARCHAR)`"
        ) from None


def _write_csv(names: Sequence[str], lines: Sequence[Sequence[Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([safe(name) for name in names])
    writer.writerows([safe(cell) for cell in line] for line in lines)


def _note_more(more: bool, rows: int) -> None:
    # Not into the CSV: a program reads it.
    if more:
        sys.stderr.write(f"! cut after {rows} rows; ask for more with --rows\n")


def _draw(names: Sequence[str], lines: Sequence[Sequence[Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for place, name in enumerate(names):
        number = bool(lines) and all(isinstance(line[place], int | float | Decimal | None) for line in lines)
        drawn.add_column(Text(_shown(name)), justify="right" if number else "left", overflow="fold")
    for line in lines:
        drawn.add_row(*(Text(_shown(_word(cell)), style="dim" if cell is None else "") for cell in line))
    console().print(drawn)


def _shown(text: str) -> str:
    """A text that cannot move the cursor or colour the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _word(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return cell.isoformat(" ") if hasattr(cell, "hour") and hasattr(cell, "year") else str(cell)


def _json(cell: Any) -> Any:
    """A cell as JSON has it: whole numbers whole, instants and days as ISO 8601, other things as text."""
    match cell:
        case None | bool() | int() | str():
            return cell
        case float():
            return cell if math.isfinite(cell) else str(cell)
        case Decimal():
            return int(cell) if cell == cell.to_integral_value() else float(cell)
        case date():
            return cell.isoformat()
        case list():
            return [_json(part) for part in cell]
        case dict():
            return {str(name): _json(part) for name, part in cell.items()}
    return str(cell)

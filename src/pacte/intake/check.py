"""Check cells: from what a file says to typed values, or to the reason why the row is set aside.

Columns are converted one at a time. A reason names the column, never the value. Empty cells are no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pacte.intake.mapping import Cell
from pacte.kernel.canonical import LARGEST
from pacte.kernel.errors import PacteError
from pacte.kernel.instant import DAY, from_date, from_datetime, to_iso

_FORMULA = re.compile(r"[=+\-@\t\r].")
_STARTS = frozenset("=+-@\t\r")
_AROUND = " \u00a0\n"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TRUE, _FALSE = {"true", "yes", "oui", "1", "vrai", "y", "o"}, {"false", "no", "non", "0", "faux", "n"}
_SPACES = str.maketrans("", "", " \u00a0\u202f")
LARGEST_CHARACTERS = 4_096
"""The longest text a declared field may hold; longer ones are no identity and no code."""


YEARS = range(1850, 2201)
"""No date of a person's life, or of what they did, lies outside."""
_EARLIEST = from_date(date(YEARS.start, 1, 1))
_LATEST = from_date(date(YEARS.stop, 1, 1))
_EPOCH = date(1970, 1, 1).toordinal()


class Moment(int):
    """A time that a file holds as a time: microseconds since 1970 UTC. Bare numbers are no times: nobody says of what.

    It may lie outside what calendars can write.
    """

    def __str__(self) -> str:
        """As ISO 8601, a midnight as a date; where no calendar has it, the number."""
        try:
            written = to_iso(self)
        except (ValueError, OverflowError, OSError):
            return int.__repr__(self)
        return written.removesuffix("T00:00:00Z")


class Bad(PacteError):
    """A cell that cannot be read; carries the reason code only."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Faults:
    """The rows of a batch that are set aside: position → (reason, column). The first reason found stands."""

    found: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, position: int, reason: str, column: str) -> None:
        """Set one row aside."""
        self.found.setdefault(position, (reason, column))


@dataclass(frozen=True, slots=True)
class Style:
    """How a file writes dates (`ymd`, `dmy`, `mdy`) and decimals (`.` or `,`)."""

    dates: str = "ymd"
    decimal: str = "."


def column(cells: Sequence[Any], kind: str, style: Style, name: str, faults: Faults) -> list[Any]:
    """The typed values of a column (`None` where empty or at fault); `name` is the column's name in the file.

    Words, towns and dates come again and again: where all cells are texts, each is read once.
    """
    convert = converter(kind, style)
    if set(map(type, cells)) <= {str, type(None)}:  # else words that Python holds for equal are read differently
        known, bad = _read_once(set(cells), convert)
        for position, cell in enumerate(cells if bad else ()):
            if cell in bad:
                faults.add(position, bad[cell], name)
        return list(map(known.__getitem__, cells))
    values: list[Any] = []
    for position, cell in enumerate(cells):
        if cell is None or cell == "" or (type(cell) is str and cell.isspace()):
            values.append(None)
            continue
        try:
            values.append(convert(cell))
        except Bad as error:
            values.append(None)
            faults.add(position, error.reason, name)
    return values


def _read_once(words: set[str | None], convert: Callable[[Any], Any]) -> tuple[dict[str | None, Any], dict[Any, str]]:
    """The value of each word of a column, and why it cannot be read where it cannot."""
    filled = [word for word in words if word and not word.isspace()]
    known: dict[str | None, Any] = dict.fromkeys(words)
    bad: dict[Any, str] = {}
    if convert is text and (plain := _texts(filled)) is not None:
        return known | dict(zip(filled, plain, strict=True)), bad
    for word in filled:
        try:
            known[word] = convert(word)
        except Bad as error:
            bad[word] = error.reason
    return known, bad


def _texts(words: Sequence[str]) -> list[str] | None:
    """What `text` makes of each, where it is plain that none is at fault."""
    stripped = [word.strip(_AROUND) for word in words]
    if {word[:1] for word in stripped} & _STARTS or not "".join(stripped).isprintable():
        return None
    return stripped if max(map(len, stripped), default=0) <= LARGEST_CHARACTERS and all(stripped) else None


def cells(columns: Mapping[str, Sequence[Any]], cell: Cell, rows: int, faults: Faults) -> list[str | None]:
    """The text of a mapped cell for each row: its column, translated if the mapping has words for it, or fixed."""
    if not cell.column:
        return [cell.fixed or None] * rows
    values = column(columns[cell.column], "string", Style(), cell.column, faults)
    if cell.values is not None:
        for position, value in enumerate(values):
            if value is not None:
                if value not in cell.values:
                    faults.add(position, "bad_value", cell.column)
                values[position] = cell.values.get(value)
    if cell.fixed:
        values = [cell.fixed if value is None else value for value in values]
    return values


def moments(
    columns: Mapping[str, Sequence[Any]], cell: Cell, rows: int, style: Style, faults: Faults
) -> list[int | None]:
    """The instants of a mapped cell for each row."""
    if cell.column:
        return column(columns[cell.column], "instant", style, cell.column, faults)
    return [converter("instant", style)(cell.fixed) if cell.fixed else None] * rows


def converter(kind: str, style: Style) -> Callable[[Any], Any]:
    """The function that reads one non-empty cell of a declared type; it raises `Bad`."""
    match kind:
        case "integer":
            return _integer
        case "decimal":
            return lambda cell: _decimal(cell, style)
        case "date":
            return lambda cell: _date(cell, style)
        case "instant":
            return lambda cell: _instant(cell, style)
        case "boolean":
            return _boolean
        case _:
            return text


def text(cell: Any) -> str | None:
    """A text that is safe to store: no control characters, nothing that a spreadsheet would run as a formula."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # numbers of customers often arrive as 17850.0
    value = str(cell).strip(_AROUND)
    if _FORMULA.match(value):
        raise Bad("formula")
    if _CONTROL.search(value):
        raise Bad("control_character")
    if len(value) > LARGEST_CHARACTERS:
        raise Bad("text_too_long")
    return value or None


def _integer(cell: Any) -> int:
    if isinstance(cell, bool | Moment):
        raise Bad("bad_number")
    try:
        number = int(cell) if not isinstance(cell, str) else int(cell.translate(_SPACES))
    except (ValueError, OverflowError, TypeError):
        raise Bad("bad_number") from None
    if abs(number) > LARGEST or (isinstance(cell, float | Decimal) and cell != number):
        raise Bad("bad_number")  # beyond 2^53 not every reader sees the same number
    return number


def _decimal(cell: Any, style: Style) -> Decimal:
    written = str(cell).translate(_SPACES)
    if style.decimal == "," and isinstance(cell, str):
        written = written.replace(".", "").replace(",", ".")
    try:
        number = Decimal(written)
        if not number.is_finite() or abs(number) >= 10**14:
            raise Bad("bad_number")
        return number.quantize(Decimal("0.0001"))
    except InvalidOperation:
        raise Bad("bad_number") from None


def _date(cell: Any, style: Style) -> date:
    if isinstance(cell, str):
        return _read(cell, style).date()
    days, rest = divmod(_instant(cell, style), DAY)
    if rest:
        raise Bad("bad_date")  # a time of day is no date
    return date.fromordinal(_EPOCH + days)


def _instant(cell: Any, style: Style) -> int:
    if isinstance(cell, str):
        return from_datetime(_read(cell, style))
    if isinstance(cell, Moment):
        moment = int(cell)
    elif isinstance(cell, datetime):
        moment = from_datetime(cell)
    elif isinstance(cell, date):
        moment = from_date(cell)  # a day begins at 00:00 UTC
    else:
        raise Bad("bare_number")
    if not _EARLIEST <= moment < _LATEST:
        raise Bad("bad_date")
    return moment


def _read(cell: str, style: Style) -> datetime:
    written = cell.strip()
    if style.dates != "ymd" and (parts := re.fullmatch(r"(\d\d?)[/.-](\d\d?)[/.-](\d{4})(.*)", written)):
        day, month = (parts[1], parts[2]) if style.dates == "dmy" else (parts[2], parts[1])
        written = f"{parts[3]}-{month:0>2}-{day:0>2}{parts[4]}"
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise Bad("bad_date") from None
    if moment.year not in YEARS:
        raise Bad("bad_date")
    return moment


def _boolean(cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    word = str(cell).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Bad("bad_boolean")

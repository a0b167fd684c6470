"""A small shop that is loaded from real files, and the tools to search every byte it leaves behind."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pacte.app.house import House, create
from pacte.app.publish import publish
from pacte.app.templates import write_template
from pacte.cli.main import run
from pacte.kernel.instant import DAY, Instant
from pacte.testing.world import START, TestClock
from tools import console

CUSTOMER_COLUMNS = (
    "id", "mail", "phone", "first_name", "last_name", "birth_date", "city", "postcode", "country", "region", "kind",
    "signup_date", "customer_since", "closed_at", "notice", "parent_id", "remark",
)  # fmt: skip
CHOICE_COLUMNS = (
    "customer", "purpose", "act", "signed_at", "recorded_at", "channel", "recipient", "method", "proof", "notice",
    "voice", "authenticated", "signal",
)  # fmt: skip
TODAY = Instant(START + 300 * DAY)
"""When the tests' clock begins: late in October 2025, after everything that the files tell."""


def customer(number: int, **said: str) -> dict[str, str]:
    """One row of a customers file: an adult in France who saw the notice of 2024."""
    row = {
        "id": f"C{number:05d}",
        "mail": f"person.{number}@shop.example",
        "first_name": f"Prénom{number}",
        "last_name": f"Nom{number}",
        "birth_date": "1980-05-17",
        "city": ("Rennes", "Nantes", "Brest")[number % 3],
        "postcode": ("35000", "44000", "29200")[number % 3],
        "country": "France",
        "kind": "private",
        "signup_date": "2024-03-01",
        "customer_since": "2024-03-01",
        "notice": "v3",
    }
    return row | said


def choice(number: int | str, act: str = "given", **said: str) -> dict[str, str]:
    """One row of a choices file: a dated, proved yes to the newsletter by e-mail."""
    row = {
        "customer": number if isinstance(number, str) else f"C{number:05d}",
        "purpose": "newsletter",
        "act": act,
        "signed_at": "2024-03-02T10:00:00Z",
        "recorded_at": "2024-03-02T10:00:00Z",
        "channel": "email",
        "method": "web_form",
        "proof": "form",
        "notice": "v3",
        "voice": "self",
        "authenticated": "1",
    }
    return row | said


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> Path:
    """Write a CSV file as the shop's systems would."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_orders(path: Path, rows: Iterable[dict[str, Any]], extra: Sequence[str] = ()) -> Path:
    """Write a Parquet file of orders; `extra` are columns that the mapping does not name."""
    names = ("order_id", "line", "customer", "ordered_at", "channel", "product", "amount", *extra)
    rows = list(rows)
    columns = {name: [row.get(name) for row in rows] for name in names}
    columns["ordered_at"] = pa.array(columns["ordered_at"], pa.timestamp("us", "UTC"))
    columns["amount"] = pa.array(columns["amount"], pa.float64()).cast(pa.decimal128(18, 2), safe=False)
    pq.write_table(pa.table(columns), path)
    return path


def order(number: int | str, which: int, **said: Any) -> dict[str, Any]:
    """One line of an order."""
    row = {
        "order_id": f"O{number}-{which}",
        "line": 1,
        "customer": number if isinstance(number, str) else f"C{number:05d}",
        "ordered_at": START - (40 + which) * DAY,
        "channel": "web",
        "product": "galettes",
        "amount": 12.5 + which,
    }
    return row | said


@dataclass
class Files:
    """The files of a small shop."""

    customers: Path
    choices: Path
    orders: Path

    def __iter__(self) -> Any:
        return iter((self.customers, self.choices, self.orders))


def shop_files(folder: Path, people: Iterable[int] = range(1, 41)) -> Files:
    """Files about `people`: everybody said yes to the newsletter and bought twice."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = list(people)
    return Files(
        write_csv(folder / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in numbers]),
        write_csv(folder / "choices.csv", CHOICE_COLUMNS, [choice(n) for n in numbers]),
        write_orders(folder / "orders.parquet", [order(n, which) for n in numbers for which in (1, 2)]),
    )


def empty_house(
    path: Path, clock: Callable[[], Instant] | None = None, passphrase: str | None = None, database: str = ""
) -> House:
    """A house under the shop's policy, with nobody in it."""
    house = create(path, clock=TestClock(TODAY) if clock is None else clock, passphrase=passphrase, database=database)
    write_template(path)
    publish(house, "owner")
    return house


@dataclass
class Answer:
    """What one run of the program said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.out)


def pacte(
    *arguments: str | Path, house: Path | None = None, asked: str = "", quick: Path | None = None, **environment: str
) -> Answer:
    """Run the command line in a process of its own; by the program in the folder `quick`, if one is given."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PACTE_")} | environment
    if house is not None:
        env["PACTE_HOUSE"] = str(house)
    if quick is not None:
        home = {name: value for name, value in env.items() if name.startswith("PACTE_")}
        program, env = [str(quick / "pacte")], console.environment(Path.home()) | home
    else:
        program, env = [sys.executable, "-c", "from pacte.cli.main import run; run()"], env | {"PYTHONUTF8": "1"}
    done = subprocess.run(
        [*program, *map(str, arguments)],
        input=asked,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env,
        timeout=120,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def python(code: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a few lines in a process of their own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, **more
    )


def pacte_here(*arguments: str | Path, house: Path) -> Answer:
    """Run the command line in this process: the same program, without the time that Python takes to start."""
    out, err = io.StringIO(), io.StringIO()
    before, code = sys.argv, 0
    sys.argv = ["pacte", *map(str, arguments)]
    os.environ["PACTE_HOUSE"] = str(house)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            run()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except Exception:
        err.write(traceback.format_exc())
        code = 1
    finally:
        sys.argv = before
        del os.environ["PACTE_HOUSE"]
    return Answer(code, out.getvalue(), err.getvalue())


def spellings(value: str) -> set[bytes]:
    """How a value may lie in bytes: encodings, escapes, letter case, and the insides of base64 and hexadecimal."""
    found: set[bytes] = set()
    for text in {value, value.lower(), value.upper(), value.casefold()}:
        for encoding in ("utf-8", "utf-16-le", "latin-1"):
            raw = text.encode(encoding, "ignore")
            if len(raw) < 4:
                continue
            found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
            # Wherever it stands in base64, the middle of a value is one of three texts.
            for shift in range(3):
                skip = -(-shift * 4 // 3)
                inside = base64.b64encode(b"\0" * shift + raw)[skip + (shift > 0) : -4]
                found |= {inside} if len(inside) >= 8 else set()
        found.add(json.dumps(text).strip('"').encode())
    return {needle for needle in found if len(needle) >= 4}


def lying_in(content: bytes, values: Iterable[str]) -> list[str]:
    """Which of the values lie in these bytes, however spelt."""
    return [value for value in values if any(needle in content for needle in spellings(value))]


def lake_text(house: Path) -> bytes:
    """Everything that the lake's files say, decoded."""
    said = []
    for path in sorted((house / "lake").glob("*.parquet")):
        table = pq.read_table(path)
        said += [str(cell) for column in table.columns for cell in column.to_pylist()]
    return "\n".join(said).encode()


def every_file(house: Path) -> dict[str, bytes]:
    """The bytes of every file of the house, plus the decoded lake."""
    found = {path.relative_to(house).as_posix(): path.read_bytes() for path in house.rglob("*") if path.is_file()}
    return found | {"lake, decoded": lake_text(house)}


def numbers_of(house: House) -> dict[str, int]:
    """How much a house holds: rows of its tables that a load fills, entries by kind, rows of the lake by dataset."""
    with sqlite3.connect(house.path / "records.db") as db:
        # Rows of the vault are blanked, not deleted.
        tables = {"lake_subject": "subject", "vault_sealed": "subject", "vault_index": "subject"}
        tables |= {"intake_row": "*", "consent_choice": "*", "consent_person": "*"}
        held = {name: db.execute(f"SELECT count({what}) FROM {name}").fetchone()[0] for name, what in tables.items()}
        held |= {f"entry:{k}": n for k, n in db.execute("SELECT kind, count(*) FROM ledger_entry GROUP BY kind")}
        segments = db.execute("SELECT dataset, file FROM lake_segment").fetchall()
    for dataset, file in segments:
        rows = pq.ParquetFile(house.lake / file).metadata.num_rows
        held[f"lake:{dataset}"] = held.get(f"lake:{dataset}", 0) + rows
    return held

"""Keys: people sealed and opened beside the same rows in plain, rotation beside bare updates, pseudonyms beside AES.

A person has ten fields in one group. The plain rows lie in a table of the same columns and the same index as the
vault's, are written in the same batches and in the same transactions, and are read and parsed in the same ones.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from sqlalchemy import Column, Connection, Engine, Index, Integer, LargeBinary, MetaData, Table, Text

from bench.figure import Figure, Scale, at_most, pairs, timed
from pacte.kernel import db
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.keys import rotation
from pacte.keys.keyfile import FileKeyService
from pacte.keys.pseudonym import BLOCK_BYTES, replace_by_pseudonyms
from pacte.keys.seal import KEY_BYTES
from pacte.keys.store import KeyStore, open_keystore
from pacte.vault import sealed, tables

NOW = Instant(1_767_225_600_000_000)
BATCH = 25_000
"""People in one transaction, as a load commits them."""

_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)
"""The standard library's encoder, prepared once."""

_plain = MetaData()
PLAIN = Table(
    "plain_people",
    _plain,
    Column("slot", Integer, primary_key=True),
    Column("subject", Text),
    Column("grp", Text),
    Column("version", Integer),
    Column("plain", LargeBinary),
    Column("source", Text),
    Column("collected", Integer),
    Column("notice", Text),
)
Index("plain_people_subject_grp", PLAIN.c.subject, PLAIN.c.grp, unique=True, sqlite_where=PLAIN.c.subject.is_not(None))


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Seconds for everybody, bytes of data that a rotation changed, seconds for pseudonyms."""
    people = scale.people // 10
    with tempfile.TemporaryDirectory() as folder:
        yield from _seal_and_open(Path(folder), people, scale.repeats)
    yield "pseudonyms", _pseudonyms(10_000_000, scale.repeats)


def _seal_and_open(folder: Path, count: int, repeats: int) -> Iterator[tuple[str, Figure]]:
    rows = [_person(number) for number in range(count)]
    batches = [rows[start : start + BATCH] for start in range(0, count, BATCH)]
    asked = [[row[0] for row in batch] for batch in batches]
    houses: list[House] = []
    plains: list[Plain] = []

    def seal() -> float:
        houses.append(House(folder / f"house{len(houses)}"))
        return timed(lambda: houses[-1].seal(batches))

    def write() -> float:
        plains.append(Plain(folder / f"plain{len(plains)}"))
        return timed(lambda: plains[-1].write(batches))

    yield "seal_people", pairs(seal, write, repeats).slower("ms", 1.8, scale=1_000)
    house, plain = houses[-1], plains[-1]
    opened = pairs(lambda: house.open(asked), lambda: plain.read(asked), repeats)
    yield "open_people", opened.slower("ms", 1.6, scale=1_000)
    wrapped, before = Wrapped(folder / "wrapped", count), house.data_bytes()
    yield "rotate_keys", pairs(lambda: house.keys.rotate(NOW), wrapped.update, repeats).slower("ms", 3.0, scale=1_000)
    after = house.data_bytes()
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    yield "rotation_data_bytes", at_most(float(changed), "bytes", 1.0, 0.0)


def _person(number: int) -> sealed.Row:
    subject = SubjectId(secrets.token_hex(16))
    fields = {
        "customers.customer_id": f"C{number:08d}",
        "customers.first_name": f"Prénom{number % 997}",
        "customers.last_name": f"Nom{number % 8_191}",
        "customers.email": f"prenom{number}.nom{number % 8_191}@example.com",
        "customers.phone": f"+336{number:08d}",
        "customers.street": f"{number % 200} rue des Trois Frères",
        "customers.postcode": f"{number % 95_000:05d}",
        "customers.city": "Saint-Étienne",
        "customers.birth_date": f"19{number % 100:02d}-0{number % 9 + 1}-1{number % 10}",
        "customers.loyalty_card": f"{number:013d}",
    }
    return subject, "contact", fields, "crm", NOW, "ab" * 32


class House:
    """The key store and the vault of a house, and nothing else of it."""

    def __init__(self, folder: Path) -> None:
        (folder / "keys").mkdir(parents=True, mode=0o700)
        self.folder = folder
        service = FileKeyService.create(folder / "keys" / "kek.json", NOW)
        self.keys: KeyStore = open_keystore(folder / "keys", service, create=True)
        self.engine: Engine = db.open_sqlite(folder / "records.db")
        with db.write(self.engine) as conn:
            db.metadata.create_all(conn, tables=[tables.SEALED])

    def seal(self, batches: Sequence[Sequence[sealed.Row]]) -> None:
        """Draw everybody's keys and seal what is known of them."""
        for batch in batches:
            drawn = self.keys.create_subject_keys([row[0] for row in batch])
            with db.write(self.engine) as conn:
                sealed.put(conn, self.keys, batch, drawn.data)

    def open(self, batches: Sequence[Sequence[SubjectId]]) -> None:
        """Open everybody's fields against a permit."""
        with db.read(self.engine) as conn:
            for batch in batches:
                found = sealed.get_many(conn, self.keys, _Permit(frozenset(batch)), batch, ["contact"], NOW)
                if len(found) != len(batch):
                    raise AssertionError("somebody is missing")

    def data_bytes(self) -> bytes:
        """Everything that lies in the record database."""
        db.truncate_wal(self.engine)
        return (self.folder / "records.db").read_bytes()


class Plain:
    """The same rows, not sealed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.engine = db.open_sqlite(folder / "plain.db")
        with db.write(self.engine) as conn:
            _plain.create_all(conn)

    def write(self, batches: Sequence[Sequence[sealed.Row]]) -> None:
        """Insert everybody as JSON in the same bytes but for the order of the names, which nobody needs here."""
        names = tuple(column.name for column in PLAIN.columns if not column.primary_key)
        for batch in batches:
            with db.write(self.engine) as conn:
                rows = [(row[0], row[1], 1, _JSON.encode(row[2]).encode(), *row[3:]) for row in batch]
                db.insert(conn, PLAIN.name, names, rows)

    def read(self, batches: Sequence[Sequence[SubjectId]]) -> None:
        """Read and parse everybody's fields."""
        with db.read(self.engine) as conn:
            for batch in batches:
                found = {subject: json.loads(content.decode()) for subject, content in _lines(conn, batch)}
                if len(found) != len(batch):
                    raise AssertionError("somebody is missing")


class Wrapped:
    """Rows as large as a person's two wrapped keys, to be written over at the same size."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True)
        self.engine = db.open_sqlite(folder / "wrapped.db")
        with db.write(self.engine) as conn:
            db.run(
                conn, "CREATE TABLE wrapped (slot INTEGER PRIMARY KEY, subject TEXT UNIQUE, data BLOB, evidence BLOB)"
            )
            rows = [(secrets.token_hex(16), secrets.token_bytes(64), secrets.token_bytes(64)) for _ in range(count)]
            db.insert(conn, "wrapped", ("subject", "data", "evidence"), rows)

    def update(self) -> None:
        """Read every row and write other bytes over it, in batches as large as a rotation's."""
        last = 0
        query = "SELECT slot, subject, data, evidence FROM wrapped WHERE slot > ? ORDER BY slot LIMIT ?"
        while True:
            with db.write(self.engine) as conn:
                rows = db.fetch(conn, query, (last, rotation.BATCH))
                if not rows:
                    return
                fresh = [(evidence, data, slot) for slot, _, data, evidence in rows]
                db.run_many(conn, "UPDATE wrapped SET data = ?, evidence = ? WHERE slot = ?", fresh)
                last = rows[-1][0]


@dataclass(frozen=True)
class _Permit:
    """A permit for everybody of a batch, for every field."""

    people: frozenset[SubjectId]
    fields: frozenset[str] = frozenset(_person(0)[2])
    use: str = "0" * 32
    index: int = 1
    purpose: str = "newsletter"

    def covers(self, subject: SubjectId) -> bool:
        """Whether the person is in the batch."""
        return subject in self.people

    def check(self, now: Instant) -> None:
        """It does not expire."""


def _lines(conn: Connection, batch: Sequence[SubjectId]) -> Iterator[tuple[SubjectId, bytes]]:
    query = "SELECT subject, plain FROM plain_people WHERE grp = ? AND subject"
    return tables.look_up(conn, query, ("contact",), batch)


def _pseudonyms(count: int, repeats: int) -> Figure:
    """For `count` people, beside what `openssl speed` encrypts of that size in blocks of 16 kB, on one core."""
    ids = np.frombuffer(bytearray(secrets.token_bytes(count * BLOCK_BYTES)), np.uint8)
    key = secrets.token_bytes(KEY_BYTES)
    spent, bounds = [], []
    for _ in range(max(5, repeats)):
        # In seconds of the processor, as `openssl speed` counts them; what the kernel does for our memory included.
        started = time.process_time()
        replace_by_pseudonyms(key, ids)
        spent.append(time.process_time() - started)
        bounds.append(ids.nbytes / _openssl_bytes_per_second())
    ratios = [one / other for one, other in zip(spent, bounds, strict=True)]
    return at_most(median(spent) * 1_000, "ms", median(bounds) * 1_000, 1.2, (min(ratios), max(ratios)))


def _openssl_bytes_per_second() -> float:
    command = ["openssl", "speed", "-mr", "-seconds", "1", "-bytes", "16384", "-evp", "aes-256-ecb"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("+F:"))
    return float(line.rsplit(":", 1)[1])

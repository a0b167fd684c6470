"""A house in a temporary directory, wired by hand from the real rooms that intake stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from pacte.consent import state
from pacte.intake.load import LoadReport, Stores, load_file
from pacte.intake.mapping import load_mapping
from pacte.kernel import db
from pacte.kernel.instant import Instant, parse_instant
from pacte.keys.keyfile import FileKeyService
from pacte.keys.store import KeyStore, open_keystore
from pacte.lake import segments
from pacte.ledger import log
from pacte.ledger.note import NoteSigner
from pacte.policy.document import load_policy
from pacte.testing.retailer import Retailer, generate
from pacte.vault.evidence import opener

NOW = parse_instant("2026-06-01T08:00")


@dataclass
class House:
    """The parts of a house, and the verbs that tests use."""

    path: Path
    engine: Engine
    keys: KeyStore
    stores: Stores

    def load(self, path: Path, now: Instant = NOW, source: str = "") -> LoadReport:
        """Load one file."""
        return load_file(self.stores, path, now=now, source=source)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot of the records."""
        with db.read(self.engine) as conn:
            yield conn

    def check(self) -> None:
        """The whole house is sound: the state of consent is what the ledger says, the lake holds what it names."""
        with self.reading() as conn:
            entries = list(log.entries(conn))
            assert state.equal(conn, list(enumerate(entry for _, entry in entries)), opener(self.keys)) == []
            assert segments.check(conn, self.stores.lake) == []

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with self.reading() as conn:
            return int(conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())

    def kinds(self) -> dict[str, int]:
        """How many ledger entries of each kind there are."""
        with self.reading() as conn:
            return dict(conn.exec_driver_sql("SELECT kind, count(*) FROM ledger_entry GROUP BY kind").all())

    def close(self) -> None:
        """Release the files."""
        self.engine.dispose()
        self.keys.close()


def build(path: Path, policy: Path, mapping: Path, database: str = "") -> House:
    """Found a house; its records are in SQLite, or in the PostgreSQL database at this address."""
    (path / "lake").mkdir(parents=True)
    (path / "quarantine").mkdir(mode=0o700)
    service = FileKeyService.create(path / "kek.json", NOW)
    keys = open_keystore(path / "keys", service, create=True)
    signer = NoteSigner(keys.house_key("log-signing"), "test.example/house")
    engine = db.open_database(database or path / "records.db")
    with db.write(engine) as conn:
        db.metadata.create_all(conn)
        log.create(conn, signer, house="test", now=NOW, role="controller")
    document = load_policy(policy)
    stores = Stores(
        writing=lambda: db.write(engine),
        keys=keys,
        lake=path / "lake",
        quarantine=path / "quarantine",
        policy=document,
        mapping=load_mapping(mapping, document),
        signer=signer,
    )
    return House(path, engine, keys, stores)


@pytest.fixture
def policy_file() -> Path:
    """The shop's policy template."""
    return Path(str(files("pacte.policy").joinpath("templates", "shop", "policy.yaml")))


@pytest.fixture
def mapping_file() -> Path:
    """The shop's mapping template."""
    return Path(str(files("pacte.intake").joinpath("templates", "shop", "mapping.yaml")))


@pytest.fixture
def where() -> Callable[[], str]:
    """Where a house has its records; a module whose tests run on both databases puts `records` in its place."""
    return lambda: ""


@pytest.fixture
def found(
    tmp_path: Path, policy_file: Path, mapping_file: Path, where: Callable[[], str]
) -> Iterator[Callable[..., House]]:
    """Found houses; they are closed at the end."""
    houses: list[House] = []

    def make(name: str = "house", mapping: Path = mapping_file, policy: Path = policy_file) -> House:
        houses.append(build(tmp_path / name, policy, mapping, where()))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(found: Callable[..., House]) -> House:
    """An empty house with the shop's policy and mapping."""
    return found()


@pytest.fixture(scope="session")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Retailer:
    """A small fictional retailer: 500 people."""
    return generate(tmp_path_factory.mktemp("retailer"), 500, now=NOW)

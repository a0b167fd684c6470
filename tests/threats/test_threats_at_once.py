"""Several processes at once, and processes that are killed: nothing is doubled, nothing is lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pacte.app.house import open_house
from pacte.app.loading import rejected_rows
from pacte.kernel.errors import Conflict
from pacte.lake import numbers
from pacte.lake.holdings import rows_of
from pacte.ledger import log
from pacte.testing.world import TestClock
from pacte.vault import sealed
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    Files,
    choice,
    customer,
    empty_house,
    numbers_of,
    order,
    write_csv,
    write_orders,
)

pytestmark = pytest.mark.slow

PEOPLE = range(1, 241)
BAD = {17, 90, 200}
"""Customers whose row cannot enter."""


def _files(folder: Path) -> Files:
    folder.mkdir(parents=True)
    people = [customer(n, parent_id="C00240" if n % 40 == 0 else "") for n in PEOPLE]
    for number in BAD:
        people[number - 1]["mail"] = "no address"
    said = [choice(n) for n in PEOPLE] + [choice(n, "withdrawn", signed_at="2024-06-01") for n in PEOPLE if n % 5 == 0]
    return Files(
        write_csv(folder / "customers.csv", CUSTOMER_COLUMNS, people),
        write_csv(folder / "choices.csv", CHOICE_COLUMNS, said),
        write_orders(folder / "orders.parquet", [order(n, which) for n in PEOPLE for which in (1, 2)]),
    )


class Shop:
    """A folder with files, and what a house holds that loaded them undisturbed."""

    def __init__(self, root: Path) -> None:
        self.files = _files(root / "files")
        self.empty = root / "empty"
        empty_house(self.empty).close()
        shutil.copytree(self.empty, root / "calm")
        self.accepted = [int(line) for line in finish(start(root / "calm", *self.files))[0].split()]
        self.state = state(root / "calm")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop and its undisturbed house."""
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def fresh(shop: Shop, tmp_path: Path) -> Path:
    """An empty house."""
    shutil.copytree(shop.empty, tmp_path / "house")
    return tmp_path / "house"


def state(home: Path) -> dict[str, Any]:
    """What a house holds and answers, apart from random names and from how many loads it took."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        held = {name: count for name, count in numbers_of(house).items() if name != "entry:load"}
        use = house.declare("newsletter", channel="email")
        table = use.table().drop_columns(["pseudonym"]).to_pandas()
        rows = table.astype(str).sort_values(list(table.columns)).to_numpy().tolist()
        aside = []
        for path in sorted(house.path.glob("quarantine/*.jsonl")):
            rejected_rows(house, path.stem, home.parent / "opened.jsonl")
            aside += (home.parent / "opened.jsonl").read_text().splitlines()
        with house.reading() as conn:
            facts = sum(1 for _ in log.of_kind(conn, "fact"))
        assert house.check() == []
    with sqlite3.connect(home / "records.db") as db:
        named = {file for (file,) in db.execute("SELECT file FROM lake_segment")}
    left = {path.name for path in (home / "lake").iterdir()} - named
    return {"held": held, "counts": dict(use.funnel.counts), "rows": rows, "aside": aside, "facts": facts, "left": left}


def start(home: Path, *files: Path, before: str = "") -> subprocess.Popen[str]:
    """Begin to load files in a process of its own, in small batches."""
    code = f"""
    import os, signal
    import pacte.intake.reader as reader
    from pacte.app.house import open_house
    from pacte.ledger import log
    from pacte.testing.world import TestClock
    reader.BATCH = 40
    house = open_house({str(home)!r}, clock=TestClock({TODAY}))
    {before}
    for file in {[str(file) for file in files]!r}:
        print(house.load(file).accepted, flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(*processes: subprocess.Popen[str]) -> list[str]:
    """Wait for processes that must succeed; what they printed."""
    said = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), [err for _, err in said]
    return [out for out, _ in said]


def test_two_loads_of_one_file_at_once(shop: Shop, fresh: Path) -> None:
    """Two processes load the same files at the same time: each row enters once, each bad row is set aside once."""
    one, other = finish(start(fresh, *shop.files), start(fresh, *shop.files))
    accepted = [int(a) + int(b) for a, b in zip(one.split(), other.split(), strict=True)]
    assert accepted == shop.accepted
    assert state(fresh) == shop.state


def test_two_loads_of_different_files_at_once(shop: Shop, fresh: Path) -> None:
    """Choices and orders enter from two processes at the same time, and from a third the same customers again."""
    finish(start(fresh, shop.files.customers))
    finish(start(fresh, shop.files.choices), start(fresh, shop.files.orders), start(fresh, shop.files.customers))
    assert state(fresh) == shop.state


KILLS = {
    "first batch of customers": 1,
    "a later batch of customers": 4,
    "the parents at the end": 7,
    "choices": 10,
    "orders": 17,
}


@pytest.mark.parametrize("nth", KILLS.values(), ids=KILLS)
def test_a_killed_load_run_again_ends_as_if_nothing_had_happened(shop: Shop, fresh: Path, nth: int) -> None:
    """SIGKILL in the middle of a batch; the same loads again end in the state of an undisturbed house."""
    die = f"""
    whole, calls = log.append, []
    def append(*arguments):
        calls.append(0)
        done = whole(*arguments)
        if len(calls) == {nth}:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    log.append = append
    """
    killed = start(fresh, *shop.files, before=textwrap.dedent(die).replace("\n", "\n    "))
    _, err = killed.communicate(timeout=100)
    assert killed.returncode == -9, err
    finish(start(fresh, *shop.files))
    assert state(fresh) == shop.state


def test_a_load_killed_from_outside_at_any_time(shop: Shop, fresh: Path) -> None:
    """Killed again and again, wherever it stands, a load gets there in the end."""
    import time

    for pause in (0.9, 1.1, 1.3):
        process = start(fresh, *shop.files)
        time.sleep(pause)
        process.kill()
        process.communicate()
    finish(start(fresh, *shop.files))
    assert state(fresh) == shop.state


def test_an_audience_is_built_while_a_load_runs(shop: Shop, fresh: Path) -> None:
    """Every audience built meanwhile is whole: its rows are its permits, or it asks to be built again."""
    finish(start(fresh, shop.files.customers))
    running = start(fresh, shop.files.choices, shop.files.orders)
    sizes, conflicts = [], 0
    with open_house(fresh, clock=TestClock(TODAY)) as house:
        while running.poll() is None or not sizes:
            use = house.declare("newsletter", channel="email")
            try:
                table = use.table(["customers.city", "orders.order_count"])
            except Conflict:
                conflicts += 1
                continue
            assert table.num_rows <= len(use.permits)
            assert table.column("pseudonym").to_pylist() == sorted(set(table.column("pseudonym").to_pylist()))
            assert table.column("customers.city").null_count == 0
            sizes.append(table.num_rows)
    finish(running)
    assert len(sizes) > conflicts
    assert {name: value for name, value in state(fresh).items() if name != "held"} == {
        name: value for name, value in shop.state.items() if name != "held"
    }


def test_an_erasure_while_loads_run(shop: Shop, fresh: Path) -> None:
    """People erased while their orders, their choices and they themselves are being loaded stay erased."""
    finish(start(fresh, shop.files.customers))
    running = [start(fresh, shop.files.orders), start(fresh, shop.files.choices), start(fresh, shop.files.customers)]
    erased = []
    with open_house(fresh, clock=TestClock(TODAY)) as house:
        while any(process.poll() is None for process in running) and len(erased) < 12:
            erased.append(house.erase(f"key:C{3 + 11 * len(erased):05d}").subject)
        finish(*running)
        for file in shop.files:
            house.load(file)
        with house.reading() as conn:
            drawn = numbers.numbers(conn, erased)
            assert [rows_of(conn, house.lake, number) for number in drawn.values()] == [{}] * len(erased)
            assert [sealed.held(conn, subject) for subject in erased] == [{}] * len(erased)
        rows = ",".join(map(str, drawn.values()))
        with sqlite3.connect(fresh / "records.db") as db:
            assert db.execute(f"SELECT count(*) FROM intake_row WHERE no IN ({rows})").fetchone() == (0,)
        assert len(erased) > 1
        assert house.declare("newsletter", channel="email").funnel.counts["erased"] == len(erased)
        assert house.check() == []


def test_choices_at_once_are_all_recorded(home: Path) -> None:
    """Four processes record choices at the same time: each is there once, in one unbroken ledger."""
    code = """
    import sys
    from pacte.app.house import open_house
    from pacte.testing.world import TestClock
    house = open_house({home!r}, clock=TestClock({now}))
    for number in range({first}, {first} + 8):
        house.choose(f"key:C{{number:05d}}", "newsletter", "withdrawn")
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code.format(home=str(home), now=TODAY, first=first))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (1, 9, 17, 25)
    ]
    finish(*running)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.declare("newsletter", channel="email").funnel.counts == {"permitted": 8, "withdrawn": 32}
        assert numbers_of(house)["entry:choice"] == 40 + 32
        assert house.check() == []

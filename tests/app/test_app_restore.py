"""A backup put back: nobody comes back with it, nothing is used on what was lost, and the log says what happened."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from pacte import verifier
from pacte.app.ask import may
from pacte.app.erase import end_evidence
from pacte.app.house import ANCHORS, House, create, open_house
from pacte.app.prove import prove
from pacte.app.publish import publish
from pacte.app.restore import Restored, restore
from pacte.app.settings import load_settings
from pacte.app.stop import stop
from pacte.app.templates import write_template
from pacte.kernel import db
from pacte.kernel.errors import BadInput, PacteError, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.keys.store import KeyGone
from pacte.lake import tables as lake_tables
from pacte.ledger import anchors, log, renewal
from pacte.ledger.check import check as check_log
from pacte.ledger.export import export
from pacte.testing.postgres import Server
from pacte.testing.world import TestClock
from pacte.vault import suppression
from tests.threats.shop import (
    CHOICE_COLUMNS,
    TODAY,
    choice,
    every_file,
    lying_in,
    pacte,
    shop_files,
    write_csv,
)
from tools.tree import ROOT


@dataclass
class Shop:
    """A house of ten people, the clock, and backups of its records and lake."""

    home: Path
    clock: TestClock
    address: str
    server: Server | None
    saved: list[Path] = field(default_factory=list)
    people: dict[int, SubjectId | None] = field(default_factory=dict)

    def open(self) -> House:
        """The house, by the tests' clock."""
        return open_house(self.home, clock=self.clock)

    def back_up(self) -> None:
        """Copy the records and the lake, as a nightly backup does; nobody has the house open."""
        beside = self.home.parent / f"backup-{len(self.saved)}"
        shutil.copytree(self.home / "lake", beside / "lake")
        if self.server is None:
            shutil.copy2(self.home / "records.db", beside / "records.db")
        else:
            (beside / "database").write_text(self.server.database(template=self.address))
        self.saved.append(beside)

    def put_back(self, which: int = -1) -> None:
        """Put the records and the lake of a backup in the place of the present ones."""
        beside = self.saved[which]
        shutil.copytree(beside / "lake", self.home / "lake", dirs_exist_ok=True)
        if self.server is None:
            for name in ("records.db", "records.db-wal", "records.db-shm"):
                (self.home / name).unlink(missing_ok=True)
            shutil.copy2(beside / "records.db", self.home / "records.db")
        else:
            name = str(make_url(self.address).database)
            engine = create_engine(Server._alchemy(self.address), isolation_level="AUTOCOMMIT")
            maintenance = engine.url.set(database="postgres")
            engine.dispose()
            engine = create_engine(maintenance, isolation_level="AUTOCOMMIT")
            with engine.connect() as conn:
                conn.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
            engine.dispose()
            self.server.database(name, template=(beside / "database").read_text())

    def restore(self) -> Restored:
        """What `pacte restore` does."""
        return restore(self.home, clock=self.clock)


@pytest.fixture
def shop(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Shop:
    """Ten subscribers, the newsletter used once; closed."""
    on_postgres = database.startswith("postgres")
    home, clock = tmp_path / "house", TestClock(TODAY)
    server = request.getfixturevalue("postgres") if on_postgres else None
    found = Shop(home, clock, database if on_postgres else "", server)
    with create(home, clock=clock, origin="shop.example/log", database=found.address) as house:
        write_template(home)
        publish(house, "owner")
        for file in shop_files(tmp_path / "files", range(1, 11)):
            house.load(file)
        found.people = {n: may(house, f"key:C{n:05d}", "newsletter", channel="email").subject for n in range(1, 11)}
    return found


def live_on(shop: Shop, tmp_path: Path) -> dict[str, SubjectId]:
    """What happens after the backup: three erasures (one with its evidence), a withdrawal, a stop, newcomers."""
    with shop.open() as house:
        shop.clock.forward(1)
        erased = {name: house.erase(f"key:{name}").subject for name in ("C00003", "C00004")}
        house.choose("key:C00005", "newsletter", "withdrawn", channel="email")
        for file in shop_files(tmp_path / "more", range(11, 14)):
            house.load(file)
        erased["C00011"] = house.erase("key:C00011").subject
        shop.clock.forward(1)
        stop(house, "partner_offers", "committee")
        use = house.declare("newsletter", channel="email")
        (tmp_path / "old.json").write_bytes(prove(house, "key:C00001", use.id).data)
    return erased


def refusal(shop: Shop) -> str:
    """What the house says when it is opened."""
    with pytest.raises(Unsafe) as caught:
        shop.open()
    return str(caught.value)


def test_a_line_that_nobody_signed_is_not_signed_by_a_restore(shop: Shop, tmp_path: Path) -> None:
    """What somebody wrote into the anchor file is not what the new log continues: the last signed anchor is."""
    shop.back_up()
    live_on(shop, tmp_path)
    path = shop.home / ANCHORS
    true = anchors.read(path).last
    assert true is not None
    origin, _, _, rest = true.checkpoint.split("\n", 3)
    made_up = "\n".join([origin, "999999999", base64.b64encode(b"\x07" * 32).decode(), rest])
    with path.open("ab") as file:
        file.write(anchors._line(anchors.Anchor(999_999_999, b"\x07" * 32, true.time, made_up)))
    shop.put_back()
    shop.restore()
    with shop.open() as house:
        with house.reading() as conn:
            _, begun = renewal.begun(conn)
        assert begun["continues"]["size"] == true.size  # type: ignore[call-overload, index]
        assert begun["continues"]["root"] == true.root.hex()  # type: ignore[call-overload, index]
        assert house.check() == []


def test_a_backup_put_back_is_restored(shop: Shop, tmp_path: Path) -> None:
    """The house refuses until it is restored; then the erased stay erased, all is stopped, and the new log says why."""
    shop.back_up()
    erased = live_on(shop, tmp_path)
    old = anchors.read(shop.home / ANCHORS).last
    assert old is not None
    shop.put_back()
    assert "pacte restore" in refusal(shop)
    answer = pacte("may", "key:C00001", "newsletter", "--channel", "email", house=shop.home)
    assert (answer.code, answer.out) == (5, "")
    done = shop.restore()
    assert (done.origin, done.erased, done.gone, done.unknown) == ("shop.example/log/2", 2, 1, 2)
    assert done.stopped[0] == "*"
    assert {"newsletter", "partner_offers"} <= set(done.stopped)
    with shop.open() as house:
        assert house.check() == []
        with house.reading() as conn:
            index, begun = renewal.begun(conn)
            continues = begun["continues"]
            assert continues == {
                "origin": "shop.example/log", "vkey": continues["vkey"], "size": old.size, "root": old.root.hex(),  # type: ignore[call-overload, index]
            }  # fmt: skip
            assert (index, old.size - index) == (done.kept, done.lost)
            assert log.head(conn).vkey == house.vkey == done.vkey
            for subject in erased.values():
                steps = [entry["step"] for _, entry in log.of_subject(conn, subject) if entry["kind"] == "erasure"]
                assert steps == ["restricted", "done"]
        for subject in erased.values():
            with pytest.raises(KeyGone):
                house.keys.data_key(subject)
        with pytest.raises(PacteError):
            house.erase("key:C00003")
        decision = may(house, "key:C00001", "newsletter", channel="email")
        assert decision.reason.code == "stopped"
        assert not house.declare("newsletter", channel="email").permits.funnel.permitted
    gone = ["person.3@shop.example", "Prénom3", "C00003", "person.4@shop.example", "C00004"]
    for name, content in every_file(shop.home).items():
        assert lying_in(content, gone) == [], name
    with pytest.raises(BadInput, match="nothing to restore"):
        shop.restore()


def test_lifting_the_stops_lets_uses_go_on_one_by_one(shop: Shop, tmp_path: Path) -> None:
    """Each stop waits for the data protection officer; whoever was erased is in no audience afterwards."""
    shop.back_up()
    live_on(shop, tmp_path)
    shop.put_back()
    shop.restore()
    with shop.open() as house:
        stop(house, "*", "reviewed", lift=True)
        assert may(house, "key:C00001", "newsletter", channel="email").reason.code == "stopped"
        house.choose("key:C00005", "newsletter", "withdrawn", channel="email")  # their receipt showed it
        stop(house, "newsletter", "reviewed", lift=True)
        assert may(house, "key:C00001", "newsletter", channel="email").permitted
        assert len(house.declare("newsletter", channel="email").permits) == 7
        assert house.check() == []


def test_the_erased_are_suppressed_again(shop: Shop, tmp_path: Path) -> None:
    """A file of yesterday does not bring back those who were erased after the backup."""
    shop.back_up()
    live_on(shop, tmp_path)
    shop.put_back()
    shop.restore()
    with shop.open() as house:
        with house.reading() as conn:
            addresses = ["person.3@shop.example", "person.1@shop.example"]
            found = suppression.suppressed(conn, house.keys, "email", addresses, house.clock())
        assert found == {"person.3@shop.example"}
        house.load(write_csv(tmp_path / "choices-9.csv", CHOICE_COLUMNS, [choice(3, signed_at="2025-10-01")]))
        with house.reading() as conn:
            kinds = [entry["kind"] for _, entry in log.of_subject(conn, str(shop.people[3]))]
        assert kinds[-1] == "erasure"
        assert house.check() == []


def test_evidence_that_had_ended_ends_again(shop: Shop, tmp_path: Path) -> None:
    """Whose evidence was destroyed after the backup is forgotten again: bodies redacted, no fact derived."""
    shop.back_up()
    with shop.open() as house:
        subject = house.erase("key:C00003").subject
        shop.clock.forward(20 * 365)
        assert end_evidence(house, sure=True) == [subject]
    shop.put_back()
    done = shop.restore()
    assert (done.erased, done.gone) == (1, 0)
    with shop.open() as house:
        assert house.check() == []
        with house.reading() as conn:
            assert {entry["kind"] for _, entry in log.of_subject(conn, subject)} == {"erasure"}
        with pytest.raises(KeyGone):
            house.keys.evidence_key(subject)


def test_proofs_of_the_old_log_verify_and_new_ones_say_what_happened(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proof handed out before stands alone; one made afterwards, and the export, verify under the new key."""
    with shop.open() as house:
        use = house.declare("newsletter", channel="email")
        (tmp_path / "before.json").write_bytes(prove(house, "key:C00001", use.id).data)
    shop.back_up()
    live_on(shop, tmp_path)
    shop.put_back()
    done = shop.restore()
    with shop.open() as house:
        (tmp_path / "after.json").write_bytes(prove(house, "key:C00001", use.id).data)
        with house.reading() as conn, (tmp_path / "export.jsonl").open("wb") as out:
            export(conn, out)
    for name in ("before.json", "old.json", "after.json", "export.jsonl"):
        assert verifier.main([str(tmp_path / name), "--details"]) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert "shop.example/log/2" in said
    anchored = ["--anchors", str(shop.home / ANCHORS), "--key", done.vkey]
    assert verifier.main([str(tmp_path / "export.jsonl"), *anchored]) == 0
    # An export that leaves the new beginning out does not pass for the old log.
    lines = (tmp_path / "export.jsonl").read_bytes().splitlines(keepends=True)
    forged = [
        lines[0],
        *(line for line in lines[1:-1] if b'"kind":"genesis"' not in line or b'"index":0' in line),
        lines[-1],
    ]
    (tmp_path / "forged.jsonl").write_bytes(b"".join(forged))
    assert verifier.main([str(tmp_path / "forged.jsonl")]) == 7


POINTS = ("before-commit", "begun", "anchors-aside", "erased", "before-switch")


@pytest.mark.slow
@pytest.mark.parametrize("point", [f"restore-{point}" for point in POINTS] + ["restricted", "rows-gone", "shredded"])
def test_a_restore_that_dies_is_finished_by_the_next(shop: Shop, tmp_path: Path, point: str) -> None:
    """Killed at any named point, the house still refuses; restoring again comes to the same end."""
    shop.back_up()
    live_on(shop, tmp_path)
    shop.put_back()
    code = (
        "import sys; from pathlib import Path; from pacte.app.restore import restore; "
        "from pacte.testing.world import TestClock; restore(Path(sys.argv[1]), clock=TestClock(int(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(shop.home), str(shop.clock())]
    died = subprocess.run(command, env=os.environ | {"PACTE_CRASH": point}, check=False)
    assert died.returncode == -9
    assert "pacte restore" in refusal(shop)
    done = shop.restore()
    assert (done.origin, done.erased, done.gone, done.unknown) == ("shop.example/log/2", 2, 1, 2)
    with shop.open() as house:
        assert house.check() == []
        with house.reading() as conn:
            assert [i for i, _ in log.of_kind(conn, "genesis")] == [0, done.kept]
            assert len(log.of_kind(conn, "stop")) == len(done.stopped)
    assert (shop.home / "anchors-1.log").exists()


def test_records_and_anchors_put_back_together_are_restored(shop: Shop, tmp_path: Path) -> None:
    """Who puts the anchors back as well is found by the keys; the new log then names the last checkpoint there is."""
    shop.back_up()
    shutil.copy2(shop.home / ANCHORS, tmp_path / ANCHORS)
    live_on(shop, tmp_path)
    shop.put_back()
    shutil.copy2(tmp_path / ANCHORS, shop.home / ANCHORS)
    assert "pacte restore" in refusal(shop)
    done = shop.restore()
    assert (done.erased, done.gone, done.lost) == (2, 1, 0)
    with shop.open() as house:
        assert house.check() == []


def test_a_house_is_restored_twice(shop: Shop, tmp_path: Path) -> None:
    """The same backup put back again, after a restore, gets a third log that names the second's last checkpoint."""
    shop.back_up()
    live_on(shop, tmp_path)
    shop.put_back()
    shop.restore()
    with shop.open() as house:
        house.erase("key:C00006")
    shop.put_back()
    assert "pacte restore" in refusal(shop)
    done = shop.restore()
    assert (done.origin, done.erased) == ("shop.example/log/3", 3)
    with shop.open() as house:
        assert house.check() == []
        with house.reading() as conn:
            assert renewal.begun(conn)[1]["continues"]["origin"] == "shop.example/log/2"  # type: ignore[call-overload, index]
    assert sorted(path.name for path in shop.home.glob("anchors-*.log")) == ["anchors-1.log", "anchors-2.log"]


def test_what_is_no_backup_of_the_house_is_refused(shop: Shop, tmp_path: Path) -> None:
    """A lake that lacks files or rows, and a settings file that was not touched: nothing is changed."""
    shop.back_up()
    live_on(shop, tmp_path)
    shop.put_back()
    settings = (shop.home / "settings.toml").read_bytes()
    if shop.server is None:
        for file in (shop.home / "lake").glob("*.parquet"):
            file.unlink()
    else:
        engine = db.open_database(shop.address)
        with db.write(engine) as conn:
            db.run(conn, "DELETE FROM lake.orders WHERE _no = (SELECT min(_no) FROM lake.orders)")
        engine.dispose()
    with pytest.raises(Unsafe, match="the lake is not the one of the backup"):
        shop.restore()
    assert (shop.home / "settings.toml").read_bytes() == settings
    assert "pacte restore" in refusal(shop)
    shop.put_back()
    shop.restore()
    with shop.open() as house:
        assert house.check() == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_backup_of_the_records_without_their_lake_is_refused(shop: Shop, tmp_path: Path) -> None:
    """A dump of one schema only: it neither serves nor is restored, whatever the settings are made to say."""
    shop.back_up()
    live_on(shop, tmp_path)
    shop.put_back()
    engine = db.open_database(shop.address)
    with db.write(engine) as conn:
        lake_tables.drop(conn)
    engine.dispose()
    for engine_named in ("postgresql", "files"):
        settings = shop.home / "settings.toml"
        settings.write_text(settings.read_text().replace('engine = "postgresql"', f'engine = "{engine_named}"'))
        assert "put back the whole of the backup" in refusal(shop)
        with pytest.raises(Unsafe, match="the lake is not the one of the backup"):
            shop.restore()
    settings.write_text(settings.read_text().replace('engine = "files"', 'engine = "postgresql"'))
    shop.put_back()
    shop.restore()
    with shop.open() as house:
        assert house.check() == []


def commands_of_the_page(word: str) -> str:
    """The line of the page about PostgreSQL that begins with this program's name."""
    page = (ROOT / "docs" / "how-to" / "postgresql.md").read_text(encoding="utf-8")
    return next(line for line in page.splitlines() if line.startswith(f"{word} "))


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_dump_is_put_back_as_the_page_says(shop: Shop, tmp_path: Path) -> None:
    """`pg_dump` of a day before erasures, `pg_restore` into another database, `pacte restore`: nobody comes back."""
    assert shop.server is not None
    programs = shop.server.programs

    def typed(line: str, address: str) -> None:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(line, shell=True, check=True, cwd=tmp_path, env={"PATH": path, "SHOP_DATABASE": address})  # noqa: S602

    settings = shop.home / "settings.toml"
    whole = settings.read_text(encoding="utf-8")
    typed(commands_of_the_page("pg_dump"), shop.address)
    erased = live_on(shop, tmp_path)
    empty = shop.server.database()
    typed(commands_of_the_page("pg_restore"), empty)
    settings.write_text(whole.replace(shop.address, empty), encoding="utf-8")
    assert "pacte restore" in refusal(shop)
    assert shop.restore().erased == 2
    with shop.open() as house:
        assert house.check() == []
        for subject in erased.values():
            with pytest.raises(KeyGone):
                house.keys.data_key(subject)
        answers = [may(house, f"key:{name}", "newsletter", channel="email") for name in ("C00003", "C00004")]
        assert {answer.reason.code for answer in answers} == {"unknown_person"}
        with house.reading() as conn:
            assert db.fetch(conn, "SELECT count(*) FROM lake.customers") == [(8,)]


def test_a_whole_house_has_nothing_to_restore(shop: Shop) -> None:
    """Restoring a house that serves is refused, and changes nothing."""
    before = load_settings(shop.home).origin
    with pytest.raises(BadInput, match="nothing to restore"):
        shop.restore()
    assert load_settings(shop.home).origin == before
    with shop.open() as house, house.reading() as conn:
        assert check_log(conn, house.vkey) == []


@pytest.mark.slow
def test_the_command_says_what_was_done(shop: Shop, tmp_path: Path) -> None:
    """`pacte restore` tells people and programs the same; a second one ends with exit code 2."""
    shop.back_up()
    live_on(shop, tmp_path)
    shop.put_back()
    done = pacte("restore", "--json", house=shop.home)
    assert done.code == 0, done
    said = json.loads(done.out)
    assert (said["origin"], said["erased"], said["gone"], said["unknown"]) == ("shop.example/log/2", 2, 1, 2)
    again = pacte("restore", house=shop.home)
    assert (again.code, "nothing to restore" in again.err) == (2, True)

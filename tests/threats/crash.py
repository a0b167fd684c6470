"""Stories of a house that are told by real processes, which die where they are told to (SIGKILL)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pacte
from pacte.app.house import House, create, open_house
from pacte.app.publish import publish
from pacte.app.settings import write_defaults
from pacte.app.templates import write_template
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.testing.postgres import Server
from pacte.testing.world import TestClock
from pacte.vault import sealed
from tests.threats.shop import TODAY, Files, shop_files

SOURCES = Path(pacte.__file__).parent
TESTS = Path(__file__).parent.parent
POINTS = sorted(
    {name for path in SOURCES.rglob("*.py") for name in re.findall(r'crash\.point\("([^"]+)"\)', path.read_text())}
)
ELSEWHERE = {
    "anchored-not-founded": "threats/crash.py",
    "anchors-compacted-not-renamed": "ledger/test_ledger_anchors.py",
    "keys-promised": "app/test_app_founding.py",
    "list-recorded": "app/test_app_exports.py",
    "locked-not-said": "app/test_app_keys.py",
    "migrated-before-commit": "app/test_app_formats.py",
    "move-before-commit": "app/test_app_move.py",
    "move-before-mark": "app/test_app_move.py",
    "move-before-switch": "app/test_app_move.py",
    "restore-shredding": "threats/test_threats_keys.py",
    "restore-anchors-aside": "app/test_app_restore.py",
    "restore-before-commit": "app/test_app_restore.py",
    "restore-before-switch": "app/test_app_restore.py",
    "restore-begun": "app/test_app_restore.py",
    "restore-erased": "app/test_app_restore.py",
    "preparing-entered": "app/test_app_preparing.py",
    "preparing-told": "app/test_app_preparing.py",
    "sending-answered": "app/test_app_sending.py",
    "sending-begun": "app/test_app_sending.py",
    "sending-ending": "app/test_app_sending_order.py",
    "sending-leased": "app/test_app_sending.py",
    "sending-recovering": "app/test_app_sending_order.py",
    "sending-taken": "app/test_app_sending.py",
    "worker-claimed": "app/test_app_worker.py",
    "worker-handled": "app/test_app_worker.py",
}
"""Points that the story of a standing house does not come to, with the test that does."""
AT_THE_END = ("evidence-redacted",)
"""Points of the end of evidence, which has a story of its own."""
COMMITS = (1, 2, 4, 7, 11, 16, 22, 29)
"""Which commits of the story die just before, and just after; beside the named points of each verb."""

CASES = [(point, 1) for point in POINTS if point not in {*ELSEWHERE, *AT_THE_END, "before-commit", "after-commit"}] + [
    (point, nth) for point in ("before-commit", "after-commit") for nth in COMMITS
]
ENDS = [*AT_THE_END, "segments-retired", "shred-intended", "shred-cut", "after-commit"]
OF_FILES = ("segment-written", "segments-compacted", "segments-retired")
"""Points that only a lake in files comes to: rows of tables are written, changed and deleted in one transaction."""

LATER = Instant(TODAY + 40 * 366 * DAY)
"""When the evidence about those who were erased has ended."""

TELLER = """
# Reads one story after the other and tells each in a process of its own, that finds Python already started.
import json, os, sys
from pathlib import Path
from pacte.app import compaction, erase, keys
from pacte.app.house import create, open_house
from pacte.consent import snapshot
from pacte.lake import compaction as gathering
from pacte.policy.packs import BUILT_IN, HOUSE, built_in
from pacte.testing.world import TestClock
import pacte.app.ask, pacte.app.choose, pacte.app.committer, pacte.app.loading, pacte.app.publish, pacte.app.uses
import pacte.app.migrations, duckdb, pyarrow.parquet, sqlglot, psycopg

gathering.FEWEST, snapshot.WORTH = 2, 1
for name in (*BUILT_IN, HOUSE):
    built_in(name)  # read once, like the imports above


def say(*words):
    print(json.dumps(words), flush=True)


def life(home, now, files, subject):
    house = open_house(home, clock=TestClock(now))
    for file in files:
        say("loaded", house.load(file).rows)
    for number in (1, 2, 3):
        said = house.choose(f"key:C{number:05d}", "newsletter", "withdrawn")
        say("chosen", said.index, said.subject)
    use = house.declare("newsletter", channel="email")
    say("released", use.id, use.table().num_rows)
    policy = home / "policy.yaml"
    if "# another day" not in policy.read_text():
        policy.write_text(policy.read_text() + "\\n# another day\\n")
    house.publish("owner")
    say("published")
    newest = keys.rotate(house).version
    for old in range(1, newest):
        keys.end(house, old)
    say("rotated", newest)
    done = compaction.compact(house)
    say("compacted", done.gathered, done.folded)
    compaction.compact(house)
    house.erase(subject)
    say("erased", subject)
    house.close()


def end(home, now, files, subject):
    house = open_house(home, clock=TestClock(now))
    erase.end_evidence(house, sure=True)
    house.close()


def found(home, now, files, subject):
    create(home, clock=TestClock(now), database=subject).close()


for line in sys.stdin:
    story, home, now, files, subject, crash, out = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.pop("PACTE_CRASH", None)
        if crash:
            os.environ["PACTE_CRASH"] = crash
        said = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout = open(1, "w", closefd=False)
        try:
            {"life": life, "end": end, "found": found}[story](Path(home), now, files, subject)
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Teller:
    """A process that tells stories, each in a child of its own: the program is the same, Python starts once."""

    def __init__(self, folder: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PACTE_")}
        self._out = folder / "said"
        self._process = subprocess.Popen(
            [sys.executable, "-c", TELLER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def tell(
        self, story: str, home: Path, now: int, files: Files | None = None, subject: str = "", crash: str = ""
    ) -> list[list[Any]]:
        """Tell a story; what it acknowledged. It must end well, or die where it was told to."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        listed = [str(file) for file in files] if files is not None else []
        print(
            json.dumps([story, str(home), now, listed, subject, crash, str(self._out)]),
            file=self._process.stdin,
            flush=True,
        )
        code = int(self._process.stdout.readline())
        said = self._out.read_text()
        assert code == (-9 if crash else 0), (crash, code, said)
        return [json.loads(line) for line in said.splitlines()]

    def close(self) -> None:
        """Let it go."""
        self._process.stdin.close()  # type: ignore[union-attr] # it was opened with a pipe
        self._process.wait(timeout=60)


@dataclass
class Prepared:
    """A house with forty people, closed; where its records are; files with forty more; somebody to erase.

    On PostgreSQL its lake is there, too, or in files.
    """

    home: Path
    address: str
    files: Files
    subject: str
    teller: Teller
    server: Server | None
    end: dict[str, Any] = field(default_factory=dict)

    def copy(self, target: Path) -> Path:
        """A copy of the house, with a database of its own, that may be destroyed."""
        shutil.copytree(self.home, target)
        if self.server is not None:
            settings = target / "settings.toml"
            fresh = self.server.database(template=self.address)
            settings.write_text(settings.read_text().replace(self.address, fresh))
        return target

    def life(self, home: Path, crash: str = "") -> list[list[Any]]:
        """Tell the life of a house."""
        return self.teller.tell("life", home, TODAY, self.files, self.subject, crash)


def named(cases: list[tuple[str, int]]) -> list[str]:
    """How the tests of these cases are called."""
    return [f"{point}-{nth}" for point, nth in cases]


def prepare(root: Path, server: Server | None, lake: str = "") -> Prepared:
    """A prepared house, with the end that an undisturbed story comes to; `lake` is the engine of its lake."""
    address = server.database() if server is not None else ""
    if lake:
        (root / "house").mkdir()
        write_defaults(root / "house", "shop.example/log", "en", address)
        settings = root / "house" / "settings.toml"
        settings.write_text(settings.read_text().replace('engine = "postgresql"', f'engine = "{lake}"'))
    with create(root / "house", clock=TestClock(TODAY), database=address) as house:
        write_template(house.path)
        publish(house, "owner")
        for file in shop_files(root / "first"):
            house.load(file)
        subject = str(house.choose("key:C00009", "newsletter", "given", channel="email").subject)
    found = Prepared(root / "house", address, shop_files(root / "more", range(30, 71)), subject, Teller(root), server)
    calm = found.copy(root / "calm")
    found.life(calm)
    found.end = end_of(calm)
    return found


def end_of(home: Path) -> dict[str, Any]:
    """What a house answers in the end, apart from random names and from how often it was asked."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []
        funnel = house.declare("newsletter", channel="email").funnel
        with house.reading() as conn:
            facts = sum(1 for _ in log.of_kind(conn, "fact"))
        return {"counts": dict(funnel.counts), "facts": facts}


def dies_and_lives_on(prepared: Prepared, home: Path, point: str, nth: int) -> None:
    """The story dies at a point; the house checks, what was said is there, and told again it comes to the same end."""
    said = prepared.life(home, f"{point}:{nth}")
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []
        _still_there(house, said)
    prepared.life(home)
    assert end_of(home) == prepared.end


def ends_all_the_same(prepared: Prepared, home: Path, point: str) -> None:
    """The end of evidence dies at a point: evidence is gone or stands; ended again it is gone, and the house checks."""
    prepared.life(home)
    prepared.teller.tell("end", home, LATER, crash=point)
    with open_house(home, clock=TestClock(LATER)) as house:
        assert house.check() == []
    prepared.teller.tell("end", home, LATER)
    with open_house(home, clock=TestClock(LATER)) as house:
        assert house.check() == []
        with house.reading() as conn:
            assert {entry["kind"] for _, entry in log.of_subject(conn, prepared.subject)} == {"erasure"}


def is_founded_again(prepared: Prepared, home: Path, address: str) -> None:
    """A founding that dies after its anchor leaves no house; founding it again works."""
    prepared.teller.tell("found", home, TODAY, subject=address, crash="anchored-not-founded")
    prepared.teller.tell("found", home, TODAY, subject=address)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


def _still_there(house: House, said: list[list[Any]]) -> None:
    """Whatever was acknowledged before the crash holds after it."""
    with house.reading() as conn:
        for what, *about in said:
            if what == "chosen":
                entry = log.entry(conn, about[0])
                assert entry is None or (entry["kind"], entry["subject"]) == ("choice", about[1])
            elif what == "released":
                assert log.use_of(conn, about[0])[1]["counts"]["permitted"] >= about[1]
            elif what == "erased":
                assert sealed.held(conn, about[0]) == {}
                assert not house.keys.data_keys(about)

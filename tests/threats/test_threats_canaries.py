"""Canaries: unmistakable personal values planted everywhere, and every byte that the house leaves searched for them.

One story is told through the command line, as subprocesses, in both languages; the tests look at what is left of it.
"""

from __future__ import annotations

import sqlite3
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert

from pacte.app.house import open_house
from pacte.kernel.db import metadata
from pacte.kernel.errors import PacteError
from pacte.kernel.instant import now, to_iso
from pacte.testing.world import TestClock
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    Answer,
    choice,
    customer,
    every_file,
    lying_in,
    order,
    pacte,
    pacte_here,
    write_csv,
    write_orders,
)

pytestmark = pytest.mark.slow

KEY, MAIL, PHONE = "ZK-9317-QX", "Zéphyrine.O'Canary+liste@Quokka-Sud.example", "06 39 98 47 11"
WHO = [
    KEY, MAIL, "zéphyrine.o'canary+liste@quokka-sud.example", "  ZÉPHYRINE.O'CANARY+LISTE@QUOKKA-SUD.EXAMPLE ",
    "quokka-sud.example", "quokka-sud", "O'Canary", PHONE, "+33 6 39 98 47 11", "+33639984711", "0639984711",
    "639984711", "Zéphyrine", "Zephyrine", "Canari-Wötrubba", "1971-03-09", "09/03/1971", "9 mars 1971", "19710309",
]  # fmt: skip
"""The identity of the one who will be erased, in the spellings that files and programs use."""
WHAT = ["Canaryville-sur-Épreuve", "98765-CAN", "Unobtainium kettle", "ORD-CANARY-77", "Canaryland"]
"""What is declared about them and is no identity: it may lie in the lake, before the erasure, and nowhere else."""
UNDECLARED = ["sings at midnight", "a gift for aunt Xylophone", "said on the phone: fed up"]
"""Free text in columns that no mapping names: it may lie nowhere, ever."""
OTHER = ["OT-5521-RR", "kept.canary@wombat.example", "wombat.example", "Barnabé-Témoin", "+33639984712", "1969-11-30"]
"""The identity of somebody who stays."""
STRANGER = ["marmot.example", "Stranger-Čanary", "ST-0042-BAD", "1866-02-30"]
"""Somebody who is only in rows that cannot be entered."""


@dataclass
class Story:
    """The house, everything that was printed, and what was found at its stations."""

    house: Path
    files: Path
    quick: Path
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    before: dict[str, bytes] = field(default_factory=dict)
    after: dict[str, bytes] = field(default_factory=dict)
    secrets: list[bytes] = field(default_factory=list)
    subject: str = ""
    use: str = ""

    def run(self, *arguments: str | Path, **more: Any) -> Answer:
        """Run the program on the house and keep what it said."""
        answer = pacte(*arguments, house=self.house, quick=self.quick, **more)
        self.answers.append((" ".join(map(str, arguments[:3])), answer))
        return answer

    def here(self, *arguments: str | Path) -> Answer:
        """Run in this process, which is quicker, and keep what it said."""
        answer = pacte_here(*arguments, house=self.house)
        self.answers.append((" ".join(map(str, arguments)), answer))
        return answer

    def good(self, *arguments: str | Path, here: bool = False) -> Answer:
        """Run, and expect success."""
        answer = self.here(*arguments) if here else self.run(*arguments)
        assert answer.code == 0, (arguments, answer)
        return answer


def _write_files(folder: Path) -> None:
    folder.mkdir()
    today = to_iso(now())[:10]
    gone = {"id": KEY, "mail": MAIL, "phone": PHONE, "first_name": "Zéphyrine", "last_name": "Canari-Wötrubba"}
    gone |= {
        "birth_date": "1971-03-09",
        "city": WHAT[0],
        "postcode": WHAT[1],
        "country": WHAT[4],
        "secret": UNDECLARED[0],
    }
    kept = {"id": OTHER[0], "mail": OTHER[1], "phone": OTHER[4], "last_name": OTHER[3], "birth_date": OTHER[5]}
    bad = {"mail": "ada@marmot.example", "last_name": "Stranger-Čanary", "secret": UNDECLARED[0]}
    columns = (*CUSTOMER_COLUMNS, "secret")
    people = write_csv(
        folder / "customers.csv",
        columns,
        [
            *(customer(n) for n in range(1, 9)),
            customer(9) | gone | {"notice": "v3"},
            customer(10) | kept,
            customer(11) | bad | {"id": "ST-0042-BAD", "birth_date": "1866-02-30"},
            customer(12) | bad | {"mail": "ada@@marmot.example"},
            customer(13) | bad | {"phone": "marmot.example"},
            customer(14) | bad | {"signup_date": "Stranger-Čanary"},
            customer(15) | bad | {"last_name": "=HYPERLINK(marmot.example)"},
            customer(16) | gone | {"id": KEY, "birth_date": "09/03/1971 Zéphyrine"},
            customer(17) | bad | {"notice": "Stranger-Čanary", "kind": "marmot.example"},
        ],
    )
    with people.open("ab") as out:
        # Too few columns, half a character, an open quote: lines that cannot be split, about the same person.
        out.write(f"{KEY},{MAIL},{PHONE},Zéphyrine\r\n".encode())
        out.write(f"{KEY},{MAIL},".encode() + b"Z\xe9phyrine" + b"," * (len(columns) - 3) + b"\r\n")
        out.write(f'{KEY},"{MAIL},{PHONE}\r\n'.encode())
    write_csv(
        folder / "choices.csv",
        (*CHOICE_COLUMNS, "comment"),
        [
            choice(KEY, comment=UNDECLARED[2]),
            choice(OTHER[0], comment=UNDECLARED[2]),
            choice("ST-0042-BAD"),
            choice(KEY, purpose="Zéphyrine"),
            choice(KEY, signed_at=MAIL),
            choice(KEY, channel="quokka-sud.example", recorded_at=f"{today}T00:00:00Z"),
            choice(1, "Stranger-Čanary"),
        ],
    )
    write_csv(folder / "legacy_list.csv", ("email", "opted_in"), [
        {"email": MAIL.upper(), "opted_in": "yes"}, {"email": "ada@marmot.example", "opted_in": "yes"},
        {"email": "ada@@marmot.example", "opted_in": "no"}, {"email": MAIL, "opted_in": "Zéphyrine"},
    ])  # fmt: skip
    write_orders(
        folder / "orders.parquet",
        [
            order(KEY, 1, order_id=WHAT[3], product=WHAT[2], gift=UNDECLARED[1]),
            order(KEY, 2, order_id="ORD-79", product="=Zéphyrine()", gift=UNDECLARED[1]),
            order(OTHER[0], 1, order_id="ORD-78"),
            order("ST-0042-BAD", 1, order_id="ORD-80", product="Stranger-Čanary"),
            order(1, 1),
        ],
        ["gift"],
    )


def _live(story: Story) -> None:
    """Load, choose, ask, prove: everything that touches a person, some of it wrongly."""
    files, key = story.files, f"key:{KEY}"
    story.good("init", story.house, "--lang", "fr")
    story.good("publish")
    names = ["customers.csv", "choices.csv", "legacy_list.csv", "orders.parquet"]
    story.good("load", *(files / name for name in names), "--lang", "fr")
    story.good("load", files / "customers.csv", files / "orders.parquet", "--json", here=True)
    story.good(
        "choice", "give", f"email:{MAIL}", "newsletter", "--channel", "sms", "--grade", "form", "--notice", "web-2024"
    )
    story.good("choice", "refuse", f"phone:{PHONE}", "partner_offers", "--json")
    story.good("choice", "object", MAIL.upper(), "statistics", "--lang", "fr", here=True)
    story.good("choice", "restrict", f"email:{OTHER[1]}", here=True)
    story.good("choice", "restrict", f"email:{OTHER[1]}", "--lift", here=True)
    story.good("choice", "import", files / "choices.csv", here=True)
    story.good("may", key, "newsletter", "--channel", "email")
    story.here("may", key, "newsletter", "--channel", "email", "--json")
    use = story.good(
        "audience", "newsletter", "--channel", "email", "-c", "orders.spent", "-o", files / "out.csv", "--json"
    )
    story.use = use.json["use"]
    story.good("explain", key, "newsletter", "--channel", "email", "--lang", "fr")
    story.good("explain", f"phone:{PHONE}", "statistics", "--json", here=True)
    story.good("replay", story.use, MAIL, here=True)
    story.good("prove", key, "--use", story.use)
    story.good("prove", key, "--use", story.use, "--lang", "fr", "--json", here=True)
    story.good("ledger", "log", "-n", "100", "--json")
    story.good("ledger", "log", "--person", key, "--lang", "fr", here=True)
    story.good("ledger", "export", story.house / "export.jsonl")
    story.good("ledger", "check", here=True)
    story.here("doctor", "--json")
    story.good("erase", key, "--dry-run", here=True)


def _blunder(story: Story) -> None:
    """Commands given wrongly, with personal values where none belong; none may repeat them."""
    for wrong in (
        ("may", MAIL, PHONE),
        ("may", f"email:{WHO[12]}", "newsletter"),
        ("may", f"phone:{WHO[12]}", "newsletter"),
        ("may", f"key:{KEY}", "newsletter", "--channel", MAIL),
        ("may", f"key:{KEY}", "newsletter", "--field", MAIL),
        ("explain", f"key:{KEY}", MAIL),
        ("explain", f"key:{KEY}", "newsletter", "--at", MAIL),
        ("explain", f"key:{KEY}", "newsletter", "--by", "Zéphyrine"),
        ("choice", "give", f"key:{KEY}", MAIL),
        ("choice", "give", f"key:{KEY}", "newsletter", "--by", MAIL),
        ("choice", "give", f"key:{KEY}", "newsletter", "--notice", MAIL),
        ("choice", "give", f"key:{KEY}", "newsletter", "--form", MAIL),
        ("choice", "give", f"key:{KEY}", "newsletter", "--channel", MAIL),
        ("choice", "give", f"key:{KEY}", "newsletter", "--method", "Zéphyrine"),
        ("choice", "object", f"key:{KEY}", "newsletter", "--signal", MAIL),
        ("choice", "withdraw", f"key:{KEY}", "newsletter", "--effective", "1971-03-09T99"),
        ("stop", MAIL),
        ("stop", "newsletter", "--reason", MAIL),
        ("audience", MAIL),
        ("audience", "newsletter", "--channel", MAIL),
        ("audience", "newsletter", "-c", MAIL, "-o", story.files / "no.csv"),
        ("replay", MAIL, f"key:{KEY}"),
        ("replay", "0" * 32, f"key:{KEY}"),
        ("prove", f"key:{KEY}", "--use", MAIL),
        ("rejected", MAIL, "-o", story.files / "no.jsonl"),
        ("load", story.files / "customers.csv", "--source", MAIL),
        ("erase", f"email:x{MAIL}", "--yes"),
        ("may", f"key:{KEY}", "newsletter", MAIL),
        ("choice", "give", f"key:{KEY}", "newsletter", "--grade", MAIL),
        ("may", f"key:{KEY}", "newsletter", "--lang", MAIL),
    ):
        story.here(*wrong)


def _secrets(house: Path) -> list[bytes]:
    """The sealed values and the wrapped data key of the person who will be erased."""
    with open_house(house) as home, home.reading() as conn:
        from pacte.app.choose import subject_of

        subject = subject_of(home, conn, f"key:{KEY}")
    with sqlite3.connect(house / "records.db") as db:
        sealed = [row[0] for row in db.execute("SELECT sealed FROM vault_sealed WHERE subject = ?", (subject,))]
        sealed += [row[0] for row in db.execute("SELECT blind FROM vault_index WHERE subject = ?", (subject,))]
    with sqlite3.connect(house / "keys" / "keys.db") as db:
        sealed += [row[0] for row in db.execute("SELECT data FROM keys_person WHERE subject = ?", (subject,))]
    assert len(sealed) >= 6
    return [bytes(one) for one in sealed]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, quick: Path) -> Story:
    """The story until after the erasure and a second load of the same files."""
    root = tmp_path_factory.mktemp("canaries")
    told = Story(root / "house", root / "files", quick)
    _write_files(told.files)
    _live(told)
    _blunder(told)
    told.secrets = _secrets(told.house)
    told.before = every_file(told.house)
    told.subject = told.good("erase", f"key:{KEY}", "--yes", "--json").json["subject"]
    told.here("may", f"key:{KEY}", "newsletter")
    told.run("erase", f"key:{KEY}", "--yes")
    again = told.good(
        "load", *(told.files / n for n in ("customers.csv", "choices.csv", "legacy_list.csv", "orders.parquet"))
    )
    assert again.code == 0
    told.good("explain", told.subject, "newsletter")
    told.good("replay", told.use, told.subject, "--lang", "fr", here=True)
    told.good("prove", told.subject, "--use", told.use)
    told.good("ledger", "export", told.house / "export.jsonl", here=True)
    told.good("audience", "newsletter", "--channel", "email", "-o", told.house / "after.csv", here=True)
    told.here("doctor")
    told.after = every_file(told.house)
    return told


def test_backup_shows_no_identity(story: Story) -> None:
    """Before any erasure, no byte of the house tells who anybody is; what is no identity lies in the lake only."""
    whole = story.before.items()
    assert {
        name: found for name, content in whole if (found := lying_in(content, [*WHO, *OTHER, *STRANGER, *UNDECLARED]))
    } == {}
    spread = {name for name, content in whole if lying_in(content, WHAT)}
    assert {name for name in spread if not name.startswith("lake")} == set()
    assert sorted(lying_in(story.before["lake, decoded"], WHAT)) == sorted(WHAT)


def test_nothing_printed_shows_a_person(story: Story) -> None:
    """No command, done or refused, in words or in JSON, prints who anybody is or what they did."""
    shown = {}
    for command, answer in story.answers:
        found = lying_in((answer.out + answer.err).encode(), [*WHO, *WHAT, *OTHER, *STRANGER, *UNDECLARED])
        if found:
            shown[command] = found
    assert shown == {}


def test_no_command_ends_in_a_traceback(story: Story) -> None:
    """Whatever was asked wrongly ends in one clear message."""
    assert [command for command, answer in story.answers if "Traceback" in answer.err] == []


def test_nothing_of_an_erased_person_is_left(story: Story) -> None:
    """After the erasure, and after loading the same files again, no value of the person is anywhere, lake included."""
    left = {
        name: found for name, content in story.after.items() if (found := lying_in(content, [*WHO, *WHAT, *UNDECLARED]))
    }
    assert left == {}
    assert lying_in(story.after["lake, decoded"], ["Rennes"])  # others are still there


def test_the_ciphertext_of_an_erased_person_is_gone(story: Story) -> None:
    """Sealed values, blind values and the wrapped data key are overwritten everywhere, free pages included."""
    left = [name for name, content in story.after.items() for secret in story.secrets if secret in content]
    assert left == []
    assert all(any(secret in content for content in story.before.values()) for secret in story.secrets)


def test_rows_set_aside_let_go_of_an_erased_person(story: Story) -> None:
    """Opening all rows set aside shows nothing of the erased person, even in lines that could not be split."""
    opened = b""
    for path in sorted((story.house / "quarantine").glob("*.jsonl")):
        target = story.files / f"opened-{path.name}"
        assert pacte("rejected", path.stem, "-o", target, house=story.house, quick=story.quick).code == 0
        assert target.stat().st_mode & 0o077 == 0
        opened += target.read_bytes()
    assert lying_in(opened, STRANGER) != []
    assert lying_in(opened, WHO) == []


def test_errors_of_the_database_show_no_value(story: Story) -> None:
    """A row that the database refuses: neither message, representation nor traceback repeats what was bound to it."""
    row = {"slot": 1, "subject": KEY, "grp": WHO[12], "version": 1, "sealed": MAIL.encode(), "source": MAIL}
    statement = insert(metadata.tables["vault_sealed"])
    with open_house(story.house) as house:
        for wrong in ([row, row], [row | {"slot": MAIL}], [row | {"sealed": object()}]):
            try:
                with house.writing() as conn:
                    conn.execute(statement, wrong)
            except Exception as error:
                told = traceback.format_exc() + repr(error) + repr(error.__cause__) + repr(error.__context__)
                assert lying_in(told.encode(), WHO) == []
            else:
                pytest.fail("the database took it")


def test_errors_of_a_query_over_the_lake_show_no_value(home: Path) -> None:
    """A lake whose values no longer fit their types: the message says so, and shows none of them."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        use = house.declare("newsletter", channel="email")
        for path in house.lake.glob("*.parquet"):
            table = pq.read_table(path)
            if "amount" in table.column_names:
                odd = pa.array([WHAT[0]] * table.num_rows)
                pq.write_table(table.set_column(table.column_names.index("amount"), "amount", odd), path)
        try:
            use.table(["orders.spent"])
        except PacteError:
            assert lying_in(traceback.format_exc().encode(), WHAT) == []
        else:
            pytest.fail("the lake was read")


def test_the_house_is_sound_after_the_canaries(story: Story) -> None:
    """Ledger, states, lake and anchors agree at the end of the story."""
    with open_house(story.house) as house:
        assert house.check() == []

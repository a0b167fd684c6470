"""What goes wrong: every documented exit code, one clear message, nothing on standard output, no traceback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pacte.kernel import db

BAD_INPUT, DENIED, NOT_FOUND, UNSAFE, CONFLICT, UNVERIFIED = 2, 3, 4, 5, 6, 7
UNKNOWN_USE = "a" * 32

# What is typed on the shop, the exit code, and a part of what the message says to do.
MISTAKES: list[tuple[Sequence[str], int, str]] = [
    (["may", "PERMITTED", "newsletter", "--lang", "de"], BAD_INPUT, "expected one of en, fr"),
    (["may", "", "newsletter"], BAD_INPUT, "expected a subject id, or `key:…`"),
    (["may", "email:", "newsletter"], BAD_INPUT, "expected a subject id, or `key:…`"),
    (["may", "email:nonsense", "newsletter"], BAD_INPUT, "expected a form such as `name@example.com`"),
    (["may", "phone:12", "newsletter"], BAD_INPUT, "expected `+33"),
    (["may", "PERMITTED"], BAD_INPUT, "Missing argument"),
    (["may", "PERMITTED", "newsletter", "--chanel", "sms"], BAD_INPUT, "--channel"),
    (["audience", "newsleter"], DENIED, "it declares `invoices`, `my_history`"),
    (["audience", "newsletter", "--channel", "pigeon"], DENIED, "it declares `email`, `sms`"),
    (["audience", "newsletter"], DENIED, "say which channel: `email`, `sms`"),
    (["audience", "newsletter", "-o", "x.txt"], BAD_INPUT, "must end in `.csv` or `.parquet`"),
    (["audience", "newsletter", "-o", "/nowhere/at/all/x.csv"], BAD_INPUT, "directory of `--output` does not exist"),
    (["audience", "newsletter", "-c", "customers.city"], BAD_INPUT, "give `--output FILE` too"),
    (["explain", "key:nobody", "newsletter"], NOT_FOUND, "nobody with that identifier"),
    (["explain", "PERMITTED", "newsletter", "--at", "yesterday"], BAD_INPUT, "expected `YYYY-MM-DD`"),
    (["explain", "PERMITTED", "newsletter", "--at", "2999-01-01"], BAD_INPUT, "expected one up to now"),
    (["replay", UNKNOWN_USE, "PERMITTED"], NOT_FOUND, "no use of that identifier"),
    (["replay", "12", "PERMITTED"], NOT_FOUND, "no use of that identifier"),
    (["prove", "PERMITTED"], BAD_INPUT, "`--use ID`, or `--purpose NAME --on YYYY-MM-DD`"),
    (["prove", "PERMITTED", "--use", UNKNOWN_USE], NOT_FOUND, "no use of that identifier"),
    (["prove", "PERMITTED", "--purpose", "newsletter", "--on", "soon"], BAD_INPUT, "expected `YYYY-MM-DD`"),
    (["prove", "PERMITTED", "--purpose", "newsletter", "--on", "2020-01-01"], NOT_FOUND, "`--use ID`"),
    (["choice", "give", "PERMITTED", "newsletter", "--grade", "strong"], BAD_INPUT, "`attested`, `double_opt_in`"),
    (["choice", "give", "PERMITTED", "newsletter", "--notice", "web"], BAD_INPUT, "it declares `web-"),
    (["choice", "give", "PERMITTED", "newsletter", "--form", "abc"], BAD_INPUT, "SHA-256 in hexadecimal"),
    (["choice", "give", "PERMITTED", "newsletter", "--voice", "uncle"], BAD_INPUT, "`guardian`, `self`"),
    (["choice", "refuse", "PERMITTED", "newsleter"], BAD_INPUT, "it declares `newsletter`"),
    (["choice", "withdraw", "PERMITTED", "newsletter", "--channel", "e-mail"], BAD_INPUT, "it takes `email`, `sms`"),
    (["choice", "withdraw", "PERMITTED", "newsletter", "--effective", "2999-01-01"], BAD_INPUT, "a time in the past"),
    (["choice", "withdraw", "PERMITTED", "newsletter", "--effective", "hier"], BAD_INPUT, "expected `YYYY-MM-DD`"),
    (["choice", "withdraw", "PERMITTED", "newsletter", "--method", "smoke"], BAD_INPUT, "`web_form`"),
    (["choice", "withdraw", "PERMITTED", "newsletter", "--by", "Jean Dupont"], BAD_INPUT, "never a name"),
    (["choice", "withdraw", "key:nobody", "newsletter"], NOT_FOUND, "load them first"),
    (["choice", "object", "PERMITTED", "*", "--signal", "dnt"], BAD_INPUT, "expected one of `gpc`"),
    (["choice", "import", "CUSTOMERS"], BAD_INPUT, "bring it in with `pacte load`"),
    (["load", "missing.csv"], BAD_INPUT, "there is no file `missing.csv`"),
    (["load", "/"], BAD_INPUT, "`/` is a directory"),
    (["load", "UNMAPPED"], BAD_INPUT, "the mapping knows `customers*.csv`"),
    (["load", "CUSTOMERS", "--source", "custmers"], BAD_INPUT, "has no source"),
    (["rejected", "../../x", "-o", "x"], BAD_INPUT, "the one that `pacte load` printed"),
    (["rejected", "nothing", "-o", "x"], NOT_FOUND, "no rows were set aside"),
    (["erase"], BAD_INPUT, "say whom to erase"),
    (["erase", "key:nobody", "--yes"], NOT_FOUND, "nobody with that identifier"),
    (["stop", "newsleter"], BAD_INPUT, "the policy declares `newsletter`"),
    (["stop", "newsletter", "--reason", "Jean said so"], BAD_INPUT, "never a name"),
    (["ledger", "log", "--person", "key:nobody"], NOT_FOUND, "nobody with that identifier"),
    (["ledger", "export", "/nowhere/at/all"], BAD_INPUT, "choose another place"),
]


def spelt(shop: Any, arguments: Sequence[str], directory: Path) -> list[str]:
    """The arguments with the shop's own people and files in them; other files lie in `directory`."""
    (directory / "list.csv").write_text("a,b\n")
    names = {"PERMITTED": shop.permitted[0], "CUSTOMERS": str(shop.files / "customers.csv")}
    names["UNMAPPED"] = str(directory / "list.csv")
    return [names.get(argument, argument) for argument in arguments]


def size(house: Path) -> int:
    """How many entries the ledger of a house holds."""
    with contextlib.closing(sqlite3.connect(house / "records.db")) as conn:
        return int(conn.execute("SELECT size FROM ledger_head").fetchone()[0])


@pytest.mark.parametrize(("arguments", "code", "part"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], code: int, part: str
) -> None:
    """A mistake ends with its code and a message that says what to do; nothing is said on standard output."""
    monkeypatch.chdir(tmp_path)
    before = size(shop.house)
    done = shop(*spelt(shop, arguments, tmp_path))
    assert (done.code, done.out) == (code, "")
    assert part in done.err
    told = shop(*spelt(shop, arguments, tmp_path), "--json")
    assert told.code == code
    assert told.error["exit_code"] == code
    assert part in told.error["error"]
    assert "Traceback" not in done.err + told.err
    assert size(shop.house) == before, "a mistake recorded something"


@pytest.mark.parametrize("command", ["publish", "doctor", "ledger check", "may 1 newsletter", "load x.csv"])
def test_no_house(pacte: Any, tmp_path: Path, command: str) -> None:
    """Where no house stands, the message says how to make one."""
    (tmp_path / "x.csv").touch()
    words = [str(tmp_path / "x.csv") if word == "x.csv" else word for word in command.split()]
    done = pacte(*words, "--house", tmp_path)
    assert (done.code, done.out) == (NOT_FOUND, "")
    assert "`pacte init`" in done.err


def test_a_second_house_in_the_same_place(shop: Any, pacte: Any) -> None:
    """A house is never made over another."""
    done = pacte("init", shop.house)
    assert done.code == BAD_INPUT
    assert "choose another directory" in done.err


def test_no_policy_in_force(pacte: Any, tmp_path: Path, shop: Any) -> None:
    """Before a policy is published nothing is loaded or decided, and the message says what to do."""
    assert pacte("init", tmp_path / "new").code == 0
    for command in (["load", str(shop.files / "customers.csv")], ["audience", "newsletter"]):
        done = pacte(*command, "--house", tmp_path / "new")
        assert done.code == DENIED
        assert "`pacte publish`" in done.err
    assert "Run `pacte publish`" in pacte("doctor", "--house", tmp_path / "new").out


def test_a_policy_with_mistakes(spoilt: Any) -> None:
    """All mistakes of a policy come at once, each with its line; a missing or unreadable file is said."""
    policy = spoilt.house / "policy.yaml"
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text.replace("basis: consent", "basis: concent").replace("channels: [email", "chanels: [email"))
    done = spoilt("publish")
    assert (done.code, done.out) == (BAD_INPUT, "")
    assert len([line for line in done.err.splitlines() if "policy.yaml:" in line]) >= 2
    assert "did you mean" in done.err
    policy.write_bytes(b"\xff\xfe")
    assert spoilt("publish").code == BAD_INPUT
    policy.unlink()
    gone = spoilt("publish")
    assert gone.code == NOT_FOUND
    assert "no file `policy.yaml` here" in gone.err


def test_a_mapping_that_cannot_be_read(spoilt: Any) -> None:
    """A mapping with mistakes, unreadable bytes, or none at all is said with its name."""
    mapping = spoilt.house / "mapping.yaml"
    customers = spoilt.files / "customers.csv"
    mapping.write_text(mapping.read_text(encoding="utf-8").replace("dataset: customers", "dataset: custmers"))
    done = spoilt("load", customers)
    assert done.code == BAD_INPUT
    assert "mapping.yaml:" in done.err
    mapping.write_bytes(b"\xff\xfe")
    assert spoilt("load", customers).code == BAD_INPUT
    mapping.unlink()
    gone = spoilt("load", customers)
    assert gone.code == NOT_FOUND
    assert "no file `mapping.yaml` here" in gone.err


def test_keys_that_others_may_read(spoilt: Any) -> None:
    """A house whose key file others may read refuses to work and says how to mend it."""
    (spoilt.house / "keys" / "kek.json").chmod(0o644)
    done = spoilt("may", spoilt.permitted[0], "newsletter")
    assert (done.code, done.out) == (UNSAFE, "")
    assert "chmod" in done.err


def test_a_restored_ledger_is_refused(spoilt: Any, tmp_path: Path) -> None:
    """A house whose ledger is older than its last anchor refuses to serve."""
    shutil.copy(spoilt.house / "records.db", tmp_path / "old.db")
    assert spoilt("choice", "withdraw", spoilt.permitted[0], "newsletter").code == 0
    for name in ("records.db", "records.db-wal", "records.db-shm"):
        (spoilt.house / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "old.db", spoilt.house / "records.db")
    done = spoilt("may", spoilt.permitted[0], "newsletter")
    assert done.code == UNSAFE
    assert "restored or rewritten" in done.err


def test_a_busy_house(spoilt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody else writes, the command says to try again."""
    monkeypatch.setattr(db, "BUSY_MILLISECONDS", 50)
    other = sqlite3.connect(spoilt.house / "records.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = spoilt("choice", "withdraw", spoilt.permitted[0], "newsletter", "--json")
    other.execute("ROLLBACK")
    other.close()
    assert (done.code, done.error["exit_code"]) == (CONFLICT, CONFLICT)
    assert "try again" in done.error["error"]


def test_a_ledger_that_was_changed(spoilt: Any, lang: str) -> None:
    """A changed entry is found by the check, which ends with its own code and says which entry."""
    with sqlite3.connect(spoilt.house / "records.db") as conn:
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            conn.execute(f'DROP TRIGGER "{name}"')
        conn.execute("UPDATE ledger_entry SET body = replace(body, 'newsletter', 'newslettre') WHERE idx = 900")
        conn.execute("UPDATE ledger_entry SET salt = zeroblob(16) WHERE idx = 901")
        conn.execute("UPDATE ledger_entry SET leaf = substr(hex(leaf), 1, 32) WHERE idx = 902")
    conn.close()
    done = spoilt("ledger", "check", "--lang", lang)
    assert done.code == UNVERIFIED
    words = "Entry 900: its text does not match" if lang == "en" else "Écriture 900\u202f: son texte ne correspond pas"
    assert f"✗ {words}" in done.out
    told = spoilt("ledger", "check", "--json")
    assert told.code == UNVERIFIED
    assert told.json["problems"]


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        (b"", [], UNVERIFIED),
        (b"not a proof\n", [], UNVERIFIED),
        (b"\x00\xff" * 100, [], UNVERIFIED),
        (b"{}\n", ["--anchors", "FILE"], UNVERIFIED),
        (b"{}\n", ["--key", "nonsense"], BAD_INPUT),
        (b"{}\n", ["--checkpoint", "/nowhere"], BAD_INPUT),
        (None, [], BAD_INPUT),
    ],
    ids=range(7),
)
def test_verify_on_garbage(
    pacte: Any, tmp_path: Path, lang: str, content: bytes | None, options: list[str], code: int
) -> None:
    """Garbage does not verify, and what cannot be read is said; the first line leaves no doubt."""
    file = tmp_path / "file"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    options = [str(file) if option == "FILE" else option for option in options]
    done = pacte("verify", file, *options, "--lang", lang)
    assert done.code == code
    if code == UNVERIFIED:
        assert done.out.startswith("DOES NOT VERIFY\n" if lang == "en" else "NON VÉRIFIÉ\n")
        told = pacte("verify", file, *options, "--lang", lang, "--json")
        assert told.json["ok"] is False
    else:
        assert done.out == ""
        assert pacte("verify", file, *options, "--lang", lang, "--json").error["exit_code"] == code


def test_an_error_that_nobody_foresaw(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong inside, a person sees one line with its place, and never what was in hand."""

    def fall(*_: object, **__: object) -> None:
        raise RuntimeError("ada@example.com")

    monkeypatch.setattr("pacte.app.ask.may", fall)
    done = shop("may", shop.permitted[0], "newsletter")
    assert (done.code, done.out) == (1, "")
    assert "please report it" in done.err
    assert "ada" not in done.err
    assert "Traceback" not in done.err


def test_what_was_typed_in_the_wrong_place_is_not_repeated(pacte: Any, tmp_path: Path) -> None:
    """An address that ends up where a command, an option or a file belongs is not repeated in the message."""
    for arguments in (["ada@example.com"], ["may", "--ada@example.com"], ["load", "ada@example.com"]):
        done = pacte(*arguments)
        assert done.code == BAD_INPUT
        assert "ada@" not in done.err + done.out


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_a_directory_that_may_not_be_read(spoilt: Any) -> None:
    """A house in a directory that may not be read is said with its path."""
    (spoilt.house / "keys").chmod(0)
    done = spoilt("may", spoilt.permitted[0], "newsletter")
    (spoilt.house / "keys").chmod(0o700)
    assert done.code in (BAD_INPUT, UNSAFE)
    assert "keys" in done.err


# --- as a process ----------------------------------------------------------------------------------------------------


def program(*arguments: str | Path) -> list[str]:
    """The installed program, as a shell would start it."""
    return [str(Path(sys.executable).with_name("pacte")), *map(str, arguments)]


def test_the_program_itself(shop: Any) -> None:
    """As a process: pure JSON on standard output, errors on standard error, the exit codes of the commands."""
    may = [*program("may"), shop.denied, "newsletter", "--house", str(shop.house), "--json"]
    done = subprocess.run(may, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (DENIED, "")
    assert json.loads(done.stdout)["permitted"] is False
    gone = subprocess.run([*may[:4], "--json"], capture_output=True, text=True, check=False, cwd="/")
    assert (gone.returncode, gone.stdout) == (NOT_FOUND, "")
    assert json.loads(gone.stderr)["exit_code"] == NOT_FOUND


def test_a_reader_that_goes_away(shop: Any) -> None:
    """A pipe that is closed early is no error and leaves no complaint."""
    log = " ".join(program("ledger", "log", "-n", "1000", "--house", shop.house))
    done = subprocess.run(["bash", "-c", f"{log} | head -1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_interrupted_from_the_keyboard(tmp_path: Path) -> None:
    """An interrupt ends with 130 and without a traceback."""
    started = subprocess.Popen(
        program("demo", tmp_path / "demo", "--people", "20000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout is not None
    started.stdout.read(1)  # it is under way
    time.sleep(0.3)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=120)
    assert started.returncode == 130
    assert "Traceback" not in err


def test_bytes_that_are_no_text(shop: Any) -> None:
    """Whatever a terminal sends that is not UTF-8 is refused, in every place."""
    wrong = "key:\udcff\udcfe"
    for command in (
        ["may", wrong, "newsletter"],
        ["may", shop.permitted[0], wrong],
        ["explain", wrong, "newsletter"],
        ["erase", wrong, "--dry-run"],
        ["ledger", "log", "--person", wrong],
        ["choice", "withdraw", wrong, "newsletter"],
        ["choice", "withdraw", shop.permitted[0], wrong],
        ["audience", wrong],
        ["audience", "newsletter", "--channel", wrong],
        ["stop", wrong],
        ["prove", wrong, "--use", shop.use],
    ):
        done = shop(*command)
        assert (done.code, done.out) == (BAD_INPUT, ""), command
        assert "nobody foresaw" not in done.err


def test_an_answer_of_every_kind_of_value(shop: Any) -> None:
    """What cannot be shown is said with what to write instead."""
    done = shop("sql", "SELECT * FROM test_all_types()", "--use", "newsletter", "--channel", "email")
    assert done.code in (BAD_INPUT, DENIED)
    assert "nobody foresaw" not in done.err
    far = shop("sql", "SELECT DATE '5877642-06-25'", "--use", "newsletter", "--channel", "email")
    assert far.code in (0, BAD_INPUT)

"""Whom a command is about may come by standard input: command lines are seen by others, and kept by the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pacte.app.house import open_house
from pacte.app.people import subject_of
from tests.cli.conftest import Shop, pacte
from tests.cli.test_cli_help import ALL

PERSONAL = {
    name: parameter
    for name, command in ALL.items()
    for parameter in command.params
    if parameter.metavar == "PERSON" or parameter.name == "person"
}
"""Every command that takes a person, with the argument or option that does."""


def asked(name: str, person: str = "-") -> list[str]:
    """The command with this person, and a word for whatever else it must have."""
    before = [
        person if each is PERSONAL[name] else "newsletter"
        for each in ALL[name].params
        if each.param_type_name == "argument" and (each.required or each is PERSONAL[name])
    ]
    option = [] if PERSONAL[name].param_type_name == "argument" else [PERSONAL[name].opts[0], person]
    return [*name.split(), *before, *option]


def test_the_commands_about_people_are_found() -> None:
    """No command that takes a person has slipped out of these tests."""
    assert PERSONAL.keys() >= {
        *("may", "explain", "replay", "prove", "receipt", "erase", "ledger log", "choice give", "choice refuse"),
        *("choice withdraw", "choice object", "choice restrict"),
    }


@pytest.mark.parametrize("name", PERSONAL)
def test_every_command_reads_a_person_from_standard_input(shop: Shop, name: str) -> None:
    """`-` is the first line of standard input: where that names nobody it is said, and help says that it may be so."""
    for nothing in ("", "\n", "  \nkey:C0000003\n"):
        done = shop(*asked(name), answer=nothing)
        assert (done.code, done.out) == (2, "")
        assert "nobody is named in the first line of standard input" in done.err
    assert "standard input" in " ".join(pacte(*name.split(), "--help").out.split())


def test_the_answer_is_the_same(shop: Shop) -> None:
    """As a line, with the end of a line of another system, after a mark of a byte order, and without an end."""
    person = shop.permitted[0]
    typed = shop("may", person, "newsletter", "--channel", "email")
    for line in (f"{person}\n", f"{person}\r\nanother\n", f"\ufeff{person}", f"  {person}  "):
        read = shop("may", "-", "newsletter", "--channel", "email", answer=line)
        assert (read.code, read.out, read.err) == (typed.code, typed.out, "")
    assert shop("may", "-", "newsletter", answer="nobody\x00\n").code == 2


def test_an_erasure_by_standard_input(mine: Shop) -> None:
    """The person read is the one who is erased; the next line answers the question whether they shall be."""
    person = mine.permitted[0]
    kept = mine("erase", "-", answer=f"{person}\n")
    assert (kept.code, mine("may", person, "newsletter", "--channel", "email").code) == (1, 0)
    assert "Nothing was erased" in kept.out
    done = mine("erase", "-", answer=f"{person}\ny\n")
    assert (done.code, done.err) == (0, "")
    assert mine("may", person, "newsletter", "--channel", "email").code == 3
    again = mine("erase", "-", "--yes", "--json", answer=f"{mine.permitted[1]}\n")
    with open_house(mine.house) as home, home.reading() as conn:
        assert subject_of(home, conn, mine.permitted[1]) is None
    assert again.json["subject"]


def test_nobody_else_sees_who_it_is(shop: Shop) -> None:
    """While the command waits for its standard input, the machine's list of processes holds nothing of the person."""
    secret = shop.permitted[0].removeprefix("key:")
    command = ("may", "-", "newsletter", "--channel", "email", "--house", str(shop.house))
    waiting = subprocess.Popen(
        [sys.executable, "-c", "from pacte.cli.main import run; run()", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    try:
        process = Path(f"/proc/{waiting.pid}")
        while not (process / "cmdline").read_bytes():  # it is being started
            assert waiting.poll() is None
        seen = [(process / name).read_bytes() for name in ("cmdline", "environ")]
        assert waiting.poll() is None
        assert b"newsletter" in seen[0]
        assert all(secret.encode() not in place for place in seen)
        out, err = waiting.communicate(f"key:{secret}\n", timeout=120)
    finally:
        waiting.kill()
    assert (waiting.returncode, err) == (0, "")
    assert out.startswith("✓")


@pytest.mark.parametrize(("lang", "words"), [("en", "ask for it again"), ("fr", "redemandez-le")])
def test_an_interrupted_erasure_says_what_to_do(
    spoilt: Shop, monkeypatch: pytest.MonkeyPatch, lang: str, words: str
) -> None:
    """Ctrl-C in the middle of an erasure: the person is out of every use, and asking again finishes it."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    person = spoilt.permitted[0]
    with monkeypatch.context() as patched:
        patched.setattr("pacte.app.erase.carry_out", interrupt)
        cut = spoilt("erase", person, "--yes", "--lang", lang)
    assert cut.code == 130
    assert words in cut.err
    assert spoilt("may", person, "newsletter", "--channel", "email").code == 3
    assert spoilt("erase", person, "--yes").code == 0
    with open_house(spoilt.house) as home:
        assert home.check() == []

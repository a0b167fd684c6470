"""Help: every command and option says what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
from typer.main import get_command

from pacte.cli.main import app


def commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """All commands with their names, groups too."""
    command = command or get_command(app)
    yield name, command
    for child, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {child}".strip())


ALL = dict(commands())


def test_the_program_says_what_it_is(pacte: Any) -> None:
    """Without arguments, the program shows its commands and ends well; it knows its version."""
    bare = pacte()
    assert (bare.code, bare.err) == (0, "")
    assert bare.out == pacte("--help").out == pacte("-h").out
    assert pacte("--version").out == f"pacte {metadata.version('pacte')}\n"
    for name in ("init", "load", "may", "audience", "choice", "ledger", "verify", "demo", "doctor"):
        assert f"  {name} " in bare.out


@pytest.mark.parametrize("name", ALL)
def test_every_option_is_explained(pacte: Any, name: str) -> None:
    """Every command, argument and option has a help text; the page fits the terminal; no sentence is cut off."""
    command = ALL[name]
    assert command.help
    assert [each.name for each in command.params if each.name != "help" and not each.help] == []
    done = pacte(*name.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "..." not in done.out.partition("Commands:")[2]


def test_a_misspelt_command_is_said(pacte: Any) -> None:
    """A command that does not exist ends with 2 and leads to the help."""
    done = pacte("audiense", "newsletter")
    assert (done.code, done.out) == (2, "")
    assert "`pacte --help`" in done.err

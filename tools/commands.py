"""Write `docs/reference/command-line.md` from the program itself; the tests compare the two.

Run `python -m tools.commands` (or `make docs`) after changing a command.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.tree import ROOT

PAGE = ROOT / "docs" / "reference" / "command-line.md"

_HEAD = """\
# Command line

Every command below; `--help` says the same. `--json` prints one JSON value for programs, `--lang fr` speaks French, and
[exit codes](exit-codes.md) say how it ended. Written by `make docs` from the program; edit the program, not this page.
"""


def page() -> str:
    """The page as the program is now."""
    from typer.main import get_command

    from pacte.cli.main import app

    return _HEAD + "".join(_sections(get_command(app), "pacte"))


def _sections(command: Any, name: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is None:
        usage = f"```text\n{_usage(command, name)}\n```"
        yield f"\n## `{name}`\n\n{_sentence(command.help)}\n\n{usage}\n{_options(command)}"
        return
    for child in sorted(children):
        yield from _sections(children[child], f"{name} {child}")


def _usage(command: Any, name: str) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    words = [_placeholder(argument) for argument in arguments]
    return " ".join([name, *words, "[options]"])


def _placeholder(argument: Any) -> str:
    word = argument.name.upper() + ("…" if argument.nargs == -1 else "")
    return word if argument.required else f"[{word}]"


def _options(command: Any) -> str:
    rows = [_row(each) for each in command.params if each.name != "help"]
    return "\n| | |\n|---|---|\n" + "".join(rows) if rows else ""


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = f"`{parameter.name.upper()}`"
    else:
        shown = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    said = _sentence(parameter.help).replace("|", chr(92) + "|")
    return f"| {shown} | {said}{_without(parameter)} |\n"


def _without(parameter: Any) -> str:
    """What holds where it is not given: that it must be, or another value than none."""
    if parameter.required:
        return "" if parameter.param_type_name == "argument" else " **Required.**"
    if isinstance(parameter.show_default, str):
        return f" Default: {parameter.show_default}."
    value = parameter.default
    if (
        value in (None, "", (), [])
        or isinstance(value, bool | Path)
        or callable(value)
        or parameter.show_default is False
    ):
        return ""
    return f" Default: `{value}`."


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

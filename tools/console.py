"""Run the commands that a page of documentation shows, and compare what it shows with what they say.

A block fenced as `console` holds commands after `$ ` (continued after `> `) and, below each, lines of its output. All
blocks of a page run in order in one shell, in an empty folder. Output is compared loosely: blank lines and runs of
spaces do not count, `…` stands for any text within a line and, alone on a line, for any lines; a command with no output
shown may say anything. Words after `console` on the fence: `needs:NAME` links the data set NAME into the folder (the
page is skipped where it is absent), `exits:N` says that the block's last command ends with status N.

Blocks fenced as `python run` follow: all of a page's run in order in one Python process, in the same folder and after
its commands. What one prints is shown in a block fenced as `text` right below it, compared as loosely.

The program `pacte` is the installed one, or a quicker one in the folder `first`: `tools.preloaded` says what that has
loaded before a command begins, and what it changes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.tree import ROOT

DATA = ROOT.parent / "shared" / "data"
"""Where data sets lie that are no part of the repository, one folder each."""

SECONDS = 900

_BLOCK = re.compile(r"^(?P<indent> *)```console(?P<words>[^\n]*)\n(?P<body>.*?)^(?P=indent)```", re.M | re.S)
_SNIPPET = re.compile(r"^```python run[^\n]*\n(?P<code>.*?)^```\n(?:\n*^```text\n(?P<shown>.*?)^```)?", re.M | re.S)
_INTERPRETER = """
import contextlib, io, json, sys, traceback
names, said = {"__name__": "page"}, []
for code in json.load(sys.stdin):
    out, status = io.StringIO(), 0
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(code, "page", "exec"), names)
        except BaseException:
            status = 1
            traceback.print_exc(file=out)
    said.append([status, out.getvalue()])
json.dump(said, sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page (or a piece of Python), the output shown below it, and the status it should end with."""

    text: str
    shown: tuple[str, ...]
    status: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """All the commands of a page, the data sets that they need, and the Python that runs after them."""

    commands: tuple[Command, ...]
    needs: frozenset[str]
    snippets: tuple[Command, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether the page shows anything that can be run."""
        return bool(self.commands or self.snippets)


def read_page(text: str) -> Page:
    """Find the commands of a page in Markdown."""
    commands: list[Command] = []
    needs: set[str] = set()
    for block in _BLOCK.finditer(text):
        words = block["words"].split()
        needs |= {word.removeprefix("needs:") for word in words if word.startswith("needs:")}
        status = next((int(word.removeprefix("exits:")) for word in words if word.startswith("exits:")), 0)
        commands += _commands([line.removeprefix(block["indent"]) for line in block["body"].splitlines()], status)
    snippets = tuple(
        Command(found["code"], tuple(line for line in (found["shown"] or "").splitlines() if line.strip()))
        for found in _SNIPPET.finditer(text)
    )
    return Page(tuple(commands), frozenset(needs), snippets)


def missing(page: Page) -> list[str]:
    """The data sets that the page needs and that are not here."""
    return sorted(name for name in page.needs if not (DATA / name).is_dir())


def run_page(page: Page, folder: Path, first: Path | None = None) -> list[str]:
    """Run a page's commands in `folder` and return what differs, one text per command; nothing means: all true.

    Programs in the folder `first` are found before others.
    """
    for name in page.needs:
        for path in (DATA / name).iterdir():
            (folder / path.name).symlink_to(path)
    said = _run(page, folder, first)
    if len(said) < len(page.commands):
        return [f"$ {page.commands[len(said)].text}\nthe shell ended here"]
    said += _run_python(page, folder)
    return [
        f"$ {command.text}\n{problem}"
        for command, (status, output) in zip([*page.commands, *page.snippets], said, strict=True)
        for problem in _compare(command, status, output)
    ]


def environment(folder: Path, first: Path | None = None) -> dict[str, str]:
    """What the commands of a page are run with: little of this process, and `folder` as home."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    places = [str(first)] if first else []
    return {
        **kept,
        "PATH": ":".join([*places, str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PACTE_CHROMIUM": "none",  # a picture takes seconds: the test of pictures names a browser
    }


def matches(shown: tuple[str, ...], output: str) -> bool:
    """Whether the output is what is shown, loosely.

    >>> matches(("2 people …", "…", "done"), "2 people of 7\\nmore\\n\\nand more\\ndone")
    True
    >>> matches(("2 people",), "3 people")
    False
    """
    pattern = "\n".join(_line_pattern(line) for line in shown if line.strip()) + "\n"
    pattern = pattern.replace("(?:.*\n)*?\n", "(?:.*\n)*?")
    lines = (" ".join(line.split()) for line in output.splitlines())
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines if line)) is not None


def _line_pattern(line: str) -> str:
    bare = " ".join(line.split())
    return "(?:.*\n)*?" if bare == "…" else ".*".join(re.escape(part) for part in bare.split("…"))


def _commands(lines: list[str], status: int) -> Iterator[Command]:
    blocks: list[tuple[list[str], list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            blocks.append(([line[2:]], []))
        elif line.startswith("> ") and blocks and not blocks[-1][1]:
            blocks[-1][0].append(line[2:])
        elif blocks:
            blocks[-1][1].append(line)
    for position, (command, shown) in enumerate(blocks, start=1):
        expected = status if position == len(blocks) else 0
        yield Command("\n".join(command), tuple(line for line in shown if line.strip()), expected)


def _run(page: Page, folder: Path, first: Path | None) -> list[tuple[int, str]]:
    mark = f"--{uuid.uuid4().hex}--"
    script = "".join(
        f"{{ {command.text}\n}} </dev/null 2>&1\nprintf '\\n%s%d\\n' '{mark}' $?\n" for command in page.commands
    )
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env=environment(folder, first),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    parts = re.split(rf"\n{mark}(\d+)\n", done.stdout)
    return [(int(status), output) for output, status in zip(parts[::2], parts[1::2], strict=False)]


def _run_python(page: Page, folder: Path) -> list[tuple[int, str]]:
    if not page.snippets:
        return []
    done = subprocess.run(
        [sys.executable, "-c", _INTERPRETER],
        input=json.dumps([snippet.text for snippet in page.snippets]),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return [(status, output) for status, output in json.loads(done.stdout)]


def _compare(command: Command, status: int, output: str) -> Iterator[str]:
    if status != command.status:
        yield f"ended with status {status}, expected {command.status}; it said:\n{output}"
    elif command.shown and not matches(command.shown, output):
        yield "\n".join(["the page shows:", *command.shown, "but it said:", output])

"""What every command shares: its options, its two ways to speak (words, or JSON), and its exit codes.

Errors go to standard error as one clear message; with `--json` as `{"error": …, "exit_code": …}`. No traceback and no
personal value is ever shown. Exit codes: docs/reference/exit-codes.md.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pacte.app.house import House
    from pacte.kernel.errors import PacteError

LINE = 64 * 1024
"""Characters of standard input that are read for one identifier; a longer one is said to be too long."""


def person_typed(value: str) -> str:
    """The person as typed, or for `-` the first line of standard input.

    What stands on a command line is seen by everybody who lists this machine's processes, and stays in the history of
    the shell.
    """
    from pacte.kernel.errors import BadInput

    if value != "-":
        return value
    if sys.stdin is not None and sys.stdin.isatty():
        sys.stderr.write(words("person.ask", language("")) + " ")
        sys.stderr.flush()
    try:
        line = sys.stdin.readline(LINE) if sys.stdin is not None else ""
    except UnicodeDecodeError:  # its message repeats what was read
        raise BadInput("what came by standard input is not UTF-8; expected one identifier in its first line") from None
    found = line.lstrip("\ufeff").strip()
    if not found:
        raise BadInput("nobody is named in the first line of standard input; expected one identifier there")
    return found


WHO = "Subject id, or key:…, email:…, phone:…; - reads it from standard input, where no other process sees it."
PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help=WHO, show_default=False, callback=person_typed)]
PurposeArgument = Annotated[str, typer.Argument(metavar="PURPOSE", help="Purpose, as the policy calls it.")]
HouseOption = Annotated[
    Path,
    typer.Option(
        "--house",
        "-H",
        envvar="PACTE_HOUSE",
        metavar="DIR",
        help="Directory of the house.",
        show_default="the current one",
    ),
]
LangOption = Annotated[
    str, typer.Option("--lang", envvar="PACTE_LANGUAGE", metavar="en|fr", help="Language of the answer.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
ByOption = Annotated[
    str, typer.Option("--by", metavar="CODE", help="Who acts, as a short code (never a name): staff:17, till:3.")
]
HERE = Path()
WIDEST = 110


@cache
def console() -> Console:
    """The terminal, as rich sees it; width is bounded so that long lines stay readable."""
    from rich.console import Console

    found = Console(highlight=False, soft_wrap=False)
    return found if found.width <= WIDEST else Console(highlight=False, width=WIDEST)


def tell(words: str, *, mark: str = "", color: str = "", style: str = "", indent: int = 0, whole: bool = False) -> None:
    """Print a paragraph that fits the terminal; its later lines stand under its first word.

    `mark` comes first, in `color`. What stands in backticks (a command, a name) is never broken; with `whole`, nothing
    is (for paths).
    """
    from rich.text import Text

    start = " " * indent + (f"{mark} " if mark else "")
    fold = textwrap.TextWrapper(
        max(40, console().width),
        initial_indent=start,
        subsequent_indent=" " * max(len(start), indent + 2 if indent else 0),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for paragraph in words.split("\n"):
        bound = re.sub(
            ".*" if whole else "`[^`]*`", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), paragraph
        )
        shown = Text("\n".join(fold.wrap(bound)).replace("\N{NO-BREAK SPACE}", " "), style=style)
        if mark:
            shown.stylize(f"bold {color}".strip(), indent, indent + len(mark))
        console().print(shown, soft_wrap=True)


def say(data: Any, as_json: bool, words: Callable[[], None]) -> None:
    """Print `data` as JSON, or call `words` to tell the same to a person."""
    if as_json:
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")
    else:
        words()


@contextmanager
def opened(path: Path) -> Iterator[House]:
    """The house in `path`, closed afterwards."""
    from pacte.app.house import open_house

    refuse_nowhere(path, "`-H DIR`")
    with open_house(path) as house:
        yield house


def refuse_nowhere(path: Path, named: str) -> None:
    """Raise `NotFound` unless a house was made in `path`; `named` is how this command is told of another."""
    from pacte.app.house import refuse_missing
    from pacte.kernel.errors import NotFound

    try:
        refuse_missing(path)
    except NotFound:
        where = typed_path(path if path != HERE else Path.cwd())
        raise NotFound(
            f"no house stands in {where}; make one with `pacte init`, or name the house with {named} or PACTE_HOUSE"
        ) from None


def language(asked: str, house: Path | None = None) -> str:
    """The language to speak: the one asked for, else the house's, else the environment's, else English."""
    from pacte.kernel.i18n import LANGUAGES, check_language

    if asked:
        return check_language(asked)
    if house is not None and (of_house := _language_of(house)) in LANGUAGES:
        return of_house
    system = (os.environ.get("LC_ALL") or os.environ.get("LANG") or "en")[:2]
    return system if system in LANGUAGES else "en"


def _language_of(house: Path) -> str:
    # What is wrong with the settings is said by whoever opens the house.
    try:
        found = tomllib.loads((house / "settings.toml").read_text(encoding="utf-8")).get("language", "")
    except (OSError, ValueError):
        return ""
    return found if isinstance(found, str) else ""


def words(key: str, lang: str, **parameters: str | int) -> str:
    """A text of the command line's catalogue."""
    from pacte.kernel.i18n import text

    return text("cli", key, lang, **parameters)


def counted(key: str, lang: str, count: int, **parameters: str | int) -> str:
    """A text with a number in it, in the singular (`key.one`) or the plural (`key.many`)."""
    from pacte.kernel.i18n import counted

    return counted("cli", key, lang, count, **parameters)


def person_named(person: str) -> str:
    """The person as given; raises `BadInput` where nothing was."""
    from pacte.app.people import EMPTY
    from pacte.kernel.errors import BadInput

    if not person.partition(":")[2 if person.startswith(("key:", "email:", "phone:")) else 0].strip():
        raise BadInput(EMPTY)
    return person


def help_alone(context: typer.Context) -> None:
    """A group of commands that is called alone shows its help."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def typed_path(path: Path) -> str:
    """A path as somebody typed it, unless it looks like an address that ended up in the wrong place."""
    return "`…`" if "@" in str(path) else f"`{path}`"


def code(option: str, value: str) -> str:
    """A short code as given; raises `BadInput` for anything that could be a name or a sentence."""
    from pacte.kernel.errors import BadInput

    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", value):
        raise BadInput(
            f"`{option}` is a short code such as `staff:17`, of letters, digits, `_`, `.`, `:` and `-`; never a name"
        )
    return value


def place_name(place: str, lang: str) -> str:
    """A place of the house where somebody's data lie, in words: `vault:contact`, `lake:orders`."""
    kind, _, name = place.partition(":")
    return words(f"place.{kind}", lang, name=name)


def misused(error: Any, typed: Sequence[str], as_json: bool) -> int:
    """Show what is wrong with how a command was written, without repeating what was typed; returns the exit code.

    Somebody's address ends up in the wrong place of a command line sooner or later, and what is printed in a log.
    """
    from pacte.kernel.errors import named

    words = {word for argument in typed for word in (argument, argument.partition("=")[2])}
    for word in sorted(words, key=len, reverse=True):
        if word and named(word.lstrip("-")) == named("") and not word.isdigit():
            error.message = error.message.replace(word, "…")
    if as_json:
        _error_json(error.format_message(), error.exit_code)
    else:
        if error.ctx is not None:
            sys.stderr.write(error.ctx.get_usage() + f"\nTry `{error.ctx.command_path} --help`.\n\n")
        _error_words(error.format_message())
    return int(error.exit_code)


def fail(error: Exception, as_json: bool) -> int:
    """Show an error and return its exit code."""
    from pacte.kernel.errors import PacteError

    code = error.exit_code if isinstance(error, PacteError) else 1
    if as_json:
        _error_json(str(error), code)
    else:
        _error_words(str(error))
    return code


def unusable(error: OSError) -> PacteError:
    """What the operating system refused, as an error of ours: which file, and why."""
    from pacte.kernel.errors import BadInput, PacteError
    from pacte.kernel.files import refused

    path = typed_path(Path(str(error.filename))) if error.filename else "a file"
    given = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)
    return (BadInput if given else PacteError)(f"cannot read or write {path}: {refused(error)}")


def _error_json(message: str, code: int) -> None:
    sys.stderr.write(json.dumps({"error": message, "exit_code": code}, ensure_ascii=False) + "\n")


def _error_words(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in message.splitlines() or [""]:
        console.print(Text("✗ " + line, style="red"))

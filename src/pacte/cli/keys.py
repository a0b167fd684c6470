"""`keys status|check|rotate|end|passphrase|serve`: the key that wraps all others, and the process that may hold it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pacte.cli.output import (
    HERE,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    code,
    counted,
    help_alone,
    language,
    opened,
    say,
    tell,
    words,
)

if TYPE_CHECKING:
    from pacte.app.keys import Ended

keys = typer.Typer(help="Look after the keys.", callback=help_alone, invoke_without_command=True, rich_markup_mode=None)

SHORTEST = 12
"""Characters of a new passphrase: whoever steals the file may try as many as they like."""


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(keys, name="keys")


@keys.command("status", short_help="Versions, keys under each, and what shredding is final.")
def status(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Say which version wraps now, how many keys are under each, and which shreddings a backup could still undo."""
    from pacte.kernel.i18n import day

    tongue = language(lang, house)
    with opened(house) as home:
        found = home.keys.status()

    def show() -> None:
        for version, count in found.under.items():
            key = "keys.current" if version == found.version else "keys.old" if count else "keys.unused"
            tell(words(key, tongue, version=version, count=count), mark="✓" if version == found.version else "!")
        for version, at in found.destroyed.items():
            tell(words("keys.destroyed", tongue, version=version, day=day(at, tongue)), mark="·")
        if found.shredded:
            tell(counted("keys.shredded", tongue, found.shredded, revocable=found.revocable), mark="·")
        if found.pending:
            tell(counted("keys.pending", tongue, found.pending), mark="✗", color="red")

    data = {
        "version": found.version,
        "keys": {str(version): count for version, count in found.under.items()},
        "destroyed": {str(version): at for version, at in found.destroyed.items()},
        "shredded": found.shredded,
        "not_final": found.revocable,
        "pending": found.pending,
    }
    say(data, as_json, show)


@keys.command("check", short_help="Open every key once. Exit code 5 if one does not open.")
def check(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Open every wrapped key once, and say how many do not open. Exit code 5 if there is one."""
    tongue = language(lang, house)
    with opened(house) as home:
        total, wrong = sum(home.keys.status().under.values()), home.keys.unopened()

    def show() -> None:
        if wrong:
            tell(words("keys.wrong", tongue, count=total, wrong=wrong), mark="✗", color="red")
        else:
            tell(words("keys.sound", tongue, count=total), mark="✓", color="green")

    say({"keys": total, "unopened": wrong}, as_json, show)
    raise typer.Exit(5 if wrong else 0)


@keys.command("rotate", short_help="Wrap every key again under a new version.")
def rotate(house: HouseOption = HERE, by: ByOption = "cli", lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Wrap every key again under a new version, while others go on working; no sealed byte changes.

    If it is interrupted, ask again: it goes on where it stopped.
    """
    from pacte.app.keys import rotate as rotating

    tongue = language(lang, house)
    with opened(house) as home:
        done = rotating(home, code("--by", by))
        under = home.keys.status().under
    data = {"version": done.version, "entry": done.index, "keys": {str(n): count for n, count in under.items()}}
    old = ", ".join(str(version) for version in under if version != done.version)
    key = "keys.rotated_old" if old else "keys.rotated"
    text = words(key, tongue, version=done.version, count=under[done.version], entry=str(done.index), old=old)
    say(data, as_json, lambda: tell(text, mark="✓", color="green"))


@keys.command("end", short_help="Destroy an old version for good.")
def end(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version to destroy.", min=1)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Destroy an old version of the key for good: backups of keys that were shredded under it open nothing any more.

    Refused while anything is wrapped under it. Destroy the copies of the key file in backups, too.
    """
    from pacte.app.keys import end as ending
    from pacte.kernel.errors import BadInput

    tongue = language(lang, house)
    with opened(house) as home:
        if version not in home.keys.status().under:
            yes = True  # unknown, or destroyed already: there is nothing to be asked about, and `ending` says so
        if not yes and (as_json or not sys.stdin.isatty()):
            raise BadInput("destroying a version is for good; confirm it with `--yes`")
        if not yes and not typer.confirm(words("keys.sure", tongue, version=version)):
            raise typer.Exit(1)
        done = ending(home, version, code("--by", by))
    say(
        {"version": version, "entry": done.index, "final": len(done.final)},
        as_json,
        lambda: tell(_ended(done, tongue), mark="✓", color="green"),
    )


@keys.command("passphrase", short_help="Lock the key file with another passphrase.")
def passphrase(
    new: Annotated[
        str, typer.Option("--new", metavar="WHERE", help="The new passphrase: env:NAME or file:PATH; none for none.")
    ],
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Lock the key file with another passphrase. No key is wrapped again, and no data are touched.

    Stop what uses the house first, and destroy the old copies of the key file: they open with the old passphrase.
    """
    from pacte.app.keys import change_passphrase

    tongue = language(lang, house)
    scheme, _, name = new.partition(":")
    reference = "" if new == "none" else f"file:{Path(name).absolute()}" if scheme == "file" and name else new
    with opened(house) as home:
        before = home.settings.keys.passphrase if home.settings.keys.service == "passphrase" else ""
        found = change_passphrase(home, None if new == "none" else _new_passphrase(new), reference)
    key = "keys.unlocked" if not found else "keys.locked" if before else "keys.locked_first"
    said = words(key, tongue, reference=found)
    say({"locked": found != "", "passphrase": found}, as_json, lambda: tell(said, mark="✓", color="green"))


@keys.command("serve", short_help="Hold the key for a house, in a process of its own.")
def serve(
    socket: Annotated[Path, typer.Option("--socket", metavar="PATH", help="Where it answers.")],
    folder: Annotated[Path, typer.Option("--keys", metavar="FOLDER", help="Where its key file lies.")],
    create: Annotated[bool, typer.Option("--create", help="Make the key file if there is none.")] = False,
    secret: Annotated[
        str, typer.Option("--passphrase", metavar="WHERE", help="The passphrase: env:NAME or file:PATH.")
    ] = "",
    group: Annotated[
        str, typer.Option("--group", metavar="GROUP", help="Let this group reach it (mode 660, else 600).")
    ] = "",
    lang: LangOption = "",
) -> None:
    """Hold the key-encryption key and answer a house over a socket, until this process is told to end.

    Run it as another user than the house's: the house then never sees the key.
    """
    from pacte.app.keyholder import serve as serving
    from pacte.app.settings import secret as secret_of

    tongue = language(lang)
    locked_with = secret_of(secret) if secret else None

    def ready() -> None:
        tell(words("keys.serving", tongue, socket=str(socket)), whole=True)

    serving(socket, folder, locked_with, create=create, group=group, ready=ready)


def _ended(done: Ended, lang: str) -> str:
    if not done.final:
        return words("keys.ended_none", lang, version=done.version, entry=str(done.index))
    return counted("keys.ended", lang, len(done.final), version=done.version, entry=str(done.index))


def _new_passphrase(reference: str) -> str:
    from pacte.app.settings import secret as secret_of
    from pacte.kernel.errors import BadInput

    found = secret_of(reference)
    if len(found) < SHORTEST:
        raise BadInput(f"a passphrase of fewer than {SHORTEST} characters is guessed by whoever steals the file")
    return found

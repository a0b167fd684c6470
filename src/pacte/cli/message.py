"""`message check|save|list|show|preview|remove`: what people are sent, written in a file, kept version by version."""

from __future__ import annotations

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
    help_alone,
    language,
    opened,
    say,
    tell,
    typed_path,
    words,
)

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.app.messages import Saved
    from pacte.policy.findings import Finding
    from pacte.policy.model import PolicyFile
    from pacte.uses.message.model import Message

UNSOUND = 2
"""Exit code of a message that something stops."""
MARKS = {"stops": ("✗", "red"), "risk": ("!", "yellow"), "advice": ("·", "")}

message = typer.Typer(
    help="Write what people are sent: check, save, list, show, preview, remove.",
    short_help="Check, save and preview messages.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The message, in YAML.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name of a saved message.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(message, name="message")


@message.command("check", short_help="Say what stops a message beside the policy in force.")
def check(file: FileArgument, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Read a message from its file and say, line by line, what stops it beside the policy in force."""
    from pacte.app.messages import findings
    from pacte.uses.message.checks import stopping

    tongue = language(lang, house)
    with opened(house) as home:
        found = findings(home, _read(file))

    def show() -> None:
        for one in found:
            mark, color = MARKS[one.level]
            article = f" ({one.article})" if one.article else ""
            tell(f"{file.name}:{one.line}: {one.say(tongue)}{article}", mark=mark, color=color)
        if not found:
            tell(words("message.sound", tongue), mark="✓", color="green")

    say({"findings": [_finding_json(one, tongue) for one in found]}, as_json, show)
    raise typer.Exit(UNSOUND if stopping(found) else 0)


@message.command("save", short_help="Save a message as its next version.")
def save(
    file: FileArgument,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Save the message of a file as its next version, recorded in the ledger; what something stops is not saved."""
    from pacte.app import messages

    tongue = language(lang, house)
    with opened(house) as home:
        found = _read(file)
        messages.refuse(found, _policy(home), home.settings.web.url, file.name)
        saved = messages.save(home, found, by=code("--by", by))

    def show() -> None:
        tell(words("message.saved", tongue, name=saved.name, version=saved.version), mark="✓", color="green")
        tell(saved.digest, whole=True, indent=2)

    say(_json(saved), as_json, show)


@message.command("list", short_help="List the saved messages.")
def listed(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """List the saved messages with their latest version, kind, purpose, channel and digest."""
    from pacte.app import messages

    tongue = language(lang, house)
    with opened(house) as home:
        found = messages.listed(home)

    def show() -> None:
        for one in found:
            tell(_line(one, tongue))
            tell(one.digest, whole=True, indent=2)
        if not found:
            tell(words("message.none", tongue))

    say([_json(one) for one in found], as_json, show)


@message.command("show", short_help="Show the versions of a message, and what it says.")
def show(name: NameArgument, house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Show every version of a message, and the latest as somebody would read it in one language."""
    from pacte.app import messages, specimen

    tongue = language(lang, house)
    with opened(house) as home:
        found = messages.versions(home, name)
        latest = messages.by_digest(home, found[0].digest)
        spoken = tongue if tongue in latest.texts else next(iter(latest.texts))
        rendered = specimen.look(home, latest, spoken)

    def print_it() -> None:
        for one in found:
            tell(_line(one, tongue))
        tell("")
        if rendered.subject:
            tell(rendered.subject, style="bold")
        tell(rendered.text)

    say({"versions": [_json(one) for one in found], "message": latest.to_json()}, as_json, print_it)


@message.command("preview", short_help="Write a message as somebody would get it, with invented values.")
def preview(
    file: FileArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the pages are written.")],
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write a message as somebody would get it, in each language, as a page and as text; the values are invented."""
    from pacte.app import specimen
    from pacte.kernel.files import make_private

    tongue = language(lang, house)
    written: list[str] = []
    with opened(house) as home:
        found = _read(file)
        folder.mkdir(parents=True, exist_ok=True)
        for spoken in sorted(found.texts):
            rendered = specimen.look(home, found, spoken)
            for suffix, content in (("html", rendered.html), ("txt", rendered.text)):
                if content:
                    target = make_private(folder / f"{found.name}-{spoken}.{suffix}")
                    target.write_text(content, encoding="utf-8")
                    written.append(str(target))

    def print_it() -> None:
        for one in written:
            tell(words("message.written", tongue, file=one), whole=True)

    say({"files": written}, as_json, print_it)


@message.command("remove", short_help="Offer a message no longer.")
def remove(
    name: NameArgument,
    by: ByOption = "owner",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Offer a message no longer; its versions are kept as what was sent."""
    from pacte.app import messages

    tongue = language(lang, house)
    with opened(house) as home:
        removed = messages.remove(home, name, by=code("--by", by))
    say(_json(removed), as_json, lambda: tell(words("message.removed", tongue, name=removed.name)))


def _read(file: Path) -> Message:
    from pacte.kernel.errors import NotFound
    from pacte.policy.document import read_limited
    from pacte.uses.message.model import read

    if not file.exists():
        raise NotFound(f"no file {typed_path(file)} here; a saved message is read with `pacte message show NAME`")
    return read(read_limited(file), file.name)


def _policy(home: House) -> PolicyFile:
    from pacte.app.policies import document

    return document(home)


def _line(one: Saved, lang: str) -> str:
    from pacte.kernel.i18n import day
    from pacte.policy.channels import named

    return words(
        "message.line",
        lang,
        name=one.name,
        version=one.version,
        kind=words(f"message.kind.{one.kind}", lang),
        purpose=one.purpose,
        channel=named(one.channel, lang),
        day=day(one.saved, lang),
    )


def _json(one: Saved) -> dict[str, object]:
    return {
        "name": one.name,
        "version": one.version,
        "digest": one.digest,
        "kind": one.kind,
        "purpose": one.purpose,
        "channel": one.channel,
        "by": one.by,
        "saved": one.saved,
        "removed": one.removed,
    }


def _finding_json(one: Finding, lang: str) -> dict[str, object]:
    return {
        "line": one.line,
        "place": one.field,
        "level": one.level,
        "code": one.code,
        "words": one.say(lang),
        "article": one.article or None,
    }

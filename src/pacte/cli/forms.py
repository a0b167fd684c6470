"""`forms publish|list|save`: what forms show, kept as proof of what people were asked."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from pacte.cli.output import HERE, HouseOption, JsonOption, LangOption, help_alone, language, opened, say, tell, words

forms = typer.Typer(
    help="Keep what forms show as proof of what was asked: publish, list, save.",
    short_help="Keep what forms show, with pictures.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(forms, name="forms")


@forms.command("publish", short_help="Keep every form of the policy in force, with a picture where Chromium is.")
def publish(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Keep every form of the policy in force in each language, and take its picture where Chromium is found.

    Twice keeps nothing more. `pacte publish` asks the worker for the same.
    """
    from pacte.app.forms import publish as publishing
    from pacte.app.pictures import browser, complete

    tongue = language(lang, house)
    with opened(house) as home:
        kept = publishing(home)
        there = bool(browser(home))
        taken = complete(home)
    found = {"forms": len(kept), "pictures": taken.count, "missing": taken.missing, "browser": there}

    def show() -> None:
        tell(words("forms.kept", tongue, count=len(kept), pictures=taken.count))
        if not there:
            tell(words("forms.no_browser", tongue))
        elif taken.missing:
            tell(words("forms.no_picture", tongue, count=taken.missing))

    say(found, as_json, show)


@forms.command("list", short_help="List what forms have shown, with their digests.")
def listing(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """List everything that forms have shown: name, language, reader, since when, digest, whether there is a picture."""
    from pacte.app.forms import kept

    tongue = language(lang, house)
    with opened(house) as home:
        found = kept(home)

    def show() -> None:
        from pacte.kernel.i18n import day

        for one in found:
            reader = words(f"forms.reader.{one.reader}", tongue)
            picture = words("forms.pictured" if one.taken else "forms.unpictured", tongue)
            tell(f"{one.name} ({one.lang}), {reader}, {day(one.since, tongue)}, {picture}", whole=True)
            tell(f"  {one.digest}", whole=True)
        if not found:
            tell(words("forms.none", tongue))

    lines = [
        {"form": one.name, "language": one.lang, "reader": one.reader, "since": one.since, "digest": one.digest,
         "picture": one.taken}
        for one in found
    ]  # fmt: skip
    say(lines, as_json, show)


@forms.command("save", short_help="Save what was shown under a digest, and its picture.")
def save(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="The digest, or its beginning.")],
    target: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where to write.")] = Path(),
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write what was shown under a digest, word by word, and its picture where there is one."""
    from pacte.app.forms import body, kept, picture
    from pacte.kernel.errors import BadInput, NotFound
    from pacte.kernel.files import make_private

    tongue = language(lang, house)
    if not re.fullmatch(r"[0-9a-f]{8,64}", digest):
        raise BadInput("not a digest; expected at least its first 8 characters, as `pacte forms list` shows them")
    with opened(house) as home:
        found = [one for one in kept(home) if one.digest.startswith(digest)]
        if len(found) != 1:
            raise NotFound("no form, or more than one, was shown under this digest")
        one = found[0]
        name = f"{one.name}-{one.lang}-{one.digest[:12]}"
        files = {f"{name}.{'json' if one.reader == 'program' else 'html'}": body(home, one.digest).encode()}
        png = picture(home, one.digest)
        if png is not None:
            files[f"{name}.png"] = png
    written = []
    with suppress(OSError):  # what cannot be made is told when the first file is
        target.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = make_private(target / name)
        path.write_bytes(content)
        written.append(str(path))

    def show() -> None:
        for path in written:
            tell(words("forms.saved", tongue, file=path), whole=True)

    say({"files": written}, as_json, show)

"""`notice`: the notice that the policy makes, what is missing in it, what changes, and the letters that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacte.cli.output import HERE, HouseOption, JsonOption, LangOption, counted, language, opened, say, tell, words

if TYPE_CHECKING:
    from pacte.app.announce import Announced
    from pacte.app.house import House
    from pacte.app.notices import Between, Version
    from pacte.consent.notice.entry import Drafted
    from pacte.kernel.instant import Instant
    from pacte.policy.compile import Compiled

INCOMPLETE = 2
"""Exit code of `--strict` where the notice has a gap."""


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("notice", short_help="Show the notice that the policy makes, and what is missing.")(notice)


def notice(
    text: Annotated[bool, typer.Option("--text", help="Print the exact words, and nothing else.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Add it to policy.yaml in each language, and ask again where that is due.")
    ] = False,
    effective: Annotated[
        str, typer.Option("--effective", metavar="DATE", help="The day from which it is shown; else today.")
    ] = "",
    version: Annotated[
        str, typer.Option("--version", metavar="NAME", help="Its version; else the number after the last one.")
    ] = "",
    since: Annotated[
        str, typer.Option("--changes", metavar="SINCE", help="Say what changes since this published version.")
    ] = "",
    announce: Annotated[
        bool, typer.Option("--announce", help="Write to everybody concerned about the notice published last.")
    ] = False,
    published: Annotated[bool, typer.Option("--list", help="List the notices that were published.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 2 where something is missing.")] = False,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the notice that policy.yaml makes: the short layer, how easy it is to read, what is missing.

    What the policy does not say is named and never made up. Published notices keep their words and their names.
    """
    tongue = language(lang, house)
    if announce:
        _announce(house, tongue, as_json)
    elif published:
        _list(house, tongue, as_json)
    elif since:
        _changes(house, since, tongue, as_json)
    else:
        _draft(house, tongue, version, effective, as_json, text=text, write=write, strict=strict)


def _draft(
    house: Path, lang: str, version: str, effective: str, as_json: bool, *, text: bool, write: bool, strict: bool
) -> None:
    from pacte.consent.notice.entry import draft, next_version
    from pacte.kernel.instant import parse_instant

    with opened(house) as home:
        compiled = home.policy()
        when = parse_instant(effective) if effective else _today(home)
        version = version or next_version(compiled.document)
        made = draft(compiled, lang, when, version)
        asked = _write(home, compiled, made, when, version) if write else ()
    if text:
        typer.echo(made.text, nl=False)
    else:
        say(_json(made), as_json, lambda: _show(made, lang, asked, written=write))
    if strict and made.layers.gaps:
        raise typer.Exit(INCOMPLETE)


def _today(home: House) -> Instant:
    from pacte.kernel.instant import DAY, Instant

    now = home.clock()
    return Instant(now - now % DAY)


def _write(home: House, compiled: Compiled, made: Drafted, when: Instant, version: str) -> tuple[str, ...]:
    """Add the notice in every language of the policy to the file; answers the purposes that are asked again."""
    from pacte.app.notices import add_to_policy
    from pacte.consent.notice.entry import draft

    languages = compiled.document.languages
    every = [made if one == made.layers.lang else draft(compiled, one, when, version) for one in languages]
    return add_to_policy(home, compiled, every)


def _json(made: Drafted) -> dict[str, Any]:
    from pacte.policy.readability import score

    ease = score(made.text, made.layers.lang)
    return {
        "name": made.name,
        **made.layers.to_json(),
        "readability": {"score": ease.score, "level": ease.level, "formula": ease.formula, "words": ease.words},
        "gaps": [gap.to_json() for gap in made.layers.gaps],
        "text": made.text,
    }


def _show(made: Drafted, lang: str, asked: Sequence[str], *, written: bool) -> None:
    from pacte.kernel.i18n import number
    from pacte.policy.readability import score

    tell(f"{made.layers.title}. {made.layers.dated}", style="bold")
    for part in made.layers.short:
        tell("")
        tell(part.title, style="bold")
        for paragraph in part.paragraphs:
            tell(paragraph)
        for line in part.lines:
            head = f"{line.title} ({line.tag}). " if line.tag else f"{line.title}. " if line.title else ""
            tell(head + line.text, mark="–")
    ease = score(made.text, lang)
    tell("")
    level = words(f"notice.level.{ease.level}", lang)
    tell(words("notice.ease", lang, score=number(ease.score, lang), level=level, formula=ease.formula))
    _show_gaps(made, lang)
    if written:
        tell(words("notice.written", lang, name=made.name), mark="✓", color="green")
        for purpose in asked:
            tell(words("notice.asked", lang, purpose=purpose))
    else:
        tell(words("notice.next", lang))


def _show_gaps(made: Drafted, lang: str) -> None:
    from pacte.consent.notice.words import cited

    gaps = made.layers.gaps
    tell("")
    if not gaps:
        tell(words("notice.whole", lang), mark="✓", color="green")
        return
    tell(counted("notice.gaps", lang, len(gaps)), style="bold")
    for gap in gaps:
        tell(f"{gap.words} ({cited(gap.article, lang)})", mark="✗", color="red")


def _changes(house: Path, since: str, lang: str, as_json: bool) -> None:
    """What changes from a published version to the one in force, or to policy.yaml where that was not published."""
    from pacte.app import notices
    from pacte.kernel.errors import NotFound

    with opened(house) as home:
        old = notices.named(home, lang, since)
        new = notices.current(home, lang)
        if new is None:
            raise NotFound("no notice is in force in this language")
        found = notices.between(home, old, new)
    say(_between_json(found), as_json, lambda: _show_between(found, lang))


def _between_json(found: Between) -> dict[str, Any]:
    from pacte.app.notices import as_json as version_json

    return {
        "old": version_json(found.old),
        "new": version_json(found.new),
        "again": list(found.changes.again),
        "changes": [
            {
                "kind": one.kind,
                "purpose": one.purpose,
                "material": one.material,
                "words": one.words,
                "old": one.old,
                "new": one.new,
            }
            for one in found.changes.found
        ],
    }


def _show_between(found: Between, lang: str) -> None:
    tell(words("notice.between", lang, old=found.old.name, new=found.new.name), style="bold")
    if not found.changes.found:
        tell(words("notice.same", lang))
    for one in found.changes.found:
        tell(one.say(lang), mark="!" if one.material else "·", color="yellow" if one.material else "")
    for purpose in found.changes.again:
        tell(words("notice.asked", lang, purpose=purpose))


def _list(house: Path, lang: str, as_json: bool) -> None:
    from pacte.app import notices

    with opened(house) as home:
        found = notices.versions(home)
    say(notices.listed(found), as_json, lambda: _show_list(found, lang))


def _show_list(found: Sequence[Version], lang: str) -> None:
    from pacte.kernel.i18n import day

    for one in found:
        shown = words("notice.row", lang, name=one.name, day=day(one.effective, lang), called=one.key)
        tell(f"{one.lang} {shown} {one.digest[:12]}")


def _announce(house: Path, lang: str, as_json: bool) -> None:
    from pacte.app import notices
    from pacte.app.announce import announce
    from pacte.kernel.errors import NotFound

    with opened(house) as home:
        last = max(notices.versions(home), key=lambda one: (one.effective, one.entry), default=None)
        if last is None:
            raise NotFound("no notice was published here; begin with `pacte publish`")
        done = announce(home, last)
    say(
        {
            "notices": [one.digest for one in done.versions],
            "batches": done.batches,
            "again": list(done.again),
        },
        as_json,
        lambda: _show_announced(done, lang),
    )


def _show_announced(done: Announced, lang: str) -> None:
    tell(counted("notice.announced", lang, done.batches, version=done.versions[0].version))
    for purpose in done.again:
        tell(words("notice.asked", lang, purpose=purpose))

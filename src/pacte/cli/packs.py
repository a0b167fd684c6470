"""`pack check|show`: read a law pack as people do, and check one that the company wrote itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacte.cli.output import JsonOption, LangOption, counted, help_alone, language, say, tell, typed_path, words

if TYPE_CHECKING:
    from pacte.policy.packs import Dated, Pack
    from pacte.testing.conformance import Check

UNSOUND = 2
"""Exit code of a pack with mistakes."""

pack = typer.Typer(
    help="Law packs, which say what a law asks: show one, check one of your own.",
    short_help="Show the law packs, and check your own.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(pack, name="pack")


@pack.command("check", short_help="Say whether a pack can be relied on.")
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The pack, such as packs/ch.yaml, or one that comes with pacte.")
    ],
    scenarios: Annotated[
        Path | None, typer.Option("--scenarios", metavar="FILE", help="Cases worked out from the law, to try it on.")
    ] = None,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check a pack on usual purposes and people, and on the scenarios of its law; say what holds and what does not.

    Needs no house. Exit code 0 when all that was tried holds, 2 when not.
    """
    from pacte.testing.conformance import checks

    tongue = language(lang)
    text, cases = _text(file), None if scenarios is None else _read(scenarios)
    found = checks(text, cases, file.name, scenarios.name if scenarios else "")
    mistakes = [mistake for one in found for mistake in one.mistakes]
    data = {
        "pack": file.name,
        "checks": [{"check": one.code, "tried": one.tried, "mistakes": list(one.mistakes)} for one in found],
        "mistakes": len(mistakes),
    }
    say(data, as_json, lambda: _show_checks(found, text, file.name, len(mistakes), tongue))
    raise typer.Exit(UNSOUND if mistakes else 0)


@pack.command("show", short_help="Show the rules of a pack.")
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A pack that comes with pacte, or the file of one; else the list.")
    ] = "",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what a law asks, rule by rule: in a sentence, where it stands, since when, and the reason of a refusal."""
    tongue = language(lang)
    packs = [_named(name)] if name else _all()
    say(
        [_json(one) for one in packs] if not name else _json(packs[0]),
        as_json,
        lambda: _show_pack(packs[0], tongue) if name else _show_list(packs, tongue),
    )


def _text(path: Path) -> str:
    """The text of a pack: of a file, or of one that comes with pacte, by its name."""
    from importlib.resources import files

    from pacte.policy.packs import BUILT_IN, HOUSE

    if not path.exists() and str(path) in (*BUILT_IN, HOUSE):
        return files("pacte.policy").joinpath("packs", f"{path}.yaml").read_text("utf-8")
    return _read(path)


def _read(path: Path) -> str:
    from pacte.kernel.errors import BadInput, NotFound
    from pacte.policy.document import read_limited
    from pacte.policy.tree import LARGEST_BYTES

    if not path.exists():
        raise NotFound(f"there is no file {typed_path(path)}")
    content = read_limited(path)
    if len(content) > LARGEST_BYTES:
        raise BadInput(f"{typed_path(path)} has more than {LARGEST_BYTES // 1024} KB; a pack is read by people")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{typed_path(path)} is not UTF-8; save the file as UTF-8") from None


def _all() -> list[Pack]:
    from pacte.policy.packs import BUILT_IN, HOUSE, built_in

    return [built_in(name) for name in (*BUILT_IN, HOUSE)]


def _named(name: str) -> Pack:
    from pacte.kernel.errors import NotFound, named
    from pacte.policy.mistakes import meant
    from pacte.policy.packs import BUILT_IN, HOUSE, built_in, read_pack

    known = (*BUILT_IN, HOUSE)
    if name in known:
        return built_in(name)
    if Path(name).exists():
        return read_pack(_read(Path(name)), Path(name).name)
    listed = f"; expected one of {', '.join(f'`{one}`' for one in known)}, or the file of a pack"
    raise NotFound(f"no pack {named(name)}{meant(name, known) or listed}")


def _show_checks(found: Iterable[Check], text: str, name: str, mistakes: int, lang: str) -> None:
    from pacte.policy.packs import read_pack

    for one in found:
        says = words(f"pack.{one.code}", lang)
        if not one.tried:
            tell(f"{says} {words('pack.untried', lang)}", mark="·")
        elif not one.mistakes:
            tell(says, mark="✓", color="green")
        else:
            broken = words("pack.unread", lang) if one.code == "reads" else words("pack.broken", lang, what=says)
            tell(broken, mark="✗", color="red")
            for mistake in one.mistakes:
                tell(mistake, indent=4)
    tell("")
    if mistakes:
        tell(counted("pack.mistakes", lang, mistakes, pack=name), style="bold")
    else:
        tell(counted("pack.sound", lang, len(read_pack(text, name).file.rules), pack=name), style="bold")


def _show_list(packs: Iterable[Pack], lang: str) -> None:
    for one in packs:
        rules = counted("pack.rules", lang, len(one.file.rules))
        tell(f"{one.id:<9} {one.file.title[lang]} · {rules}")


def _show_pack(shown: Pack, lang: str) -> None:
    from pacte.gate.explain import sentence
    from pacte.policy.vocabulary import reason_text

    tell(words("pack.title", lang, pack=shown.id, title=shown.file.title[lang]), style="bold")
    for line in _about(shown, lang):
        tell(line, style="dim")
    for number, rule in enumerate(shown.file.rules, 1):
        tell("")
        tell(sentence(rule.says, lang), mark=f"{number:>3}.")
        tell(_source(shown, rule, lang), style="dim", indent=5)
        reason = reason_text(rule.otherwise, lang)
        tell(words("rules.otherwise", lang, reason=reason, code=rule.otherwise), style="dim", indent=5)
    for number, one in enumerate(shown.file.contact, len(shown.file.rules) + 1):
        tell("")
        tell(sentence(one.says, lang), mark=f"{number:>3}.")
        tell(_source(shown, one, lang), style="dim", indent=5)
    if shown.file.exceptions:
        tell("")
        tell(words("pack.exceptions", lang))
        for word, says in shown.file.exceptions.items():
            tell(words("pack.exception", lang, word=word, says=sentence(says, lang)), mark="·", indent=2)


def _about(shown: Pack, lang: str) -> list[str]:
    """Whom the pack is for, and by which clock."""
    applies = shown.file.applies
    lines = []
    if applies.regulated_as:
        kinds = ", ".join(f"`{kind}`" for kind in applies.regulated_as)
        lines.append(words("pack.regulated", lang, kinds=kinds))
    if applies.established:
        lines.append(words("pack.established", lang, places=", ".join(applies.established)))
    if applies.places:
        lines.append(words("pack.places", lang, places=", ".join(applies.places)))
    elif not applies.regulated_as:
        lines.append(words("pack.everybody", lang))
    return [*lines, words("pack.where", lang, zone=shown.file.zone)]


def _source(shown: Pack, rule: Dated, lang: str) -> str:
    from pacte.kernel.i18n import day, typeset
    from pacte.kernel.instant import parse_instant
    from pacte.policy.citations import cite

    source = shown.file.sources[rule.source]
    parts = [
        f"{shown.id}:{rule.id}",
        typeset(cite(rule.article, source.title, source.short, lang), lang),
        words("rules.since", lang, day=day(parse_instant(rule.since), lang)),
        words("rules.until", lang, day=day(parse_instant(rule.until), lang)) if rule.until else "",
        words("rules.checked" if rule.checked else "rules.unchecked", lang),
    ]
    return " · ".join(part for part in parts if part)


def _json(shown: Pack) -> dict[str, Any]:
    return {
        "pack": shown.id,
        "title": dict(shown.file.title),
        "zone": shown.file.zone,
        "exceptions": {word: dict(says) for word, says in shown.file.exceptions.items()},
        "rules": [
            _rule(shown, rule) | {"otherwise": rule.otherwise, "checked_by_counsel": rule.checked}
            for rule in shown.file.rules
        ],
        "contact": [_rule(shown, rule) | {"checked_by_counsel": rule.checked} for rule in shown.file.contact],
    }


def _rule(shown: Pack, rule: Dated) -> dict[str, Any]:
    return {
        "id": f"{shown.id}:{rule.id}",
        "says": dict(rule.says),
        "article": rule.article,
        "source": shown.file.sources[rule.source].title,
        "since": rule.since,
        **({"until": rule.until} if rule.until else {}),
    }

"""Write `docs/reference/packs/*.md`, the tables of the law packs, from the packs; the tests compare the two.

Run `python -m tools.packs` (or `make docs`) after changing a pack. Lawyers read them: a rule is a row, in both
languages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pacte.kernel.i18n import LANGUAGES
from pacte.policy.packs import BUILT_IN, HOUSE, Pack, Rule, Source, built_in
from pacte.policy.vocabulary import reason_text
from tools.tree import ROOT

DIRECTORY = ROOT / "docs" / "reference" / "packs"
_COLUMNS = ("Rule", "What it asks", "Ce qu'elle demande", "Article", "Source", "Since", "For", "Reason", "Checked")


def pages() -> dict[Path, str]:
    """Every page as the packs are now."""
    packs = [built_in(name) for name in (*BUILT_IN, HOUSE)]
    index = {DIRECTORY / "index.md": _index(packs)}
    return index | {DIRECTORY / f"{pack.id}.md": "\n".join(_page(pack)) + "\n" for pack in packs}


def _index(packs: list[Pack]) -> str:
    rows = [f"| [`{one.id}`]({one.id}.md) | {' · '.join(_titles(one))} | {len(one.file.rules)} |" for one in packs]
    return "\n".join(
        [
            "# Law packs",
            "",
            "Laws as dated, cited data. A policy names those that bind it under `laws`; the house's own rules are",
            "always there. The readings are a checklist for builders and no legal advice: `Checked` says whether",
            "counsel has confirmed one. [How to write a pack](../../how-to/write-a-pack.md). Written by `make docs`.",
            "",
            "| Pack | Law | Rules |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _page(pack: Pack) -> Iterator[str]:
    file = pack.file
    yield f"# `{pack.id}`: {file.title['en']}"
    yield ""
    yield f"*{file.title['fr']}.* Written by `make docs` from the pack; edit the pack, not this page."
    yield ""
    yield from (f"- {line}" for line in _applies(pack))
    yield from (f"- `{name}`: {_named(source)}" for name, source in file.sources.items())
    yield from _rules(pack)
    yield from _contact(pack)
    yield from _groups(pack)
    yield from _exceptions(pack)
    yield from _transfers(pack)


def _applies(pack: Pack) -> Iterator[str]:
    applies = pack.file.applies
    if applies.regulated_as:
        yield f"Binds only: {_or(applies.regulated_as)}."
    if applies.places:
        yield f"Protects who lives in: {', '.join(applies.places)}, or whose residence is unknown."
    if applies.established:
        also = "" if not applies.presumed else ", or does not say where it is"
        yield f"Protects everybody when the company is established in: {', '.join(applies.established)}{also}."
    if not applies.places and not applies.regulated_as:
        yield "Protects everybody."
    yield f"Days begin at midnight in {pack.file.zone}."


def _named(source: Source) -> str:
    """The title of a source, and how it is cited where that is another name."""
    short = dict.fromkeys(source.short[lang] for lang in LANGUAGES_SHOWN if lang in source.short)
    return source.title + (f"; cited as {', '.join(short)}" if short else "")


def _rules(pack: Pack) -> Iterator[str]:
    yield from ("", "## Rules", "", f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}")
    for index, rule in enumerate(pack.file.rules):
        cells = (
            f"`{rule.id}`",
            *(rule.says[lang] for lang in LANGUAGES_SHOWN),
            rule.article,
            f"`{rule.source}`",
            rule.since + (f", until {rule.until}" if rule.until else ""),
            _whom(pack, index, rule),
            f"{reason_text(rule.otherwise, 'en')} (`{rule.otherwise}`)",
            "yes" if rule.checked else "no",
        )
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"


LANGUAGES_SHOWN = tuple(sorted(LANGUAGES))
"""English before French, as the columns are."""


def _contact(pack: Pack) -> Iterator[str]:
    """When and how often people are reached."""
    if pack.file.contact:
        columns = ("Rule", "What it asks", "Ce qu'elle demande", "Article", "Source", "Since", "For", "Checked")
        yield from ("", "## When and how often people are reached", "")
        yield from (f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}")
    for rule in pack.file.contact:
        where = f"; people in {', '.join(rule.places)}" if rule.places else ""
        cells = (
            f"`{rule.id}`",
            *(rule.says[lang] for lang in LANGUAGES_SHOWN),
            rule.article,
            f"`{rule.source}`",
            rule.since + (f", until {rule.until}" if rule.until else ""),
            f"offers by {_or(rule.channels) or 'any channel'}{where}",
            "yes" if rule.checked else "no",
        )
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _groups(pack: Pack) -> Iterator[str]:
    groups = pack.tree.mapping("groups")
    if groups:
        yield from ("", "## Groups of purposes", "", "| Group | Purposes |", "|---|---|")
        yield from (f"| `{name}` | {_cell(_selection(node))} |" for name, node in groups.items())


def _exceptions(pack: Pack) -> Iterator[str]:
    if pack.file.exceptions:
        yield from (
            "",
            "## Exceptions that a purpose may claim",
            "",
            "| Word | Exception | Exception |",
            "|---|---|---|",
        )
        for word, says in pack.file.exceptions.items():
            yield f"| `{word}` | {' | '.join(_cell(says[lang]) for lang in LANGUAGES_SHOWN)} |"


def _transfers(pack: Pack) -> Iterator[str]:
    transfers = pack.file.transfers
    if transfers is None:
        return
    yield from ("", "## Transfers", "", f"Data move freely in: {', '.join(transfers.area)}.")
    decisions = pack.tree.at(("transfers", "adequacy"))
    if isinstance(decisions, list) and decisions:
        yield from ("", "| Place | Decision | From | Until |", "|---|---|---|---|")
        for one in decisions:
            words = [str(one.get(key) or "") for key in ("place", "reference", "from", "until")]  # type: ignore[union-attr] # a mapping, as the pack was read
            yield f"| {' | '.join(map(_cell, words))} |"


def _whom(pack: Pack, index: int, rule: Rule) -> str:
    """Which purposes, people and channels a rule is about."""
    node = pack.node(index, "for")
    parts = [_selection(node) if node is not None else "every purpose"]
    if rule.places:
        parts.append(f"people in {', '.join(rule.places)}")
    if rule.everywhere:
        parts.append("wherever people live")
    if rule.channels:
        parts.append(f"by {_or(rule.channels)}")
    if rule.unless is not None:
        parts.append("with exceptions")
    return "; ".join(parts)


def _selection(node: Any) -> str:
    if isinstance(node, str):
        return f"group `{node}`"
    if isinstance(node, list):
        return " — or — ".join(_selection(one) for one in node)
    return ", ".join(f"`{key}` {_test(test)}" for key, test in node.items()) or "every purpose"


def _test(test: Any) -> str:
    if isinstance(test, dict):
        return f"not {_or(test['not'])}"
    return _or(test)


def _or(words: Any) -> str:
    return " or ".join([words] if isinstance(words, str) else words)


def _titles(pack: Pack) -> list[str]:
    return list(dict.fromkeys(pack.file.title[lang] for lang in LANGUAGES_SHOWN))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write() -> None:
    """Write every page anew, and remove those of packs that are gone."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in set(DIRECTORY.glob("*.md")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()

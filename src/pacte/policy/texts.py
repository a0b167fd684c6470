"""The texts of a policy that people read: where they stand, in which languages, and which are missing.

They are found in the raw tree, so that a policy that lacks one can be shown and mended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pacte.kernel.i18n import LANGUAGES
from pacte.policy.form_checks import texts_of_forms
from pacte.policy.tree import Node, Path, Tree

_OF_PURPOSES = ("title", "reason", "in_return", "decision", "worth", "ground")
_BELOW = (("balancing", "reference"), ("disclosure", "reason"))
_PARTS = ("purposes", "forms", "datasets")


@dataclass(frozen=True, slots=True)
class Text:
    """One text: its place (`("purposes", "newsletter", "title")`), and its words by language, `""` where missing.

    `file` is the file of the policy in which it stands: `""` for the policy's own, else one that it extends.
    """

    path: Path
    words: dict[str, str]
    file: str = ""

    @property
    def key(self) -> str:
        """Its place in words; places in a list are counted from 1, as people count."""
        return _key(self.path)

    @property
    def part(self) -> Path:
        """What it is a text of; see `part_of`."""
        return part_of(self.path)

    @property
    def missing(self) -> tuple[str, ...]:
        """The languages in which it is not written."""
        return tuple(lang for lang, words in self.words.items() if not words)


def part_of(path: Path) -> Path:
    """What the text at a path is a text of: a purpose, a form, a dataset, or the whole policy (`()`)."""
    return path[:2] if path[0] in _PARTS else ()


def places(tree: Tree) -> list[Path]:
    """Where a policy may have a text for each of its languages, whether or not there is one."""
    purposes = list(tree.mapping("purposes"))
    levels = tree.at(("personalisation",))
    found: list[Path] = [("evidence", "reason"), ("sources",)]
    found += [("purposes", name, key) for name in purposes for key in _OF_PURPOSES]
    found += [("purposes", name, *below) for name in purposes for below in _BELOW]
    found += [("personalisation", place, "title") for place in range(len(levels) if isinstance(levels, list) else 0)]
    for name in tree.mapping("datasets"):
        fields = tree.mapping("datasets", name, "fields")
        found += [("datasets", name, "title"), *(("datasets", name, "fields", one, "title") for one in fields)]
    return found + texts_of_forms(tree)


def languages(tree: Tree) -> list[str]:
    """The languages in which every text must be: those that the policy lists and pacte speaks."""
    declared = [language for _, language in tree.texts("languages") if language in LANGUAGES]
    return list(dict.fromkeys(declared)) or list(LANGUAGES)


def texts(tree: Tree) -> Iterator[Text]:
    """Every text that is written in at least one language, the parts of the policy in their order."""
    wanted = languages(tree)
    for path in places(tree):
        words = tree.mapping(*path)
        if words:
            yield Text(path, {lang: _plain(words.get(lang)) for lang in wanted}, tree.files.get(path, ""))


def lacking(path: Path, language: str) -> str:
    """The mistake of a text that is not written in a language."""
    return f"`{_key(path)}` lacks the text in `{language}`"


def _key(path: Path) -> str:
    return ".".join(str(step + 1) if isinstance(step, int) else step for step in path)


def _plain(node: Node) -> str:
    return node.strip() if isinstance(node, str) else ""

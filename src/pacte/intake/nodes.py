"""Walk a YAML file strictly: every mistake at once, each with its line and a likely meaning.

Nothing here raises on a mistake; mistakes are collected in `Problems`, so that the author sees all of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pacte.kernel.errors import PolicyError
from pacte.policy.tree import Node as Value
from pacte.policy.tree import Path, Tree, shown


@dataclass(slots=True)
class Problems:
    """The mistakes found so far in one file."""

    name: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Note one mistake."""
        self.found.append((line, message))

    def finish(self) -> None:
        """Raise `PolicyError` with every mistake in the order of the lines, if there is any."""
        if self.found:
            raise PolicyError([f"{self.name}:{line}: {message}" for line, message in sorted(set(self.found))])


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file, and where it stands."""

    tree: Tree
    at: Path
    value: Value
    problems: Problems

    @property
    def name(self) -> str:
        """The words that lead here: `sources.crm.fields`."""
        return shown(".".join(map(str, self.at))) or "the file"

    def fail(self, message: str) -> None:
        """Note a mistake about this value."""
        self.problems.add(self.tree.line(self.at), message)

    def keys(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Node]:
        """The entries of a table whose keys are known beforehand; unknown and missing ones are mistakes."""
        required = list(required)
        known = [*required, *optional]
        entries = dict(self.entries())
        for word, node in entries.items():
            if word not in known:
                node.fail(f"unknown key `{shown(word)}` in {self.name}{likely(word, known)}")
        for word in required:
            if word not in entries:
                self.fail(f"{self.name} lacks `{word}`")
        return {word: node for word, node in entries.items() if word in known}

    def entries(self) -> Iterator[tuple[str, Node]]:
        """The entries of a table whose keys the author chooses."""
        if not isinstance(self.value, dict):
            self.fail(f"{self.name} should be a table of `key: value` lines")
            return
        for word, value in self.value.items():
            yield word, Node(self.tree, (*self.at, word), value, self.problems)

    def items(self) -> Iterator[Node]:
        """The members of a list; a single value counts as a list of one."""
        if not isinstance(self.value, list):
            yield self
            return
        for position, value in enumerate(self.value):
            yield Node(self.tree, (*self.at, position), value, self.problems)

    def text(self) -> str:
        """A text, as it was written."""
        if not isinstance(self.value, str):
            self.fail(f"{self.name} should be a text")
            return ""
        return self.value

    def one_of(self, allowed: Iterable[str], what: str) -> str:
        """A text out of a closed list; `what` says in words what it names."""
        word = self.text()
        allowed = list(allowed)
        if word and word not in allowed:
            self.fail(f"unknown {what} `{shown(word)}`{likely(word, allowed)}")
        return word


def likely(name: str, known: Iterable[str]) -> str:
    """The end of a message: what the author may have meant, or what exists."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; expected one of {', '.join(f'`{word}`' for word in known)}" if 0 < len(known) <= 12 else ""


def root_of(tree: Tree, name: str) -> Node:
    """The whole file as a node; `name` is what messages call it."""
    return Node(tree, (), tree.value, Problems(name, list(tree.problems)))

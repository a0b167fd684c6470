"""Categories of personal data, keyed to the W3C Data Privacy Vocabulary; the special ones are marked.

They are data (`categories.toml`), not code: a policy names one by its key, and a field is always of a listed category.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

PREFIX = "https://w3id.org/dpv/pd#"
"""Where the vocabulary's terms live; `Category.dpv` is the part after `pd:`."""


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of personal data; `special` is `""`, `"art9"` or `"art10"` (GDPR Art. 9 and 10)."""

    id: str
    dpv: str
    family: str
    special: str
    en: str
    fr: str

    @property
    def concept(self) -> str:
        """The vocabulary's short name, such as `pd:EmailAddress`."""
        return f"pd:{self.dpv}"


@cache
def categories() -> dict[str, Category]:
    """Every known category by its id."""
    source = files("pacte.policy").joinpath("categories.toml").read_text(encoding="utf-8")
    return {
        name: Category(name, row["dpv"], row.get("family", ""), row.get("special", ""), row["en"], row["fr"])
        for name, row in tomllib.loads(source).items()
    }


def covered(named: Iterable[str]) -> frozenset[str]:
    """The categories that a notice tells of when it names these: each one, and the members of each family.

    A special member is covered only by a special family: "contact details" never tells of somebody's health.

    >>> sorted(covered(["transactional"]))
    ['income', 'purchase', 'purchase_habit', 'transaction', 'transactional']
    """
    told = set(named)
    known = categories()
    for category in known.values():
        family = known.get(category.family)
        if family and family.id in told and bool(family.special) >= bool(category.special):
            told.add(category.id)
    return frozenset(told)

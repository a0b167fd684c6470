"""Problems: what a check of the ledger found wrong, as a code, a place and words in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from pacte.kernel.i18n import text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `code` is listed in texts.toml; `index` is an entry, `size` and `head` count entries."""

    code: str
    index: int = -1
    size: int = -1
    head: int = -1

    def __str__(self) -> str:
        return self.say("en")

    def say(self, lang: str) -> str:
        """The problem in words."""
        return text("ledger", f"problem.{self.code}", lang, index=self.index, size=self.size, head=self.head)

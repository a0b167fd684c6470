"""Exemptions: a comment that names the rule and the reason, and that is needed."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tools.lint.source import Finding

NAME = "exemption"

_COMMENT = re.compile(r"#\s*pacte:\s*(?P<rest>.*)")
_ALLOW = re.compile(r"allow (?P<rule>[a-z-]+) because \S.{4,}")


@dataclass(frozen=True, slots=True)
class Exemption:
    """`rule` may be broken on `lines` (the comment's own, and the next one if the comment stands alone)."""

    rule: str
    line: int
    lines: tuple[int, ...]


def apply(path: str, text: str, findings: Iterable[Finding], rules: set[str]) -> Iterator[Finding]:
    """The findings that no comment exempts, and the comments that are malformed or exempt nothing."""
    exemptions, malformed = _read(path, text, rules)
    yield from malformed
    used: set[Exemption] = set()
    for finding in findings:
        covering = [each for each in exemptions if each.rule == finding.rule and finding.line in each.lines]
        used.update(covering)
        if not covering:
            yield finding
    for exemption in exemptions:
        if exemption not in used:
            yield Finding(path, exemption.line, NAME, f"exempts nothing from `{exemption.rule}`; remove it")


def _read(path: str, text: str, rules: set[str]) -> tuple[list[Exemption], list[Finding]]:
    exemptions: list[Exemption] = []
    malformed: list[Finding] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        found = _COMMENT.match(token.string) if token.type == tokenize.COMMENT else None
        if not found:
            continue
        line = token.start[0]
        allowed = _ALLOW.fullmatch(found["rest"])
        if allowed and allowed["rule"] in rules:
            alone = not token.line[: token.start[1]].strip()
            exemptions.append(Exemption(allowed["rule"], line, (line, line + 1) if alone else (line,)))
        else:
            malformed.append(
                Finding(path, line, NAME, "expected `pacte: allow <rule> because <reason>` with a rule that exists")
            )
    return exemptions, malformed

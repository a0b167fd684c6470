"""The repository speaks of its product alone: no machine's paths, no registry's host, no word of who typed it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.lint.source import Finding

NAME = "words"

# One letter of each pattern stands in brackets, so that this file passes its own rule.
_FORBIDDEN = [
    (r"(?<![\w.$}])/(?:[r]oot|home|[w]ork|Users)/\w+", "a path of one machine"),
    (r"(?<![\w.$}])/[t]mp/\w+", "a path of one machine; ask for a temporary folder"),
    (r"(?i)[h]ttps?://[^\s\"']*(?:/simple\b|/packages/|[r]egistry\.)", "a registry's address"),
    (r"(?i)\b(?:[p]ypi|pythonhosted|npmjs|crates)\.(?:org|com|io)\b", "a registry's host"),
    (r"(?i)\b[a]gents?\b", "a word that says nothing about the product"),
    (r"(?i)\b(?:sub|co)[-]?[a]gents?\b", "a word that says nothing about the product"),
    (r"(?i)\b[s]essions?\b", "a word that says nothing about the product"),
    (
        r"(?i)\b(?:[l]lms?|[c]hatgpt|[c]laude|[a]nthropic|[o]penai|[c]opilot)\b",
        "a word that says nothing about the product",
    ),
    (r"(?i)\b[c]o-authored-by\b", "a word that says nothing about the product"),
]
_PATTERNS = [(re.compile(pattern), message) for pattern, message in _FORBIDDEN]

# What the words mean elsewhere: the law's representatives, the web's browsers and logins, pytest's scopes.
_MEANT = re.compile(
    r"(?i)\b(?:user|authori[sz]ed|till|phone|call[- ]cent(?:re|er))[ _-][a]gents?\b"
    r"|\b(?:login|signed[- ]in|browser|web|spark|tls|training)[ _-]?[s]essions?\b"
    r"|\b[s]ession[ _-](?:cookies?|list|tokens?)\b"
    r"|\bscope=\"[s]ession\""
)
# On the web both words are the field's own: who signed in has one, and one of the staff's roles is the other.
_WEB = re.compile(
    r"^(?:src/pacte/web/|tests/web/|src/pacte/app/(?:staff|migrations/versions/format_3)\b|src/pacte/cli/staff"
    r"|docs/(?:[a-z-]+/)?(?:web|staff)[a-z-]*\.md)"
)
_OF_THE_WEB = re.compile(r"(?i)\b(?:[s]essions?|[a]gents?)\b")
_BINARY = (".png", ".ico", ".parquet", ".pdf", ".gz", ".zip", ".db", ".woff2")
_BAD_NAMES = re.compile(r"(?:^|/)(?:utils?|helpers?|managers?|misc|common)\.py$")


def check_text(path: str, text: str) -> Iterator[Finding]:
    """Forbidden words in one file of any kind, and file names that say nothing."""
    if _BAD_NAMES.search(path):
        yield Finding(path, 1, NAME, "a module is named by its one purpose")
    if path.endswith(_BINARY):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        bare = (_OF_THE_WEB if _WEB.match(path) else _MEANT).sub("", line)
        for pattern, message in _PATTERNS:
            if found := pattern.search(bare):
                yield Finding(path, number, NAME, f"{message}: `{found[0]}`")

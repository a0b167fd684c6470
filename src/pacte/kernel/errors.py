"""Errors: written for the person who reads them.

A message says what was found, what was expected and what to do, in lower case without a final stop, names in
backticks. INVARIANT: no message ever holds a personal value; a caller passes names of fields, lines and counts only.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z][a-z0-9_]*([.:/-][a-z0-9_]+)*")


class PacteError(Exception):
    """The base of every error pacte raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class BadInput(PacteError):
    """What was given cannot be used: a file, an option, a value of the wrong form."""

    exit_code = 2


class PolicyError(BadInput):
    """The policy or mapping file has mistakes; `problems` holds them all, one line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Denied(PacteError):
    """The gate said no to a whole use; carries the reason code and never a person's data."""

    exit_code = 3

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class NotFound(PacteError):
    """A thing that was named does not exist here: a house, a use, an entry, a subject."""

    exit_code = 4


class Unsafe(PacteError):
    """The house refuses to work because something it relies on cannot be trusted (keys, rollback, permissions)."""

    exit_code = 5


class Conflict(PacteError):
    """Somebody else holds the lock, or the state changed between reading and writing; trying again may succeed."""

    exit_code = 6


class Uncertain(PacteError):
    """The connection was lost while committing: look whether it was recorded before trying again."""

    exit_code = 8


class VerificationFailed(PacteError):
    """A proof, a log or a checkpoint does not verify."""

    exit_code = 7


def named(word: str) -> str:
    """`word` in backticks where it looks like a name of ours, "`…`" otherwise: addresses get typed in wrong places.

    >>> named("customers.city"), named("ada@example.com")
    ('`customers.city`', '`…`')
    """
    return f"`{word}`" if len(word) <= 64 and _NAME.fullmatch(word) else "`…`"

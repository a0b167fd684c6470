"""What a caller gives, looked at where it comes in: mistakes are said there, and not by whatever trips over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pacte.kernel.errors import BadInput, named

WORDS = frozenset(
    "channel recipient grade method voice notice locale notice_version form signal reason".split()  # noqa: SIM905 reads better
)
"""The details of a choice that are texts, and below those that are instants."""
INSTANTS = frozenset({"effective", "learned"})


LONGEST = 4_096
"""Characters of the longest word that is taken: no field that a file brings holds a longer text."""


def word(value: object, name: str) -> str:
    """`value` as a text that can be written down; raises `BadInput` for anything else, without repeating it."""
    if not isinstance(value, str):
        raise BadInput(f"`{name}` must be a text")
    if len(value) > LONGEST:
        raise BadInput(f"`{name}` is too long: {len(value):,} characters; expected at most {LONGEST:,}")
    if "\0" in value:
        raise BadInput(f"`{name}` holds characters that no text has: a NUL")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            whole = False
        else:
            whole = True
        if not whole:
            raise BadInput(f"`{name}` holds characters that no text has; it was not read as UTF-8")
    return value


def names(values: Sequence[str] | None, name: str) -> tuple[str, ...]:
    """Several names; raises `BadInput` for one text, which would be read letter by letter."""
    if isinstance(values, str | bytes):
        raise BadInput(f'`{name}` must be a list of names, such as ["customers.city"], even of one')
    try:
        return tuple(word(value, name) for value in values or ())
    except TypeError:
        raise BadInput(f'`{name}` must be a list of names, such as ["customers.city"]') from None


def details(given: Mapping[str, Any]) -> None:
    """The details of a choice: raises `BadInput` for one that there is none of, or whose value is of another kind."""
    for name, value in given.items():
        if value is None:
            continue
        if name in WORDS:
            word(value, name)
        elif name in INSTANTS:
            if not isinstance(value, int) or isinstance(value, bool):
                raise BadInput(f"`{name}` must be an instant: whole microseconds since 1970, UTC")
        elif name == "authenticated":
            if value not in (True, False):
                raise BadInput("`authenticated` must be true or false")
        else:
            known = ", ".join(f"`{known}`" for known in sorted(WORDS | INSTANTS | {"authenticated"}))
            raise BadInput(f"a choice has no detail {named(name)}; it takes {known}")

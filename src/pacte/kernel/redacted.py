"""Redacted values: personal values that cannot be printed by accident."""

from __future__ import annotations

from typing import Generic, TypeVar, final

T = TypeVar("T")


@final
class Redacted(Generic[T]):
    """Holds a personal value; `str`, `repr`, formatting and pickling never show it, `reveal()` does.

    >>> print(Redacted("ada@example.com"))
    [redacted]
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """The value itself; the call is easy to search for in a review."""
        return self._value

    def __repr__(self) -> str:
        return "[redacted]"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "[redacted]"

    def __reduce__(self) -> str:
        raise TypeError("a redacted value cannot be pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Redacted) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

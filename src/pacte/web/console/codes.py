"""Codes that a company or another part of pacte draws, in words where the console has some."""

from __future__ import annotations

from pacte.kernel.errors import BadInput
from pacte.web.pages import words


def word(lang: str, about: str, code: str) -> str:
    """The words for a code about something; without any, the words for codes that are not known, else the code."""
    for key in (f"{about}.{code}", f"{about}.other"):
        try:
            return words("console", lang, key, code=code)
        except BadInput:
            continue
    return code

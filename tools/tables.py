"""Write the tables of the reference pages that follow from the code: reasons and categories, in both languages.

Run `python -m tools.tables` (or `make docs`) after changing a word; the tests compare the pages with the code.
"""

from __future__ import annotations

import re

from pacte.gate.contact import PUT_OFF
from pacte.gate.contact import REASONS as UNREACHED
from pacte.gate.refused import reason_text as unreached
from pacte.kernel.i18n import LANGUAGES, catalogue
from pacte.policy.categories import categories
from pacte.policy.vocabulary import REASONS, reason_text
from tools.tree import ROOT

_SPECIAL = {"art9": "Art. 9", "art10": "Art. 10", "": ""}


def tables() -> dict[tuple[str, str], list[str]]:
    """(page, heading) → the rows of the first table below that heading, without its head."""
    reference = "docs/reference"
    return {
        (f"{reference}/reasons.md", "Codes of a decision"): [_reason(code) for code in REASONS],
        (f"{reference}/reasons.md", "Why somebody is not reached now"): [_unreached(code) for code in UNREACHED],
        (f"{reference}/reasons.md", "Rows set aside"): [
            _row(f"`{key.removeprefix('reason.')}`", *(said[lang] for lang in LANGUAGES))
            for key, said in catalogue("intake").items()
            if key.startswith("reason.")
        ],
        (f"{reference}/categories.md", "Categories of data"): [
            _row(
                f"`{one.id}`",
                f"`{one.concept}`",
                f"`{one.family}`" if one.family else "",
                _SPECIAL[one.special],
                one.en,
                one.fr,
            )
            for one in categories().values()
        ],
    }


def shown(page: str, heading: str) -> list[str]:
    """The rows that a page shows now."""
    return _find(_read(page), heading)["rows"].splitlines()


def write() -> None:
    """Write every table anew into its page."""
    for (page, heading), rows in tables().items():
        text = _read(page)
        found = _find(text, heading)
        whole = "".join(f"{row}\n" for row in rows)
        (ROOT / page).write_text(text[: found.start("rows")] + whole + text[found.end("rows") :], encoding="utf-8")


def _reason(code: str) -> str:
    words = [reason_text(code, lang, to_person=told) for told in (False, True) for lang in LANGUAGES]
    return _row(f"`{code}`", *words)


def _unreached(code: str) -> str:
    passes = "yes" if code in PUT_OFF else ""
    return _row(f"`{code}`", *(unreached(code, lang) for lang in LANGUAGES), passes)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _find(text: str, heading: str) -> re.Match[str]:
    pattern = rf"^#+ {re.escape(heading)}\n.*?^\|[^\n]*\n\|[-|]+\|\n(?P<rows>(?:\|[^\n]*\n)*)"
    found = re.search(pattern, text, re.M | re.S)
    if found is None:
        raise LookupError(f"no table below `{heading}`")
    return found


if __name__ == "__main__":
    write()

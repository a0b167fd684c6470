"""The funnel a marketer understands: from candidates to permitted people, each reason on its line."""

from __future__ import annotations

from typing import Any

from pacte.cli.output import console, words
from pacte.gate.values import Funnel
from pacte.kernel.i18n import number, text

ORDER = (
    "never_asked", "refused", "withdrawn", "expired", "objected", "not_informed", "proof_too_weak",
    "under_age_no_guardian", "opt_out_signal", "restricted", "stopped",
)  # fmt: skip
"""Reasons that are always shown, also when they exclude nobody; others follow when they exclude somebody."""

FIGURES = 22
"""Columns that the two figures and the spaces around them take."""
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
LEAST = 0.001
"""The smallest share that is shown as a figure."""
BAR = 24
"""Width of the longest bar, where the terminal leaves room for it."""


def funnel_json(funnel: Funnel) -> dict[str, Any]:
    """The funnel for programs."""
    return {
        "candidates": funnel.candidates,
        "permitted": funnel.permitted,
        "counts": dict(funnel.counts),
        "if_proved": dict(funnel.if_proved),
    }


def show_funnel(funnel: Funnel, purpose: str, lang: str) -> None:
    """Draw the funnel: a line per reason with its people, its share and a bar; lines never wrap."""
    from rich.table import Table

    lines = [("", words("funnel.candidates", lang), funnel.candidates, "blue")]
    lines += [("− ", text("policy", f"reason.{c}", lang), funnel.counts.get(c, 0), "yellow") for c in reasons(funnel)]
    lines += [("= ", words("funnel.permitted", lang), funnel.permitted, "green")]
    width = min(BAR, max(0, console().width - FIGURES - max(len(sign + label) for sign, label, *_ in lines)))
    table = Table.grid(padding=(0, 2))
    for justify, style in (("left", ""), ("right", ""), ("right", "dim"), ("left", "")):
        table.add_column(justify=justify, style=style, no_wrap=True)  # type: ignore[arg-type] # literals, from a tuple
    for sign, label, count, color in lines:
        share = count / funnel.candidates if funnel.candidates else 0.0
        weight = "bold" if sign != "− " else "" if count else "dim"
        table.add_row(
            f"[{weight}]{sign}{label}[/]" if weight else sign + label,
            number(count, lang),
            percent(share, lang),
            f"[{color}]{bar(share, width)}[/]",
        )
    console().print(f"[bold]{words('funnel.title', lang, purpose=purpose)}[/]\n")
    console().print(table)
    _show_proofs(funnel, lang)


def percent(share: float, lang: str) -> str:
    """A share of the candidates; of a few among very many, that they are fewer than can be shown."""
    if 0 < share < LEAST:
        return f"<{number(LEAST * 100, lang)} %"
    return number(round(share * 100, 1), lang) + " %"


def bar(share: float, width: int) -> str:
    """A bar in eighths of a column; whoever is there at all has one eighth."""
    eighths = round(share * width * 8) or int(bool(share and width))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8]


def reasons(funnel: Funnel) -> list[str]:
    """The reason codes to show, in the order of the funnel."""
    others = sorted(code for code in funnel.counts if code not in (*ORDER, "permitted"))
    return [*ORDER, *others]


def _show_proofs(funnel: Funnel, lang: str) -> None:
    """How many more people would be usable, if which proof were found."""
    best: dict[int, str] = {}
    for grade, count in funnel.if_proved.items():
        if count and count not in best:
            best[count] = grade  # the weakest grade that would do
    if best:
        console().print()
    for count, grade in best.items():
        console().print(words("funnel.if_proved", lang, count=count, grade=text("app", f"grade.{grade}", lang)))

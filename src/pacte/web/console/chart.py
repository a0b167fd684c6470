"""Numbers in SVG, a series as a line and some as bars, drawn here: no script or style of its own, in any colours.

The numbers beside it say the same, so that the picture is for those who see it and nobody needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from babel.dates import format_date
from markupsafe import Markup, escape

from pacte.kernel.i18n import number
from pacte.kernel.instant import Instant, to_datetime

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 30
"""Pixels around the drawing, where the axes are named."""
ROW, BAR, MOST = 66, 20, 40
"""Pixels of one bar with its words above it, and of the bar; letters of those words."""


def line(counts: Sequence[int | None], instants: Sequence[Instant], lang: str, named: str = "d MMM y") -> Markup:
    """The drawing; `None` is a number too small to be shown: the line has a gap there. `named`: how instants are."""
    top = _round(max((one for one in counts if one is not None), default=0))
    parts = [*_grid(top, lang), *_days(instants, lang, named), *_line(counts, top)]
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" class="line" aria-hidden="true" focusable="false"'
    return Markup(f"<svg {box}>{''.join(parts)}</svg>")  # noqa: S704 # numbers, and words escaped below


def bars(rows: Sequence[tuple[str, int]], lang: str) -> Markup:
    """Bars below each other, each with its words and its number above it."""
    most = max((count for _, count in rows), default=0) or 1
    parts = []
    for place, (label, count) in enumerate(rows):
        y, long = place * ROW, max(2.0, WIDTH * count / most)
        parts.append(f'<text x="0" y="{y + 26}">{escape(_short(label))}</text>')
        parts.append(f'<text x="{WIDTH}" y="{y + 26}" text-anchor="end">{escape(number(count, lang))}</text>')
        parts.append(f'<rect class="share" x="0" y="{y + 36}" width="{long:.1f}" height="{BAR}" rx="3"/>')
    box = f'viewBox="0 0 {WIDTH} {max(1, len(rows)) * ROW}" class="line bars" aria-hidden="true" focusable="false"'
    return Markup(f"<svg {box}>{''.join(parts)}</svg>")  # noqa: S704 # numbers, and words escaped above


def _short(label: str) -> str:
    """As much as stands beside a number; the table has all of it."""
    return label if len(label) <= MOST else f"{label[: MOST - 1].rstrip()}…"


def _grid(top: int, lang: str) -> Iterator[str]:
    for part in (0, 0.5, 1):
        y = _y(top * part, top)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        words = escape(number(round(top * part), lang))
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{words}</text>'


def _days(instants: Sequence[Instant], lang: str, named: str) -> Iterator[str]:
    """The first, the middle and the last day."""
    last = len(instants) - 1
    for place in sorted({0, last // 2, last} if last > 3 else {0, last}) if instants else ():
        anchor = "start" if place == 0 and last else "end" if place == last and last else "middle"
        shown = format_date(to_datetime(instants[place]).date(), named, {"fr": "fr_FR"}.get(lang, "en_GB"))
        yield f'<text x="{_x(place, last):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{escape(shown)}</text>'


def _line(counts: Sequence[int | None], top: int) -> Iterator[str]:
    last = len(counts) - 1
    there = [(place, count) for place, count in enumerate(counts) if count is not None]
    for _, run in groupby(enumerate(there), key=lambda one: one[1][0] - one[0]):
        points = [(_x(place, last), _y(count, top)) for _, (place, count) in run]
        yield f'<polyline class="curve" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    if there:
        place, count = there[-1]
        yield f'<circle class="dot" cx="{_x(place, last):.1f}" cy="{_y(count, top):.1f}" r="4.5"/>'


def _x(place: int, last: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place / last if last else 0.5)


def _y(count: float, top: int) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - count / top)


def _round(highest: int) -> int:
    """The least round number that is not below: 1, 2 or 5 times a power of ten, 20 at least."""
    step = 10
    while True:
        for factor in (2, 5, 10):
            if step * factor >= highest:
                return step * factor
        step *= 10

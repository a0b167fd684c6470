"""Measure everything and write `build/bench.json`: name → value, unit, baseline, ratio, goal, met.

Goals are ratios to a plain baseline measured beside, so that they mean the same on a slow and on a fast machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import choices, imports, keys, ledger, load, one, population, segments, sending, web
from bench.figure import SCALES, Figure, Scale

TARGET = Path("build/bench.json")
PARTS: tuple[Callable[[Scale], Iterator[tuple[str, Figure]]], ...] = (
    imports.figures,
    one.figures,
    ledger.figures,
    population.figures,
    keys.figures,
    choices.figures,
    load.figures,
    web.figures,
    segments.figures,
    sending.figures,
)


def main() -> None:
    """Run every part, print each figure as it comes, write the file."""
    parser = argparse.ArgumentParser(prog="bench", description="measure beside plain baselines")
    parser.add_argument("--scale", choices=SCALES, default="small")
    scale = SCALES[parser.parse_args().scale]
    measured: dict[str, dict[str, object]] = {}
    for part in PARTS:
        for name, figure in part(scale):
            measured[name] = figure.to_json()
            print(_line(name, figure), flush=True)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def _line(name: str, figure: Figure) -> str:
    verdict = "met" if figure.met else "NOT MET"
    spread = f" [{min(figure.spread):.2f}–{max(figure.spread):.2f}]" if figure.spread else ""
    beside = f"beside {figure.baseline:,.4g}, ratio {figure.ratio:.2f}{spread}"
    return f"{name:<32} {figure.value:>12,.4g} {figure.unit:<10} {beside} ({figure.goal}: {verdict})"


if __name__ == "__main__":
    main()

"""A figure: what was measured, beside what, and whether the goal is met."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from pacte.kernel.canonical import Json


@dataclass(frozen=True, slots=True)
class Scale:
    """How much to do: `rows` ledger entries, `people` in a population, the best of `repeats`."""

    rows: int
    people: int
    repeats: int


SCALES = {"small": Scale(20_000, 20_000, 3), "full": Scale(1_000_000, 1_000_000, 5)}


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` and `baseline` in `unit`; the goal is a bound on value ÷ baseline, so that it holds on any machine."""

    value: float
    unit: str
    baseline: float
    goal: str
    met: bool

    @property
    def ratio(self) -> float:
        """Value ÷ baseline."""
        return self.value / self.baseline

    def to_json(self) -> dict[str, object]:
        """As `build/bench.json` holds it."""
        rounded = {"value": round(self.value, 4), "baseline": round(self.baseline, 4), "ratio": round(self.ratio, 3)}
        return {**asdict(self), **rounded}


def at_least(value: float, unit: str, baseline: float, ratio: float) -> Figure:
    """A figure for which more is better."""
    return Figure(value, unit, baseline, f"ratio >= {ratio}", value >= ratio * baseline)


def at_most(value: float, unit: str, baseline: float, ratio: float) -> Figure:
    """A figure for which less is better."""
    return Figure(value, unit, baseline, f"ratio <= {ratio}", value <= ratio * baseline)


def best_seconds(action: Callable[[], object], repeats: int) -> float:
    """Wall-clock seconds of the fastest of several runs."""
    fastest = float("inf")
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        action()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest


def sample_choice(number: int) -> dict[str, Json]:
    """A choice entry of an invented person."""
    return {
        "kind": "choice",
        "subject": f"{number:032x}",
        "purpose": "newsletter",
        "act": "given",
        "learned": 1_767_225_600_000_000 + number,
        "effective": 1_767_225_600_000_000 + number,
        "channel": "email",
        "method": "web_form",
        "grade": "form",
        "voice": "self",
        "authenticated": 1,
        "role": "controller",
        "by": "import",
    }

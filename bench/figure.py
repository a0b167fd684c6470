"""A figure: what was measured, beside what, and whether the goal is met."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from statistics import median

from pacte.kernel.canonical import Json


@dataclass(frozen=True, slots=True)
class Scale:
    """How much to do: `rows` ledger entries, `people` in a population, the best of `repeats`."""

    rows: int
    people: int
    repeats: int


SCALES = {"small": Scale(20_000, 1_000_000, 5), "full": Scale(1_000_000, 10_000_000, 5)}


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` and `baseline` in `unit`; the goal is a bound on value ÷ baseline, so that it holds on any machine.

    `spread` is the least and the greatest value ÷ baseline of the repeats; empty where nothing was repeated.
    """

    value: float
    unit: str
    baseline: float
    goal: str
    met: bool
    spread: tuple[float, ...] = ()

    @property
    def ratio(self) -> float:
        """Value ÷ baseline."""
        return self.value / self.baseline

    def to_json(self) -> dict[str, object]:
        """As `build/bench.json` holds it."""
        rounded: dict[str, object] = {
            "value": float(f"{self.value:.4g}"),
            "baseline": float(f"{self.baseline:.4g}"),
            "ratio": round(self.ratio, 3),
            "spread": [round(one, 3) for one in self.spread],
        }
        return {**asdict(self), **rounded}


def at_least(value: float, unit: str, baseline: float, ratio: float, spread: tuple[float, ...] = ()) -> Figure:
    """A figure for which more is better."""
    return Figure(value, unit, baseline, f"ratio >= {ratio}", value >= ratio * baseline, spread)


def at_most(value: float, unit: str, baseline: float, ratio: float, spread: tuple[float, ...] = ()) -> Figure:
    """A figure for which less is better."""
    return Figure(value, unit, baseline, f"ratio <= {ratio}", value <= ratio * baseline, spread)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Seconds of ours and of the baseline, taken in turn, so that a slow moment of the machine meets both."""

    ours: tuple[float, ...]
    baseline: tuple[float, ...]

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest ratio of ours to the baseline, over the repeats."""
        ratios = [one / other for one, other in zip(self.ours, self.baseline, strict=True)]
        return min(ratios), max(ratios)

    def slower(self, unit: str, ratio: float, scale: float = 1.0) -> Figure:
        """Ours may take at most `ratio` times the baseline; `scale` turns seconds into `unit`."""
        return at_most(median(self.ours) * scale, unit, median(self.baseline) * scale, ratio, self.spread)

    def throughput(self, count: int, unit: str, ratio: float) -> Figure:
        """`count` things were done in each run; ours must reach `ratio` times the baseline's rate."""
        least, greatest = self.spread
        rate, beside = count / median(self.ours), count / median(self.baseline)
        return at_least(rate, unit, beside, ratio, (1 / greatest, 1 / least))

    def beside(self, count: int, unit: str) -> Figure:
        """The same rates, shown without a goal."""
        found = self.throughput(count, unit, 0.0)
        return replace(found, goal="shown beside, no goal", met=True)


def pairs(ours: Callable[[], object], baseline: Callable[[], object], repeats: int) -> Pairs:
    """Run both in turn, `repeats` times (five at least), after one run of each that does not count.

    Each action measures itself when it answers a float (seconds); otherwise its wall-clock time is taken.
    """
    timed(ours), timed(baseline)
    taken = [(timed(ours), timed(baseline)) for _ in range(max(5, repeats))]
    return Pairs(tuple(one for one, _ in taken), tuple(other for _, other in taken))


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action took, or says that it took."""
    gc.collect()
    started = time.perf_counter()
    said = action()
    return said if isinstance(said, float) else time.perf_counter() - started


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

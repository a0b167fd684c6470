"""Starting: processor time, not waiting, of an interpreter that imports pacte, and of `pacte --help`."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.figure import Figure, Scale, at_most

COMMAND = str(Path(sys.executable).with_name("pacte"))


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Seconds of processor time, from the start of a process to its end, beside the seconds it may take."""
    yield "import_pacte", _seconds([sys.executable, "-c", "import pacte"], 0.3, scale)
    yield "pacte_help", _seconds([COMMAND, "--help"], 0.45, scale)
    # `import pacte` loads the rooms at first use: what that costs is said too.
    used = _seconds([sys.executable, "-c", "import pacte; pacte.open_house"], 0.3, scale)
    yield "import_pacte_and_rooms", replace(used, goal="shown beside, no goal", met=True)


def _seconds(command: Sequence[str], goal: float, scale: Scale) -> Figure:
    _processor(command)  # the first start reads files that the others find in memory
    taken = [_processor(command) for _ in range(max(5, scale.repeats))]
    return at_most(median(taken), "s", goal, 1.0, (min(taken) / goal, max(taken) / goal))


def _processor(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

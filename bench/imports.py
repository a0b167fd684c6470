"""`import pacte` stays light: a new interpreter with it, beside one without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from bench.figure import Figure, Scale, at_most, best_seconds


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Milliseconds to start, import and end; and for the command line to say its help."""
    bare = _milliseconds("pass", scale)
    yield "import_pacte", at_most(_milliseconds("import pacte", scale), "ms", bare, 1.5)


def _milliseconds(code: str, scale: Scale) -> float:
    command = [sys.executable, "-c", code]
    return 1000 * best_seconds(lambda: subprocess.run(command, check=True), 3 * scale.repeats)

"""How many examples a property is tried with: a good many each time, all of them in `make soak`."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("PACTE_TEST_THOROUGH"))


def many(examples: int) -> int:
    """So many in `make soak`; a quarter otherwise, each time others."""
    return examples if THOROUGH else max(5, examples // 4)

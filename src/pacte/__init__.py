"""pacte: use customers' data with their agreement, through one gate that proves it had the right.

import pacte

with pacte.open_house("shop") as house:
    use = house.declare("newsletter", channel="email")
    print(use.funnel.counts)
    table = use.table(["customers.city", "orders.last_order"])
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing `typing` would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any

    from pacte.app.house import House as House
    from pacte.app.house import create as create_house
    from pacte.app.house import open_house as open_house

__version__ = "0.1.0"
__all__ = ["House", "create_house", "open_house"]

_HOME = {"House": "House", "create_house": "create", "open_house": "open_house"}


def __getattr__(name: str) -> Any:
    # Loaded at first use, so that `import pacte` stays light.
    if name in _HOME:
        from pacte.app import house

        return getattr(house, _HOME[name])
    raise AttributeError(f"module `pacte` has no attribute `{name}`")

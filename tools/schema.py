"""Write `docs/reference/policy.schema.json` from the model of the policy; the tests compare the two.

Run `python -m tools.schema` (or `make docs`) after changing a key or what it means.
"""

from __future__ import annotations

from pacte.policy.schema import FILE, published
from tools.tree import ROOT

PAGE = ROOT / "docs" / "reference" / FILE


if __name__ == "__main__":
    PAGE.write_text(published(), encoding="utf-8")

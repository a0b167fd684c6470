"""`python -m tools.lint`: print what is wrong, one line each; exit 1 if anything is."""

from __future__ import annotations

import sys

from tools.lint.run import lint_repository

found = lint_repository()
for finding in found:
    print(finding)
print(f"own rules: {len(found)} to mend" if found else "own rules: nothing to mend")
sys.exit(1 if found else 0)

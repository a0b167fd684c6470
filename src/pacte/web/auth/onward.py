"""Where somebody wanted to go before they were asked to sign in: a page of ours, or nowhere."""

from __future__ import annotations

import re
from typing import Any

_PAGE = re.compile(r"[a-z0-9][a-z0-9/_-]{0,120}")


def onward(path: Any) -> str:
    """The path below the language, if it is one of a page of ours; empty otherwise: nobody is led elsewhere."""
    return path if isinstance(path, str) and _PAGE.fullmatch(path) else ""

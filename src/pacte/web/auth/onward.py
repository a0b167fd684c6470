"""Where somebody wanted to go before they were asked to sign in: a page of ours, with what it was asked, or nowhere."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request

_PAGE = re.compile(r"[a-z0-9][a-z0-9/_-]{0,120}(\?[A-Za-z0-9_.%+=&:~-]{0,200})?")


def onward(path: Any) -> str:
    """The path below the language, if it is one of a page of ours; empty otherwise: nobody is led elsewhere."""
    return path if isinstance(path, str) and _PAGE.fullmatch(path) else ""


def wanted(request: Request) -> str:
    """The page that is asked for here, to come back to: its address names nobody, as no address of ours does."""
    if request.method != "GET":
        return ""
    _, _, path = request.url.path.lstrip("/").partition("/")
    asked = f"?{request.url.query}" if request.url.query else ""
    return onward(path + asked) or onward(path)

"""Answers that pages of other origins may read: those that the settings list, and no other.

Source: Fetch Standard, CORS protocol.
"""

from __future__ import annotations

from collections.abc import Collection

from fastapi import Request, Response


def shared(request: Request, response: Response, origins: Collection[str], *, known: bool = False) -> Response:
    """Let pages of these origins read an answer; with `known` also one to somebody who is signed in."""
    origin = request.headers.get("origin", "")
    response.headers.append("Vary", "Origin")
    if origin in origins:
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Headers"] = "authorization, content-type" if known else "content-type"
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Max-Age"] = "600"
    if origin in origins and known:
        response.headers["Access-Control-Allow-Credentials"] = "true"
    return response

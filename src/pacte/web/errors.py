"""What people and programs are told when something cannot be done: a page in their language, or an RFC 9457 problem.

INVARIANT: neither repeats what was sent.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pacte.app.links import Expired, Forged
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound, PacteError, Uncertain, Unsafe
from pacte.web.api import problems
from pacte.web.auth.onward import wanted
from pacte.web.outermost import LOGGED, SLOW
from pacte.web.pages import page, to
from pacte.web.security import ForgedForm, TooFast, TooLarge, dress
from pacte.web.session import SignInNeeded

_STATUS: tuple[tuple[type[PacteError], int, str], ...] = (
    (SignInNeeded, 401, "sign_in"),
    (ForgedForm, 403, "form"),
    (TooFast, 429, "too_fast"),
    (TooLarge, 413, "too_large"),
    (Expired, 410, "expired"),
    (Forged, 404, "link"),
    (NotFound, 404, "not_found"),
    (Denied, 403, "denied"),
    (Conflict, 409, "conflict"),
    (BadInput, 400, "bad_input"),
    (Uncertain, 503, "uncertain"),
    (Unsafe, 503, "unsafe"),
)
"""By error: the status of the answer, and what it is called in the texts and in a problem's type."""
_HTTP = {404: "not_found", 405: "not_allowed", 413: "too_large"}

_log = logging.getLogger("pacte.web")


def handle_errors(app: FastAPI) -> None:
    """Answer every error of this application in words."""
    app.add_exception_handler(PacteError, _known)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _unforeseen)


def problem(request: Request, status: int, code: str, detail: str = "", **more: str | int) -> Response:
    """An answer that says what went wrong: to programs as RFC 9457 has it, to people as a page."""
    if request.url.path.startswith("/api/"):
        return problems.response(problems.alike(code), detail, status=status, **dict[str, Any](more))
    return page(
        request, "error.html", status=status, code="role" if more.get("reason") == "role" else code, detail=detail
    )


def _known(request: Request, error: Exception) -> Response:
    status, code = next(((s, c) for kind, s, c in _STATUS if isinstance(error, kind)), (500, "unforeseen"))
    if isinstance(error, SignInNeeded) and not request.url.path.startswith("/api/"):
        return _to_sign_in(request, error)
    more = {"reason": error.code} if isinstance(error, Denied) else {}
    response = problem(request, status, code, str(error) if status < 500 else "", **more)
    if isinstance(error, TooFast):
        response.headers["Retry-After"] = str(error.seconds)
    return response


def _to_sign_in(request: Request, error: SignInNeeded) -> Response:
    """The page to sign in with, which leads back to where somebody wanted to go."""
    door = "staff/sign-in" if error.kind == "staff" else "sign-in"
    return to(request, f"{door}?next={quote(wanted(request))}" + ("&again=1" if error.fresh else ""))


def _malformed(request: Request, error: Exception) -> Response:
    fields = error.errors() if isinstance(error, RequestValidationError) else []
    named = sorted({".".join(str(part) for part in one["loc"] if isinstance(part, str)) for one in fields})
    return problem(request, 422, "bad_input", "cannot be read: " + ", ".join(f"`{name}`" for name in named))


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = problem(request, status, _HTTP.get(status, "bad_input"))
    for name, value in (getattr(error, "headers", None) or {}).items():
        response.headers[name] = value
    return response


def _left(request: Request, error: Exception) -> Response:  # noqa: ARG001 # a handler of errors
    """The caller went away before all was sent, so that nobody hears this; or was too slow, and is told so."""
    if SLOW not in request.scope:
        return Response(status_code=400)
    response = problem(request, 408, "slow")
    response.headers["Connection"] = "close"
    return response


def _unforeseen(request: Request, error: Exception) -> Response:
    last = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("unforeseen %s at %s:%s", type(error).__name__, Path(last.filename).name, last.lineno)
    response = problem(request, 500, "unforeseen")
    request.scope[LOGGED] = True
    dress(request, response)  # nothing else does: this runs around everything that dresses the other answers
    return response

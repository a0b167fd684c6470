"""Problems: what a program is told when a call cannot be answered, as RFC 9457 has it.

The type of a problem is an address of this house that never changes, with words to read behind it. INVARIANT: a problem
repeats nothing that was sent: it names places in the body, and codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pacte.app.batch import Faulty
from pacte.app.commits import KeyReused
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound, PacteError, Uncertain, Unsafe

TYPES = "/api/problems/"
"""Before the code of a problem, its type."""
MEDIA = "application/problem+json"

CODES: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "the body is not JSON"),
    "bad_input": (400, "something in the call cannot be used"),
    "idempotency_key": (400, "the idempotency key is of the wrong form"),
    "unauthorised": (401, "a key is needed that works"),
    "scope": (403, "the key does not allow this"),
    "denied": (403, "the gate says no"),
    "not_found": (404, "there is nothing here by that name"),
    "not_allowed": (405, "this address takes no such method"),
    "conflict": (409, "the call does not fit what is recorded"),
    "too_large": (413, "the body is too large, or does not say how large it is"),
    "media_type": (415, "the body must be JSON and say so"),
    "invalid": (422, "the call is not of the form that is documented"),
    "faulty": (422, "part of the batch cannot be recorded, so nothing was"),
    "key_reused": (422, "the idempotency key was used for another call"),
    "too_fast": (429, "too many calls"),
    "unforeseen": (500, "something went wrong that nobody foresaw"),
    "uncertain": (503, "the connection to the records was lost; try again with the same idempotency key"),
    "unsafe": (503, "the house refuses to work until somebody has looked at it"),
}
"""By code: the status and the title of each problem."""
RETRY_AFTER = {"uncertain": 5, "unsafe": 60}
"""Seconds after which a call that the house refused is welcome again."""
_ERRORS: tuple[tuple[type[PacteError], str], ...] = (
    (Faulty, "faulty"),
    (KeyReused, "key_reused"),
    (NotFound, "not_found"),
    (Denied, "denied"),
    (Conflict, "conflict"),
    (BadInput, "bad_input"),
    (Uncertain, "uncertain"),
    (Unsafe, "unsafe"),
)
_OF_PAGES = {"sign_in": "unauthorised", "form": "denied", "link": "not_found", "expired": "not_found"}
_TOLD = 50
"""Mistakes of one call that are told, at most."""


class Refused(PacteError):
    """A call that is answered with a problem; `more` are further members of it, `headers` of the answer."""

    def __init__(self, code: str, detail: str = "", headers: Mapping[str, str] | None = None, **more: Any) -> None:
        self.code = code
        self.more = more
        self.headers = dict(headers or {})
        super().__init__(detail)


def response(
    code: str, detail: str = "", *, headers: Mapping[str, str] | None = None, status: int = 0, **more: Any
) -> JSONResponse:
    """The answer that tells of a problem; with its own status, unless another is given."""
    usual, title = CODES[code]
    status = status or usual
    body = {"type": TYPES + code, "title": title, "status": status} | ({"detail": detail} if detail else {}) | more
    told = JSONResponse(body, status, media_type=MEDIA, headers=dict(headers or {}))
    if code in RETRY_AFTER:
        told.headers.setdefault("Retry-After", str(RETRY_AFTER[code]))
    return told


def alike(code: str) -> str:
    """The code of a problem for an error of the pages, which have some of their own."""
    return code if code in CODES else _OF_PAGES.get(code, "bad_input")


def of(error: PacteError) -> JSONResponse:
    """The answer to a call that ended in an error of the house."""
    if isinstance(error, Refused):
        return response(error.code, str(error), headers=error.headers, **error.more)
    code = code_of(error)
    more: dict[str, Any] = {"reason": error.code} if isinstance(error, Denied) else {}
    if isinstance(error, Faulty):
        more["errors"] = [
            {"pointer": f"#/choices/{place}", "type": TYPES + code_of(fault), "detail": str(fault)}
            for place, fault in error.faults[:_TOLD]
        ]
    return response(code, str(error) if CODES[code][0] < 500 else "", **more)


def of_one(error: PacteError) -> dict[str, Any]:
    """A problem as one part of an answer."""
    code = code_of(error)
    return {"type": TYPES + code, "title": CODES[code][1], "status": CODES[code][0], "detail": str(error)}


def code_of(error: PacteError) -> str:
    """The code of an error of the house."""
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), "unforeseen")


def of_body(error: ValidationError) -> Refused:
    """The problem of a body, or a query, that is not of the documented form: where, and a code of what is wrong."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(one["type"] == "json_invalid" for one in found):
        return Refused("malformed")
    told = [{"pointer": _pointer(one), "code": one["type"]} for one in found[:_TOLD]]
    return Refused("invalid", "see `errors` for the places of what is wrong", errors=_apart(told))


def _pointer(found: ErrorDetails) -> str:
    """Where in the body, as a JSON pointer; a member that is not known here is not named: it may say anything."""
    place: Sequence[str | int] = found["loc"]
    if found["type"] == "extra_forbidden":
        place = place[:-1]
    return "#" + "".join(f"/{part}" for part in place)


def _apart(told: list[dict[str, str]]) -> list[dict[str, str]]:
    return [dict(pairs) for pairs in dict.fromkeys(tuple(one.items()) for one in told)]

"""Calls: what stands between a request and the verb that answers it: the key, its pace, the form of what was sent.

Each operation is declared once, beside the function that answers it; the router, the OpenAPI document and the page of
the documentation are made of these declarations. A call runs in one thread from the key to the answer.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError

from pacte.app import apikeys
from pacte.app.apikeys import ApiKey
from pacte.app.house import House
from pacte.kernel.errors import PacteError
from pacte.web.api import problems
from pacte.web.api.pace import Budgets
from pacte.web.api.problems import Refused
from pacte.web.security import LARGEST, TooFast, throttle

ROOT = "/api/v1"
WRONG_KEYS, OPEN_CALLS = 30, 600
"""Calls in a minute from one address: with keys that do not work, and of what needs no key."""
IDEMPOTENCY = "Idempotency-Key"

_KEY = re.compile(r'"?([!#-\[\]-~]{1,255})"?')

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Call:
    """One call that may be answered: who calls, what was said, and how this very call is named, if it is."""

    house: House
    caller: ApiKey | None
    body: Any
    path: str
    raw: bytes = field(repr=False)
    named: str = ""

    @property
    def key(self) -> ApiKey:
        """The key; operations that need one are not reached without."""
        if self.caller is None:
            raise Refused("unauthorised")
        return self.caller

    @property
    def once(self) -> str:
        """The name of this call for the committer: the caller's own, apart from every other caller's."""
        return f"{self.key.actor}|{self.path}|{self.named}" if self.named else ""

    @cached_property
    def said(self) -> str:
        """A digest of all that was said. Keyed: what people are named by could be guessed from a plain one."""
        if not self.named:
            return ""
        text = json.dumps([self.path, self.body.model_dump(mode="json")], sort_keys=True).encode()
        return hmac.digest(self.house.keys.house_key("api-calls"), text, "sha256").hex()

    def refuse_foreign(self, purpose: str) -> None:
        """Raise `Refused` for a purpose that the key is not bound to."""
        if not self.key.covers(purpose):
            raise Refused("scope", "the key is not bound to this purpose")

    def refuse_deaf(self, receiver: str) -> None:
        """Raise `Refused` for a receiver of messages that the key is not bound to."""
        if not self.key.hears(receiver):
            raise Refused("scope", "the key is not bound to this receiver")


@dataclass(frozen=True)
class Operation:
    """One thing that can be called: where, with which scope (none: by everybody), what it takes and gives.

    `media` is what its body is, where it is no JSON but something raw, which `Call.raw` then holds.
    `once`: it may be named by an `Idempotency-Key`. `many` is the member of the body whose parts count as a call each;
    without one the call is one. `may` are the codes of problems beyond those that its form implies.
    """

    name: str
    method: str
    path: str
    scope: str | None
    takes: type[BaseModel] | None
    asks: type[BaseModel] | None
    gives: type[BaseModel]
    status: int
    once: bool
    many: str
    may: tuple[str, ...]
    media: str
    answer: Callable[[Call], BaseModel | Response]

    @property
    def problems(self) -> tuple[str, ...]:
        """Every problem that it may be answered with, by code."""
        found = ["not_allowed", "too_fast", "uncertain", "unsafe", *self.may]
        found += ["unauthorised"] if self.scope is not None else []
        found += ["scope"] if self.scope else []
        found += ["malformed", "too_large", "media_type", "invalid"] if self.takes or self.media else []
        found += ["invalid"] if self.asks else []
        found += ["idempotency_key", "key_reused"] if self.once else []
        return tuple(code for code in problems.CODES if code in found)


OPERATIONS: list[Operation] = []
"""Every operation, in the order of the documentation."""


def operation(
    method: str,
    path: str,
    *,
    scope: str | None,
    gives: type[BaseModel],
    takes: type[BaseModel] | None = None,
    asks: type[BaseModel] | None = None,
    status: int = 200,
    once: bool = False,
    many: str = "",
    may: tuple[str, ...] = (),
    media: str = "",
) -> Callable[[Callable[[Call], BaseModel | Response]], Callable[[Call], BaseModel | Response]]:
    """Declare an operation; its name is the function's. `scope`: `""` for any key that works, `None` for everybody."""

    def declare(answer: Callable[[Call], BaseModel | Response]) -> Callable[[Call], BaseModel | Response]:
        name = getattr(answer, "__name__", "")
        OPERATIONS.append(
            Operation(name, method, path, scope, takes, asks, gives, status, once, many, may, media, answer)
        )
        return answer

    return declare


async def answered(request: Request, operation: Operation) -> Response:
    """The answer to a request for an operation."""
    raw = b""
    if operation.takes is not None or operation.media:
        try:
            raw = await _body(request, operation.media or "application/json")
        except Refused as refused:
            return problems.of(refused)
    return await run_in_threadpool(_answer, request, operation, raw)


def _answer(request: Request, operation: Operation, raw: bytes) -> Response:
    told: dict[str, str] = {}
    try:
        caller = None if operation.scope is None else _caller(request, told)
        if caller is None:
            throttle(request, "api-open", OPEN_CALLS, 60)
        elif operation.scope and operation.scope not in caller.scopes:
            raise Refused("scope", f"this needs a key with the scope `{operation.scope}`")
        named = _named(request) if operation.once else ""
        body = _read(request, operation, raw)
        if caller is not None and operation.many:
            _spend_for(request, caller, len(getattr(body, operation.many)), told)
        found = operation.answer(Call(request.app.state.house, caller, body, operation.path, raw, named))
        response = found if isinstance(found, Response) else _json(found, operation.status)
    except TooFast as fast:
        response = problems.response("too_fast", headers={"Retry-After": str(fast.seconds)})
    except PacteError as error:
        response = problems.of(error)
    for name, value in told.items():
        response.headers.setdefault(name, value)
    return response


def _caller(request: Request, told: dict[str, str]) -> ApiKey:
    """Whose key came with the request, and what they have left, which the answer tells. Raises `Refused`."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    house: House = request.app.state.house
    key = apikeys.holder(house, secret.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        throttle(request, "api-key", WRONG_KEYS, 60)
        raise Refused("unauthorised", headers={"WWW-Authenticate": 'Bearer realm="pacte"'})
    _spend(request, key, 1, told)
    return key


def _spend_for(request: Request, key: ApiKey, parts: int, told: dict[str, str]) -> None:
    """Count every part of a call as a call, the first of which is counted. Raises `Refused`."""
    if parts > key.rate:
        raise Refused("too_large", f"each part of a batch is a call, and this key has {key.rate:,} in a minute")
    _spend(request, key, parts - 1, told)


def _spend(request: Request, key: ApiKey, calls: int, told: dict[str, str]) -> None:
    """Count calls of a key, and tell what it has left. Raises `Refused` where they are too many for this minute."""
    budgets: Budgets = request.app.state.budgets
    left = budgets.spend(key.id, key.rate, calls)
    told |= left.headers()
    if left.over:
        raise Refused("too_fast", "this key has too few calls left in this minute")


def _named(request: Request) -> str:
    """The caller's name for this very call. Source: draft-ietf-httpapi-idempotency-key-header, RFC 8941 § 3.3.3."""
    brought = request.headers.get(IDEMPOTENCY)
    if brought is None:
        return ""
    found = _KEY.fullmatch(brought)
    if found is None:
        raise Refused("idempotency_key", f"`{IDEMPOTENCY}` is a text of 1 to 255 visible characters, drawn anew")
    return found[1]


async def _body(request: Request, media: str) -> bytes:
    """The bytes of a body that is of this kind, and that says how large it is."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != media:
        raise Refused("media_type", f"send `Content-Type: {media}`")
    size = request.headers.get("content-length", "")
    if not size.isdecimal() or len(size) > 15 or int(size) > LARGEST:
        raise Refused("too_large", f"a body has at most {LARGEST:,} bytes, and a `Content-Length`")
    return await request.body()


def _read(request: Request, operation: Operation, raw: bytes) -> BaseModel | None:
    try:
        if operation.takes is not None:
            return operation.takes.model_validate_json(raw)
        if operation.asks is not None:
            return operation.asks.model_validate(_query(request.query_params))
    except ValidationError as error:
        raise problems.of_body(error) from None
    return None


def _query(given: Mapping[str, str]) -> dict[str, str]:
    return dict(given)


def _json(found: BaseModel, status: int) -> Response:
    content = found.model_dump_json(exclude_none=True).encode()
    return Response(content, status, media_type="application/json")

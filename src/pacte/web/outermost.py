"""Around the whole application: a body arrives in time, an error ends here, and no error leaves a caller unanswered.

The framework answers what nobody foresaw and then raises it again, for the server to print: with a line of the code for
each step, and with what was sent. Here it stops. Source: OWASP ASVS 5.0, 16.5.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pacte.web.security import HEADERS

WITHIN = 30.0
"""Seconds in which the body of a request arrives."""
SLOW = "pacte.slow"
"""What the scope of a request holds whose body did not arrive in time."""
LOGGED = "pacte.logged"
"""What it holds where the error that ended the request is in the log."""

_log = logging.getLogger("pacte.web")


class Outermost:
    """The application as the server sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises nothing but the end of the server itself."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, _timely(scope, receive), sending)
        except Exception as error:  # whatever it is: nobody outside is to see it
            if LOGGED not in scope:
                _log.error("unforeseen %s, answered: %s", type(error).__name__, begun)
            if not begun:
                await PlainTextResponse("something went wrong here", 500, HEADERS)(scope, receive, send)


def _timely(scope: Scope, receive: Receive) -> Receive:
    """What a request sends; one whose body takes too long is told as one whose caller went away."""
    until = asyncio.get_running_loop().time() + WITHIN
    arriving = True

    async def received() -> Message:
        nonlocal arriving
        if not arriving:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            arriving, scope[SLOW] = False, True
            return {"type": "http.disconnect"}
        arriving = bool(message.get("more_body"))
        return message

    return received

"""The application: one house behind one set of doors, and the server that opens them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pacte.app.policies import document
from pacte.kernel.errors import BadInput, PacteError
from pacte.web import api, badge, console, forms, home, messages, notice, shop, verify
from pacte.web.api.pace import Budgets
from pacte.web.auth import by_link, from_site, joining, staff, with_passkey
from pacte.web.centre import routes as centre
from pacte.web.errors import handle_errors, problem
from pacte.web.outermost import Outermost
from pacte.web.pages import LANGUAGES, address, language
from pacte.web.security import Pace, headed, is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pacte.app.house import House

FEATURES = (
    home,
    by_link,
    staff,
    joining,
    with_passkey,
    from_site,
    console,
    centre,
    notice,
    verify,
    badge,
    api,
    forms,
    messages,
    shop,
)
"""What has doors: each has a `router`."""
WITHOUT_LANGUAGE = frozenset({"api", "badge", "static", ".well-known", "checkpoint", "tile", "health"})
"""First parts of addresses that are for programs."""
AT_ONCE = 800
"""Connections that are held at once; one more is answered 503. Below the files that a process may usually have open."""


def application(house: House) -> FastAPI:
    """The web application of an open house."""
    app = FastAPI(title="pacte", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.house = house
    app.state.host = _host(house)
    app.state.form_key = house.keys.house_key("forms")
    app.state.pace = Pace()
    app.state.budgets = Budgets()
    app.state.controller = _controller(house)
    app.middleware("http")(_in_a_language)
    app.middleware("http")(headed)
    app.mount("/static", _Kept(directory=str(files("pacte.web").joinpath("static"))))
    for feature in FEATURES:
        app.include_router(feature.router)
    handle_errors(app)
    return app


@contextmanager
def serving(
    house: House, host: str = "127.0.0.1", port: int = 0, *, worker: bool = True, with_shop: bool = False
) -> Iterator[str]:
    """Serve a house, with a worker beside, while the block runs; gives the address. Port 0 takes a free one.

    `with_shop` shows the sample shop whatever company this is (`web.shop`).
    """
    bound = _bound(host, port)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{bound.getsockname()[1]}"
    app = application(house)  # before the address is set: only one that the settings name binds the host
    house.reached_at(url)
    app.state.with_shop = with_shop
    config = uvicorn.Config(
        Outermost(app), access_log=False, log_level="warning", server_header=False, lifespan="off",
        proxy_headers=False, limit_concurrency=AT_ONCE,
    )  # fmt: skip
    server = uvicorn.Server(config)
    stop = threading.Event()
    threads = [threading.Thread(target=server.run, args=([bound],), name="pacte-web", daemon=True)]
    if worker:
        from pacte.app.sending import keep_sending
        from pacte.app.worker import work

        threads.append(threading.Thread(target=work, args=(house, stop), name="pacte-worker", daemon=True))
        threads.append(threading.Thread(target=keep_sending, args=(house, stop), name="pacte-sender", daemon=True))
    for thread in threads:
        thread.start()
    while not server.started and threads[0].is_alive():
        threads[0].join(0.01)
    try:
        yield url
    finally:
        server.should_exit = True
        stop.set()
        for thread in threads:
            thread.join()
        bound.close()


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # The protocol by its name: asyncio turns Nagle's delay of 40 ms off for no other socket.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        raise BadInput(
            f"cannot listen on port {port} of this address; is it taken? choose another with `--port`"
        ) from None
    return bound


async def _in_a_language(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """Lead an address without a language, or in one that we do not speak, to the same page in one that we do."""
    if is_elsewhere(request):
        return await run_in_threadpool(problem, request, 421, "host")
    first, _, rest = request.url.path.lstrip("/").partition("/")
    if request.method in ("GET", "HEAD") and first in LANGUAGES and request.url.path == f"/{first}":
        return RedirectResponse(address(first, ""), 307)
    if request.method not in ("GET", "HEAD") or first in LANGUAGES or first in WITHOUT_LANGUAGE:
        response: Response = await call_next(request)
        return response
    path = rest if _is_language(first) else request.url.path
    asked = f"?{request.url.query}" if request.url.query else ""
    led = RedirectResponse(address(language(request), path) + asked, 307)
    led.headers["Vary"] = "Accept-Language"
    return led


def _host(house: House) -> str:
    """The name by which people come, where the settings say it; else nothing."""
    web = house.settings.web
    return (urlsplit(web.url).hostname or "") if "url" in web.model_fields_set else ""


def _is_language(word: str) -> bool:
    tag, _, region = word.partition("-")
    return len(tag) == 2 and tag.isalpha() and len(region) in (0, 2)


def _controller(house: House) -> Callable[[str], Mapping[str, str]]:
    """Who answers for the data, for the head and the foot of every page; read again whenever a page is shown."""

    def controller(_lang: str) -> Mapping[str, str]:
        try:
            company = document(house).controller
        except PacteError:  # before a policy is in force there is nobody to name
            return {"name": "", "contact": "", "dpo": ""}
        return {
            "name": company.name,
            "contact": company.contact,
            "dpo": company.dpo.contact,
        }

    return controller


class _Kept(StaticFiles):
    """Files that pages load: their address changes with them, so that browsers keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope.get("query_string", b""):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

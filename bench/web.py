"""The doors: choices over HTTP beside the bare insert behind the same server, a page, and a race of decisions.

The baseline is one more address of the same application, which inserts the rows that a choice leaves, one choice in a
transaction: no key, no look-up, no tree, no signature, no checkpoint. The clients are a process of their own that
keeps its connections; server and clients share the machine.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from bench.choices import PURPOSE, _Beside, _Shop, _shop
from bench.figure import Figure, Pairs, Scale, pairs
from pacte.app import apikeys
from pacte.kernel import db
from pacte.kernel.ids import new_subject_id
from pacte.web.server import application
from pacte.web.session import drawn  # pacte: allow words because on the web it is the word

CLIENTS = (1, 32)
EACH = {"small": (300, 1_600), "full": (2_000, 8_000)}
"""Choices in one run, by one client and by all."""
PAGES = {"small": 300, "full": 2_000}
RACE, RACERS = 10_000, 32
"""Withdrawals and returns that are each followed by a decision, by so many clients at once."""
TOLD = {"Content-Type": "application/json"}


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Choices per second, the page of preferences, and how many decisions missed what was said before them."""
    size = "small" if scale.rows < 1_000_000 else "full"
    repeats = 5
    people = sum(EACH[size]) * (repeats + 1) + RACERS + 2
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="pacte-bench-") as folder, _shop(Path(folder) / "shop", "", people) as shop:
        key, _ = apikeys.new(shop.house, "bench", apikeys.SCOPES, [apikeys.EVERY], rate=apikeys.MOST)
        headers = {**TOLD, "Authorization": f"Bearer {key}"}
        bare = _Beside(db.open_sqlite(Path(folder) / "bare.db"), shop)
        with _served(shop, bare) as (host, port), ProcessPoolExecutor(1, spawn) as clients:
            for count, each in zip(CLIENTS, EACH[size], strict=True):
                found = _choices(clients, shop, (host, port), headers, count, each, repeats)
                yield f"choices_http_{count}", found.beside(each, "choices/s")
            yield from _page(clients, shop, (host, port), PAGES[size])
            yield "withdrawals_raced", _race(clients, shop, (host, port), headers)
        bare.engine.dispose()


def _choices(
    clients: ProcessPoolExecutor,
    shop: _Shop,
    where: tuple[str, int],
    headers: dict[str, str],
    count: int,
    each: int,
    repeats: int,
) -> Pairs:
    def ours() -> float:
        said = {"purpose": PURPOSE, "act": "objected", "method": "web_form", "authenticated": True}
        bodies = [json.dumps({"person": shop.people.pop(), **said}) for _ in range(each)]
        return clients.submit(_post, where, "/api/v1/choices", headers, bodies, count).result()

    def baseline() -> float:
        bodies = [json.dumps({"person": new_subject_id()}) for _ in range(each)]
        return clients.submit(_post, where, "/api/v1/bare", headers, bodies, count).result()

    return pairs(ours, baseline, repeats)


def _page(
    clients: ProcessPoolExecutor, shop: _Shop, where: tuple[str, int], count: int
) -> Iterator[tuple[str, Figure]]:
    """The page on which somebody sees and changes their choices, beside the shortest answer of the same server."""
    with db.write(shop.house.engine) as conn:
        secret, _ = drawn(conn, "person", shop.people[-1], "link", shop.house.clock())
    signed_in = {"Cookie": f"pacte-person={secret}"}
    page = clients.submit(_get, where, "/en/me/choices", signed_in, count).result()
    beside = clients.submit(_get, where, "/health", {}, count).result()
    for name, of in (("p50", median), ("p99", _slowest)):
        value, baseline = of(page) * 1e3, of(beside) * 1e3
        yield f"preference_page_{name}", Figure(value, "ms", baseline, "shown beside, no goal", True)


def _race(clients: ProcessPoolExecutor, shop: _Shop, where: tuple[str, int], headers: dict[str, str]) -> Figure:
    """Decisions that did not know of what was acknowledged before they were asked for: there must be none."""
    people = [shop.people.pop() for _ in range(RACERS)]
    stale, asked = clients.submit(race, where, headers, people, RACE // RACERS).result()
    return Figure(float(stale), "stale", float(asked), "0 stale", stale == 0)


def _slowest(taken: Sequence[float]) -> float:
    return quantiles(taken, n=100)[98]


@contextmanager
def _served(shop: _Shop, bare: _Beside) -> Iterator[tuple[str, int]]:
    """The house's own application, with one more address that inserts and does nothing else."""
    app = application(shop.house)
    _add_bare(app, bare)
    server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield "127.0.0.1", server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def _add_bare(app: FastAPI, bare: _Beside) -> None:
    lock = threading.Lock()

    def insert(person: str) -> None:
        with lock, db.write(bare.engine) as conn:
            bare._together(conn, [{**bare.entry, "subject": person}])

    @app.post("/api/v1/bare")
    async def door(request: Request) -> Response:
        said = json.loads(await request.body())
        await run_in_threadpool(insert, said["person"])
        return Response(b'{"entry":0}', 201, media_type="application/json")


def _post(where: tuple[str, int], path: str, headers: dict[str, str], bodies: list[str], clients: int) -> float:
    """Seconds until so many clients have sent these bodies, each with a connection of its own."""
    shares = [bodies[place::clients] for place in range(clients)]

    def call(share: Sequence[str]) -> None:
        connection = http.client.HTTPConnection(*where)
        for body in share:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            told = answer.read()
            assert answer.status == 201, told
        connection.close()

    return _together([partial(call, share) for share in shares])


def _get(where: tuple[str, int], path: str, headers: dict[str, str], count: int) -> list[float]:
    """Seconds that each of so many answers took, after ten that do not count."""
    connection, taken = http.client.HTTPConnection(*where), []
    for _ in range(count + 10):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told
        taken.append(time.perf_counter() - began)
    connection.close()
    return taken[10:]


def race(where: tuple[str, int], headers: dict[str, str], people: Sequence[str], rounds: int) -> tuple[int, int]:
    """Each person objects and returns in turn; after each acknowledgement somebody else asks the gate.

    Answers how many decisions did not stand on the newest word, and how many there were.
    """
    stale: list[int] = []

    def run(person: str) -> None:
        says, asks = http.client.HTTPConnection(*where), http.client.HTTPConnection(*where)
        for number in range(rounds):
            act = "objection_lifted" if number % 2 else "objected"
            said = {"person": person, "purpose": PURPOSE, "act": act, "method": "web_form", "authenticated": True}
            done = _answer(says, "/api/v1/choices", headers, said)
            found = _answer(
                asks, "/api/v1/decisions", headers, {"person": person, "purpose": PURPOSE, "channel": "email"}
            )
            if _unheard(act, done, found):
                stale.append(number)
        says.close()
        asks.close()

    _together([partial(run, person) for person in people])
    return len(stale), rounds * len(people)


def _unheard(act: str, done: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether a decision does not know of what was recorded just before."""
    if act == "objected":
        return bool(found["permitted"] or found.get("cited", {}).get("entry") != done["entry"])
    return bool(found["reason"]["code"] == "objected")


def _answer(connection: http.client.HTTPConnection, path: str, headers: dict[str, str], said: Any) -> dict[str, Any]:
    connection.request("POST", path, json.dumps(said), headers)
    answer = connection.getresponse()
    told: dict[str, Any] = json.loads(answer.read())
    assert answer.status < 300, told
    return told


def _together(calls: Sequence[Callable[[], None]]) -> float:
    """Seconds until all of these have ended, begun at one moment."""
    ready, failed = threading.Barrier(len(calls) + 1), list[BaseException]()

    def run(call: Callable[[], None]) -> None:
        ready.wait()
        try:
            call()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if failed:
        raise failed[0]
    return seconds

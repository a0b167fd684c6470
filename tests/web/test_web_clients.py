"""The two clients, in Python and in JavaScript, against a served house: also one that is killed while it answers."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from bench.web import race
from pacte import client as file
from pacte.app import webhooks
from pacte.app.house import House, open_house
from pacte.app.settings import WebhookSettings
from pacte.client import Client, Forged, Problem, Unreachable, read_webhook
from pacte.kernel.instant import SECOND
from pacte.ledger import log
from pacte.testing.shop import TODAY, Shop
from pacte.testing.world import TestClock
from tests.web.programs import key_for
from tools.tree import ROOT

MODULE = ROOT / "clients" / "javascript" / "pacte.js"
NODE = shutil.which("node") or ""
PLACE = {"channel": "email", "method": "web_form"}
SERVER = """
    import sys, time
    from pacte.app.house import open_house
    from pacte.testing.world import TestClock
    from pacte.web.server import serving
    home, now, port = sys.argv[1:]
    with open_house(home, clock=TestClock(int(now))) as house, serving(house, port=int(port), worker=False) as url:
        print(url, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def caller(a_shop: Shop, served: str) -> Client:
    """The Python client with a key for everything."""
    return Client(served, key_for(a_shop.house), tries=3)


def api_choices(house: House) -> list[dict[str, Any]]:
    """The choices that programs recorded."""
    with house.reading() as conn:
        return [dict(entry) for _, entry in log.of_kind(conn, "choice") if str(entry["by"]).startswith("api:")]


def test_the_python_client_says_and_asks(caller: Client, a_shop: Shop) -> None:
    """A yes, a no, a decision, a use, a receipt, a batch: what the documentation shows."""
    person, other = (f"email:{one}" for one in a_shop.permitted[:2])
    assert caller.decide(person, "newsletter", channel="email")["permitted"] is True
    used = caller.use(person, "newsletter", ["customers.email"], channel="email")
    assert used["values"]["customers.email"] == a_shop.permitted[0]
    done = caller.choose(person, "newsletter", "withdrawn", authenticated=True, **PLACE)
    assert caller.decide(person, "newsletter", channel="email")["cited"]["entry"] == done["entry"]
    assert caller.choices(person)["choices"][-1]["act"] == "withdrawn"
    assert caller.receipt(person, entry=done["entry"])["proof"]
    batch = [{"person": one, "purpose": "similar_offers", "act": "objected", **PLACE} for one in (person, other)]
    assert len(caller.choose_all(batch)["entries"]) == 2
    asked = [{"person": one, "purpose": "newsletter", "channel": "email"} for one in (person, other)]
    assert [one["decision"]["permitted"] for one in caller.decide_all(asked)] == [False, True]
    assert [one["agrees"] for one in caller.shadow([{**one, "did": True} for one in asked])] == [False, True]
    caller.shadow([{**asked[0], "did": True}] * 11)
    assert caller.shadow_report()[0]["done_though_denied"] == 10
    assert len(caller.notice("fr")["notice"]) == 64
    assert caller.checkpoint()["vkey"] == a_shop.house.vkey
    assert caller.key()["purposes"] == ["*"]
    assert caller.webhooks() == caller.dead_messages() == []
    assert a_shop.house.check() == []


def test_the_python_client_says_what_was_refused(caller: Client, served: str, a_shop: Shop) -> None:
    """A problem with its code and reasons; none of it is what was sent, nor the key."""
    with pytest.raises(Problem) as refusal:
        caller.use("key:nobody", "newsletter", channel="email")
    assert (refusal.value.status, refusal.value.code) == (404, "not_found")
    person = f"email:{a_shop.permitted[0]}"
    caller.choose(person, "newsletter", "withdrawn", **PLACE)
    with pytest.raises(Problem) as refusal:
        caller.use(person, "newsletter", channel="email")
    assert (refusal.value.code, refusal.value.more["decision"]["reason"]["code"]) == ("denied", "withdrawn")
    assert a_shop.permitted[0] not in str(refusal.value) + repr(refusal.value.more)
    with pytest.raises(Problem, match="401 unauthorised"):
        Client(served, "pacte_wrong").key()
    assert "pacte_" not in repr(caller)
    with pytest.raises(ValueError, match="address of a house"):
        Client("ftp://nowhere.example")


def test_the_python_client_waits_as_it_is_told(served: str, a_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """After too many calls it waits for what `Retry-After` says, and gives up when its tries are over."""
    waited: list[float] = []
    monkeypatch.setattr(file.time, "sleep", waited.append)
    slow = Client(served, key_for(a_shop.house, rate=1), tries=3)
    slow.key()
    with pytest.raises(Problem, match="429 too_fast"):
        slow.key()
    assert len(waited) == 2
    assert all(0 < one <= 60 for one in waited)


def test_a_client_follows_no_redirect(a_shop: Shop) -> None:
    """Whoever answers with one does not get the key."""
    from tests.app.receiver import receiving

    with receiving() as trap, receiving(status=307) as sly:
        sly.location = trap.url
        with pytest.raises(Problem) as refusal:
            Client(f"http://127.0.0.1:{sly.port}", "pacte_secret", tries=1).choose(
                "key:1", "x", "given", method="phone"
            )
        assert (refusal.value.status, trap.taken) == (307, [])


def test_a_house_that_is_not_there_leaves_the_name_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the caller can ask again later what became of it."""
    monkeypatch.setattr(file.time, "sleep", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with pytest.raises(Unreachable) as lost:
        Client(f"http://127.0.0.1:{port}", "k", tries=2).choose(
            "key:1", "x", "given", method="phone", idempotency_key="mine"
        )
    assert lost.value.key == "mine"


def message(house: House) -> tuple[str, dict[str, str], bytes]:
    """A secret, and a message that it signs."""
    receiver, body = WebhookSettings(name="crm", url="https://receiver.example/"), b'{"type":"stop.begun"}'
    secret = "whsec_" + base64.b64encode(webhooks._shared(house, receiver)).decode()
    return secret, webhooks.headers(house, receiver, "msg_1", house.clock(), body), body


def test_the_python_client_reads_messages_of_the_house_alone(a_shop: Shop) -> None:
    """Signed, whole, and of now."""
    secret, headers, body = message(a_shop.house)
    now = a_shop.clock() / SECOND
    assert read_webhook(secret, headers, body, now=lambda: now) == {"type": "stop.begun"}
    for wrong in ((secret, headers, body + b" "), (f"{secret[:-4]}AAA=", headers, body), (secret, {}, body)):
        with pytest.raises(Forged):
            read_webhook(*wrong, now=lambda: now)
    with pytest.raises(Forged):
        read_webhook(secret, headers, body, now=lambda: now + 301)


@pytest.fixture
def killed(a_shop: Shop) -> Iterator[tuple[str, Any]]:
    """A port, and a way to start a server process there, which may be told to die at a crash point."""
    path, now = a_shop.house.path, str(a_shop.clock())
    a_shop.house.close()
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
    started: list[subprocess.Popen[str]] = []

    def start(crash: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", textwrap.dedent(SERVER), str(path), now, port]
        environment = {**os.environ, **({"PACTE_CRASH": crash} if crash else {})}
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline().startswith("http")
        return started[-1]

    yield f"http://127.0.0.1:{port}", start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["committer-before-commit", "committer-after-commit-before-wake"])
def test_a_server_killed_while_it_answers_records_once(a_shop: Shop, killed: tuple[str, Any], point: str) -> None:
    """Before or after the commit: the client tries again under the same name, and there is one entry."""
    house = open_house(a_shop.house.path, clock=TestClock(TODAY))
    secret = key_for(house)
    before = len(api_choices(house))
    house.close()
    url, start = killed
    dying = start(point)
    answers: list[dict[str, Any]] = []
    person = f"email:{a_shop.permitted[0]}"

    def call() -> None:
        caller = Client(url, secret, tries=60, timeout=10)
        answers.append(caller.choose(person, "newsletter", "withdrawn", idempotency_key="once", **PLACE))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "_pause", lambda _: 0.1)
        thread = threading.Thread(target=call)
        thread.start()
        assert dying.wait(timeout=60) == -signal.SIGKILL
        start()
        thread.join(60)
    again = Client(url, secret).choose(person, "newsletter", "withdrawn", idempotency_key="once", **PLACE)
    assert answers == [again]
    with open_house(a_shop.house.path, clock=TestClock(TODAY)) as found:
        assert len(api_choices(found)) == before + 1
        assert not found.may(person, "newsletter", channel="email").permitted
        assert found.check() == []


def test_a_burst_from_one_address_is_bounded(caller: Client, served: str, a_shop: Shop) -> None:
    """Hundreds of calls at once with a small key: as many are answered as it has, the others wait; all is well."""
    burst = Client(served, key_for(a_shop.house, rate=50), tries=1)
    outcome: list[int] = []

    def call() -> None:
        for _ in range(10):
            try:
                burst.key()
                outcome.append(200)
            except Problem as problem:
                outcome.append(problem.status)

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (outcome.count(200), outcome.count(429)) == (50, 150)
    began = time.monotonic()
    assert caller.key()["label"] == "test"
    assert time.monotonic() - began < 2
    assert a_shop.house.check() == []


def test_a_withdrawal_is_visible_to_the_next_decision(
    served: str, a_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight people say no and come back in turn, all at once; no decision misses what was acknowledged before it."""
    monkeypatch.setattr(TestClock, "__call__", lambda clock: clock.forward(1e-9))  # of one instant, the no would count
    headers = {"Authorization": f"Bearer {key_for(a_shop.house)}", "Content-Type": "application/json"}
    parts = urlsplit(served)
    people = [f"email:{one}" for one in a_shop.permitted[:8]]
    assert race((str(parts.hostname), int(parts.port or 0)), headers, people, 20) == (0, 160)
    assert a_shop.house.check() == []


SCRIPT = """
import { Client, Problem, Forged, readWebhook } from MODULE
const [url, key, person, other, secret, headers, body, now] = ARGUMENTS
const house = new Client(url, key)
const place = { channel: "email" }
const said = []
said.push((await house.decide(person, "newsletter", place)).permitted)
said.push((await house.use(person, "newsletter", { fields: ["customers.first_name"], ...place })).values)
const details = { method: "web_form", ...place }
const done = await house.choose(person, "newsletter", "withdrawn", details, "named")
said.push(done.entry === (await house.choose(person, "newsletter", "withdrawn", details, "named")).entry)
const reused = house.choose(person, "newsletter", "given", details, "named")
said.push(await reused.catch((problem) => [problem instanceof Problem, problem.code]))
said.push((await house.decide(person, "newsletter", place)).reason.code)
const asked = [person, other].map((one) => ({ person: one, purpose: "newsletter", ...place }))
said.push((await house.decideAll(asked)).map((one) => one.decision.permitted))
said.push((await house.shadow(asked.map((one) => ({ ...one, did: true })))).map((one) => one.agrees))
await house.shadow(Array(11).fill({ person: other, purpose: "newsletter", ...place, did: true }))
said.push((await house.shadowReport())[0].agreed)
said.push(await house.use(person, "newsletter", place).catch((p) => [p.code, p.more.reason]))
said.push((await house.receipt(person, { entry: done.entry })).proof !== undefined)
said.push((await readWebhook(secret, headers, body, now)).type)
said.push(await readWebhook(secret, headers, body + " ", now).catch((error) => error instanceof Forged))
said.push((await new Client(url, "pacte_wrong").key().catch((p) => p.status)))
"""
SAID = [
    True,
    None,
    True,
    [True, "key_reused"],
    "withdrawn",
    [False, True],
    [False, True],
    10,
    ["denied", "withdrawn"],
    True,
    "stop.begun",
    True,
    401,
]


def arguments(a_shop: Shop, served: str) -> list[Any]:
    """What the script works with."""
    secret, headers, body = message(a_shop.house)
    people = [f"email:{one}" for one in a_shop.permitted[:2]]
    return [served, key_for(a_shop.house), *people, secret, headers, body.decode(), a_shop.clock() // 1000]


def compared(said: list[Any]) -> list[Any]:
    """What the script said, without the name that it opened."""
    assert set(said[1]) <= {"customers.first_name"}
    return [said[0], None, *said[2:]]


@pytest.mark.skipif(not NODE, reason="needs Node (on Debian: `apt install nodejs`)")
def test_the_javascript_client_in_node(served: str, a_shop: Shop, tmp_path: Path) -> None:
    """Says, asks, uses, and reads messages, as the Python one does."""
    script = SCRIPT.replace("MODULE", json.dumps(MODULE.as_uri()))
    script = script.replace("ARGUMENTS", json.dumps(arguments(a_shop, served)))
    (tmp_path / "script.mjs").write_text(script + "console.log(JSON.stringify(said))\n", encoding="utf-8")
    done = subprocess.run([NODE, str(tmp_path / "script.mjs")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert compared(json.loads(done.stdout)) == SAID
    assert a_shop.house.check() == []


def test_the_javascript_client_in_a_browser(served: str, a_shop: Shop, browser: Browser) -> None:
    """The same file, loaded as a module by a page of the house's own address."""
    page = browser.new_page()
    page.route("**/pacte.js", lambda route: route.fulfill(path=MODULE, content_type="text/javascript"))
    page.route(
        "**/api-try.html", lambda route: route.fulfill(body="<!doctype html><title>t</title>", content_type="text/html")
    )
    page.goto(f"{served}/api-try.html")
    body = SCRIPT.replace("import { Client, Problem, Forged, readWebhook } from MODULE", "")
    body = body.replace("ARGUMENTS", json.dumps(arguments(a_shop, served)))
    load = "const { Client, Problem, Forged, readWebhook } = await import('/pacte.js');"
    said = page.evaluate(f"(async () => {{ {load} {body} return said }})()")
    page.close()
    assert compared(said) == SAID

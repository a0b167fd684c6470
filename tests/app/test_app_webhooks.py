"""Messages to other systems: what they hold, who believes them, and what becomes of them when nobody is there."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from pacte.app import posting, receivers, webhooks
from pacte.app.house import House, open_house
from pacte.app.jobs import HANDLERS
from pacte.app.settings import WebhookSettings
from pacte.app.stop import stop
from pacte.app.worker import _do
from pacte.kernel import db, jobs
from pacte.kernel.errors import NotFound
from pacte.kernel.instant import DAY, SECOND
from pacte.ledger import log
from pacte.testing.world import World, world
from tests.app.mail import certificate
from tests.app.receiver import Receiver, receiving, signed

HOUR = 3_600 * SECOND


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with receiving() as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, receiver: Receiver, records: Callable[[], str]) -> Iterator[World]:
    """A house with three people, that tells `crm` of everything."""
    found = world(tmp_path / "house", database=records())
    found.clock.forward(400)
    for _ in range(3):
        found.person()
    again = declare(found, receiver.url)
    yield World(again, found.clock, found.people)
    again.close()


def declare(found: World, url: str, name: str = "crm", **details: Any) -> House:
    """The house of a world, opened again with one more receiver in its settings."""
    lines = [f'name = "{name}"', f'url = "{url}"', *(f"{key} = {json.dumps(value)}" for key, value in details.items())]
    with (found.house.path / "settings.toml").open("a", encoding="utf-8") as settings:
        settings.write("\n[[webhooks]]\n" + "\n".join(lines) + "\n")
    found.house.close()
    return open_house(found.house.path, clock=found.clock)


def worked(home: World) -> Counter[str]:
    """Have a worker do the messages that are due; answers how they ended. (Other jobs may take their time.)"""
    worker, tally = jobs.new_worker(), Counter[str]()
    while True:
        with db.write(home.house.engine) as conn:
            claims = jobs.claim(conn, worker, home.clock(), {receivers.SEND}, 32)
        if not claims:
            return tally
        for claim in claims:
            tally[_do(home.house, claim)] += 1


def objects(home: World, place: int = 0) -> int:
    """Somebody objects; answers the ledger index."""
    return home.house.choose(home.people[place], "similar_offers", "objected", channel="email").index


def hooks(home: World, state: str = "") -> list[jobs.Job]:
    """The jobs that send messages."""
    with home.house.reading() as conn:
        return [job for job in jobs.listed(conn, state) if job.kind == receivers.SEND]


def test_a_message_says_what_happened_and_never_who(home: World, receiver: Receiver) -> None:
    """Event, purpose, entry, and a pseudonym of this receiver's own; signed, so that the receiver can believe it."""
    index = objects(home)
    (job,) = hooks(home)
    assert (job.entry, job.target, job.about) == (index, "crm", None)
    worked(home)
    ((headers, body),) = receiver.taken
    with home.house.reading() as conn:
        entry = log.entry(conn, index)
    assert json.loads(body) == {
        "type": "choice.withdrawn",
        "timestamp": json.loads(body)["timestamp"],
        "data": {
            "entry": index,
            "purpose": "similar_offers",
            "act": "objected",
            "channel": "email",
            "subject": webhooks.name_of(home.house, home.house.settings.webhooks[0], home.people[0]),
        },
    }
    assert entry is not None
    assert home.people[0] not in body.decode()
    assert signed(webhooks.secret(home.house, "crm"), headers, body)
    assert not signed(webhooks.secret(home.house, "crm"), headers, body.replace(b"email", b"phone"))
    assert headers["content-type"] == "application/json"
    assert hooks(home) == []
    assert home.house.check() == []


def test_each_receiver_has_its_own_name_for_a_person(home: World) -> None:
    """Two receivers cannot join what they hear; one that is renamed or given a new key is told so by its secret."""
    one, other = (WebhookSettings(name=name, url="https://receiver.example/") for name in ("crm", "mailer"))
    names = {webhooks.name_of(home.house, receiver, home.people[0]) for receiver in (one, other)}
    assert len(names) == 2
    assert len({webhooks.name_of(home.house, one, person) for person in home.people}) == 3


def test_every_event_is_told(home: World, receiver: Receiver) -> None:
    """A yes, a no, an erasure's beginning and end, a stop and its end; loads and looks are nobody's business."""
    home.house.choose(home.people[0], "similar_offers", "objected")
    home.house.choose(home.people[0], "similar_offers", "objection_lifted")
    stop(home.house, "statistics", "committee")
    stop(home.house, "statistics", "committee", lift=True)
    home.house.erase(home.people[1])
    worked(home)
    assert [one["type"] for one in sorted(receiver.messages, key=lambda one: one["data"]["entry"])] == [
        "choice.withdrawn",
        "choice.recorded",
        "stop.begun",
        "stop.lifted",
        "erasure.begun",
        "erasure.done",
    ]
    assert {one["data"].get("purpose") for one in receiver.messages} == {"similar_offers", "statistics", None}


def test_a_receiver_hears_what_it_asked_for(home: World, receiver: Receiver) -> None:
    """Its events and its purposes only; what is about all purposes, it hears too."""
    home.house = declare(
        home, receiver.url, "mailer", events=["choice.withdrawn", "stop.begun"], purposes=["newsletter"]
    )
    objects(home)
    home.house.choose(home.people[1], "newsletter", "withdrawn")
    home.house.choose(home.people[2], "*", "withdrawn")
    stop(home.house, "*", "incident")
    stop(home.house, "*", "incident", lift=True)
    told = [job.entry for job in hooks(home) if job.target == "mailer"]
    with home.house.reading() as conn:
        entries = [log.entry(conn, int(index or 0)) for index in told]
    assert [entry.get("purpose", entry.get("scope")) for entry in entries if entry] == ["newsletter", "*", "*"]


def test_a_notice_that_is_published_is_told(home: World, receiver: Receiver) -> None:
    """With its fingerprint and the purposes that it tells of, so that whoever draws their own form draws it anew."""
    policy = home.house.path / "policy.yaml"
    text = policy.read_text(encoding="utf-8")
    block = (
        "\n  till-2026:\n    locale: en\n    version: '9'\n    effective: 2026-01-01\n"
        "    tells: {newsletter: [contact]}\n    text: We write to you.\n"
    )
    policy.write_text(text.replace("\nnotices:\n", f"\nnotices:\n{block}", 1), encoding="utf-8")
    home.house.publish("owner")
    worked(home)
    (message,) = receiver.messages
    assert message["type"] == "notice.published"
    assert message["data"]["purposes"] == ["newsletter"]


def test_a_receiver_that_is_down_for_an_hour_misses_nothing(home: World, receiver: Receiver) -> None:
    """It is tried again, ever more seldom, with the same name and a fresh time; nothing is lost, nothing is dead."""
    receiver.status = 500
    indices = [objects(home, place) for place in range(3)]
    began = home.clock()
    while home.clock() - began < HOUR:
        worked(home)
        home.clock.now += 60 * SECOND  # type: ignore[operator, assignment] # a minute later
    tried = len(receiver.taken)
    assert 5 <= tried <= 20
    assert len(hooks(home)) == 3
    assert receivers.declared(home.house)[0].error == "answered_500"
    receiver.status = 204
    home.clock.now += HOUR  # type: ignore[operator, assignment] # the longest rest
    worked(home)
    came = receiver.taken[tried:]
    assert [json.loads(body)["data"]["entry"] for _, body in came] == indices
    names = {json.loads(body)["data"]["entry"]: headers["webhook-id"] for headers, body in receiver.taken}
    assert all(names[json.loads(body)["data"]["entry"]] == headers["webhook-id"] for headers, body in receiver.taken)
    assert int(came[0][0]["webhook-timestamp"]) == home.clock() // SECOND
    assert (hooks(home), receivers.declared(home.house)[0].failures) == ([], 0)
    assert home.house.check() == []


def test_a_dead_receiver_holds_up_nobody(home: World, receiver: Receiver) -> None:
    """While one rests, the messages to another go out; of many to the dead one a single one is tried."""
    with receiving(status=503) as broken:
        home.house = declare(home, broken.url, "broken")
        for place in range(3):
            objects(home, place)
        report = worked(home)
        assert (len(broken.taken), len(receiver.taken)) == (1, 3)
        assert report == {"done": 3, "failed": 1, "put_off": 2}


def test_after_three_days_a_message_is_dead_until_somebody_sends_it_again(home: World, receiver: Receiver) -> None:
    """It stays in sight; sent again it goes out under its old name."""
    receiver.status = 500
    index = objects(home)
    for _ in range(80):
        worked(home)
        home.clock.now += HOUR  # type: ignore[operator, assignment] # an hour later
    (job,) = receivers.dead(home.house)
    assert (job.entry, job.error) == (index, receivers.DEAD)
    tried = len(receiver.taken)
    home.clock.forward(2)
    worked(home)
    assert len(receiver.taken) == tried
    receiver.status = 204
    assert receivers.resend(home.house, "crm", [index]) == 1
    worked(home)
    assert receiver.taken[-1][0]["webhook-id"] == receiver.taken[0][0]["webhook-id"]
    assert receivers.dead(home.house) == []
    with pytest.raises(NotFound):
        receivers.resend(home.house)


def test_a_receiver_that_is_gone_is_asked_no_more(home: World, receiver: Receiver) -> None:
    """It said so itself (HTTP 410): the message waits for somebody at once."""
    receiver.status = 410
    objects(home)
    worked(home)
    assert [job.error for job in receivers.dead(home.house, "crm")] == [receivers.GONE]


def test_a_redirect_is_not_followed(home: World) -> None:
    """Not to this machine, not to anywhere."""
    with receiving() as trap, receiving(status=307, location="") as sly:
        sly.location = trap.url
        home.house = declare(home, sly.url, "sly", events=["choice.withdrawn"])
        objects(home)
        worked(home)
        assert (len(sly.taken), trap.taken) == (1, [])
        assert [one.error for one in receivers.declared(home.house)] == ["", "redirected"]


@pytest.mark.parametrize("how", [{"delay": 5.0}, {"drips": True}])
def test_a_slow_receiver_is_cut_off(home: World, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]) -> None:
    """Whether it says nothing or a byte at a time, an attempt ends when its time is over."""
    monkeypatch.setattr(posting, "SECONDS", 0.6)
    with receiving(**how) as slow:
        home.house = declare(home, slow.url, "slow")
        objects(home)
        began = time.monotonic()
        worked(home)
        assert time.monotonic() - began < 4
        assert receivers.declared(home.house)[1].error in ("slow", "unreachable")


def test_an_authority_of_the_company_is_believed_where_it_is_named_and_no_other(home: World, tmp_path: Path) -> None:
    """A receiver with a certificate of the company's own: refused, believed with `ca`, refused with another one's."""
    (other := tmp_path / "other").mkdir()
    mine, foreign = certificate(tmp_path), certificate(other)
    (home.house.path / "ours.pem").write_bytes(mine.read_bytes())
    files = {"none": "", "inside": "ours.pem", "whole": str(mine), "foreign": str(foreign), "missing": "gone.pem"}
    with receiving(certificate=mine) as inside:
        for name, file in files.items():
            details = {"ca": file} if file else {}
            home.house = declare(home, inside.url, name, events=["choice.withdrawn"], private=True, **details)
        objects(home)
        worked(home)
        errors = {one.name: one.error for one in receivers.declared(home.house)}
    distrusted = {"none": "certificate", "foreign": "certificate", "missing": "ca_file"}
    assert errors == {"crm": "", "inside": "", "whole": "", **distrusted}
    assert len(inside.taken) == 2


def test_an_answer_without_end_is_not_read(home: World) -> None:
    """Only the status is: whatever follows costs nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def flood() -> None:
            there, _ = server.accept()
            with there:
                there.recv(65_536)
                there.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                try:
                    for _ in range(1_000):
                        there.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        home.house = declare(home, f"http://127.0.0.1:{port}/", "flood")
        objects(home)
        worked(home)
        assert receivers.declared(home.house)[1].last_answer == home.clock()
        thread.join(5)


def test_whoever_asks_for_pseudonyms_leaves_a_look(home: World) -> None:
    """A look at each person who is known, once; nothing about anybody who is not."""
    receiver = home.house.settings.webhooks[0]
    one, other = home.people[:2]
    before = home.size
    found = webhooks.pseudonyms(
        home.house, receiver, [one, "email:nobody@nowhere.example", one, other, "0" * 32], "api:1"
    )
    assert found[0] == found[2] == webhooks.name_of(home.house, receiver, one)
    assert found[3] == webhooks.name_of(home.house, receiver, other)
    assert (found[1], found[4]) == (None, None)
    with home.house.reading() as conn:
        looks = [entry for _, entry in log.of_kind(conn, "look")]
    assert sorted(entry["subject"] for entry in looks) == sorted([one, other])
    assert {(entry["reason"], entry["by"]) for entry in looks} == {("pseudonym", "api:1")}
    assert webhooks.pseudonyms(home.house, receiver, ["key:nobody"], "api:1") == [None]
    assert home.size == before + 2
    assert home.house.check() == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.7",
        "127.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 # an address to refuse, not one to listen on
        "224.0.0.1",
        "::1",
        "::ffff:10.0.0.7",
        "fe80::1",
        "fd00::1",
        "64:ff9b::a00:7",
        "2002:a00:7::1",
        "fec0::1",
        "192.88.99.1",
        "168.63.129.16",
        "::ffff:168.63.129.16",
        "3fff::1",
    ],
)
def test_a_name_that_leads_into_the_house_is_refused(
    home: World, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Whatever a public name resolves to is looked at, and that very address is the one connected to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (address, 443))])
    connected: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda where, **_: connected.append(where))
    receiver = WebhookSettings(name="sly", url="https://receiver.example/hooks")
    with pytest.raises(posting.Forbidden):
        posting.post(receiver, b"{}", {})
    assert connected == []


def test_a_public_address_is_allowed() -> None:
    """And a private one by the owner's own word only."""
    assert posting.allowed("93.184.215.14", "receiver.example")
    assert posting.allowed("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "receiver.example")
    assert posting.allowed("127.0.0.1", "localhost")
    assert not posting.allowed("93.184.215.14", "localhost")


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/",
        "https://name:word@receiver.example/",
        "ftp://receiver.example/",
        "file:///etc/passwd",
        "https://",
        "http://127.0.0.1.receiver.example/",
        "http://localhost@receiver.example/",
        "https://receiver.example/#x",
    ],
)
def test_an_address_that_could_leak_is_no_setting(url: str) -> None:
    """In the clear over a network, with a password in it, or of another kind."""
    with pytest.raises(ValidationError):
        WebhookSettings(name="crm", url=url)


def test_a_key_pair_signs_for_whoever_may_not_share_a_secret(home: World, receiver: Receiver) -> None:
    """The receiver holds a public key only (v1a); a new version of the receiver is a new key."""
    home.house = declare(home, receiver.url, "watcher", signature="v1a")
    objects(home)
    worked(home)
    headers, body = next(one for one in receiver.taken if one[0]["webhook-signature"].startswith("v1a,"))
    public = base64.b64decode(webhooks.secret(home.house, "watcher").removeprefix("whpk_"))
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = base64.b64decode(headers["webhook-signature"].removeprefix("v1a,"))
    Ed25519PublicKey.from_public_bytes(public).verify(signature, said)
    later = WebhookSettings(name="crm", url=receiver.url, version=2)
    assert webhooks._shared(home.house, later) != webhooks._shared(home.house, home.house.settings.webhooks[0])


def test_the_message_commits_with_what_it_tells_of(home: World) -> None:
    """What is not recorded is told to nobody; what is, is."""
    with pytest.raises(NotFound):
        home.house.choose("0" * 32, "similar_offers", "objected")
    assert hooks(home) == []
    objects(home)
    with db.read(home.house.engine) as conn:
        rows = str(db.fetch(conn, "SELECT * FROM job WHERE kind = 'webhook'"))
    assert home.people[0] not in rows


def test_a_receiver_that_is_declared_no_more_waits_for_somebody(home: World, tmp_path: Path) -> None:
    """Its messages stay in sight, and go nowhere."""
    objects(home)
    settings = home.house.path / "settings.toml"
    settings.write_text(settings.read_text(encoding="utf-8").partition("\n[[webhooks]]")[0], encoding="utf-8")
    home.house.close()
    home.house = open_house(home.house.path, clock=home.clock)
    worked(home)
    assert [(job.state, job.error) for job in hooks(home)] == [(jobs.WAITING, "no_receiver")]


def test_the_worker_knows_the_job() -> None:
    """A handler is there for it."""
    assert receivers.SEND in HANDLERS
    assert receivers.GIVEN_UP > receivers.LATE >= DAY

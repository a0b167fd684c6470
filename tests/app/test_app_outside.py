"""A house in other people's eyes: stamped, cosigned, served; and never kept from recording by any of them."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pacte.app import outside
from pacte.app.house import House, create, open_house
from pacte.app.reading import export
from pacte.app.serving import server
from pacte.app.settings import TimestampSettings, WitnessSettings
from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe
from pacte.ledger import asking, log, merkle, tiles, witness
from pacte.ledger.checkpoint import open_checkpoint
from pacte.ledger.note import parse_vkey
from pacte.verifier import verify_bytes
from tests.ledger.authority import Authority, reply, served
from tests.ledger.keeper import Witness

STOP = {"kind": "stop", "role": "controller", "by": "cli", "scope": "*", "effective": 1, "reason": "test"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with create(tmp_path / "house") as made:
        yield made
        assert made.check() == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "ec")


@pytest.fixture
def address() -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler, bytes], None]], str]]:
    """Serves what is given for the rest of the test; gives its address."""
    with ExitStack() as stack:
        yield lambda respond: stack.enter_context(served(respond))


def grow(house: House, count: int = 1) -> int:
    """Let the ledger grow; returns its size."""
    with house.writing() as conn:
        house.record(conn, [STOP] * count, house.clock())
        return log.head(conn).size


def with_authority(house: House, url: str, authority: Authority) -> House:
    """The same house with these settings; both write the same anchors."""
    return set_up(house, timestamps=TimestampSettings(authority=url, ca=str(authority.ca)))


def set_up(house: House, **settings: object) -> House:
    return replace(house, settings=house.settings.model_copy(update=settings))


def test_the_settings_are_read_from_the_file(house: House) -> None:
    """Both tables of settings.toml, and their faults, by name."""
    text = (house.path / "settings.toml").read_text()
    more = '[timestamps]\nauthority = "https://tsa.example/"\nca = "ca.pem"\n[[witnesses]]\nurl = "u"\nkey = "k"\n'
    (house.path / "settings.toml").write_text(text + more)
    with open_house(house.path) as again:
        assert again.settings.timestamps == TimestampSettings(authority="https://tsa.example/", ca="ca.pem")
        assert again.settings.witnesses == (WitnessSettings(url="u", key="k"),)
    (house.path / "settings.toml").write_text(text + more.replace("ca =", "root ="))
    with pytest.raises(BadInput, match=r"timestamps\.root"):
        open_house(house.path)
    (house.path / "settings.toml").write_text(text)
    for verb in (outside.stamp, outside.stamps, outside.ask_witnesses):
        with pytest.raises(BadInput, match=r"settings\.toml"):
            verb(house)


def test_stamping_a_house(house: House, authority: Authority, address: Callable[..., str]) -> None:
    """Each checkpoint is stamped once; the list checks tokens and ledger; the ledger grows meanwhile."""
    shop = with_authority(house, address(authority.respond), authority)
    first, before = outside.stamp(shop)
    assert (before, first.size, first.problem) == (False, 1, "")
    assert first.path.is_relative_to(house.path / "timestamps")
    asked = authority.asked
    assert outside.stamp(shop) == (first, True)
    assert authority.asked == asked
    size = grow(house, 5)
    second, _ = outside.stamp(shop)
    assert [one.size for one in outside.stamps(shop)] == [1, size]
    assert outside.stamps(shop) == [first, second]


def test_a_stamp_of_another_history(
    house: House, authority: Authority, address: Callable[..., str], tmp_path: Path
) -> None:
    """A token for a checkpoint of another ledger is listed with what is wrong; the others are still checked."""
    shop = with_authority(house, address(authority.respond), authority)
    outside.stamp(shop)
    with create(tmp_path / "other", origin=house.settings.origin) as other:
        grow(other, 3)
        outside.stamp(with_authority(other, shop.settings.timestamps.authority, authority))
        for path in (other.path / "timestamps").iterdir():
            path.rename(house.path / "timestamps" / path.name)
    good, bad = outside.stamps(shop)
    assert good.problem == ""
    assert "does not verify" in bad.problem or "without a signature" in bad.problem
    token = house.path / "timestamps" / good.path.name
    token.write_bytes(token.read_bytes()[:-1] + b"\0")
    assert all(one.problem for one in outside.stamps(shop))


RECORDED = threading.Event()
"""Set once the house has recorded what it was to record; whoever is slow outside is silent until then."""


def _silent() -> None:
    RECORDED.wait(90)


def failing() -> dict[str, Callable[[BaseHTTPRequestHandler, bytes], None]]:
    """Ways for somebody outside to fail."""
    return {
        "slow": lambda *_: _silent(),
        "garbage": lambda handler, _: reply(handler, 200, "text/html", b"<html></html>"),
        "down": lambda handler, _: reply(handler, 503, "text/html", b""),
    }


def standing(house: House) -> list[Path]:
    """The files of a house, but for SQLite's own."""
    return sorted(path for path in house.path.rglob("*") if "records.db" not in path.name)


@pytest.mark.parametrize("how", failing())
def test_whoever_fails_keeps_nothing_from_being_recorded(
    house: House, authority: Authority, address: Callable[..., str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """While an authority and a witness are asked and do not answer well, the ledger grows; nothing is kept of them."""
    monkeypatch.setattr(asking.ask, "__kwdefaults__", {"patience": 60.0})
    asked, answer = threading.Event(), failing()[how]

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        asked.set()
        answer(handler, body)

    url, before = address(respond), standing(house)
    shop = with_authority(house, url, authority)
    verbs = [lambda: outside.stamp(shop), lambda: outside.ask_witness(house, url, Witness(house.vkey).vkey())]
    for verb in verbs:
        asked.clear()
        RECORDED.clear()
        errors: list[PacteError] = []

        def attempt(verb: Callable[[], object] = verb, errors: list[PacteError] = errors) -> None:
            try:
                verb()
            except PacteError as error:
                errors.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        assert asked.wait(60)
        size = grow(house)
        assert how != "slow" or thread.is_alive(), "recording waited for somebody outside"
        RECORDED.set()
        thread.join(60)
        assert len(errors) == 1
        with house.reading() as conn:
            assert log.head(conn).size == size
    assert standing(house) == before


def test_a_witness_of_a_house(house: House, address: Callable[..., str]) -> None:
    """Cosignatures follow the ledger; a witness known from elsewhere says where it stands; all are kept and served."""
    keeper = Witness(house.vkey)
    url = address(keeper.respond)
    assert outside.ask_witness(house, url, keeper.vkey()).size == 1
    grow(house, 300)
    first = outside.ask_witness(house, url, keeper.vkey())
    assert (first.size, first.name) == (301, keeper.name)
    for path in (house.path / "witnesses").iterdir():
        path.unlink()
    size = grow(house, 10)
    found = outside.ask_witness(house, url, keeper.vkey())
    assert (found.size, keeper.asked) == (size, [0, 1, 0, 301])
    published = outside.published(house)
    key = witness.parse_witness_key(keeper.vkey())
    assert [one.name for one in witness.cosignatures(published, [key], house.clock())] == [keeper.name]
    assert open_checkpoint(published, parse_vkey(house.vkey)).size == size
    exported = house.path / "export.jsonl"
    export(house, exported)
    for note, good in ((published, True), (published.replace(f"\n{size}\n", f"\n{size - 1}\n", 1), False)):
        assert verify_bytes(exported.read_bytes(), checkpoints=[note]).ok is good
    grow(house)
    assert witness.cosignatures(outside.published(house), [key], house.clock()) == []


def test_one_witness_that_fails_keeps_none_of_the_others(house: House, address: Callable[..., str]) -> None:
    """Of the witnesses of the settings, each is asked and each failure is said."""
    good, stranger = Witness(house.vkey), Witness("other+00000000+AAAA", name="witness.example/w2")
    known = [WitnessSettings(url=address(keeper.respond), key=keeper.vkey()) for keeper in (stranger, good)] + [
        WitnessSettings(url="ftp://x/", key=good.vkey())
    ]
    first, second, third = outside.ask_witnesses(set_up(house, witnesses=tuple(known)))
    assert isinstance(first, BadInput)
    assert isinstance(second, outside.Witnessing)
    assert isinstance(third, BadInput)


def test_a_witness_that_saw_more_than_there_is(house: House, address: Callable[..., str]) -> None:
    """A ledger restored behind a witness's back is found by the witness: larger, or another history."""
    keeper = Witness(house.vkey)
    url = address(keeper.respond)
    grow(house, 9)
    keeper.seen = (50, b"x" * 32)
    with pytest.raises(Unsafe, match="has seen 50 entries of this ledger, which holds 10"):
        outside.ask_witness(house, url, keeper.vkey())
    keeper.seen = (5, b"x" * 32)
    with pytest.raises(Unsafe, match="has seen another history of this ledger, up to 5 entries"):
        outside.ask_witness(house, url, keeper.vkey())


def test_a_witness_that_is_never_content(house: House, address: Callable[..., str]) -> None:
    """One that names another size each time is given up."""
    sizes = iter(range(100))

    def respond(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        reply(handler, 409, "text/x.tlog.size", f"{next(sizes)}\n".encode())

    grow(house, 9)
    with pytest.raises(Conflict, match="asked by somebody else"):
        outside.ask_witness(house, address(respond), Witness(house.vkey).vkey())
    assert next(sizes) == 3


@pytest.fixture
def get(house: House) -> Iterator[Callable[..., tuple[int, dict[str, str], bytes]]]:
    """Ask the house's server."""
    with server(house) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", serving.server_address[1], timeout=60)

        def ask(path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

        yield ask
        connection.close()
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize("body", ["Content-Length: 41", "Transfer-Encoding: chunked", "content-length:\t41"])
def test_a_request_with_a_body_is_answered_once(house: House, body: str) -> None:
    """What follows a GET is not read as another request: behind a proxy it could be somebody else's."""
    second = "GET /tile/0/000.p/1 HTTP/1.1\r\nHost: b\r\n\r\n"
    with server(house) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        with socket.create_connection(("127.0.0.1", serving.server_address[1]), timeout=60) as asking_:
            asking_.sendall(f"GET /checkpoint HTTP/1.1\r\nHost: a\r\n{body}\r\n\r\n{second}".encode())
            answer = b""
            with suppress(ConnectionResetError):
                while read := asking_.recv(65_536):
                    answer += read
        serving.shutdown()
        thread.join()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer


def test_a_client_that_goes_away_is_not_spoken_of(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither its address nor a traceback appears anywhere; the next one is answered."""
    with server(house) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        where = ("127.0.0.1", serving.server_address[1])
        for _ in range(5):
            with socket.create_connection(where, timeout=60) as gone:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                gone.sendall(b"GET /checkpoint HTTP/1.1\r\nHost: a\r\n\r\n" * 200)
        time.sleep(0.3)
        connection = http.client.HTTPConnection(*where, timeout=60)
        connection.request("GET", "/checkpoint")
        assert connection.getresponse().status == 200
        connection.close()
        serving.shutdown()
        thread.join()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["300.1.1.1", "no such host", "a" * 70])
def test_an_address_where_nothing_can_listen(house: House, address: str) -> None:
    """It is said in one sentence."""
    with pytest.raises(BadInput, match="address"):
        server(house, address)


def test_tiles_hold_the_tree(house: House, get: Callable[..., tuple[int, dict[str, str], bytes]]) -> None:
    """All hashes of the tree, tile by tile, are those from which its root follows; nothing is served beyond its end."""
    size = grow(house, 699)
    assert size == 700
    status, headers, note = get("/checkpoint")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert open_checkpoint(note.decode(), parse_vkey(house.vkey)).size == size
    paths = ["/tile/0/000", "/tile/0/001", "/tile/0/002.p/188", "/tile/1/000.p/2"]
    rows = {path: get(path) for path in paths}
    assert {status for status, _, _ in rows.values()} == {200}
    assert all("immutable" in headers["Cache-Control"] for _, headers, _ in rows.values())
    leaves = b"".join(rows[path][2] for path in paths[:3])
    hashes = [leaves[start : start + 32] for start in range(0, len(leaves), 32)]
    with house.reading() as conn:
        assert hashes == [merkle.leaf_hash(log.leaf(conn, index)) for index in range(size)]
    assert rows[paths[3]][2] == fold(hashes[:256], 8)[0] + fold(hashes[256:512], 8)[0]
    assert get("/tile/0/002.p/1")[2] == hashes[512]


def fold(row: list[bytes], level: int) -> list[bytes]:
    """The row of the tree `level` levels above `row`."""
    for _ in range(level):
        row = [merkle.node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return row


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/checkpoint/",
            "/checkpoint?x",
            "/tile/",
            "/tile/0/0",
            "/tile/0/0000",
            "/tile/00/000",
            "/tile/0/x000/000",
        ),
        *(
            "/tile/0/000.p/0",
            "/tile/0/000.p/256",
            "/tile/0/000.p/300",
            "/tile/0/000.p/01",
            "/tile/0/-01",
            "/tile/64/000",
        ),
        *("/tile/0/001", "/tile/0/000.p/12", "/tile/1/000.p/1", "/tile/0/000/", "/tile/entries/000"),
        *(
            "/../settings.toml",
            "/tile/0/" + "x999/" * 40 + "999",
            "/tile/9/x999/x999/999",
        ),
    ],
)
def test_paths_that_are_not_served(
    house: House, get: Callable[..., tuple[int, dict[str, str], bytes]], path: str
) -> None:
    """Whatever is no tile of this log, or another spelling of one, is not there; entries never are."""
    grow(house, 10)
    assert get(path)[0] == 404
    assert get("/tile/0/000.p/11")[0] == 200


def test_only_reading(house: House, get: Callable[..., tuple[int, dict[str, str], bytes]]) -> None:
    """HEAD answers without a body; other methods do not exist."""
    status, headers, body = get("/checkpoint", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == len(outside.published(house).encode())
    assert get("/checkpoint", "POST")[0] == 501


def test_tiles_have_one_spelling() -> None:
    """Large indices are written in groups of three digits, as the specification's example shows."""
    assert tiles.Tile(2, 1_234_067).path == "/tile/2/x001/x234/067"
    for tile in (tiles.Tile(0, 0), tiles.Tile(1, 999, 7), tiles.Tile(3, 1_000), tiles.Tile(63, 1_234_067, 255)):
        assert tiles.parse_path(tile.path) == tile


def test_opening_beside_a_house_at_work(house: House) -> None:
    """A process that opens a house while another records and anchors never takes that for a rollback."""
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            grow(house)
            house.anchoring.flush()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(30):
            open_house(house.path).close()
    finally:
        done.set()
        worker.join()


def test_the_doctor_waits_for_the_anchor_of_another_process(house: House) -> None:
    """An anchor that a process at work still owes is no finding; one that nobody owes is."""
    from pacte.app.doctor import examine

    with open_house(house.path) as other:
        grow(other)
        grow(other)
        assert "anchors_behind" not in {finding.code for finding in examine(house)}
    house.anchor_file.write_bytes(b"")
    assert "anchors_behind" in {finding.code for finding in examine(house)}

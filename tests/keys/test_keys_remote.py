"""A key service in another process: it dies, comes back, lies, talks nonsense, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pacte.kernel.errors import BadInput, Conflict, Unsafe
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import Instant
from pacte.keys import wire
from pacte.keys.keyfile import FileKeyService
from pacte.keys.remote import SocketKeyService
from pacte.keys.store import KeyGone, KeyStore, open_keystore
from pacte.testing.keyserver import KeyServer

T0 = Instant(1_700_000_000_000_000)
T1 = Instant(T0 + 1_000_000)


def people(count: int) -> list[SubjectId]:
    return [new_subject_id() for _ in range(count)]


def opened(served: KeyServer, create: bool = False) -> KeyStore:
    return open_keystore(served.base / "store", SocketKeyService(served.socket), create=create)


@pytest.fixture
def store(served: KeyServer) -> Iterator[KeyStore]:
    store = opened(served, create=True)
    yield store
    store.close()


def test_keys_are_wrapped_and_opened_in_another_process(store: KeyStore, served: KeyServer) -> None:
    """Ten thousand people's keys come back as they were drawn; the house's folder holds no key-encryption key."""
    ids = people(10_000)
    store.create_subject_keys(ids)
    drawn = store.data_keys(ids)
    again = opened(served)
    assert again.data_keys(ids) == drawn
    assert again.house_key("log-signing") == store.house_key("log-signing")
    assert sorted(path.name for path in (served.base / "store").iterdir() if path.suffix == ".json") == []
    assert served.socket.stat().st_mode & 0o777 == 0o600
    again.close()


def test_rotation_and_its_end_happen_in_the_service(store: KeyStore) -> None:
    """Versions begin and end there; keys are wrapped again without a byte of data, and open as before."""
    ids = people(50)
    store.create_subject_keys(ids)
    before = store.data_keys(ids)
    store.shred(ids[0], "data", T0)
    assert store.rotate(T0) == 2
    assert store.status().under == {1: 0, 2: 100}
    assert [t.name for t in store.destroy_version(1, T1)] == [ids[0]]
    assert store.data_keys(ids[1:]) == {subject: key for subject, key in before.items() if subject != ids[0]}
    assert store.unopened() == 0
    with pytest.raises(Conflict, match="still wrapped under version 2"):
        store.destroy_version(2, T1)


def test_a_killed_service_fails_closed_and_a_restarted_one_is_found_again(store: KeyStore, served: KeyServer) -> None:
    """After `kill -9` every verb says what to do; once the service answers again the same store goes on."""
    ids = people(5)
    store.create_subject_keys(ids)
    before = store.data_keys(ids)
    served.kill()
    for verb in (
        lambda: store.data_keys(ids),
        lambda: store.create_subject_keys(people(2)),
        lambda: store.rotate(T0),
        lambda: store.house_key("new"),
    ):
        with pytest.raises(Unsafe, match=r"start it again \(`pacte keys serve`\)"):
            verb()
    with pytest.raises(Unsafe, match="cannot be reached"):
        opened(served)
    served.start()
    assert store.data_keys(ids) == before
    store.create_subject_keys(people(2))
    assert store.status().under == {1: 15}


def test_shredding_does_not_wait_for_a_dead_service(store: KeyStore, served: KeyServer) -> None:
    """A key can be destroyed while the service is away: nothing has to be opened for it."""
    ids = people(3)
    store.create_subject_keys(ids)
    served.kill()
    with pytest.raises(Unsafe, match="start it again"):
        store.data_key(ids[0])
    store.shred_many(ids[:2], "data", T0)
    assert [tombstone.epoch for tombstone in store.tombstones()] == [1, 1]
    served.start()
    with pytest.raises(KeyGone):
        store.data_key(ids[0])
    assert len(store.data_keys(ids)) == 1


LOAD = """
import sys
from pathlib import Path
from pacte.kernel.ids import new_subject_id
from pacte.keys.remote import SocketKeyService
from pacte.keys.store import open_keystore
base = Path(sys.argv[1])
store = open_keystore(base / "store", SocketKeyService(base / "keys.sock"))
while True:
    batch = [new_subject_id() for _ in range(500)]
    store.create_subject_keys(batch)
    print(" ".join(batch), flush=True)
"""


def test_a_service_killed_in_the_middle_of_a_load_loses_nobody(store: KeyStore, served: KeyServer) -> None:
    """Everybody whose keys were said to be there has them; whoever was not, has none; the load ends with a message."""
    command = [sys.executable, "-c", LOAD, str(served.base)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None
        assert load.stderr is not None
        lines = [load.stdout.readline() for _ in range(3)]
        os.kill(served.pid, signal.SIGKILL)
        lines += load.stdout.readlines()
        error = load.stderr.read()
    assert "start it again" in error
    known = [SubjectId(word) for line in lines for word in line.split()]
    served.stop()
    served.start()
    assert len(store.data_keys(known)) == len(known) == 500 * len(lines)
    assert store.status().under == {1: 2 * len(known) + 1}
    assert store.unopened() == 0


def test_the_service_of_another_house_is_recognised(store: KeyStore, served: KeyServer, tmp_path: Path) -> None:
    """With another house's keys behind the socket nothing is wrapped, nothing opened, and nothing lost."""
    ids = people(3)
    store.create_subject_keys(ids)
    before = store.data_keys(ids)
    served.stop()
    served.start(tmp_path / "another")
    with pytest.raises(Unsafe, match="another house"):
        store.create_subject_keys(people(1))
    with pytest.raises(Unsafe, match="another house"):
        store.data_keys(ids)
    with pytest.raises(Unsafe, match="another house"):
        store.rotate(T0)
    with pytest.raises(Unsafe, match="another house"):
        opened(served)
    served.stop()
    served.start()
    assert store.data_keys(ids) == before
    assert store.status().under == {1: 7}


def test_a_rotation_whose_service_dies_goes_on_later(
    store: KeyStore, served: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two batches: keys of both versions open, and asking again ends it under the same version."""
    ids = people(300)
    store.create_subject_keys(ids)
    before = store.data_keys(ids)
    monkeypatch.setattr("pacte.keys.rotation.BATCH", 100)
    batches = iter(range(10))

    def killing(name: str) -> None:
        if name == "rotation-people" and next(batches) == 1:
            served.kill()

    with monkeypatch.context() as patch:
        patch.setattr("pacte.kernel.crash.point", killing)
        with pytest.raises(Unsafe, match="start it again"):
            store.rotate(T0)
    served.start()
    assert store.data_keys(ids) == before
    under = store.status().under
    assert under[1] > 0
    assert under[2] > 0
    assert store.rotate(T0) == 2
    assert store.status().under == {1: 0, 2: 601}
    assert store.data_keys(ids) == before


def well(asked: dict[str, object]) -> dict[str, object]:
    """What a service answers that understands the first question."""
    return {"protocol": 1, "version": 1, "held": [1], "destroyed": {}} if asked["op"] == "version" else {}


def echo(asked: dict[str, object]) -> object:
    return well(asked) or {"keys": asked["keys"]}


def lost(asked: dict[str, object]) -> object:
    """Well-formed keys that nobody can ever open."""
    keys = asked.get("keys", [])
    assert isinstance(keys, list)
    made = b64encode((1).to_bytes(4) + bytes(60)).decode() if asked["op"] == "wrap" else b64encode(bytes(32)).decode()
    return well(asked) or {"keys": [made] * len(keys)}


NONSENSE: dict[str, Callable[[dict[str, object]], object]] = {
    "not JSON": lambda _: b"\x00\xff\n",
    "not an object": lambda _: [1, 2],
    "nothing known": lambda _: {"hello": "world"},
    "another protocol": lambda _: {"protocol": 2, "version": 1, "held": [1], "destroyed": {}},
    "a version it does not hold": lambda _: {"protocol": 1, "version": 3, "held": [1], "destroyed": {}},
    "a version that is no number": lambda _: {"protocol": 1, "version": "1", "held": ["1"], "destroyed": {}},
    "an unheard-of error": lambda asked: well(asked) or {"error": {"a": 1}},
    "too few keys": lambda asked: well(asked) or {"keys": []},
    "keys that are no base64": lambda asked: well(asked) or {"keys": ["§"] * 2},
    "keys that are no list": lambda asked: well(asked) or {"keys": "AAAA"},
    "the plain keys themselves": echo,
    "keys that never open": lost,
    "an endless line": lambda asked: well(asked) or b"x" * (wire.MOST_BYTES + 10),
}


@contextmanager
def answering(path: Path, how: Callable[[dict[str, object]], object], mode: int = 0o600) -> Iterator[None]:
    """A process's thread that answers each line as `how` says."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(mode)
    listening.listen()

    def talk(line: socket.socket) -> None:
        with line, line.makefile("rwb") as stream:
            for asked in stream:
                found = how(json.loads(asked))
                stream.write(found if isinstance(found, bytes) else json.dumps(found).encode() + b"\n")
                stream.flush()

    def serve() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=_quietly, args=(talk, line), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        path.unlink()


def _quietly(talk: Callable[[socket.socket], None], line: socket.socket) -> None:
    try:
        talk(line)
    except OSError:
        return


@pytest.mark.parametrize("how", NONSENSE)
def test_what_does_not_speak_the_protocol_is_refused(tmp_path: Path, how: str) -> None:
    """Whatever answers in the service's place, no key is taken from it that could not be opened again."""
    refused = pytest.raises(Unsafe, match="does not speak the key service's protocol")
    with answering(tmp_path / "s", NONSENSE[how]), refused:
        SocketKeyService(tmp_path / "s").wrap_many([(b"k" * 32, b"a"), (b"l" * 32, b"b")])


def test_a_service_that_keeps_silent_is_given_up(tmp_path: Path) -> None:
    """A request ends after the time it is given, with what to do."""

    given_up = threading.Event()

    def slowly(asked: dict[str, object]) -> object:
        if asked["op"] != "version":
            given_up.wait(60)  # whoever waited for the answer would get it, and nothing would be raised
        return well(asked)

    with answering(tmp_path / "s", slowly):
        service = SocketKeyService(tmp_path / "s", wait=0.5)
        with pytest.raises(Unsafe, match=r"did not answer within 0\.5 seconds"):
            service.wrap(b"k" * 32, b"a")
        given_up.set()


def test_a_socket_that_others_may_reach_is_refused(tmp_path: Path) -> None:
    """Open to everybody, belonging to somebody else, no socket at all, not there: each says what to do."""
    with answering(tmp_path / "open", well, mode=0o666), pytest.raises(Unsafe, match="is open to other users"):
        SocketKeyService(tmp_path / "open")
    with answering(tmp_path / "foreign", well):
        os.chown(tmp_path / "foreign", 12345, 12345)
        with pytest.raises(Unsafe, match="belongs to another user"):
            SocketKeyService(tmp_path / "foreign")
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="which is no socket"):
        SocketKeyService(tmp_path / "file")
    with pytest.raises(Unsafe, match="is not there"):
        SocketKeyService(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="is not a user of this machine"):
        SocketKeyService(tmp_path / "nowhere", owner="nobody-of-that-name")


def test_two_services_do_not_share_a_socket(served: KeyServer) -> None:
    """A second service on a socket that answers is refused; one that was killed leaves its place."""
    command = [Path(sys.executable).with_name("pacte"), "keys", "serve", "--socket", str(served.socket), "--keys"]
    again = subprocess.run([*command, str(served.folder)], capture_output=True, text=True, check=False)
    assert again.returncode == 6
    assert "answers at" in again.stderr
    served.kill()
    assert served.socket.exists()
    served.start()
    assert SocketKeyService(served.socket).version == 1


def test_many_threads_share_one_service(store: KeyStore) -> None:
    """Threads that ask at once get their own answers."""
    ids = people(400)
    store.create_subject_keys(ids)
    expected = store.data_keys(ids)
    wrong: list[SubjectId] = []

    def ask(part: list[SubjectId]) -> None:
        wrong.extend(subject for subject in part if store.data_key(subject) != expected[subject])

    threads = [threading.Thread(target=ask, args=(ids[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_service_understands_nothing_but_its_protocol(served: KeyServer) -> None:
    """A request that is not understood gets an error and no key; the service goes on."""
    with socket.socket(socket.AF_UNIX) as line, line.makefile("rwb") as stream:
        line.connect(str(served.socket))
        for asked, error in (
            ({}, "bad_request"),
            ({"op": ["wrap"]}, "bad_request"),
            ({"op": "wrap", "keys": ["AAAA"], "places": []}, "bad_request"),
            ({"op": "unwrap", "keys": ["AAAA"], "places": ["AAAA"]}, "no_version"),
            ({"op": "unwrap", "keys": ["AAAAAQ=="], "places": ["AAAA"]}, "refused"),
            ({"op": "destroy", "version": 1}, "in_use"),
            ({"op": "destroy", "version": 7}, "no_version"),
            ({"op": "destroy", "version": True}, "bad_request"),
        ):
            stream.write(json.dumps(asked).encode() + b"\n")
            stream.flush()
            assert json.loads(stream.readline()) == {"error": error}
        stream.write(b"nonsense\n")
        stream.flush()
        assert json.loads(stream.readline()) == {"error": "bad_request"}
        assert stream.readline() == b""
    assert SocketKeyService(served.socket).version == 1


def test_the_key_file_of_a_service_opens_without_it(store: KeyStore, served: KeyServer) -> None:
    """The service writes the same file and wraps the same way as a house does alone: nobody is tied to it."""
    ids = people(3)
    store.create_subject_keys(ids)
    served.stop()
    alone = open_keystore(served.base / "store", FileKeyService(served.folder / "kek.json"))
    assert len(alone.data_keys(ids)) == 3
    alone.close()

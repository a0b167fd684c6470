"""`ledger stamp|stamps|witness|serve`, as their users meet them, in both languages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.app.house import open_house
from pacte.kernel.errors import VerificationFailed
from pacte.ledger import witness
from pacte.ledger.checkpoint import open_checkpoint
from pacte.ledger.note import parse_vkey
from tests.cli.conftest import Done, ok, pacte
from tests.ledger.authority import Authority, served
from tests.ledger.keeper import Witness


class Home:
    """A new house, and a way to run a command on it."""

    def __init__(self, house: Path) -> None:
        self.house = house

    def __call__(self, *arguments: str | Path) -> Done:
        return pacte(*arguments, "--house", self.house)


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Home]:
    ok("init", tmp_path / "house")
    yield Home(tmp_path / "house")
    with open_house(tmp_path / "house") as home:
        assert home.check() == []


def add_settings(house: Path, text: str) -> None:
    """Write more into the house's settings."""
    with (house / "settings.toml").open("a", encoding="utf-8") as file:
        file.write(text)


def test_stamping(mine: Home, tmp_path: Path, lang: str) -> None:
    """A checkpoint is stamped once, listed, and found wrong when its token was changed."""
    missing = mine("ledger", "stamp", "--json")
    assert missing.code == 2
    assert "`[timestamps]`" in missing.error["error"]
    authority = Authority(tmp_path / "tsa")
    with served(authority.respond) as url:
        (mine.house / "root.pem").write_bytes(authority.ca.read_bytes())
        add_settings(mine.house, f'\n[timestamps]\nauthority = "{url}"\nca = "root.pem"\n')
        assert mine("ledger", "stamps", "--lang", lang).out.count("`pacte ledger stamp`") == 1
        done = mine("ledger", "stamp", "--lang", lang)
        assert done.code == 0, done
        again = mine("ledger", "stamp", "--json")
    data = again.json
    assert data["before"] is True
    assert Path(data["token"]).read_bytes()
    assert "UTC" in done.out
    assert ("horodaté" if lang == "fr" else "time-stamped") in done.out
    listed = mine("ledger", "stamps", "--lang", lang)
    assert (listed.code, listed.out.startswith("✓ ")) == (0, True)
    Path(data["token"]).write_bytes(b"x")
    wrong = mine("ledger", "stamps", "--lang", lang)
    assert (wrong.code, wrong.out.startswith("✗ ")) == (7, True)
    [entry] = mine("ledger", "stamps", "--json").json
    assert "no time-stamp" in entry["problem"]


def test_an_authority_that_is_away(mine: Home, tmp_path: Path) -> None:
    """The command says it, ends with 6, and leaves no file behind."""
    authority = Authority(tmp_path / "tsa")
    with served(authority.respond) as url:
        pass
    add_settings(mine.house, f'\n[timestamps]\nauthority = "{url}"\nca = "{authority.ca}"\n')
    done = mine("ledger", "stamp")
    assert (done.code, done.out) == (6, "")
    assert "cannot be reached" in done.err
    assert not (mine.house / "timestamps").exists()


def test_witnessing(mine: Home, lang: str) -> None:
    """A witness named by hand, then by the settings; one that fails is said and ends with 1."""
    key = mine("ledger", "checkpoint", "--json").json["key"]
    keeper = Witness(key)
    with served(keeper.respond) as url:
        assert mine("ledger", "witness", url).code == 2
        first = mine("ledger", "witness", url, "--key", keeper.vkey(), "--lang", lang)
        assert first.code == 0, first
        assert keeper.name in first.out
        stranger = Witness("nobody.example+00000000+AAAA", name="stranger.example")
        settings = f'\n[[witnesses]]\nurl = "{url}"\nkey = "{keeper.vkey()}"\n'
        add_settings(mine.house, settings)
        assert mine("ledger", "witness").code == 0
        with served(stranger.respond) as elsewhere:
            add_settings(mine.house, f'\n[[witnesses]]\nurl = "{elsewhere}"\nkey = "{stranger.vkey()}"\n')
            both = mine("ledger", "witness", "--json")
    assert both.code == 1
    good, bad = both.json
    assert "does not know this log" in bad["error"]
    with open_house(mine.house) as home:
        note = Path(good["checkpoint"]).read_text()
        known = witness.parse_witness_key(keeper.vkey())
        assert [one.name for one in witness.cosignatures(note, [known], home.clock())] == [keeper.name]
        assert open_checkpoint(note, parse_vkey(home.vkey)).size == good["entries"]
        with pytest.raises(VerificationFailed):
            open_checkpoint(note.replace(f"\n{good['entries']}\n", "\n3\n"), parse_vkey(home.vkey))


def test_serving(mine: Home) -> None:
    """The server says where it listens, serves the checkpoint on the loopback, and ends well with Ctrl-C."""
    command = [
        sys.executable,
        "-c",
        "from pacte.cli.main import run; run()",
        "ledger",
        "serve",
        "--port",
        "0",
        "--json",
    ]
    environment = {**os.environ, "PACTE_HOUSE": str(mine.house), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(3))
        url = json.loads(said)["url"]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}checkpoint", timeout=60) as response:  # noqa: S310 # the server just started
            note = response.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert note == mine("ledger", "checkpoint").out

"""`pacte apikey` and `pacte webhooks`: keys are shown once, messages that nobody took stay in sight."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pacte.app import apikeys, receivers
from pacte.app.house import open_house
from pacte.kernel import db, jobs
from pacte.kernel.instant import Instant
from pacte.testing.world import world
from tests.cli.conftest import pacte as run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A house with one dead message to a receiver."""
    found = world(tmp_path / "house")
    with (found.house.path / "settings.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[[webhooks]]\nname = "crm"\nurl = "http://127.0.0.1:9/"\n')
    found.house.close()
    with open_house(tmp_path / "house") as house:
        job = jobs.Job(receivers.SEND, Instant(0), None, 1, "crm", Instant(receivers.LATE))
        with db.write(house.engine) as conn:
            jobs.add(conn, [job])
            db.run(conn, "UPDATE job SET state = 'waiting', error = 'dead' WHERE kind = 'webhook'")
    return tmp_path / "house"


def pacte(home: Path, *words: str, code: int = 0) -> str:
    """What a command says."""
    done = run(*words, "-H", home)
    assert done.code == code, done.err
    return done.out


def test_a_key_is_made_listed_and_revoked(home: Path, tmp_path: Path) -> None:
    """Shown once; a file that holds one is its owner's alone; the list holds no secret."""
    made = json.loads(pacte(home, "apikey", "new", "site", "--scope", "choices:write", "--purpose", "*", "--json"))
    assert made["secret"].startswith(f"pacte_{made['id']}_")
    file = tmp_path / "key.txt"
    said = pacte(
        home,
        "apikey",
        "new",
        "till",
        "--scope",
        "decisions:read",
        "--purpose",
        "newsletter",
        "--to",
        str(file),
        "--lang",
        "fr",
    )
    assert "pacte_" in said
    assert file.read_text(encoding="utf-8").strip() not in said
    assert file.stat().st_mode & 0o077 == 0
    with open_house(home) as house:
        assert apikeys.holder(house, file.read_text(encoding="utf-8").strip()) is not None
    listed = pacte(home, "apikey", "list", "--json")
    assert made["secret"].rpartition("_")[2] not in listed
    assert {key["label"] for key in json.loads(listed)} == {"site", "till"}
    pacte(home, "apikey", "revoke", made["id"][:8])
    pacte(home, "apikey", "revoke", made["id"][:8], code=6)
    assert "site" in pacte(home, "apikey", "list", "--lang", "fr")
    with open_house(home) as house:
        assert apikeys.holder(house, made["secret"]) is None
        assert house.check() == []


def test_a_mistake_is_told(home: Path) -> None:
    """An unknown scope, an unknown purpose, a name with a space."""
    for words in (["x", "--scope", "all", "--purpose", "*"], ["x", "--scope", "choices:write", "--purpose", "y"]):
        pacte(home, "apikey", "new", *words, code=2)


def test_dead_messages_are_shown_and_sent_again(home: Path) -> None:
    """In both languages, with what a receiver needs to check signatures."""
    assert json.loads(pacte(home, "webhooks", "list", "--json"))[0]["dead"] == 1
    for lang in ("en", "fr"):
        assert "crm" in pacte(home, "webhooks", "list", "--lang", lang)
        assert "crm" in pacte(home, "webhooks", "dead", "--lang", lang)
        assert "pacte webhooks dead" in pacte(home, "jobs", "--lang", lang)
    assert pacte(home, "webhooks", "secret", "crm").startswith("whsec_")
    pacte(home, "webhooks", "resend", "--to", "nobody", code=4)
    assert "1" in pacte(home, "webhooks", "resend", "--to", "crm", "--lang", "fr")
    assert json.loads(pacte(home, "webhooks", "dead", "--json")) == []
    pacte(home, "webhooks", "resend", code=4)

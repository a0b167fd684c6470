"""`pacte staff`: who may sign in, a link for whoever lost their telephone, links taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pacte.app import offers, relink
from pacte.app import staff as people
from pacte.app.house import open_house
from pacte.testing.world import world
from tests.cli.conftest import pacte as run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A house with an owner and nobody else."""
    found = world(tmp_path / "house")
    people.join(found.house, people.first_owner(found.house) or "", "olga@maison.test", "Olga Owner", "hash")
    found.house.close()
    return tmp_path / "house"


def pacte(home: Path, *words: str, code: int = 0) -> str:
    """What a command says."""
    done = run("staff", *words, "-H", home)
    assert done.code == code, done.err
    return done.out


def test_the_only_owner_gets_back_in(home: Path) -> None:
    """Without a name the one owner is meant; the link stands on a line of its own, and is taken back by its entry."""
    said = pacte(home, "relink")
    (url,) = [line for line in said.splitlines() if line.startswith("http")]
    assert url.startswith("http://127.0.0.1:8080/en/staff/anew/")
    found = json.loads(pacte(home, "list", "--json"))
    assert [(one["login"], one["role"]) for one in found["members"]] == [("olga@maison.test", "owner")]
    assert [(one["for"], one["by"]) for one in found["links"]] == [("relinked", "cli")]
    assert "Olga Owner (olga@maison.test): owner" in pacte(home, "list")
    with open_house(home) as house:
        assert relink.relinked(house, url.rpartition("/")[2]).name == "Olga Owner"
    assert "Taken back" in pacte(home, "revoke", str(found["links"][0]["entry"]))
    with open_house(home) as house, pytest.raises(offers.Over, match="expired"):
        relink.relinked(house, url.rpartition("/")[2])
    pacte(home, "revoke", str(found["links"][0]["entry"]), code=4)


def test_a_member_is_named_by_login_or_identifier(home: Path) -> None:
    """In French too; whoever is not there is not found, and no command says whom it looked for."""
    found = json.loads(pacte(home, "list", "--json"))["members"][0]["member"]
    for named in ("OLGA@maison.test", found[:8]):
        assert "Un lien pour Olga Owner" in pacte(home, "relink", named, "--lang", "fr")
    done = run("staff", "relink", "mallory@maison.test", "-H", home)
    assert (done.code != 0, "mallory" in done.err) == (True, False)
    assert "écriture" in pacte(home, "list", "--lang", "fr")

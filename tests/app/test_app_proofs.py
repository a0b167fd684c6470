"""Presence and absence of one person in a use's set, proved without showing anybody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacte.app.exhibit import exhibit
from pacte.app.prove import Proof, prove, save
from pacte.app.uses import Use
from pacte.kernel.errors import NotFound
from pacte.keys.pseudonym import pseudonym
from pacte.testing.world import World, world
from pacte.verifier import verify_bytes


@dataclass
class Scene:
    """A use with some people in its set and some not, and proofs for one of each."""

    world: World
    use: Use
    inside: str
    outside: str
    present: Proof
    absent: Proof


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, records: Callable[[], str]) -> Scene:
    """Thirty people: twenty subscribers, ten who refused; parents and children among them."""
    home = world(tmp_path_factory.mktemp("proofs") / "house", database=records())
    home.clock.forward(100)
    people = [home.person() for _ in range(30)]
    for place, person in enumerate(people):
        home.said(person, "given" if place < 20 else "refused", channel="email")
    use = home.house.declare("newsletter", channel="email")
    inside, outside = people[3], people[25]
    return Scene(home, use, inside, outside, prove(home.house, inside, use.id), prove(home.house, outside, use.id))


def test_presence_is_proved(scene: Scene) -> None:
    """The proof of somebody in the set says present, permitted, and verifies alone."""
    document = json.loads(scene.present.data)
    assert [m["result"] for m in document["membership"]] == ["present"]
    assert document["answers"][0]["reason"] == "permitted"
    assert scene.present.replay.matches is True
    assert verify_bytes(scene.present.data, key=scene.world.house.vkey).ok


def test_absence_is_proved(scene: Scene) -> None:
    """The proof of somebody outside the set says absent, with the reason, and verifies alone."""
    document = json.loads(scene.absent.data)
    assert [m["result"] for m in document["membership"]] == ["absent"]
    assert document["answers"][0]["reason"] == "refused"
    assert scene.absent.replay.matches is True
    assert verify_bytes(scene.absent.data, key=scene.world.house.vkey).ok


def test_a_proof_shows_nobody_else(scene: Scene) -> None:
    """No other subject identifier, pseudonym of any domain, internal number or look is in a proof or its page."""
    house = scene.world.house
    with house.reading() as conn:
        from pacte.lake import numbers

        drawn = numbers.numbers(conn, scene.world.people)
    keys = [house.keys.house_key(f"pseudonym:{domain}:1") for domain in ("marketing", "statistics")]
    for proof, own in ((scene.present, scene.inside), (scene.absent, scene.outside)):
        pages = [exhibit(house, proof, lang) for lang in ("en", "fr")]
        content = proof.data.decode() + "".join(pages)
        others = [person for person in scene.world.people if person != own]
        names = {pseudonym(key, person) for key in keys for person in scene.world.people}
        raw = {bytes.fromhex(person) for person in others}
        assert own in content
        assert [person for person in others if person in content] == []
        assert [name for name in names if name in content] == []
        assert [person for person in raw if person in proof.data] == []
        assert f'"no": {drawn[own]}' not in content
        assert '"look"' not in proof.data.decode()


def test_a_bucket_holds_values_of_this_use_only(scene: Scene) -> None:
    """The same people in another use have other values: two proofs cannot be joined by them."""
    second = scene.world.house.declare("newsletter", channel="email")
    other = prove(scene.world.house, scene.inside, second.id)
    values = [set(json.loads(p.data)["membership"][0]["values"]) for p in (scene.present, other)]
    assert values[0]
    assert values[1]
    assert not values[0] & values[1]


def test_somebody_elses_proof_cannot_be_relabelled(scene: Scene) -> None:
    """A proof with another person's name in it does not verify."""
    forged = scene.present.data.replace(scene.inside.encode(), scene.outside.encode())
    assert not verify_bytes(forged).ok
    turned = scene.absent.data.replace(b'"absent"', b'"present"')
    assert not verify_bytes(turned).ok


def test_proofs_of_nobody_and_of_no_use(scene: Scene) -> None:
    """A proof needs somebody known and a recorded use."""
    with pytest.raises(NotFound):
        prove(scene.world.house, "0" * 32, scene.use.id)
    with pytest.raises(NotFound):
        prove(scene.world.house, scene.inside, "0" * 32)


def test_a_proof_outlives_the_house(scene: Scene, tmp_path: Path) -> None:
    """In a file that only its owner can read, it verifies without the house, against checkpoints kept since."""
    target = save(scene.present, tmp_path / "proofs")
    assert target.stat().st_mode & 0o077 == 0
    assert (tmp_path / "proofs").stat().st_mode & 0o077 == 0
    with scene.world.house.reading() as conn:
        from pacte.ledger import log

        checkpoint = log.head(conn).checkpoint
    assert verify_bytes(target.read_bytes(), anchors=scene.world.house.anchor_file.read_bytes()).ok
    late = prove(scene.world.house, scene.inside, scene.use.id)
    assert verify_bytes(late.data, checkpoints=[checkpoint]).ok


def test_the_house_is_sound(scene: Scene) -> None:
    """After all this looking, which was recorded, the house checks."""
    assert scene.world.house.check() == []

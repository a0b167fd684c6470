"""What was kept at other times: receipts and continuations beside checkpoints, in every order, sound or forked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pacte import verifier
from pacte.app import receipts
from pacte.testing.world import World, world


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A house with a person and two of their receipts."""
    found = world(tmp_path_factory.mktemp("receipts") / "house")
    found.clock.forward(100)
    found.said(found.person(), "given", channel="email")
    return found


@pytest.fixture(scope="module")
def pair(home: World) -> tuple[bytes, bytes]:
    """The receipt of the yes, and a later one."""
    ada = home.people[0]
    first = receipts.receipt(home.house, ada).data
    home.clock.forward(1)
    home.said(ada, "withdrawn")
    return first, receipts.receipt(home.house, ada).data


def test_a_bare_later_checkpoint_shows_nothing(pair: tuple[bytes, bytes]) -> None:
    """A later checkpoint alone cannot be compared, and the report says what to bring instead."""
    later = json.loads(pair[1])["proof"]["checkpoint"]
    report = verifier.verify_bytes(pair[0], checkpoints=[later])
    assert not report.ok
    assert "continuation" in report.problems[0]
    assert verifier.verify_bytes(pair[0], checkpoints=[later, pair[1]]).ok


def test_an_earlier_bare_checkpoint_and_an_export(home: World, pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    """A receipt's own checkpoint is a checkpoint; an export is held against a receipt as against one."""
    from pacte.app.reading import export

    note = json.loads(pair[0])["proof"]["checkpoint"]
    assert verifier.verify_bytes(pair[1], checkpoints=[note]).ok
    export(home.house, tmp_path / "ledger.jsonl")
    assert verifier.verify_bytes((tmp_path / "ledger.jsonl").read_bytes(), checkpoints=[*pair]).ok


@pytest.mark.parametrize(
    "kept", [b"{", b"{}", b'{"checkpoint":1}', b'{"checkpoint":"\\ud800","consistency":[]}', b"\xff"]
)
def test_what_is_nothing_of_ours_is_said(pair: tuple[bytes, bytes], kept: bytes) -> None:
    """A file that is no checkpoint, receipt or proof fails without an error of the program."""
    report = verifier.verify_bytes(pair[0], checkpoints=[kept])
    assert not report.ok
    assert len(report.problems) == 1


def test_a_path_that_lies_is_found(pair: tuple[bytes, bytes]) -> None:
    """A kept receipt whose path was changed does not show that it continues the first."""
    document: Any = json.loads(pair[1])
    size = int(json.loads(pair[0])["proof"]["checkpoint"].split("\n")[1])
    path = next(one for one in document["proof"]["consistency"] if one["size"] == size)["path"]
    path[0] = "0" * 64
    report = verifier.verify_bytes(pair[0], checkpoints=[json.dumps(document)])
    assert "rewritten or forked" in report.problems[0]


def test_the_catalogue_holds_every_word() -> None:
    """What the page in the browser is given is complete in both languages."""
    english, french = verifier.catalogue("en"), verifier.catalogue("fr")
    assert english["words"].keys() == french["words"].keys() == verifier._WORDS.keys()
    assert set(english["parts"].values()) == {name[5:] for name in english["words"] if name.startswith("part_")}
    assert json.loads(json.dumps(french))["kinds"] == verifier._KINDS

"""What forms show is kept as soon as it is published, with a picture where there is a browser to take one."""

from __future__ import annotations

import hashlib
import shutil
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.app import forms, pictures
from pacte.app.publish import publish
from pacte.app.worker import work
from pacte.kernel.errors import NotFound, Unsafe
from pacte.ledger import log
from pacte.testing.shop import Shop, shop

CHROMIUM = next((path for name in pictures.NAMES if (path := shutil.which(name))), "")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Shop]:
    """A shop with a few customers."""
    found = shop(tmp_path / "house", tmp_path / "files", people=20)
    yield found
    found.house.close()


def test_what_is_published_is_kept_in_each_language(here: Shop) -> None:
    """Without a browser the digests stand in the ledger, each once; what is published next is kept as soon."""
    house = here.house
    for _ in range(2):
        work(house, threading.Event(), once=True)
    kept = forms.kept(house)
    assert {(one.name, one.lang, one.reader) for one in kept} == {
        (name, lang, reader)
        for name in ("letter", "account")
        for lang in ("fr", "en")
        for reader in ("stranger", "known")
    }
    with house.reading() as conn:
        entries = [entry for _, entry in log.of_kind(conn, "form")]
    assert sorted(str(one["form"]) for one in entries) == sorted(one.digest for one in kept)
    policy = house.path / "policy.yaml"
    policy.write_text(policy.read_text("utf-8").replace("Une lettre par mois,", "Deux lettres par mois,"), "utf-8")
    publish(house, "owner")
    work(house, threading.Event(), once=True)
    assert len(forms.kept(house)) == len(kept) + 2
    for one in kept:
        assert hashlib.sha256(forms.body(house, one.digest).encode()).hexdigest() == one.digest
    assert house.check() == []


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium (on Debian: `apt install chromium`)")
def test_a_picture_is_taken_once_and_recorded(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PNG of the whole form; its digest stands in the ledger beside that of the words."""
    monkeypatch.setenv("PACTE_CHROMIUM", CHROMIUM)
    shown = forms.shown(here.house, "account", "fr")
    forms.remember(here.house, shown)
    for _ in range(2):
        assert pictures.complete(here.house) in (0, 1)
    png = forms.picture(here.house, shown.digest)
    assert png is not None
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    assert width == pictures.WIDTH
    assert height > 1_000
    with here.house.reading() as conn:
        found = [entry for _, entry in log.of_kind(conn, "form") if entry["form"] == shown.digest]
    assert [one.get("picture") for one in found] == [None, hashlib.sha256(png).hexdigest()]
    assert here.house.check() == []


def test_a_browser_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It and what it started are killed; one that takes no picture is said, too."""
    monkeypatch.setattr(pictures, "SECONDS", 1)
    for name, script, said in (("slow", "sleep 60", "did not end"), ("blind", "exit 0", "took no picture")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        with pytest.raises(Unsafe, match=said):
            pictures.photograph(str(program), "<body></body>")


def test_nothing_was_shown_under_another_digest(here: Shop) -> None:
    """A digest of nothing leads to nothing."""
    with pytest.raises(NotFound):
        forms.body(here.house, "0" * 64)
    assert forms.picture(here.house, "0" * 64) is None

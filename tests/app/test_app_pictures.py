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
from pacte.app.doctor import examine
from pacte.app.publish import KEEP, publish
from pacte.app.worker import work
from pacte.kernel import jobs
from pacte.kernel.errors import NotFound, Unsafe
from pacte.kernel.instant import DAY
from pacte.kernel.jobs import Job
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
        assert pictures.complete(here.house).missing == 0
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


def _tries(here: Shop) -> list[Job]:
    with here.house.reading() as conn:
        return [one for one in jobs.listed(conn) if one.kind == KEEP]


def _said(here: Shop) -> list[str]:
    return [one.code for one in examine(here.house) if one.code.startswith("pictures")]


def test_a_missing_picture_is_tried_daily_for_two_weeks(
    here: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Chromium nothing failed, for a picture is one thing more; in the end the worker gives up, and says so."""
    monkeypatch.setenv("PACTE_CHROMIUM", str(tmp_path / "nowhere"))
    for day in range(1, pictures.DAYS + 1):
        assert work(here.house, threading.Event(), once=True).failed == 0
        now = pictures.state(here.house)
        assert (now.missing, now.wanted, now.browser) == (8, True, False)
        left = [] if day == pictures.DAYS else [(day, here.clock() + DAY, None)]
        assert [(job.attempts, job.due, job.error) for job in _tries(here)] == left
        here.clock.forward(1)
    assert _said(here) == ["pictures_browser"]
    with here.house.reading() as conn:
        assert [(one.kind, one.error) for one in jobs.ended(conn, 9)] == [(KEEP, "no_browser")]
    assert pictures.state(here.house).again is None
    pictures.try_now(here.house)
    assert len(_tries(here)) == 1
    monkeypatch.setenv("PACTE_CHROMIUM", "none")
    work(here.house, threading.Event(), once=True)
    assert _tries(here) == []
    assert not pictures.state(here.house).wanted
    assert _said(here) == []
    assert here.house.check() == []


def test_a_browser_that_fails_is_tried_again_and_stops_no_other_picture(
    here: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each picture by itself: what could be taken is kept; the rest is tried a day later, with its reason."""
    program = tmp_path / "chromium"
    program.write_text(
        f"#!/bin/sh\n[ -e {tmp_path}/well ] || {{ touch {tmp_path}/well; exit 1; }}\n"
        'for one in "$@"; do case $one in --screenshot=*) printf picture > "${one#*=}";; esac; done\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PACTE_CHROMIUM", str(program))
    assert work(here.house, threading.Event(), once=True).failed == 1
    assert pictures.state(here.house).missing == 1
    assert [(job.attempts, job.due, job.error) for job in _tries(here)] == [(1, here.clock() + DAY, "no_picture")]
    assert _said(here) == ["pictures_missing"]
    here.clock.forward(1)
    assert work(here.house, threading.Event(), once=True).failed == 0
    assert (pictures.state(here.house).missing, _tries(here)) == (0, [])
    assert here.house.check() == []


def test_nothing_was_shown_under_another_digest(here: Shop) -> None:
    """A digest of nothing leads to nothing."""
    with pytest.raises(NotFound):
        forms.body(here.house, "0" * 64)
    assert forms.picture(here.house, "0" * 64) is None

"""`pacte pack`: a pack as people read it, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pacte.kernel.i18n import typeset
from pacte.policy.citations import article_in
from pacte.policy.packs import BUILT_IN, HOUSE, built_in

ASSETS = Path(__file__).parent.parent / "assets" / "packs"


def flat(words: str) -> str:
    """A text without its line breaks."""
    return " ".join(words.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ").split())


def test_a_pack_that_holds(pacte: Any, lang: str) -> None:
    """All that was tried is said to hold; what was not tried, for want of scenarios, is said too."""
    done = pacte("pack", "check", ASSETS / "ch.yaml", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    assert ("`ch.yaml` holds: 4 rules." if lang == "en" else "`ch.yaml` tient : 4 règles.") in flat(done.out)
    assert ("for want of scenarios" if lang == "en" else "faute de scénarios") in flat(done.out)
    assert max(map(len, done.out.splitlines())) <= 80


def test_a_pack_that_comes_with_pacte_is_checked_by_its_name(pacte: Any) -> None:
    """Where no file is called so."""
    assert pacte("pack", "check", "us-ca", "--json").code == 0


def test_a_pack_with_its_scenarios(pacte: Any) -> None:
    """With scenarios, every check is tried."""
    done = pacte("pack", "check", ASSETS / "ch.yaml", "--scenarios", ASSETS / "ch-scenarios.yaml", "--json")
    assert done.code == 0
    assert all(one["tried"] and not one["mistakes"] for one in done.json["checks"])


@pytest.mark.parametrize("name", ["bad-unknown-fact", "bad-contradiction"])
def test_a_pack_with_mistakes(pacte: Any, lang: str, name: str) -> None:
    """Every mistake is shown with its line, and the exit code is 2."""
    done = pacte("pack", "check", ASSETS / f"{name}.yaml", "--lang", lang)
    golden = (ASSETS / f"{name}.txt").read_text(encoding="utf-8")
    assert (done.code, done.err) == (2, "")
    assert flat(golden) in flat(done.out)
    assert (f"1 mistake in `{name}.yaml`." if lang == "en" else f"1 erreur dans `{name}.yaml`.") in flat(done.out)
    told = pacte("pack", "check", ASSETS / f"{name}.yaml", "--json")
    assert (told.code, told.json["mistakes"]) == (2, 1)


def test_a_file_that_is_not_there(pacte: Any, tmp_path: Path) -> None:
    """A missing file, one that is no text, and a pack of no such name are told in one line."""
    assert pacte("pack", "check", tmp_path / "none.yaml").code == 4
    (tmp_path / "image.yaml").write_bytes(b"\xff\xfe\x00")
    done = pacte("pack", "check", tmp_path / "image.yaml")
    assert done.code == 2
    assert "not UTF-8" in done.err
    unknown = pacte("pack", "show", "us-cal")
    assert unknown.code == 4
    assert "did you mean `us-ca`?" in unknown.err


@pytest.mark.parametrize("name", [*BUILT_IN, HOUSE])
def test_every_pack_is_shown(pacte: Any, lang: str, name: str) -> None:
    """Each rule in a sentence, with its article, since when, and whether counsel has checked it."""
    done = pacte("pack", "show", name, "--lang", lang)
    assert (done.code, done.err) == (0, "")
    for rule in built_in(name).file.rules:
        assert f"{name}:{rule.id}" in done.out
        assert flat(typeset(article_in(rule.article, lang), lang)) in flat(done.out)
    assert ("not checked by counsel" if lang == "en" else "non vérifiée par un juriste") in flat(done.out)


def test_the_packs_are_listed_and_shown_to_programs(pacte: Any) -> None:
    """Without a name, all packs; with `--json`, one value."""
    assert [one["pack"] for one in pacte("pack", "show", "--json").json] == [*BUILT_IN, HOUSE]
    listed = pacte("pack", "show").out
    assert [line.split()[0] for line in listed.splitlines()] == [*BUILT_IN, HOUSE]
    told = pacte("pack", "show", ASSETS / "ch.yaml", "--json").json
    assert told["rules"][0]["id"] == "ch:informed"

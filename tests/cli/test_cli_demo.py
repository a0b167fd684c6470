"""The whole demo, in both languages, as words and as figures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pacte.app.held import held
from pacte.app.house import open_house


def test_the_demo_in_figures(pacte: Any, tmp_path: Path, lang: str) -> None:
    """The funnel adds up, a withdrawal takes out exactly one, the proof matches and verifies, the house is sound."""
    done = pacte("demo", tmp_path / "demo", "--people", "400", "--lang", lang, "--json")
    assert (done.code, done.err) == (0, "")
    told = done.json
    audience = told["audience"]
    assert sum(audience["counts"].values()) == audience["candidates"] == 400
    assert audience["counts"]["permitted"] == audience["permitted"] > 0
    assert told["after_withdrawal"] == {"permitted": audience["permitted"] - 1, "reason": "withdrawn"}
    assert told["proof"]["matches"] is True
    assert told["verified"] is True
    assert Path(told["proof"]["file"]).is_file()
    assert Path(told["proof"]["exhibit"]).name.endswith(f".{lang}.html")
    assert sum(load["accepted"] for load in told["loads"]) > 400
    assert told["erasure"]["counts"]
    with open_house(tmp_path / "demo") as house:
        assert house.check() == []


def test_the_demo_in_words(pacte: Any, tmp_path: Path, lang: str) -> None:
    """The story is told in its language from the files to the proof, and fits the terminal."""
    done = pacte("demo", tmp_path / "demo", "--people", "400", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    words = re.sub(r"[\s\u202f]+", " ", done.out)
    english = (
        "1. A fictional retailer",
        "whom may the newsletter write to?",
        "= permitted",
        "7. ",
        "VERIFIES",
        "IS in",
    )
    french = ("1. Un commerçant", "à qui peut-on envoyer", "= autorisés", "7. ", "VÉRIFIÉ", "EN FAIT PARTIE")
    for part in english if lang == "en" else french:
        assert part in words
    assert "Traceback" not in words
    assert not [line for line in done.out.splitlines() if re.match(r"\d+\. .*… ─", line)]  # a heading that was cut
    wide = [line for line in done.out.splitlines() if len(line) > 80 and str(tmp_path) not in line and "`" not in line]
    assert wide == []
    if lang == "fr":
        assert not re.search(r"[^\W\d] [;:!?»]|« ", done.out)


def test_the_demo_takes_the_place_of_an_earlier_one_and_of_nothing_else(pacte: Any, tmp_path: Path) -> None:
    """Not while somebody serves it, not what no demo made; afterwards it is as new."""
    home, stranger = tmp_path / "demo", tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "letter.txt").touch()
    assert pacte("demo", home, "--people", "400", "--anew", "--json").code == 0
    (home / "mark").touch()
    with held(home):
        served = pacte("demo", home, "--people", "400", "--anew")
        assert (served.code, "somebody serves the earlier demo" in served.err) == (2, True)
    strange = pacte("demo", stranger, "--anew")
    assert (strange.code, "so it stays" in strange.err) == (2, True)
    assert ((home / "mark").exists(), (stranger / "letter.txt").exists()) == (True, True)
    assert pacte("demo", home, "--people", "400", "--anew", "--json").code == 0
    assert not (home / "mark").exists()


def test_the_demo_refuses_a_directory_in_use(pacte: Any, tmp_path: Path) -> None:
    """The demo never writes into a directory that holds something, and refuses numbers it cannot tell a story with."""
    (tmp_path / "something").touch()
    done = pacte("demo", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "name another one" in done.err
    assert pacte("demo", tmp_path / "new", "--people", "3").code == 2

"""What the first pages promise is so: their Python runs, their commands exist, both languages say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import pacte
from pacte.cli.data import init
from pacte.cli.duties import demo
from pacte.cli.main import app
from tools.tree import ROOT, repository_files

READMES = ["README.md", "README.fr.md"]
PAGES = [path.relative_to(ROOT).as_posix() for path in repository_files(".md")]


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def python(page: str) -> str:
    """The Python that a page shows, without its comments."""
    found = re.search(r"^```python\n(.*?)^```", read(page), re.M | re.S)
    assert found
    return "\n".join(line.partition("  #")[0].rstrip() for line in found[1].splitlines())


def known_commands(command: Any, before: str = "pacte") -> set[str]:
    """Every command of the program, with the words that lead to it."""
    children = getattr(command, "commands", {})
    inner = {name for child, found in children.items() for name in known_commands(found, f"{before} {child}")}
    return inner | {before}


@pytest.mark.parametrize("page", READMES)
def test_the_python_of_the_first_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown works in a house that was just made, and nobody there may be used."""
    init(tmp_path / "shop", lang="en", as_json=True)
    with pacte.open_house(tmp_path / "shop") as house:
        house.publish()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(python(page), names)  # noqa: S102 # our own page
    with names["house"] as house:
        assert names["use"].table().num_rows == 0
        assert house.check() == []


def test_both_first_pages_show_the_same() -> None:
    """The same code, up to the language asked for, the same files linked, the same number of headings."""
    english, french = (read(page) for page in READMES)
    assert python("README.md").replace('"en"', '"fr"') == python("README.fr.md")
    targets = [set(re.findall(r"\]\(([^)]+)\)", text)) - set(READMES) for text in (english, french)]
    assert targets[0] == targets[1]
    assert len(re.findall("^## ", english, re.M)) == len(re.findall("^## ", french, re.M))


@pytest.mark.parametrize("page", READMES)
def test_the_first_page_names_targets_and_sizes_that_are(page: str) -> None:
    """`make` targets exist, and the demo has as many customers as is said."""
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert {"demo", "test"} <= set(re.findall(r"^make (\w+)", read(page), re.M)) <= targets
    people = demo.__defaults__[1] if demo.__defaults__ else 0
    assert re.sub(r"[\s,\u202f\u00a0]", "", read(page)).count(str(people)) == 1


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_named_exists(page: str) -> None:
    """Whatever stands behind `pacte` in backticks or after a prompt is a command of the program."""
    known = known_commands(get_command(app))
    groups = {" ".join(name.split()[:2]) for name in known if name.count(" ") == 2}
    named = re.findall(r"(?:`|^[$>] (?:.*[(|] ?)?)(pacte(?: [a-z]+)+)", read(page).replace("\npacte ", " pacte "), re.M)
    for words in named:
        short = " ".join(words.split()[:2])
        full = " ".join(words.split()[:3]) if short in groups else short
        assert full in known, words

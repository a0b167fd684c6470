"""What the documentation says is so: links resolve, named files exist, shown commands say what is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.console import Command, Page, matches, missing, read_page, run_page
from tools.tree import ROOT, repository_files

PAGES = [path.relative_to(ROOT).as_posix() for path in repository_files(".md")]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
NAMED = re.compile(r"`(?P<path>(?:src|tests|tools|bench|docs|requirements)/[\w./*-]+)`")

INSTALLED = ["docs/tutorial/first-house.md"]
"""Pages whose commands are run by the program that a reader has; the others by one that starts quicker."""


def read(page: str) -> str:
    """The text of a page without its fenced blocks' marks being touched."""
    return (ROOT / page).read_text(encoding="utf-8")


def slug(heading: str) -> str:
    """The anchor of a heading as Git forges make it."""
    bare = re.sub(r"[`*]", "", heading.strip().lower())
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", bare))


def anchors(path: Path) -> set[str]:
    """All anchors of a page."""
    return {slug(found) for found in re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link of a page leads to a file of the repository, and its anchor to a heading."""
    broken = []
    for found in LINK.finditer(read(page)):
        target, _, anchor = found["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(found["target"])
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page: str) -> None:
    """Every file of the repository that a page names in backticks is there."""
    gone = [
        found["path"]
        for found in NAMED.finditer(read(page))
        if not (list(ROOT.glob(found["path"])) if "*" in found["path"] else (ROOT / found["path"]).exists())
    ]
    assert gone == []


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if read_page(read(page)).runs])
def test_shown_commands_are_true(page: str, tmp_path: Path, quick: Path) -> None:
    """The commands and the Python of a page, run in order in an empty folder, say what the page shows."""
    shown = read_page(read(page))
    if absent := missing(shown):
        pytest.skip(f"the page needs data that is not here: {', '.join(absent)}")
    assert run_page(shown, tmp_path, None if page in INSTALLED else quick) == []


def test_every_page_is_reachable() -> None:
    """Every page of `docs/` is linked from another page, so that a reader can find it."""
    linked = {
        ((ROOT / page).parent / found["target"].partition("#")[0]).resolve()
        for page in PAGES
        for found in LINK.finditer(read(page))
    }
    lost = [page for page in PAGES if page.startswith("docs/") and (ROOT / page).resolve() not in linked]
    assert [page for page in lost if page != "docs/index.md"] == []


def test_a_page_s_commands_are_found() -> None:
    """Commands, their continuation, output and demands are read from a page's blocks."""
    page = read_page(
        "text\n```console needs:shop exits:3\n$ true\n\n$ cat <<END\n> hello\n> END\nhello\n```\n"
        "```sh\n$ not this\n```\n"
    )
    assert page == Page(
        (Command("true", ()), Command("cat <<END\nhello\nEND", ("hello",), 3)),
        frozenset({"shop"}),
    )


def test_a_true_page_passes(tmp_path: Path) -> None:
    """State is kept from one command to the next, and a shown failure is a failure."""
    text = "```console exits:4\n$ word=hello\n$ cat <<END\n> $word\n> END\nhello\n$ echo a; (exit 4)\na\n```\n"
    assert run_page(read_page(text), tmp_path) == []


@pytest.mark.parametrize("block", ["$ echo a\nb", "$ false", "$ echo a; echo b\na", "$ printf ''\na", "$ exit 0"])
def test_an_untrue_page_is_found(block: str, tmp_path: Path) -> None:
    """A wrong output, an unexpected status, and a missing or an extra line are each reported."""
    assert len(run_page(read_page(f"```console\n{block}\n```\n"), tmp_path)) == 1


@pytest.mark.parametrize(("shown", "problems"), [("2", 0), ("3", 1)])
def test_a_page_s_python_is_run_after_its_commands(shown: str, problems: int, tmp_path: Path) -> None:
    """Names live on from one piece of Python to the next; what is printed is what the page shows."""
    blocks = ("console\n$ echo 2 > n", "python run\nn = open('n').read()", "python run\nprint(n)", f"text\n{shown}")
    text = "then\n\n".join(f"```{block}\n```\n" for block in blocks[:3]) + f"\n```{blocks[3]}\n```\n"
    assert len(run_page(read_page(text), tmp_path)) == problems


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        (("a … c",), "a b c", True),
        (("a", "…"), "a\nb\nc", True),
        (("a", "…"), "a", True),
        (("…", "c"), "a\nb\nc", True),
        (("a", "…", "c"), "a\nc", True),
        (("a",), "a\nb", False),
        (("a (1)",), "a   (1)\n\n", True),
        (("a.c",), "abc", False),
    ],
)
def test_output_is_compared_loosely(shown: tuple[str, ...], output: str, same: bool) -> None:
    """`…` stands for any text or any lines; everything else counts, except spacing."""
    assert matches(shown, output) is same

"""Mistakes in a policy: every kind has a named bad file, and the words that people read are golden."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.kernel.errors import BadInput, NotFound, PolicyError
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.tree import LARGEST_BYTES

ASSETS = Path(__file__).parent.parent / "assets" / "policy"
TEMPLATE = Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates" / "policy.yaml"
GOOD = (ASSETS / "good.yaml").read_text(encoding="utf-8")
BAD = sorted(path.stem for path in ASSETS.glob("bad-*.yaml"))


def problems_of(text: str) -> list[str]:
    """The problems of a text, none when it is a policy; a policy always compiles."""
    try:
        compile_policy(load_policy_text(text))
    except PolicyError as error:
        return error.problems
    return []


@pytest.mark.parametrize("name", BAD)
def test_every_mistake_of_a_bad_file_is_reported_at_once_with_its_line(name: str) -> None:
    """A bad file is refused with all of its mistakes, sorted by line, in the golden words."""
    with pytest.raises(PolicyError) as refused:
        load_policy(ASSETS / f"{name}.yaml")
    assert refused.value.problems == (ASSETS / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def test_there_is_a_bad_file_for_each_kind_of_mistake() -> None:
    """One named file per kind, each with its golden words and nothing left over."""
    assert len(BAD) >= 25
    assert {path.stem for path in ASSETS.glob("bad-*.txt")} == set(BAD)


def test_no_stays_norway_and_a_postcode_keeps_its_zero() -> None:
    """YAML 1.2 is read as people wrote it: `NO` is a country, `01000` a text."""
    document = load_policy(ASSETS / "good.yaml")
    assert document.recipients["mailer"].place == "NO"
    reworded = load_policy_text(GOOD.replace("name: Atelier Test", "name: 01000"))
    assert reworded.controller.name == "01000"


def test_a_policy_knows_the_lines_of_its_parts() -> None:
    """Lines are kept for later messages."""
    document = load_policy(ASSETS / "good.yaml")
    assert GOOD.splitlines()[document.line("purposes", "newsletter") - 1].strip() == "newsletter:"
    assert document.line("purposes", "nowhere") == 1


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """No policy at all is `NotFound`, a directory in its place `BadInput`."""
    with pytest.raises(NotFound, match="pacte init"):
        load_policy(tmp_path / "policy.yaml")
    with pytest.raises(BadInput):
        load_policy(tmp_path)


@pytest.mark.parametrize(
    "hostile",
    [
        "x" * (LARGEST_BYTES + 1),
        "a: [&a [x], " + ", ".join(f"&b{n} [*a, *a, *a, *a]" for n in range(2_000)) + "]",
        "[" * 100_000,
        "{a: " * 50_000,
        "- " * 50_000,
        "? [a, b]\n: c\n",
        "".join(f"key{n}: {{unknown: value}}\n" for n in range(15_000)),
        "a: !!python/object/apply:os.system [ls]\n",
        '"\\U00110000"',
        "%YAML 99999999999.1\n---\na: 1",
        "\ufeff\ufeffpacte: 1",
        "\ud800",
        "pacte: 1\x85controller: 2",
        "---\n...\n---\n",
        "&a",
        "*a",
        "!",
        "|",
        "<<: *a",
        "null: 1\n'': 2\n~: 3\n",
    ],
    ids=range(20),
)
def test_a_hostile_file_is_refused_quickly_with_a_line(hostile: str) -> None:
    """Bombs, depth, size, tags and broken characters cost little and end in a `PolicyError` with a line."""
    started = time.monotonic()
    problems = problems_of(hostile)
    assert problems
    assert all(re.match(r"policy\.yaml:(\d+:| and \d+ more)", problem) for problem in problems)
    assert time.monotonic() - started < 10


lines = st.integers(0, len(TEMPLATE.read_text(encoding="utf-8").splitlines()) - 1)
pieces = st.sampled_from(
    [
        *":[]{}#\"'|>%@`~,\\\t \n\r\x00\x07\x85\u2028é😀",
        "",
        "  ",
        ": ",
        "- ",
        "? ",
        "&a ",
        "*a",
        "!t ",
        "<<: ",
        "---\n",
        "...\n",
        "null",
        "yes",
        "-1",
        "1e400",
        "0x10",
        "99999999999",
        "a" * 300,
        "2024-13-45",
        "[key]",
        "from: x",
    ]
)


@settings(max_examples=120, deadline=None)
@given(edits=st.lists(st.tuples(lines, st.integers(0, 130), pieces, st.integers(0, 6)), min_size=1, max_size=4))
def test_a_mutated_template_is_a_policy_or_a_list_of_mistakes(edits: list[tuple[int, int, str, int]]) -> None:
    """Whatever is typed into the template, the answer is a policy or lines of mistakes, never a traceback."""
    rows = TEMPLATE.read_text(encoding="utf-8").splitlines()
    for row, column, piece, cut in edits:
        rows[row] = rows[row][:column] + piece + rows[row][column + cut :]
    problems = problems_of("\n".join(rows))
    places = [re.match(r"policy\.yaml:(\d+): ", problem) for problem in problems]
    assert all(places)
    found = [int(place[1]) for place in places if place]
    assert found == sorted(found)


@settings(max_examples=60, deadline=None)
@given(first=lines, second=lines, remove=st.booleans())
def test_moved_and_removed_lines_never_crash(first: int, second: int, remove: bool) -> None:
    """Lines that are swapped or lost give a policy or mistakes."""
    rows = TEMPLATE.read_text(encoding="utf-8").splitlines()
    rows[first], rows[second] = rows[second], rows[first]
    if remove:
        del rows[first]
    problems_of("\n".join(rows))


def test_a_mistake_never_shows_what_looks_like_personal_data() -> None:
    """A value typed in the wrong place is not repeated when it is no plain word."""
    problems = problems_of(GOOD.replace("kind: service", "kind: ada@example.com"))
    assert problems
    assert "ada@example.com" not in "\n".join(problems)

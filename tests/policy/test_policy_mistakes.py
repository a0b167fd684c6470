"""Mistakes in a policy: every kind has a named bad file, and the words that people read are golden."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.kernel.errors import BadInput, NotFound, PolicyError
from pacte.kernel.i18n import LANGUAGES
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.lint import lint
from pacte.policy.tree import LARGEST_BYTES
from tests.thorough import many

ASSETS = Path(__file__).parent.parent / "assets" / "policy"
TEMPLATE = Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates" / "shop" / "policy.yaml"
GOOD = (ASSETS / "good.yaml").read_text(encoding="utf-8")
BAD = sorted(path.stem for path in ASSETS.glob("bad-*.yaml"))


def problems_of(text: str) -> list[str]:
    """The problems of a text, none when it is a policy; a policy always compiles, and its findings have lines."""
    try:
        findings = lint(compile_policy(load_policy_text(text)))
        assert all(finding.line >= 1 and all(map(finding.say, LANGUAGES)) for finding in findings)
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
    assert len(BAD) >= 55
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
    started = time.process_time()  # this process's own work: what else the machine does is not counted
    problems = problems_of(hostile)
    assert problems
    assert all(re.match(r"policy\.yaml:(\d+:| and \d+ more)", problem) for problem in problems)
    assert time.process_time() - started < 10


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


@settings(max_examples=many(120), deadline=None)
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


@settings(max_examples=many(60), deadline=None)
@given(first=lines, second=lines, remove=st.booleans())
def test_moved_and_removed_lines_never_crash(first: int, second: int, remove: bool) -> None:
    """Lines that are swapped or lost give a policy or mistakes."""
    rows = TEMPLATE.read_text(encoding="utf-8").splitlines()
    rows[first], rows[second] = rows[second], rows[first]
    if remove:
        del rows[first]
    problems_of("\n".join(rows))


POLICIES = [path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("lint-*.yaml"))]
words = st.sampled_from(
    [
        *("consent", "contract", "legitimate_interests", "inference", "sharing", "measurement", "legal_claims"),
        *("people.email", "visits.visit_count", "people", "health", "race", "scc", "adequacy", "email_pixel", "phone"),
        *("us-ca", "us-hipaa", "ca-qc", "us-coppa", "adults", "children", "covered_entity", "health_care", "objection"),
        *("none", "yes", "no", "1", "2024-01-01", "9999-12-31", "0001-01-01", "100 years", "event", "integer", "date"),
        *("{}", "[]", "null", "[a]", "{a: b}", "''", "'*'", "US-CA", "FR"),
    ]
)


@settings(max_examples=many(150), deadline=None)
@given(
    text=st.sampled_from(POLICIES),
    edits=st.lists(st.tuples(st.integers(0, 400), words), min_size=1, max_size=5),
    laws=st.lists(st.sampled_from(["gdpr", "fr", "us-ca", "ca-qc", "us-coppa", "us-hipaa"]), unique=True, max_size=4),
)
def test_a_policy_with_other_words_is_a_policy_or_a_list_of_mistakes(
    text: str, edits: list[tuple[int, str]], laws: list[str]
) -> None:
    """Values that belong elsewhere reach every check, every pack and every finding, and none of them stumbles."""
    text = re.sub(r"laws: \[.*\]", f"laws: [{', '.join(laws)}]", text)
    places = [match.span() for match in re.finditer(r"(?<=[:\[,] )[\w.-]+", text[: text.index("    text: |")])]
    for place, word in edits:
        start, end = places[place % len(places)]
        text = text[:start] + word.ljust(end - start)[: max(end - start, len(word))] + text[end:]
        places = [match.span() for match in re.finditer(r"(?<=[:\[,] )[\w.-]+", text[: text.index("    text: |")])]
    assert all(re.match(r"policy\.yaml:\d+: ", problem) for problem in problems_of(text))


def test_a_mistake_never_shows_what_looks_like_personal_data() -> None:
    """A value typed in the wrong place is not repeated when it is no plain word."""
    problems = problems_of(GOOD.replace("kind: service", "kind: ada@example.com"))
    assert problems
    assert "ada@example.com" not in "\n".join(problems)


@pytest.mark.parametrize(("place", "laws", "refused"), [("RE", "gdpr", 0), ("US", "gdpr", 1), ("US", "us-ca", 0)])
def test_only_what_leaves_the_area_of_the_regulation_needs_a_safeguard(place: str, laws: str, refused: int) -> None:
    """The outermost regions are inside; where the Regulation is not applied, its own law asks."""
    text = GOOD.replace("place: NO", f"place: {place}").replace("languages:", f"laws: [{laws}]\nlanguages:")
    assert len([problem for problem in problems_of(text) if "European Economic Area" in problem]) == refused


@pytest.mark.parametrize("ending", ["yaml", "yml"])
@pytest.mark.parametrize(("word", "known"), [("club_members", True), ("club_membres", False), ("health_care", True)])
def test_an_own_pack_defines_exceptions_and_a_slip_is_still_found(
    ending: str, word: str, known: bool, tmp_path: Path
) -> None:
    """Its words and those of the other laws count, and no others; its file may end either way."""
    pack = (ASSETS / "own-no-calls.yaml").read_text("utf-8")
    pack = pack.replace("rules:\n", "exceptions:\n  club_members: {en: Members, fr: Membres}\nrules:\n")
    (tmp_path / f"own.{ending}").write_text(pack, "utf-8")
    text = GOOD.replace("languages:", f"laws: [gdpr, own.{ending}]\nlanguages:", 1)
    text = text.replace("    basis: consent\n", f"    basis: consent\n    exceptions: {{{word}: they joined}}\n", 1)
    (tmp_path / "policy.yaml").write_text(text, "utf-8")
    if known:
        assert compile_policy(load_policy(tmp_path / "policy.yaml"))
    else:
        with pytest.raises(PolicyError, match=r"unknown exception `club_membres`; did you mean `club_members`\?"):
            load_policy(tmp_path / "policy.yaml")


@pytest.mark.parametrize("named", ["policy.yaml", "group.yaml", "own.yaml"])
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(named: str, tmp_path: Path) -> None:
    """Nobody writes into it: whoever opened it to read would wait for ever."""
    (tmp_path / "policy.yaml").write_text("pacte: 1\nextends: group.yaml\n", "utf-8")
    (tmp_path / "group.yaml").write_text(GOOD.replace("languages:", "laws: [gdpr, own.yaml]\nlanguages:", 1), "utf-8")
    (tmp_path / "own.yaml").write_bytes((ASSETS / "own-no-calls.yaml").read_bytes())
    assert load_policy(tmp_path / "policy.yaml")
    (tmp_path / named).unlink()
    os.mkfifo(tmp_path / named)
    refused: list[Exception] = []

    def read() -> None:
        try:
            load_policy(tmp_path / "policy.yaml")
        except (BadInput, PolicyError) as error:
            refused.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(60)  # whoever waits for a writer waits for ever
    assert not reader.is_alive()
    assert "cannot be read" in str(refused[0])

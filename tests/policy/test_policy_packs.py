"""Packs: those that come with pacte hold, one of one's own works in a house, and every mistake has its words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.app.house import POLICY
from pacte.app.publish import publish
from pacte.gate import one
from pacte.gate.values import Question
from pacte.kernel.errors import PolicyError
from pacte.kernel.i18n import LANGUAGES
from pacte.kernel.instant import parse_instant
from pacte.ledger import log
from pacte.policy.citations import cite
from pacte.policy.declared import STATIC
from pacte.policy.document import load_policy
from pacte.policy.packs import BUILT_IN, HOUSE, Pack, built_in, packs_of, read_pack
from pacte.policy.rules import Facts, holds
from pacte.policy.vocabulary import FACTS, REASONS
from pacte.testing.conformance import CHECKS, check, checks
from pacte.testing.grid import PRESENT, different, usual_purposes
from pacte.testing.scenarios import cited
from pacte.testing.world import world
from tests.thorough import many
from tools import packs as pages
from tools.tree import ROOT

ASSETS = Path(__file__).parent.parent / "assets" / "packs"
PACKS = ROOT / "src" / "pacte" / "policy" / "packs"
BAD = sorted(path.stem for path in ASSETS.glob("bad-*.yaml"))
GOOD = (ASSETS / "good.yaml").read_text(encoding="utf-8")
GUIDE = ROOT / "docs" / "how-to" / "write-a-pack.md"


def text(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*BUILT_IN, HOUSE])
def test_the_packs_that_come_with_pacte_conform(name: str) -> None:
    """Each reads, does not contradict itself, loosens nothing, and is read alike by both readers."""
    assert check(text(PACKS / f"{name}.yaml"), None, f"{name}.yaml") == []


def test_a_pack_of_ones_own_conforms() -> None:
    """Switzerland, written by somebody else: all checks are tried, its scenarios too, and all hold."""
    found = checks(text(ASSETS / "ch.yaml"), text(ASSETS / "ch-scenarios.yaml"), "ch.yaml")
    assert [one.code for one in found] == list(CHECKS)
    assert [(one.mistakes, one.tried) for one in found] == [((), True)] * len(CHECKS)


def test_the_grid_has_purposes_and_people_for_every_pack() -> None:
    """Each pack has something to say on a usual purpose: a check that tries nothing would always hold."""
    for name in (*BUILT_IN, HOUSE):
        assert different(usual_purposes(built_in(name))), name


@pytest.mark.parametrize("name", BAD)
def test_every_mistake_of_a_bad_pack_is_told_in_golden_words(name: str) -> None:
    """A bad pack is refused with the line, what was found and what was expected."""
    found = check(text(ASSETS / f"{name}.yaml"), None, f"{name}.yaml")
    assert found == text(ASSETS / f"{name}.txt").splitlines()
    assert found


def test_there_is_a_bad_pack_for_each_kind_of_mistake() -> None:
    """One named file per kind, each with its golden words and nothing left over; the good one is good."""
    assert len(BAD) >= 35
    assert {path.stem for path in ASSETS.glob("*.txt")} == set(BAD)
    assert check(GOOD, None, "good.yaml") == []


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        (
            "answer: objected",
            "answer: permitted",
            "expected `permitted`, and the gate answers `objected` by `ch:objected`",
        ),
        ("rule: ch:objected\n    article: Art. 30(2)(b)", "rule: ch:abroad\n    article: Art. 30(2)(b)", "ch:abroad"),
        ("article: Art. 6(7)", "article: Art. 99", "expected Art. 99, and Art. 6(7) is cited"),
        ("[packs/ch.yaml]", "[gdpr]", "no scenario names the pack under `laws`"),
        ("[packs/ch.yaml]", "[packs/ch.yaml, packs/li.yaml]", "`laws` names `packs/li.yaml`"),
        ("scenario: A profile with", "scenaro: A profile with", "unknown key `scenaro`"),
    ],
)
def test_a_wrong_scenario_is_told(wrong: str, right: str, words: str) -> None:
    """What the gate answers otherwise, and scenarios that are about something else, are mistakes with their words."""
    cases = text(ASSETS / "ch-scenarios.yaml")
    assert wrong in cases
    found = check(text(ASSETS / "ch.yaml"), cases.replace(wrong, right, 1), "ch.yaml")
    assert any(words in mistake for mistake in found), found


@pytest.mark.parametrize(
    ("expected", "article", "found"),
    [
        ("Art. 1", "Art. 17(1)", False),
        ("Art. 17", "Art. 17(1)", True),
        ("art. L34", "art. L34-5", False),
        ("§ 312.5", "16 CFR § 312.5(a)(1)", True),
        ("8(1)", "Art. 6(1)(a), 18(1)", False),
    ],
)
def test_an_article_is_one_of_a_rule_number_by_number(expected: str, article: str, found: bool) -> None:
    """The beginning of another number is another article."""
    assert cited(expected, article) is found


def test_a_permitted_scenario_names_a_rule_that_decides() -> None:
    """Its article is checked, and a rule that would never be the one to refuse this person shows nothing."""
    cases = text(ASSETS / "ch-scenarios.yaml")
    at = cases.index("answer: permitted")
    wrong = cases[:at] + re.sub(r"article: .*", "article: Art. 99", cases[at:], count=1)
    found = check(text(ASSETS / "ch.yaml"), wrong, "ch.yaml")
    assert any("expected Art. 99" in mistake for mistake in found), found


@pytest.mark.parametrize(
    ("lang", "article", "words"),
    [
        ("en", "Art. 13(1)", "ePrivacy Directive, Art. 13(1)"),
        ("fr", "Art. 44 to 47", "directive vie privée, art. 44 à 47"),
        ("fr", "Art. 6(1), last sentence", "directive vie privée, art. 6(1), dernière phrase"),
        ("fr", "s. 8, par. 1(4); s. 14", "directive vie privée, art. 8, al. 1, 4°; art. 14"),
    ],
)
def test_a_rule_is_cited_by_its_source(lang: str, article: str, words: str) -> None:
    """The short name of the source in the reader's language, never the name of the pack."""
    short = {"en": "ePrivacy Directive", "fr": "directive vie privée"}
    assert cite(article, "Directive 2002/58/EC", short, lang) == words


def test_an_article_that_names_its_source_is_cited_alone() -> None:
    """`16 CFR, 16 CFR § 312.5` would say it twice; a source without a short name is cited by its title."""
    assert cite("16 CFR § 312.5", "Code of Federal Regulations", {"en": "16 CFR"}, "en") == "16 CFR § 312.5"
    assert cite("s. 1", "Statutes of the club", {}, "en") == "Statutes of the club, s. 1"


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_source_of_a_law_has_a_short_name(name: str) -> None:
    """People cite a code by its short name."""
    assert all(set(source.short) == set(LANGUAGES) for source in built_in(name).file.sources.values())


def test_a_rule_that_no_scenario_tries_is_told() -> None:
    """Each rule must refuse somebody, and be named by somebody who is permitted."""
    cases = text(ASSETS / "ch-scenarios.yaml")
    few = cases[: cases.index("  - scenario: A profile without")]
    assert [mistake.partition(": ")[2] for mistake in check(text(ASSETS / "ch.yaml"), few, "ch.yaml")] == [
        "no scenario in which rule `express_consent` refuses",
        "no permitted scenario that names rule `express_consent`",
        "no scenario in which rule `abroad` refuses",
        "no permitted scenario that names rule `abroad`",
    ]


def test_a_pack_of_ones_own_decides_in_a_house(tmp_path: Path) -> None:
    """A policy that names `packs/ch.yaml` is published with it: the gate cites it, and later edits change nothing."""
    home = world(tmp_path / "house")
    policy = tmp_path / "house" / POLICY
    (tmp_path / "house" / "packs").mkdir()
    (tmp_path / "house" / "packs" / "ch.yaml").write_text(text(ASSETS / "ch.yaml"), encoding="utf-8")
    written = text(policy)
    policy.write_text(re.sub(r"^laws: .*$", "laws: [gdpr, packs/ch.yaml]", written, flags=re.M), encoding="utf-8")
    assert [pack.id for pack in packs_of(load_policy(policy))] == ["gdpr", "ch", "house"]
    home.clock.forward(1)
    publish(home.house, "owner")
    swiss, french = home.person(place="CH"), home.person(place="FR")
    for person in (swiss, french):
        home.said(person, "objected", "similar_offers")
    (tmp_path / "house" / "packs" / "ch.yaml").write_text("not a pack any more", encoding="utf-8")
    home.clock.forward(1)
    with home.house.reading() as conn:
        question = Question("similar_offers", home.clock(), log.head(conn).size, (), "email")
        answers = {person: one.may(conn, person, question) for person in (swiss, french)}
    assert {answers[swiss].reason.requirement, answers[french].reason.requirement} == {"gdpr:objected_marketing"}
    assert "ch:objected" in answers[swiss].failing
    assert "ch:objected" not in answers[french].failing
    cited = next(reason for reason in answers[swiss].others if reason.requirement == "ch:objected")
    assert (cited.article, cited.checked) == ("Art. 30(2)(b), 31", False)
    assert home.house.check() == []


def read(drawn: str) -> tuple[list[str], Pack | None]:
    """The mistakes of a text, or the pack that it is."""
    try:
        return [], read_pack(drawn, "drawn.yaml")
    except PolicyError as error:
        return error.problems, None


@settings(max_examples=many(60), deadline=None)
@given(st.data())
def test_whatever_is_written_is_a_pack_or_a_list_of_mistakes(data: st.DataObject) -> None:
    """Lines of a pack left out, doubled, or with another value: each is read, or refused in words."""
    lines = GOOD.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key = lines[at].partition(":")[0]
        value = data.draw(
            st.sampled_from(["", " 1", " []", " {}", " [[a]]", " {not: {}}", " {a: {b: c}}", " [yes]", " -"])
        )
        lines[at : at + 1] = data.draw(st.sampled_from([[], [lines[at]] * 2, [f"{key}:{value}"]]))
    problems, pack = read("\n".join(lines))
    assert [problem for problem in problems if not re.match(r"drawn\.yaml:\d+: ", problem)] == []
    assert pack is None or usual_purposes(pack)


INSIDE = {
    "us-coppa": {"US": True, "US-CA": True, "PR": True, "CA-ON": False, "FR": False, "": True, None: True},
    "ca-qc": {"CA-QC": True, "CA": True, "CA-ON": False, "US": False, "": True, None: True},
}
"""Pack → place → whether it binds somebody who lives there."""


@pytest.mark.parametrize("name", INSIDE)
def test_a_country_holds_its_regions(name: str) -> None:
    """Somebody in California is in the United States; in a country whose region is unknown, one may be anywhere."""
    rule = next(rule for tried in usual_purposes(built_in(name)) for rule in tried.own if rule.exempt is not None)
    assert rule.exempt is not None
    minor_until = parse_instant("2034-01-01")
    child: Facts = {"person.age": "minor", "person.minor_until": minor_until, "guardian.status": "given"}
    found = {place: not holds(rule.exempt, {**child, "person.place": place}, PRESENT) for place in INSIDE[name]}
    assert found == INSIDE[name]


# --- what the pages say ---------------------------------------------------------------------------------------------


def section(heading: str) -> str:
    """A section of the guide."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text(GUIDE), re.M | re.S)
    assert found, heading
    return found[1]


def first_cells(part: str, head: str) -> set[str]:
    """The words in the first column of the table with this head."""
    table = re.search(rf"^\| {head} \|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", part, re.M)
    assert table, head
    return {word for row in table[1].splitlines() for word in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_the_guide_names_every_property_fact_and_reason() -> None:
    """All of them, and none that does not exist."""
    assert first_cells(section("Which purposes: `for`"), "property") == STATIC
    assert first_cells(section("What must hold: `require` and `unless`"), "fact") == set(FACTS)
    reasons = section("Reasons").partition("A rule that the policy")[0]
    assert set(re.findall(r"`(\w+)`", reasons)) - {"otherwise"} == set(REASONS) - {"permitted"}


def test_the_guide_names_every_key_of_a_rule() -> None:
    """The keys of a rule are those that are read."""
    from pacte.policy.packs import Rule

    keys = {field.alias or name for name, field in Rule.model_fields.items()}
    assert first_cells(section("From the text to a file"), "key of a rule") == keys


def test_the_tables_of_the_packs_are_up_to_date() -> None:
    """After changing a pack, run `make docs`."""
    wanted = pages.pages()
    assert set(pages.DIRECTORY.glob("*.md")) == set(wanted)
    assert [path.name for path, page in wanted.items() if text(path) != page] == []

"""What changes for people between two policies: every key is told, in both languages, with what it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from pacte.kernel.i18n import LANGUAGES, catalogue
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.diff import COMPARED, EFFECTS, NOTHING, Change, differences
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.model import Part, PolicyFile
from pacte.policy.parts import keys_of
from pacte.policy.vocabulary import CHANNELS

ASSETS = Path(__file__).parent.parent / "assets" / "policy"
TEMPLATES = sorted((Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates").rglob("policy.yaml"))
GOOD = (ASSETS / "good.yaml").read_text(encoding="utf-8")

CASES = {
    "whole": ("added", "removed"),
    "list": ("added", "removed"),
    "reveals": ("added", "removed"),
    "told": ("added", "removed"),
    "set": ("added", "removed"),
    "yes_no": ("yes", "no"),
    "rank": ("more", "less"),
    "length": ("more", "less"),
    "coarse": ("finer", "coarser"),
    "public": ("wider", "narrower"),
    "caps": ("more", "less"),
    "week": ("more", "less"),
    "other": ("changed",),
    "texts": ("changed",),
}


def compiled(text: str) -> Compiled:
    """A policy from its text."""
    return compile_policy(load_policy_text(text))


def changed(*replacements: tuple[str, str]) -> list[Change]:
    """The differences that these replacements in the good policy make, laws left aside."""
    text = GOOD
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return [change for change in differences(compiled(GOOD), compiled(text)) if change.effect != "law"]


def test_every_key_of_a_policy_is_compared_or_means_nothing() -> None:
    """Whoever adds a key to the model says what it means for people, or why it means nothing."""
    assert set(COMPARED) | set(NOTHING) == set(keys_of(PolicyFile))
    assert not set(COMPARED) & set(NOTHING)
    assert all(len(reason) > 10 for reason in NOTHING.values())


def test_every_way_of_changing_has_its_words() -> None:
    """In both languages, and no words are left over."""
    wanted = {f"diff.{key.replace('.*', '')}.{case}" for key, rule in COMPARED.items() for case in CASES[rule.how]}
    wanted.add("diff.purposes.exceptions.reworded")
    found = {key for key in catalogue("policy") if key.startswith("diff.")}
    others = (
        "diff.word.",
        "diff.length.",
        "diff.rounding.",
        "diff.rule.",
        "diff.law.",
        "diff.more",
        "diff.quoted",
        "diff.and",
    )
    assert wanted == {key for key in found if not key.startswith(others)}


def literals(annotation: Any) -> set[str]:
    """Every word of a closed list inside a type."""
    if str(get_origin(annotation)) == "typing.Literal":
        return {word for word in get_args(annotation) if isinstance(word, str)}
    return {word for argument in get_args(annotation) for word in literals(argument)}


def test_every_word_of_a_policy_is_said_in_plain_words() -> None:
    """A closed list of the model never reaches people as a code."""
    parts, words = [PolicyFile], set()
    while parts:
        for name, info in parts.pop().model_fields.items():
            nested = [kind for kind in _classes(info.annotation) if issubclass(kind, Part)]
            parts += nested
            if name not in ("pacte", "open_to", "says", "identity", "type", "per", "unit", "below", "unknown"):
                words |= literals(info.annotation)
    said = {word for word in words if f"diff.word.{word}" in catalogue("policy")} | set(CHANNELS)
    assert words - said == set()


def _classes(annotation: Any) -> list[type[Part]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Part) else []
    return [found for argument in get_args(annotation) for found in _classes(argument)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_nothing_differs_between_a_policy_and_itself(path: Path) -> None:
    """Also when it is read twice, and between what extends nothing and its bundle."""
    one, same = compile_policy(load_policy(path)), compile_policy(load_policy(path))
    assert differences(one, same) == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_people_read_of_two_policies(lang: str) -> None:
    """A pair that changes one of nearly everything, in the golden words, the most important first."""
    old, new = (compile_policy(load_policy(ASSETS / "diff" / f"{name}.yaml")) for name in ("before", "after"))
    # What the laws' rules say is the packs' to word.
    told = [change for change in differences(old, new) if not change.kind.startswith("law.")]
    found = [f"{change.effect}: {change.say(lang)}" for change in told]
    assert found == (ASSETS / "diff" / f"changes.{lang}.txt").read_text(encoding="utf-8").splitlines()


def test_changes_are_sorted_by_importance_and_always_alike() -> None:
    """Who must be asked comes before who must be told; the same pair gives the same list."""
    old, new = (compile_policy(load_policy(ASSETS / "diff" / f"{name}.yaml")) for name in ("before", "after"))
    found = differences(old, new)
    order = [EFFECTS.index(change.effect) for change in found]
    assert order == sorted(order)
    assert set(order) == set(range(len(EFFECTS)))
    assert differences(old, new) == found
    assert len({(change.what, change.kind, change.say("en")) for change in found}) == len(found)


def test_the_pair_shows_most_kinds_of_change() -> None:
    """The golden pair, forwards and backwards, leaves few sentences unread."""
    old, new = (compile_policy(load_policy(ASSETS / "diff" / f"{name}.yaml")) for name in ("before", "after"))
    kinds = {change.kind for change in [*differences(old, new), *differences(new, old)]}
    every = {f"{key.replace('.*', '')}.{case}" for key, rule in COMPARED.items() for case in CASES[rule.how]}
    assert every - kinds == set()


def test_more_of_a_consent_is_asked_again_and_more_of_a_contract_is_told() -> None:
    """A yes covers what it was given for; a contract's customer must be told (GDPR Art. 4(11), 13(3))."""
    asked = changed(
        (
            "uses: [people.email, people.city, visits.visit_count]",
            "uses: [people.email, people.city, visits.visit_count, visits.spent]",
        )
    )
    told = changed(("uses: [people.email]", "uses: [people.email, people.city]"))
    assert [(change.what, change.kind, change.effect) for change in asked] == [
        ("purposes.newsletter.uses", "purposes.uses.added", "ask")
    ]
    assert [(change.what, change.effect) for change in told] == [("purposes.service.uses", "tell")]


def test_less_is_less() -> None:
    """Nobody is troubled because less is done with their data."""
    found = changed(
        ("people.city, visits.visit_count]", "people.city]"),
        ("retention: {keep: 1 year", "retention: {keep: 11 months"),
        ("coarse: 10", "coarse: 100"),
        ("minimum: 15", "minimum: 16"),
    )
    assert [change.effect for change in found] == ["less"] * 4


def test_another_text_means_that_nobody_was_told() -> None:
    """A notice is its text: under another text, people know nothing yet."""
    found = changed(("We send news to those who say yes.", "We send news."))
    assert [(change.kind, change.effect) for change in found] == [("notices.text.changed", "tell")]


def test_a_law_that_begins_is_told_by_its_rules() -> None:
    """From the compiled tables, each rule with its article and the purposes it is for."""
    new = compiled(GOOD.replace("languages: [en]", "languages: [en]\nlaws: [gdpr, fr, ca-qc]"))
    found = differences(compiled(GOOD), new)
    assert {change.effect for change in found} == {"law"}
    assert any(change.what == "laws" for change in found)
    (law,) = [change for change in found if change.kind == "law.begins"]
    assert law.say("en").startswith(f"Québec law: {len(law.details)} rules begin for 2 of the purposes: ")
    assert len(law.details) > 1
    assert all(change.what.startswith("rules.ca-qc:") for change in law.details)
    (end,) = [change for change in differences(new, compiled(GOOD)) if change.kind == "law.ends"]
    assert {change.what for change in end.details} == {change.what for change in law.details}


def test_a_law_that_reads_the_policy_s_own_figure_did_not_change() -> None:
    """A stricter proof is the company's change; the rule of the law that names it is what it was."""
    text = GOOD.replace("minimum_grade: form", "minimum_grade: double_opt_in")
    found = differences(compiled(GOOD), compiled(text))
    assert text != GOOD
    assert {change.what for change in found} == {"purposes.newsletter.minimum_grade"}


def test_a_notice_s_change_names_the_purpose_and_the_words() -> None:
    """Which purpose, and what is told more or less of it; a shorter validity spares the yeses that were given."""
    tells = next(line for line in GOOD.splitlines() if line.strip().startswith("tells: {newsletter: ["))
    (change,) = changed((tells, tells.replace("{newsletter: [", "{newsletter: [health, ")))
    assert (change.kind, change.say("en")) == (
        "notices.tells.added",
        "The notice web-1 is now said to tell more of “News”: health.",
    )


def rules_of(found: list[Change]) -> list[Change]:
    """The rules behind the laws."""
    return [rule for change in found for rule in change.details]


def test_a_rule_is_told_with_its_article_and_its_purposes() -> None:
    """A rule that begins and ends, in both languages."""
    old = compile_policy(load_policy(ASSETS / "good.yaml"))
    new = compile_policy(load_policy(ASSETS / "extends-own-pack" / "policy.yaml"))
    begins = next(rule for rule in rules_of(differences(old, new)) if rule.what == "rules.xx:told")
    ends = next(rule for rule in rules_of(differences(new, old)) if rule.what == "rules.xx:told")
    assert begins.say("en") == (
        "The rule `xx:told` (s. 1) now applies to “News”: Nobody is written to who was not told."
    )
    assert ends.say("fr") == (
        "La règle `xx:told` (s. 1) ne s’applique plus à «\u202fNews\u202f»\u202f: "
        "Personne ne reçoit d'écrit sans être informé."
    )


def test_what_an_extension_changes_is_told_as_if_it_stood_in_one_file() -> None:
    """A group's policy and its subsidiary's: only less is done, and people meet another company."""
    old = compile_policy(load_policy(ASSETS / "extends-good" / "group.yaml"))
    new = compile_policy(load_policy(ASSETS / "extends-good" / "policy.yaml"))
    found = {change.what: change.effect for change in differences(old, new) if change.effect != "law"}
    assert found == {
        "purposes.newsletter.minimum_grade": "ask",
        "controller.contact": "tell",
        "controller.name": "tell",
        "purposes.newsletter.expires_after": "less",
        "purposes.newsletter.uses": "less",
        "purposes.service": "less",
        "datasets.visits.fields.spent.coarse": "less",
        "notices.nantes-1": "none",
    }

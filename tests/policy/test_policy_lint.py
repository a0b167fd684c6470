"""What a policy without mistakes is still asked about: every code has a named file, and its words are golden."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.kernel.errors import BadInput, PolicyError
from pacte.kernel.i18n import LANGUAGES
from pacte.kernel.instant import Instant
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.conditions import (
    Absent,
    AfterNow,
    AgeAtLeast,
    Any,
    Before,
    Compare,
    Condition,
    Every,
    Fixed,
    NotAfterNow,
    NotBefore,
    OneOf,
    Within,
    Younger,
)
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.lint import CODES, Finding, lint, lint_change
from pacte.policy.readability import FEWEST_WORDS, HARD, score
from pacte.policy.rules import holds
from pacte.policy.satisfy import contradiction, judged, possible
from pacte.policy.syllables import syllables
from pacte.policy.table import Requirement
from pacte.policy.vocabulary import FACTS
from tests.thorough import many

ASSETS = Path(__file__).parent.parent / "assets" / "policy"
TEMPLATES = sorted((Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates").glob("*/policy.yaml"))
FILES = sorted(path.stem for path in ASSETS.glob("lint-*.yaml"))


def compiled(path: Path) -> Compiled:
    """A policy file, loaded and compiled."""
    return compile_policy(load_policy(path))


def findings_of(name: str) -> list[Finding]:
    """The findings of a named file; a change is held against the clean file."""
    new = compiled(ASSETS / f"{name}.yaml")
    if name in ("lint-consent-became-interest", "lint-consent-outgrown"):
        return lint_change(compiled(ASSETS / "lint-clean.yaml"), new)
    return lint(new)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", FILES)
def test_findings_are_in_the_golden_words(name: str, lang: str) -> None:
    """Each file has its findings and no other, by line, in each language."""
    said = [f"{one.file}:{one.line}: {one.level}: {one.say(lang)} [{one.code}]" for one in findings_of(name)]
    assert said == (ASSETS / f"{name}.{lang}.txt").read_text(encoding="utf-8").splitlines()


def test_every_code_has_a_file_that_shows_it() -> None:
    """A file is named after the code it is there for, and the clean one is silent."""
    assert set(FILES) == {f"lint-{code.replace('_', '-')}" for code in CODES} | {"lint-clean"}
    shown = {name: [finding.code for finding in findings_of(name)] for name in FILES}
    assert shown.pop("lint-clean") == []
    assert all(name.removeprefix("lint-").replace("-", "_") in codes for name, codes in shown.items())
    golden = {path.name.split(".")[0] for path in ASSETS.glob("lint-*.txt")}
    assert golden == set(FILES)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_a_template_stops_nobody(path: Path) -> None:
    """What `pacte init` writes lets somebody into every purpose, and can be read."""
    found = {(finding.code, finding.purpose) for finding in lint(compiled(path)) if finding.level == "stops"}
    assert not found
    assert "hard_to_read" not in {finding.code for finding in lint(compiled(path))}


def test_there_are_templates_to_read() -> None:
    """The test above reads something."""
    assert TEMPLATES


def test_a_finding_points_at_the_line_it_is_about() -> None:
    """The line is the declaration's own."""
    (finding,) = findings_of("lint-unused-field")
    line = (ASSETS / "lint-unused-field.yaml").read_text(encoding="utf-8").splitlines()[finding.line - 1]
    assert line.strip().startswith("favourite:")
    assert (finding.level, finding.article, finding.field) == (*CODES["unused_field"], "people.favourite")


def test_a_purpose_that_a_law_refuses_is_found_by_the_law_that_refuses_it() -> None:
    """The finding cites the pack's article: there is no second reading of the law."""
    (finding,) = findings_of("lint-never-permitted")
    rules = compiled(ASSETS / "lint-never-permitted.yaml").table.purposes["figures"].requirements
    (refusing,) = [rule for rule in rules if rule.when == Fixed(0)]
    assert finding.article == refusing.article


def test_an_interest_that_a_law_allows_is_no_refusal_got_round() -> None:
    """A claimed exception, another kind or other data make no twin."""
    text = (ASSETS / "lint-interest-beside-consent.yaml").read_text(encoding="utf-8").replace("[gdpr]", "[gdpr, fr]")
    claimed = text.replace(
        "    kind: direct_marketing\n    channels: [email]\n    uses: [people.email, people.city",
        "    kind: direct_marketing\n    exceptions: {existing_customers: they bought}\n"
        "    channels: [email]\n    uses: [people.email, people.city",
    )
    assert claimed != text
    assert "interest_beside_consent" in {finding.code for finding in lint(compile_policy(load_policy_text(text)))}
    assert "interest_beside_consent" not in {
        finding.code for finding in lint(compile_policy(load_policy_text(claimed)))
    }


def test_a_personal_name_beside_the_name_of_a_thing_is_none() -> None:
    """`product_name` names no person, and `ip_address` no street."""
    text = (ASSETS / "lint-looks-personal.yaml").read_text(encoding="utf-8")
    for name, category in (("product_name", "preference"), ("ip_address", "ip_address"), ("prix", "preference")):
        harmless = text.replace("nom_famille", name).replace("preference", category)
        assert not lint(compile_policy(load_policy_text(harmless)))
    for name in ("prenom", "mobile_phone", "date_naissance", "gps_lat", "sexe", "iban"):
        assert [one.code for one in lint(compile_policy(load_policy_text(text.replace("nom_famille", name))))] == [
            "looks_personal"
        ]


def rule(when: Condition, **parts: object) -> Requirement:
    """A rule for the tests below."""
    made = Requirement("own:rule", when, "banned", "s. 1", "Statutes", "2024-01-01", "own")
    return replace(made, **parts)  # type: ignore[arg-type] # names of a requirement's parts


STATUS = Compare("eq", "choice.status", "given")
CONTRADICTIONS: Mapping[str, tuple[Condition, Condition]] = {
    "two statuses": (STATUS, Compare("eq", "choice.status", "refused")),
    "an age": (AgeAtLeast(15), Younger(13)),
    "all of a closed list refused": (
        OneOf("hold.status", ("none", "restricted")),
        Every(tuple(Compare("ne", "hold.status", word) for word in ("none", "restricted"))),
    ),
    "an instant": (AfterNow("choice.expires"), NotAfterNow("choice.expires")),
    "known and unknown": (Absent("choice.status"), STATUS),
    "before and after": (Before(1_700_000_000_000_000), NotBefore(1_700_000_000_000_000)),
    "long ago and lately": (
        Within("choice.since", 0, 10),
        Any((Absent("choice.since"), Compare("lt", "choice.since", 0))),
    ),
}
FITTING: Mapping[str, tuple[Condition, Condition]] = {
    "an age between": (AgeAtLeast(13), Younger(15)),
    "one way out": (Any((STATUS, AgeAtLeast(18))), Compare("eq", "choice.status", "none")),
    "other words are known": (Compare("ne", "person.place", "FR"), Compare("ne", "person.place", "CA")),
    "different facts": (STATUS, Compare("eq", "guardian.status", "refused")),
    "lately": (Within("choice.since", 1, 0), NotAfterNow("choice.since")),
    "a window": (NotBefore(1_600_000_000_000_000), Before(1_700_000_000_000_000)),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_rules_that_exclude_each_other_are_found(name: str) -> None:
    """Neither alone stops anybody, both together everybody; a pair in force only later is found too."""
    one, other = map(rule, CONTRADICTIONS[name])
    assert contradiction([rule(Compare("eq", "use.stopped", 0)), one, other]) == (one, other)
    assert contradiction([one]) is None
    later = replace(other, starts=1_900_000_000_000_000)
    assert contradiction([one, later]) == (one, later)


@pytest.mark.parametrize("name", FITTING)
def test_rules_that_somebody_meets_are_no_contradiction(name: str) -> None:
    """A way out of one of the two is enough."""
    assert contradiction(map(rule, FITTING[name])) is None


def test_who_is_left_out_of_a_rule_cannot_be_refused_by_it() -> None:
    """An exemption is a way out, and what the policy settles is another finding's."""
    one, other = map(rule, CONTRADICTIONS["two statuses"])
    assert contradiction([one, replace(other, exempt=Compare("ne", "person.place", "FR"))]) is None
    assert contradiction([one, rule(Fixed(0))]) is None


def test_a_rule_that_nobody_meets_contradicts_itself() -> None:
    """One rule that asks for two ages is named twice."""
    impossible = rule(Every((AgeAtLeast(18), Younger(13))))
    assert contradiction([rule(STATUS), impossible]) == (impossible, impossible)


T = Instant(1_800_000_000_000_000)
statuses = st.sampled_from(["none", "given", "refused"])
atoms = st.one_of(
    st.builds(Compare, st.sampled_from(["eq", "ne"]), st.just("choice.status"), statuses),
    st.builds(Compare, st.sampled_from(["eq", "ne", "lt", "ge"]), st.just("choice.since"), st.integers(0, 3)),
    st.builds(OneOf, st.just("person.place"), st.lists(st.sampled_from(["FR", "CA"]), min_size=1).map(tuple)),
    st.builds(AgeAtLeast, st.integers(13, 18)),
    st.builds(Younger, st.integers(13, 18)),
    st.sampled_from([Absent("choice.status"), AfterNow("choice.since"), NotAfterNow("choice.since")]),
)
trees = st.recursive(
    atoms,
    lambda inner: st.builds(
        lambda kind, of: kind(tuple(of)), st.sampled_from([Every, Any]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)
known = st.fixed_dictionaries(
    {
        "choice.status": st.sampled_from([None, "none", "given", "refused", "withdrawn"]),
        "choice.since": st.sampled_from([None, -1, 0, 1, 2, 3, 4, T - 1, T, T + 1]),
        "person.place": st.sampled_from([None, "FR", "CA", "US"]),
        "person.age": st.sampled_from([None, "adult", "over_13", "over_15"]),
    }
)


@settings(max_examples=many(300), deadline=None)
@given(conditions=st.lists(trees, min_size=1, max_size=3), facts=known)
def test_what_somebody_meets_is_never_called_impossible(
    conditions: list[Condition], facts: dict[str, str | int | None]
) -> None:
    """Facts that make all conditions true prove the search wrong if it found none."""
    if all(holds(condition, facts, T) for condition in conditions):
        assert possible(conditions) is not False


ENGLISH = (
    "data 2 table 2 people 2 readable 3 company 3 decided 3 asked 1 wanted 2 boxes 2 names 1 agreement 3 purposes 3 "
    "privacy 3 information 4 create 2 created 3 science 2 quiet 2 business 2 evening 2 something 2 safely 2 "
    "careful 2 society 4 idea 3 area 3 delivered 3 services 3 changes 2 received 2 mailing 2 individual 5 usually 4 "
    "children 2 please 1 reasons 2 actual 3 evaluate 4 agreed 2 seeing 2 playing 2 applies 2 period 3 special 2 "
    "religious 3 various 3 material 4 client 2 lives 1 houses 2 judges 2 washes 2 needed 2 million 2 reliable 4 "
    "e-mail 2 statement 2"
)
FRENCH = (
    "bonjour 2 données 2 personne 2 confidentialité 6 politique 3 client 2 clients 2 e-mail 2 consentement 4 vous 1 "
    "création 3 oublier 3 conservées 3 durée 2 qualité 3 obligation 4 légale 2 utilise 3 préparent 2 demandent 2 "
    "seulement 3 quatre 1 fêtes 1 pays 2 réseau 2 intérêt 3 oui 1 lieu 1 voyage 2 noël 2 héroïne 3 cruel 2 "
    "télévision 4 responsable 3 traitement 3 effacer 3 vie 1 langue 1 guerre 1 question 2 téléphone 3 partenaires 3 "
    "souvent 2 parent 2 viennent 1 famille 2 maître 1 août 1 coordonnées 4 créer 2 européenne 4 accès 2 librement 3 "
    "argent 2 servent 1 permettent 2 délai 2 employés 3"
)


@pytest.mark.parametrize(("lang", "counted"), [("en", ENGLISH), ("fr", FRENCH)])
def test_syllables_are_as_people_count_them(lang: str, counted: str) -> None:
    """Words of notices, counted by hand as they are spoken in prose."""
    pairs = counted.split()
    wanted = {word: int(number) for word, number in zip(pairs[::2], pairs[1::2], strict=True)}
    assert {word: syllables(word, lang) for word in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        # Published with the formula's explanation: 116, 37.5 and 69.
        ("The cat sat on the mat.", "en", 116.1),
        ("The Australian platypus is seemingly a hybrid of a mammal and reptilian creature.", "en", 37.5),
        ("This sentence, taken as a reading passage unto itself, is being used to prove a point.", "en", 69.0),
        # By hand: 12 words, 16 syllables, 1 sentence: 207 - 1.015 x 12 - 73.6 x 16 / 12.
        ("Maître Corbeau, sur un arbre perché, tenait en son bec un fromage.", "fr", 96.7),
    ],
)
def test_known_texts_have_their_published_score(text: str, lang: str, expected: float) -> None:
    """The formulas are the published ones."""
    assert score(text, lang).score == expected
    assert score(text, f"{lang}-CA").score == expected


def test_headings_and_bullets_end_a_sentence_and_wrapped_lines_do_not() -> None:
    """What the writer ended is counted; where a line only broke, the sentence goes on."""
    text = (
        "Your data\n\nWe use your address to send you what you bought, and we keep\nit for a year\n"
        "- to serve you\n- to bill you\n"
    )
    assert score(text, "en").sentences == 4
    assert score("We answer. You may ask! Will you? Yes… □ I agree □ I refuse", "en").sentences == 6


def test_addresses_and_numbers_are_no_words() -> None:
    """An e-mail address makes no text harder."""
    plain = score("Write to us and we answer in a month.", "en")
    assert score("Write to us 24/7 (dpo@example.org, https://example.org/a.b) and we answer in a month.", "en") == plain


def test_a_language_without_a_formula_is_refused() -> None:
    """No score is better than a wrong one, and an empty text has none."""
    with pytest.raises(BadInput, match="expected one of en, fr"):
        score("Guten Tag", "de")
    with pytest.raises(BadInput, match="without a word"):
        score("12 %", "en")


def test_a_hard_notice_is_hard_in_both_languages() -> None:
    """Lawyers' prose falls below the line, plain words stay above it."""
    hard = {
        "en": "Notwithstanding contractual limitations, personally identifiable information is administered "
        "exclusively insofar as necessitated by individualised commercial communication and statutory obligation.",
        "fr": "Nonobstant toute stipulation contraire, les informations personnelles identifiantes sont "
        "susceptibles de faire l'objet de traitements automatisés "
        "nécessaires à la réalisation des finalités susmentionnées.",
    }
    easy = {"en": "We use your name to write to you.", "fr": "Nous gardons votre nom pour vous écrire."}
    for lang in LANGUAGES:
        assert score(hard[lang], lang).score < HARD < score(easy[lang], lang).score
        assert (score(hard[lang], lang).level, score(easy[lang], lang).level) == ("hard", "easy")
    assert score(easy["en"], "en").words < FEWEST_WORDS


def said(text: str) -> set[str]:
    """The codes of what is found in a text."""
    return {finding.code for finding in lint(compile_policy(load_policy_text(text)))}


def changed(name: str, *edits: tuple[str, str]) -> str:
    """The text of a named file with some words replaced."""
    text = (ASSETS / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        (
            "email_on_interest",
            ("channels: [sms]", "exceptions: {existing_customers: they bought}\n    channels: [sms]"),
        ),
        ("email_on_interest", ("channels: [sms]", "channels: [post]")),
        ("objection_untold", ("figures: [transfer]", "figures: [transfer, objection]")),
        ("objection_untold", ("kind: direct_marketing\n    channels: [post]", "kind: measurement")),
        ("age_below_law", ("ages: {minimum: 14}", "ages: {minimum: 14, below: guardian}")),
        ("age_below_law", ("ages: {minimum: 14}", "ages: {minimum: 16}")),
        ("profiles_minors", ("ages: {minimum: 15, below: guardian}", "ages: {minimum: 18}")),
        ("retention_before_expiry", ("keep: 1 year, from: choice", "keep: 3 years, from: choice")),
        ("safeguard_other", ("under: other", "under: scc")),
        ("safeguard_other", ("place: US", "place: RE")),
    ],
)
def test_a_policy_that_is_mended_as_told_is_no_longer_asked(code: str, edit: tuple[str, str]) -> None:
    """What the finding advises makes it go away."""
    name = f"lint-{code.replace('_', '-')}"
    assert code in said(changed(name))
    assert code not in said(changed(name, edit))


def test_the_age_of_the_law_is_that_of_the_laws_named() -> None:
    """From 15 on France asks no parent; the Regulation alone waits until 16."""
    edit = ("ages: {minimum: 14}", "ages: {minimum: 15}")
    assert "age_below_law" in said(changed("lint-age-below-law", edit))
    assert "age_below_law" not in said(changed("lint-age-below-law", edit, ("laws: [gdpr]", "laws: [gdpr, fr]")))


def test_what_a_law_asks_is_quoted_with_the_key_that_mends_it() -> None:
    """A demand is not told as a fact, and the policy's key is named where there is one."""
    (finding,) = findings_of("lint-never-permitted")
    assert "the law asks: “" in finding.words["en"]
    assert "`balancing`" in finding.words["en"]
    (other,) = findings_of("lint-refused-for-some")
    assert "No key of the policy mends that" in other.words["en"]


WITHDRAWN = (
    "purposes.service",
    "purposes.newsletter.honours",
    "recipients.printer",
    "notices.web-0",
    "datasets.spare",
    "datasets.people.fields.allergy",
    "datasets.visits.aggregates.total",
    "controller.established",
)
BASE = (
    (ASSETS / "extends-good" / "group.yaml")
    .read_text(encoding="utf-8")
    .replace("  role: controller\n", "  role: controller\n  established: FR\n")
    .replace("recipients:\n", "recipients:\n  printer: {name: Printer, role: processor, place: FR}\n")
    .replace(
        "notices:\n",
        "notices:\n  web-0:\n    locale: en\n    version: '0'\n    effective: 2024-01-01\n"
        "    tells: {service: [contact]}\n    says: {service: [objection]}\n    text: We serve you.\n",
    )
    .replace(
        "      visit_count: {take: count}", "      visit_count: {take: count}\n      total: {take: sum, field: spent}"
    )
    .rstrip()
    + "\n  spare:\n    per: event\n    person: person_id\n    references: people.person_id\n    key: [spare_id]\n"
    "    fields:\n      spare_id: {category: purchase, type: string}\n"
)


@pytest.mark.parametrize("withdrawn", [*WITHDRAWN, "purposes.service, recipients.printer", ", ".join(WITHDRAWN)])
def test_a_check_survives_whatever_an_extension_withdraws(withdrawn: str, tmp_path: Path) -> None:
    """A policy that is left with less is checked like another, or refused with its mistakes; nothing else."""
    (tmp_path / "group.yaml").write_text(BASE, "utf-8")
    (tmp_path / "policy.yaml").write_text(f"pacte: 1\nextends: group.yaml\nwithout: [{withdrawn}]\n", "utf-8")
    assert load_policy(tmp_path / "group.yaml").recipients["printer"]
    try:
        findings = lint(compiled(tmp_path / "policy.yaml"))
    except PolicyError:
        assert withdrawn not in ("purposes.service", "recipients.printer", "purposes.service, recipients.printer")
        return
    assert all(finding.say(lang) for finding in findings for lang in LANGUAGES)
    assert not [finding for finding in findings if finding.code == "says_untold"]


def test_a_rule_over_many_facts_is_left_unjudged_in_time() -> None:
    """Fourteen facts with three words each are four million combinations: nobody waits for them."""
    names = [name for name, kind in FACTS.items() if kind is str and name != "person.age"][:14]
    assert len(names) == 14
    maze = Every(
        (
            *(Any(tuple(Compare("eq", name, word) for word in ("given", "refused", "objected"))) for name in names),
            Compare("eq", "told.requested", 1),
            Compare("eq", "told.requested", 0),
        )
    )
    started = time.process_time()  # this process's own work: what else the machine does is not counted
    assert possible([maze]) is None
    assert judged([rule(STATUS), rule(maze, id="own:maze")])[1] is not None
    assert time.process_time() - started < 10
    assert contradiction([rule(maze, id="own:maze"), *map(rule, CONTRADICTIONS["two statuses"])]) is not None

"""Scenarios: facts → decision, worked out from the texts of a law, readable by a lawyer and run through the real gate.

A file holds the scenarios of one pack. Each is put into a house of its own kind: a purpose in a published policy, a
person with sealed facts, told and choice entries in a real ledger; then both readers of the rules are asked. Used by
the tests of the packs that come with pacte, and by `pacte pack check` for everybody else's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from ruamel.yaml import YAML

from pacte.app.house import POLICY, House, create
from pacte.app.publish import publish
from pacte.gate import one, population
from pacte.gate import rules as stored
from pacte.gate.questions import complete
from pacte.gate.values import Decision, Question
from pacte.intake.facts import of_age
from pacte.kernel.errors import PolicyError
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import DAY, Instant, parse_instant, to_datetime
from pacte.lake import numbers
from pacte.ledger import log
from pacte.policy.conditions import facts_in
from pacte.policy.document import read_limited, read_yaml
from pacte.policy.mistakes import Mistakes, validate
from pacte.policy.model import Localised, Moment, Name, Part, Text, YesNo
from pacte.policy.rules import Facts, decide, holds
from pacte.policy.satisfy import values_that_matter
from pacte.policy.table import PurposeRules, Requirement
from pacte.policy.tree import Tree
from pacte.testing.world import TestClock
from pacte.vault.evidence import commit_facts

FOUNDED = parse_instant("2018-05-25")
"""When the houses of scenarios publish their policies: no scenario asks about an earlier moment."""
WRITTEN = parse_instant("2040-01-01")
"""When everything that a scenario tells of is recorded; it takes effect on its own days."""


class Person(Part):
    """Who the scenario is about; what is left out is unknown. `born` is a birth date, `age` what else is known."""

    lives: Text | None = None
    capacity: Literal["consumer", "prospect", "former", "professional", "deceased"] | None = None
    born: Text | None = None
    age: Literal["adult", "over_13", "over_14", "over_15", "over_16"] | None = None
    contract: Moment | None = None
    contract_until: Moment | None = None
    moves: dict[str, Text] = Field(default_factory=dict)
    """Day → where the person lives from then on."""


class Said(Part):
    """Something the person, or a guardian, said; `about` another purpose than the scenario's, such as `all:sale`."""

    act: Literal[
        "given",
        "refused",
        "withdrawn",
        "objected",
        "objection_lifted",
        "objection_overruled",
        "restricted",
        "restriction_lifted",
    ]
    effective: Moment = Field(alias="on")
    by: Literal["self", "guardian"] = "self"
    proof: Literal["none", "attested", "paper", "form", "double_opt_in"] = "form"
    method: Text = "web_form"
    about: Text | None = None
    channel: Text | None = None
    recipient: Text | None = None
    expires: Moment | None = None
    signal: Literal["gpc"] | None = None
    shown: YesNo = False
    """Whether the scenario's notice was shown with it."""


class Shown(Part):
    """The notice of a scenario: the categories it tells of (all that the purpose uses, unless said), what it says."""

    tells: tuple[str, ...] | None = None
    says: tuple[str, ...] = ()


class Asked(Part):
    """The question: when, by which channel, for which recipient; `purpose` if it is one of the house's own."""

    effective: Moment = Field(alias="on")
    purpose: Text = ""
    channel: Text = ""
    recipient: Text = ""


class Scenario(Part):
    """One scenario. `purpose`, `recipients`, `policy` are as in a policy file; what they leave out has a usual value.
    `asked_by: yes` of a purpose is the scenario's notice.

    `data` are the categories of data that are used. `answer` is `permitted` or the reason of a refusal; `rule` the rule
    that decides: the one that fails or, where the answer is yes, one that applies and holds.
    """

    scenario: Text
    why: Text | None = None
    policy: dict[str, Any] = Field(default_factory=dict)
    purpose: dict[str, Any] = Field(default_factory=dict)
    recipients: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    data: tuple[str, ...] = ("email_address",)
    notice: Shown = Shown()
    told: Moment | Literal["no"] | None = None
    person: Person = Person()
    said: tuple[Said, ...] = ()
    held: Literal["erasing", "erased"] | None = None
    stopped: YesNo = False
    asked: Asked
    answer: Text
    rule: Text
    article: Text


class ScenarioFile(Part):
    """The scenarios of one pack. `policy`, `purpose` and `person` say what all of them have in common."""

    pack: Text
    title: Localised
    policy: dict[str, Any] = Field(default_factory=dict)
    purpose: dict[str, Any] = Field(default_factory=dict)
    person: dict[str, Any] = Field(default_factory=dict)
    scenarios: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate answered: the reader for one, the reader for a population, and which rules applied and held."""

    scenario: Scenario
    line: int
    one: Decision
    many: str
    requirements: tuple[Requirement, ...]
    held: frozenset[str]
    """Rules that applied to the person at that moment, and held."""
    matters: bool
    """Whether the rule that the scenario names decides: were a fact another, it would refuse, for the first reason."""

    def wrong(self) -> str | None:
        """What differs from the scenario, in words; `None` when all is as it says."""
        expected, decision = self.scenario, self.one
        code = decision.reason.code
        if self.many != code:
            return f"the two readers differ: `{code}` for one, `{self.many}` in the set"
        if code != expected.answer:
            by = f" by `{decision.reason.requirement}`" if decision.reason.requirement else ""
            return f"expected `{expected.answer}`, and the gate answers `{code}`{by}"
        if code == "permitted":
            return self._wrongly_permitted()
        if decision.reason.requirement != expected.rule:
            return f"expected rule `{expected.rule}`, and `{decision.reason.requirement}` decides"
        return self._wrongly_cited(decision.reason.article)

    def _wrongly_permitted(self) -> str | None:
        name = self.scenario.rule
        if name not in self.held:
            return f"rule `{name}` does not apply to this person"
        if not self.matters:
            return f"rule `{name}` refuses whatever else is known of this person, or never; name one that may decide"
        return self._wrongly_cited(next(rule.article for rule in self.requirements if rule.id == name))

    def _wrongly_cited(self, article: str) -> str | None:
        expected = self.scenario.article
        return None if cited(expected, article) else f"expected {expected}, and {article} is cited"


def cited(expected: str, article: str) -> bool:
    """Whether an article is among those of a rule, number by number: `Art. 17(1)` holds `Art. 17`, and no `Art. 1`."""
    return re.search(rf"(?<![\w.-]){re.escape(expected)}(?!\w|[.-]\w)", article) is not None


def read_scenarios(path: Path) -> list[tuple[Scenario, int]]:
    """Every scenario of a file with its line; raises `PolicyError` with every mistake."""
    tree = read_yaml(read_limited(path), path.name)
    mistakes = Mistakes(tree)
    declared = validate(ScenarioFile, tree, mistakes)
    if declared is None:
        raise PolicyError(mistakes.lines(path.name))
    found: list[tuple[Scenario, int]] = []
    for index, written in enumerate(declared.scenarios):
        node: Any = dict(written)
        for key in ("policy", "purpose", "person"):
            node[key] = {**getattr(declared, key), **(written.get(key) or {})}
        here = ("scenarios", index)
        part = Tree(node, {path[2:]: line for path, line in tree.lines.items() if path[:2] == here})
        own = Mistakes(part)
        scenario = validate(Scenario, part, own)
        mistakes.found += own.found
        if scenario is not None:
            found.append((scenario, part.lines[()]))
    if mistakes.found:
        raise PolicyError(mistakes.lines(path.name))
    return found


def run(
    scenarios: Sequence[tuple[Scenario, int]], directory: Path, packs: Mapping[str, str] | None = None
) -> list[Outcome]:
    """Run scenarios through real houses made in `directory`, one per kind of policy; in the order given.

    `packs` are packs of one's own: file name → text, as the scenarios' `laws` name them.
    """
    groups: dict[str, list[int]] = {}
    for place, (scenario, _) in enumerate(scenarios):
        groups.setdefault(json.dumps(scenario.policy, sort_keys=True, default=str), []).append(place)
    found: dict[int, Outcome] = {}
    for number, places in enumerate(groups.values()):
        told = [scenarios[place] for place in places]
        outcomes = _run_together(told, directory / f"house-{number}", packs or {})
        found |= dict(zip(places, outcomes, strict=True))
    return [found[place] for place in range(len(scenarios))]


def coverage(outcomes: Iterable[Outcome]) -> tuple[set[str], set[str]]:
    """The rules that refused somebody, and those that a permitted scenario names."""
    refused: set[str] = set()
    permitted: set[str] = set()
    for outcome in outcomes:
        if outcome.wrong() is None:
            (permitted if outcome.scenario.answer == "permitted" else refused).add(outcome.scenario.rule)
    return refused, permitted


def _run_together(
    scenarios: Sequence[tuple[Scenario, int]], directory: Path, packs: Mapping[str, str]
) -> list[Outcome]:
    clock = TestClock(FOUNDED)
    house = create(directory, clock=clock)
    try:
        for name, text in packs.items():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        policy = _policy([scenario for scenario, _ in scenarios])
        with (directory / POLICY).open("w", encoding="utf-8") as file:
            writer = YAML(typ="safe", pure=True)
            writer.representer.ignore_aliases = lambda _: True  # what scenarios have in common is written out in each
            writer.dump(policy, file)
        publish(house, "owner")
        clock.now = WRITTEN
        people = _people(house, [scenario for scenario, _ in scenarios])
        return [_ask(house, scenario, line, place, people[place]) for place, (scenario, line) in enumerate(scenarios)]
    finally:
        house.close()


def _ask(house: House, scenario: Scenario, line: int, place: int, subject: SubjectId) -> Outcome:
    purpose = scenario.asked.purpose or f"purpose_{place}"
    with house.reading() as conn:
        asked = scenario.asked
        recipient = f"{asked.recipient}_{place}" if asked.recipient else ""
        question = Question(purpose, asked.effective, log.head(conn).size, (), asked.channel, recipient)
        decision = one.may(conn, subject, question)
        found = stored.in_force(conn, question.as_of, question.known)
        assert found is not None  # noqa: S101 # published before the earliest scenario
        table = stored.load(conn, found[1])
        question = complete(table, question)
        number = numbers.numbers(conn, [subject])[subject]
        many = population.reasons(conn, house.lake, table, question).get(number, "unknown_person")
        rules = table.purposes[purpose].requirements
        facts = one.facts_of(conn, table, question, number)
    held = frozenset(
        rule.id for rule in rules if _applies(rule, facts, asked.effective) and holds(rule.when, facts, asked.effective)
    )
    named = next((rule for rule in rules if rule.id == scenario.rule), None)
    matters = named is not None and _decides(named, table.purposes[purpose], facts, asked.effective)
    return Outcome(scenario, line, decision, many, rules, held, matters)


def _decides(rule: Requirement, rules: PurposeRules, facts: Facts, t: Instant) -> bool:
    """Whether other values of one or two facts that the rule reads make it refuse, and no other reason come first.

    What the policy and the day settle no fact of a person can change: there it is enough that it holds, and that
    elsewhere it refuses.
    """
    read = sorted(facts_in(rule.when))
    if all(fact.startswith("use.") for fact in read):
        return True
    asked = [one.when for one in rules.requirements]
    options = {fact: values_that_matter(fact, asked, t) for fact in read}
    damaged = chain(
        ({fact: value} for fact, values in options.items() for value in values),
        (
            {one: first, other: second}
            for one, other in combinations(options, 2)
            for first, second in product(options[one], options[other])
        ),
    )
    return any(_refuses(rule, rules, {**facts, **changed}, t) for changed in damaged)


def _refuses(rule: Requirement, rules: PurposeRules, facts: Facts, t: Instant) -> bool:
    if holds(rule.condition, facts, t):
        return False
    found = decide(rules, facts, t)
    return found.reason == rule.otherwise and rule.id in found.needed


def _applies(rule: Requirement, facts: Mapping[str, Any], t: Instant) -> bool:
    begun = (rule.starts is None or t >= rule.starts) and (rule.ends is None or t < rule.ends)
    return begun and (rule.exempt is None or not holds(rule.exempt, facts, t))


def _policy(scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """One policy with a purpose, a notice and the recipients of each scenario."""
    common = scenarios[0].policy
    controller: dict[str, Any] = {
        "name": "Maison des scénarios",
        "role": "controller",
        "contact": "donnees@scenarios.example",
        "dpo": {"contact": "dpo@scenarios.example"},
        **{key: common[key] for key in ("established", "regulated_as") if key in common},
    }
    categories = sorted({category for scenario in scenarios for category in scenario.data})
    fields: dict[str, Any] = {"id": {"category": "identifier", "type": "string", "identity": "key"}}
    fields |= {f"f_{category}": {"category": category, "type": "string"} for category in categories}
    return {
        "pacte": "1",
        "controller": controller,
        **{key: value for key, value in common.items() if key not in ("established", "regulated_as")},
        "languages": ["en"],
        "suppression": {"keep": "3 years"},
        "evidence": {"keep": "5 years", "from": "last_use", "reason": {"en": "Limitation period"}},
        "recipients": {
            f"{name}_{place}": {"name": name, "role": "processor", "place": "FR", **declared}
            for place, scenario in enumerate(scenarios)
            for name, declared in scenario.recipients.items()
        },
        "purposes": {f"purpose_{place}": _purpose(place, scenario) for place, scenario in enumerate(scenarios)},
        "notices": {f"notice-{place}": _notice(place, scenario) for place, scenario in enumerate(scenarios)},
        "datasets": {"people": {"per": "person", "person": "id", "key": ["id"], "fields": fields}},
    }


def _purpose(place: int, scenario: Scenario) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "title": {"en": scenario.scenario},
        "reason": {"en": scenario.scenario},
        "basis": "consent",
        "kind": "service",
        "uses": [f"people.f_{category}" for category in scenario.data],
        "retention": {"keep": "10 years", "from": "last_contact"},
    }
    declared = {**usual, **scenario.purpose}
    if declared["basis"] == "consent":
        declared.setdefault("in_return", {"en": "Something"})
    if declared.get("asked_by"):
        declared["asked_by"] = [f"notice-{place}"]
    if scenario.recipients:
        declared["recipients"] = [f"{name}_{place}" for name in declared.get("recipients", scenario.recipients)]
    return {key: value for key, value in declared.items() if value not in (None, "none")}


def _notice(place: int, scenario: Scenario) -> dict[str, Any]:
    tells = scenario.data if scenario.notice.tells is None else scenario.notice.tells
    return {
        "locale": "en",
        "version": "1",
        "effective": "2000-01-01",
        "text": f"Notice {place} of a scenario.",
        "tells": {f"purpose_{place}": list(tells)},
        **({"says": {f"purpose_{place}": list(scenario.notice.says)}} if scenario.notice.says else {}),
    }


def _people(house: House, scenarios: Sequence[Scenario]) -> list[SubjectId]:
    """Everybody, said into existence by ledger entries of the scenarios' days."""
    people = [new_subject_id() for _ in scenarios]
    house.keys.create_subject_keys(people)
    with house.writing() as conn:
        numbers.allot(conn, people)
        compiled = house.policy()
        entries: list[dict[str, Any]] = []
        for place, (subject, scenario) in enumerate(zip(people, scenarios, strict=True)):
            notice = compiled.document.notices[f"notice-{place}"].digest
            entries += _entries(house, subject, place, scenario, notice)
        house.record(conn, entries, WRITTEN)
    return people


def _entries(house: House, subject: SubjectId, place: int, scenario: Scenario, notice: str) -> Iterable[dict[str, Any]]:
    common = {"subject": subject, "by": "test", "role": "controller"}
    key = house.keys.evidence_key(subject)
    for effective, facts in _facts(scenario.person):
        yield {"kind": "fact", **common, "effective": effective, **commit_facts(key, subject, facts)}
    if scenario.told != "no":
        told = FOUNDED if scenario.told is None else scenario.told
        yield {"kind": "told", **common, "notice": notice, "effective": told, "how": "mail"}
    for said in scenario.said:
        yield {"kind": "choice", **common, **_choice(said, place, notice)}
    if scenario.held:
        yield {"kind": "erasure", **common, "step": "restricted", "effective": FOUNDED}
    if scenario.held == "erased":
        ends = {"evidence_until": WRITTEN + DAY, "suppressed_until": WRITTEN + DAY}
        done = {"step": "done", "effective": FOUNDED, "certificate": "0" * 64, "counts": {}}
        yield {"kind": "erasure", **common, **done, **ends}
    if scenario.stopped:
        about = {"scope": f"purpose_{place}", "effective": FOUNDED, "reason": "scenario"}
        yield {"kind": "stop", "by": "dpo", "role": "controller", **about}


def _facts(person: Person) -> Iterable[tuple[Instant, dict[str, str | int]]]:
    """What is known of the person, and from when."""
    facts: dict[str, str | int] = {}
    if person.lives:
        facts["place"] = person.lives
    if person.capacity:
        facts["capacity"] = person.capacity
    if person.age:
        facts["age"] = person.age
    if person.born:
        facts |= {"age": "minor", "minor_until": of_age(to_datetime(parse_instant(person.born)).date())}
    if person.contract is not None:
        facts["contract_since"] = person.contract
    if person.contract_until is not None:
        facts["contract_until"] = person.contract_until
    yield FOUNDED, facts
    for day, place in person.moves.items():
        yield parse_instant(day), {"place": place}


def _choice(said: Said, place: int, notice: str) -> dict[str, Any]:
    held = said.act in ("restricted", "restriction_lifted")
    recipient = f"{said.recipient}_{place}" if said.recipient else None
    entry: dict[str, Any] = {
        "purpose": said.about or ("*" if held else f"purpose_{place}"),
        "act": said.act,
        "learned": said.effective,
        "effective": said.effective,
        "method": said.method,
        "grade": said.proof,
        "voice": said.by,
        "authenticated": 1,
        "channel": said.channel,
        "recipient": recipient,
        "expires": said.expires,
        "signal": said.signal,
        "notice": notice if said.shown else None,
        "reason": "compelling-grounds" if said.act == "objection_overruled" else None,
    }
    return {key: value for key, value in entry.items() if value is not None}

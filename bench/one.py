"""One person: a decision with reasons from facts at hand, beside Cedar; and the whole answer, facts from the records.

The crowd is mixed: permitted and denied for many reasons, at home and abroad, of every age. Everybody's decision by the
Cedar policy is checked to be the same, with the same requirements that fail.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.resources import as_file, files
from itertools import product
from pathlib import Path
from statistics import median
from typing import TypeVar

from bench.cedar import Cedar, request_of
from bench.figure import Figure, Scale, at_most, pairs
from pacte.app.house import House
from pacte.gate import one
from pacte.gate.values import Question
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import Instant, add_years
from pacte.lake import numbers
from pacte.ledger import log
from pacte.policy.compile import compile_policy
from pacte.policy.compiled import Reader
from pacte.policy.document import load_policy
from pacte.policy.rules import Facts
from pacte.policy.table import PurposeRules
from pacte.policy.vocabulary import FACTS, STATEMENTS
from pacte.testing.postgres import Server
from pacte.testing.world import World, world
from pacte.vault import index as vault_index
from pacte.vault.evidence import commit_facts

PURPOSE, CHANNEL = "newsletter", "email"
NOW = Instant(1_800_000_000_000_000)
MANY = 600
"""People in the house that is asked; a look-up by key takes hardly longer among more."""
ACTS = ("given", "given", "given", "withdrawn", "")

Thing = TypeVar("Thing")


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Microseconds of the middle decision of a crowd, decisions per second beside Cedar, microseconds of an answer."""
    with as_file(files("pacte.policy") / "templates" / "shop" / "policy.yaml") as path:
        rules = compile_policy(load_policy(path)).table.purposes[PURPOSE]
    crowd, reader = list(_crowd()), Reader(rules)
    yield "decision", _middle(lambda facts: reader.decide(facts, NOW), crowd, 5.0, scale.repeats)
    cedar, asked = _equal(rules, reader, crowd)
    taken = pairs(
        lambda: [reader.decide(facts, NOW) for facts in crowd] and None,
        lambda: [cedar.ask(request) for request in asked] and None,
        scale.repeats,
    )
    yield "decision_beside_cedarpy", taken.throughput(len(crowd), "decisions/s", 10)
    yield from _answers(scale.repeats)


def _crowd() -> Iterator[Facts]:
    """Everybody in a few places, of a few ages, with each answer, told and not told."""
    told = {f"told.{word}": 1 for word in STATEMENTS}
    until = add_years(NOW, 1)
    ages = [("adult", None), ("minor", until), ("minor", add_years(NOW, 5)), ("over_15", None), (None, None)]
    places = ("FR", "FR", "CA-QC", "US-CA", "DE", None)
    for place, (age, minor_until), status, notice in product(places, ages, ("given", "withdrawn", "none"), (1, 1, 0)):
        yield {
            **dict.fromkeys(FACTS),
            **told,
            **dict.fromkeys(("sale.status", "sensitive.status", "automated.status", "directive.status"), "none"),
            "person.known": 1,
            "person.place": place,
            "person.capacity": "consumer",
            "person.age": age,
            "person.minor_until": minor_until,
            "contract.since": 0,
            "hold.status": "none",
            "sale.signal": "",
            "choice.status": status,
            "choice.grade": 3 if status == "given" else 0,
            "choice.signal": "",
            "choice.since": NOW - 1,
            "choice.after_hold": 0,
            "guardian.status": "none",
            "guardian.grade": 0,
            "told.requested": notice,
            "use.channel": CHANNEL,
            "use.recipient": "",
            "use.stopped": 0,
            "use.in_force": 1,
        }


def _equal(rules: PurposeRules, reader: Reader, crowd: Sequence[Facts]) -> tuple[Cedar, list[dict[str, str]]]:
    """The Cedar policy and its questions, once both have given everybody the same answer for the same reasons."""
    cedar, asked = Cedar(rules, NOW), [request_of(facts) for facts in crowd]
    seen = set()
    for facts, request in zip(crowd, asked, strict=True):
        outcome = reader.decide(facts, NOW)
        assert cedar.answer(request) == (outcome.effect == "permit", set(outcome.needed)), outcome
        seen.add(outcome.reason)
    assert {"permitted", "withdrawn", "never_asked", "not_informed"} <= seen, seen
    return cedar, asked


def _answers(repeats: int) -> Iterator[tuple[str, Figure]]:
    """`gate.one.may` in an open transaction, and `House.may` from an e-mail address; on PostgreSQL without a goal."""
    with tempfile.TemporaryDirectory() as folder, closing(Server(Path(folder) / "pg")) as server:
        for suffix, address in (("", ""), ("_postgresql", server.database())):
            home = world(Path(folder) / f"house{suffix}", database=address)
            people = _people(home)
            with home.house as house:
                found = _may(house, people, repeats)
                yield f"may{suffix}", _shown(found) if suffix else found
                ask = [f"person.{number}@shop.example" for number in range(MANY // 4)]
                found = _middle(lambda who: house.may(who, PURPOSE, channel=CHANNEL), ask, 100.0, repeats)
                yield f"may_end_to_end{suffix}", _shown(found)


def _may(house: House, people: Sequence[SubjectId], repeats: int) -> Figure:
    with house.reading() as conn:
        question = Question(PURPOSE, house.present(conn), log.head(conn).size, (), CHANNEL)
        answers = {one.may(conn, subject, question).reason.code for subject in people}
        assert answers == {"permitted", "withdrawn", "never_asked"}, answers
        return _middle(lambda subject: one.may(conn, subject, question), people, 100.0, repeats)


def _people(home: World) -> list[SubjectId]:
    """Invented adults of a real house, each told by the shop's notice and known by an address, most with a choice."""
    people = [new_subject_id() for _ in range(MANY)]
    home.house.keys.create_subject_keys(people)
    with home.house.writing() as conn:
        numbers.allot(conn, people)
        rows = [(subject, "email", f"person.{number}@shop.example") for number, subject in enumerate(people)]
        vault_index.add(conn, home.house.keys, rows)
        about = {"effective": home.clock(), "by": "import", "role": "controller"}
        entries: list[dict[str, object]] = []
        for number, subject in enumerate(people):
            who = {"subject": subject, **about}
            key = home.house.keys.evidence_key(subject)
            vector = commit_facts(key, subject, {"place": "FR", "capacity": "consumer", "age": "adult"})
            entries.append({"kind": "fact", **who, **vector})
            entries.append({"kind": "told", **who, "notice": home.notice("web-2024"), "how": "mail"})
            if act := ACTS[number % len(ACTS)]:
                said = {"purpose": PURPOSE, "act": act, "channel": CHANNEL, "learned": home.clock(), "voice": "self"}
                entries.append(
                    {"kind": "choice", **who, **said, "method": "web_form", "grade": "form", "authenticated": 1}
                )
        home.house.record(conn, entries, home.clock())
    return people


def _middle(action: Callable[[Thing], object], things: Sequence[Thing], goal: float, repeats: int) -> Figure:
    """Microseconds of the middle one of all, each measured by itself; the round before does not count."""
    rounds = []
    for number in range(max(5, repeats) + 1):
        taken = sorted(_alone(action, thing) for thing in things)
        if number:
            rounds.append(taken[len(taken) // 2] * 1e6)
    return at_most(median(rounds), "µs", goal, 1.0, (min(rounds) / goal, max(rounds) / goal))


def _alone(action: Callable[[Thing], object], thing: Thing) -> float:
    started = time.perf_counter()
    action(thing)
    return time.perf_counter() - started


def _shown(figure: Figure) -> Figure:
    return replace(figure, goal="shown beside, no goal", met=True)

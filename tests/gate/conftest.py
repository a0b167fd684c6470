"""A house with a past: people of every kind who change their minds while the policy changes and uses are made."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pacte.app.house import POLICY
from pacte.app.publish import publish
from pacte.app.stop import stop
from pacte.app.uses import Use, declare
from pacte.consent import snapshot
from pacte.gate import one
from pacte.gate.replay import question_of
from pacte.gate.values import Decision
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import queries
from pacte.policy.vocabulary import METHODS_OF_PARENTS, STANDING_CHOICES
from pacte.testing.world import World, world

ACTS = ("given", "given", "given", "refused", "withdrawn", "objected", "objection_lifted", "objection_overruled")
PURPOSES = (
    *("newsletter", "newsletter", "similar_offers", "statistics", "partner_offers", "*"),
    *STANDING_CHOICES.values(),
)
AGES = [{"age": "adult"}] * 4 + [{"age": "over_15"}, {"age": "over_13"}]


@dataclass
class Past:
    """The world as it came to be, its uses, and what the gate answered about everybody at each of them."""

    world: World
    uses: list[Use] = field(default_factory=list)
    answers: list[dict[SubjectId, Decision]] = field(default_factory=list)


def _person(world: World, rng: random.Random) -> None:
    age = rng.choice([*AGES, {"age": "minor", "minor_until": world.clock() + rng.randint(1, 2000) * DAY}])
    if rng.random() < 0.1:
        age = {"age": None}
    contract = {"contract_since": world.clock() - DAY} if rng.random() < 0.6 else {}
    contract |= {"contract_until": world.clock() + 40 * DAY} if contract and rng.random() < 0.3 else {}
    world.person(
        rng.choice(["web-2022", "web-2024", "web-2024", "web-2024-en", "paper-2023", None]),
        capacity=rng.choice(["consumer", "consumer", "professional", "former", "deceased", None]),
        place=rng.choice(["FR", "CA-QC", "US-CA", None]),
        **age,
        **contract,
    )


def _say(world: World, rng: random.Random) -> None:
    subject = rng.choice(world.people)
    act = rng.choice(ACTS)
    purpose = rng.choice(PURPOSES)
    learned = world.clock()
    effective = rng.choice([learned, learned, Instant(learned - rng.randint(0, 300) * DAY), None])
    details: dict[str, object] = {
        "effective": effective,
        "grade": rng.choice(["double_opt_in", "form", "paper", "attested", "none"]),
        "authenticated": rng.choice([1, 1, 0]),
        "voice": rng.choice(["self", "self", "self", "guardian"]),
    }
    if rng.random() < 0.3:
        details["notice"] = world.notice(rng.choice(["web-2022", "web-2024"]))
    if details["voice"] == "guardian" and rng.random() < 0.5:
        details["method"] = rng.choice(METHODS_OF_PARENTS)
    if act == "objection_overruled":
        details |= {"method": "staff", "reason": "LIA-2026-04"}
    if act == "given" and rng.random() < 0.4:
        details["expires"] = (effective or learned) + rng.randint(1, 400) * DAY
    if act == "objected" and rng.random() < 0.5:
        details |= {"signal": "gpc", "method": "signal"}
    if purpose == "newsletter" and rng.random() < 0.5:
        details["channel"] = rng.choice(["email", "sms"])
    if purpose == "partner_offers":
        details["recipient"] = rng.choice(["cookery_school", "sugar_shack"])
    world.said(subject, act, purpose, **details)


def _use(past: Past, rng: random.Random) -> None:
    purpose, channel, recipient = rng.choice(
        [
            ("newsletter", "email", ""),
            ("newsletter", "sms", ""),
            ("similar_offers", "email", ""),
            ("statistics", "", ""),
            ("partner_offers", "email", "cookery_school"),
            ("order_service", "", ""),
        ]
    )
    use = declare(past.world.house, purpose, channel=channel, recipient=recipient)
    with past.world.house.reading() as conn:
        _, entry = queries.use(conn, use.permits.record.use)
        answers = {subject: one.may(conn, subject, question_of(entry), entry["rules"]) for subject in past.world.people}
    past.uses.append(use)
    past.answers.append(answers)


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory, records: Callable[[], str]) -> Past:
    """60 people, 300 statements, a dozen uses, three policies, a stop and its end, restrictions."""
    rng = random.Random(7)
    home = world(tmp_path_factory.mktemp("gate") / "house", database=records())
    home.clock.forward(400)
    past = Past(home)
    for _ in range(60):
        _person(home, rng)
    for step in range(300):
        if step % 4 == 0:
            home.clock.forward(rng.random() * 5)
        _say(home, rng)
        if step % 23 == 0:
            _use(past, rng)
        if step == 150:  # from here on: a columnar copy, and what is said after it
            with home.house.writing() as conn:
                snapshot.write(conn, home.house.lake)
        if step == 120:
            stop(home.house, "newsletter", "test")
        if step == 140:
            stop(home.house, "newsletter", "test", lift=True)
        if step in (100, 200):
            _change_policy(home, step)
        if step % 50 == 0:
            held, heard = rng.sample(home.people, 2)
            home.said(heard, "objected", "statistics")
            home.said(held, "restricted", "*", grade="none")
            home.clock.forward(0.5)
            for purpose in ("newsletter", "statistics") if step % 100 == 0 else ():
                home.said(held, "given", purpose, authenticated=rng.choice([1, 1, 0]))
            home.said(heard, "objection_overruled", "statistics", method="staff", reason="LIA-2026-04")
        if step % 70 == 0:
            home.told(rng.choice(home.people), "web-2024")
    return past


def _change_policy(home: World, step: int) -> None:
    file = home.house.path / POLICY
    old, new = ("minimum_grade: form", "minimum_grade: paper") if step == 100 else ("honours: [gpc]", "honours: []")
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    publish(home.house, "owner")

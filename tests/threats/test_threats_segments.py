"""Somebody asks ten thousand questions about how many people there are, to learn one thing of one person.

The attacker knows everybody else of the population, and by what rules numbers are shown; they lack the house's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from math import sqrt
from typing import Any

import numpy as np
import pytest

from pacte.app import reach, segments
from pacte.testing.world import TestClock
from tests.threats.counting import (
    CITIES,
    REFUSED,
    House,
    Rounded,
    Z,
    at_least,
    cities,
    every,
    lately,
    no,
)
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    choice,
    customer,
    empty_house,
    write_csv,
)

PEOPLE = 2_500
Condition = Mapping[str, Any]
Kind = Callable[..., Rounded]
"""Makes a population that answers."""


def _contexts(world: Rounded, count: int) -> Iterator[tuple[int, ...]]:
    """Different sets of cities, without Z."""
    for number in world.rng.permutation(np.arange(1, 2**Z - 1))[:count]:
        yield tuple(city for city in range(Z) if number >> city & 1)


def _difference(world: Rounded, wider: Condition, narrower: Condition) -> float | None:
    """By how much two sizes differ beyond what the attacker knows."""
    one, other = world.ask(wider), world.ask(narrower)
    if not isinstance(one, int) or not isinstance(other, int):
        return None
    return one - other - (world.known(wider) - world.known(narrower))


def _guess(found: list[float | None]) -> int:
    """1 where the mean says that there is one person more than known."""
    said = [one for one in found if one is not None]
    return int(bool(said) and float(np.mean(said)) > 0.5)


def _in_z(kind: Kind, rng: np.random.Generator, secret: int, pads: int = 75) -> Rounded:
    """The one person lives in Z, or in A; everybody else in Z is an account of the attacker."""
    world = kind(rng, PEOPLE, pads)
    world.enter(pads, city=Z)
    world.place(world.one, city=Z if secret else 0, spent=110, months=2)
    return world


def unions(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """Cities with Z and without it, in ever other company; the mean of the differences."""
    world = _in_z(kind, rng, secret)
    found = [_difference(world, cities(*some, Z), cities(*some)) for some in _contexts(world, 100)]
    return _guess(found)


def complements(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """The same from outside: everybody but those of some cities, with Z among them and not."""
    world = _in_z(kind, rng, secret)
    found = [_difference(world, no(cities(*some)), no(cities(*some, Z))) for some in _contexts(world, 100)]
    return _guess(found)


def combinations(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """The same among those who spent much, or came lately: the accounts are of every sort."""
    world = _in_z(kind, rng, secret, pads=300)
    sorts = at_least(100), at_least(50), lately(6)
    pairs = [(some, sort) for some in _contexts(world, 16) for sort in sorts]
    found = [_difference(world, every(cities(*some, Z), sort), every(cities(*some), sort)) for some, sort in pairs]
    return _guess(found)


def edited(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """One segment whose bound is moved a hundred times across the one person: nobody else lies between 100 and 200."""
    world = kind(rng, PEOPLE)
    world.spent[(world.spent >= 100) & (world.spent < 200)] = 60
    world.place(world.one, city=0, spent=110 if secret else 60, months=2)
    found = []
    for some in _contexts(world, 50):
        company = every(cities(0, *some), at_least(100)), every(cities(0, *some), at_least(200))
        found.append(_difference(world, *company))
    said = [one for one in found if one is not None]
    return int(bool(said) and float(np.mean(said)) > 0.25)


def apart(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """The same, but never both bounds in one company of cities, so that no two questions are about nearly the same."""
    world = kind(rng, PEOPLE)
    world.spent[(world.spent >= 100) & (world.spent < 200)] = 60
    world.place(world.one, city=0, spent=110 if secret else 60, months=2)
    found: dict[int, list[float]] = {100: [], 200: []}
    for at, some in enumerate(_contexts(world, 120)):
        bound = (100, 200)[at % 2]
        asked = every(cities(*{0, *some}), at_least(bound))
        said = world.ask(asked)
        if isinstance(said, int):
            found[bound].append(said - world.known(asked))
    return int(float(np.mean(found[100] or [0]) - np.mean(found[200] or [0])) > 0.5)


def day_by_day(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """The one person comes on the fifteenth day with eighty accounts, or not: the days before beside those after."""
    world = kind(rng, PEOPLE, 80)
    before: list[int] = []
    after: list[int] = []
    for day in range(30):
        if day == 15:
            world.enter(80, city=0)
            if secret:
                world.place(world.one, city=0, spent=110, months=2)
        for some in _contexts(world, 3):
            asked = cities(*{0, *some})
            said = world.ask(asked)
            if isinstance(said, int):
                (after if day >= 15 else before).append(said - world.known(asked))
        world.tomorrow()
    return int(float(np.mean(after) - np.mean(before)) > 0.5)


def padding(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """An account more in Z each day, until its size is said at last: a day sooner if the one person is there."""
    world = _in_z(kind, rng, secret, pads=110)
    world.there[world.people : world.one] = False
    first, expected = world.least - 2, world.least
    world.there[world.people : world.people + first] = True
    for day in range(30):
        if isinstance(world.ask(cities(Z)), int):
            return int(first + day < expected)
        world.there[world.people + first + day] = True
        world.tomorrow()
    return 0


def refusals(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """What is refused, and what is not, where one person more or less would make it so."""
    world = _in_z(kind, rng, secret, pads=120)
    world.spent[world.people : world.one] = np.repeat([60, 260], [121 - world.least, world.least - 1])
    world.spent[world.one] = 260
    said = []
    for some in _contexts(world, 60):
        wide = isinstance(world, House)
        asked = every(cities(*some, Z), at_least(100)) if wide else every(cities(Z), at_least(100))
        said.append(world.ask(asked) not in (None, REFUSED))
    return int(float(np.mean(said)) > 0.5)


def campaigns(kind: Kind, rng: np.random.Generator, secret: int) -> int:
    """Campaigns to eighty-four accounts and the one person: forty-nine of them said no, others each time, and they?

    Below fifty nothing is told; so one number would be proof.
    """
    world = kind(rng, 0, 84)
    told = [world.results(np.arange(85), 0)]
    for campaign in range(1, 100):
        known = rng.choice(84, 49, replace=False)
        left_out = np.append(known, world.one) if secret else known
        told.append(world.results(left_out, campaign))
    return int(any(number is not None for number in told[1:]))


ATTACKS = [unions, complements, combinations, edited, apart, day_by_day, padding, refusals, campaigns]
TRIALS, MANY = 12, 120
"""Populations for each attack, and for those that come nearest: one of them that is right six times in ten shows."""


def _right(attack: Callable[..., int], kind: type[Rounded], trials: int, seed: int) -> tuple[int, int]:
    """How often an attack guesses right, and how many questions it asked."""
    right = asked = 0
    for trial in range(trials):
        worlds: list[Rounded] = []

        def made(*of: Any, worlds: list[Rounded] = worlds, **more: Any) -> Rounded:
            worlds.append(kind(*of, **more))
            return worlds[-1]

        secret = trial % 2
        right += attack(made, np.random.default_rng([seed, trial]), secret) == secret
        asked += sum(world.asked for world in worlds)
    return right, asked


def _chance(trials: int) -> float:
    """So many right guesses are still luck: 3.3 standard deviations, one time in two thousand."""
    return trials / 2 + 3.3 * sqrt(trials) / 2


@pytest.mark.parametrize("attack", ATTACKS)
def test_rounding_alone_gives_the_person_away(attack: Callable[..., int]) -> None:
    """The attacks are no straw men: numbers that are only rounded, and hidden below the smallest, tell."""
    trials = 60
    assert _right(attack, Rounded, trials, 1)[0] > _chance(trials)


def test_ten_thousand_questions_tell_nothing_of_one_person() -> None:
    """No attack is right more often than chance, nor are they all together."""
    found = {attack.__name__: _right(attack, House, TRIALS, 2) for attack in ATTACKS}
    right = {name: right for name, (right, _) in found.items()}
    assert sum(asked for _, asked in found.values()) >= 10_000
    assert max(right.values()) <= _chance(TRIALS), right
    assert sum(right.values()) <= _chance(TRIALS * len(ATTACKS)), right


@pytest.mark.parametrize("attack", [apart, campaigns])
def test_the_strongest_attack_is_not_right_six_times_in_ten(attack: Callable[..., int]) -> None:
    """More than ten thousand questions. What is drawn is the same at each run."""
    right, asked = _right(attack, House, MANY, 5)
    assert asked >= 10_000
    assert right < 0.6 * MANY, right


def test_however_it_is_said_the_number_is_the_same() -> None:
    """Reordered, repeated, doubly negated: one meaning, one number, all day."""
    world = House(np.random.default_rng(3), 3 * PEOPLE)
    parts = [cities(0, 1), at_least(50), lately(12)]
    said = {world.ask(every(*order)) for order in permutations(parts)}
    said |= {world.ask(no(no(every(*parts)))), world.ask(every(every(*parts[:2]), parts[2], parts[2]))}
    said |= {world.ask(no({"any": [no(one) for one in parts]})), world.ask(every(cities(1, 0), *parts[1:]))}
    assert len(said) == 1
    assert isinstance(said.pop(), int)


@pytest.mark.soak
@pytest.mark.parametrize("attack", ATTACKS)
def test_nor_do_many_more(attack: Callable[..., int]) -> None:
    """Each attack on hundreds of populations: whoever knows everybody else and holds dozens of accounts gains little.

    What is left is that of one draw beside sixty others: a few guesses in a hundred.
    """
    trials = 300
    assert _right(attack, House, trials, 4)[0] <= 0.05 * trials + _chance(trials)


@pytest.mark.soak
def test_nor_do_questions_to_houses(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The unions of cities once more, asked of whole houses as staff ask them, each with a key of its own."""
    trials, right = 24, 0
    for trial in range(trials):
        rng, secret = np.random.default_rng([6, trial]), trial % 2
        places = [*rng.choice(5, 600), *[Z] * 75, Z if secret else 0]
        root = tmp_path_factory.mktemp("asked")
        with empty_house(root / "house", TestClock(TODAY)) as house:
            people = [customer(at + 1, city=CITIES[place]) for at, place in enumerate(places)]
            house.load(write_csv(root / "customers.csv", CUSTOMER_COLUMNS, people))
            yes = [choice(at + 1) for at in range(len(places))]
            house.load(write_csv(root / "choices.csv", CHOICE_COLUMNS, yes))
            use, found = house.declare("newsletter", channel="email"), []
            for number in rng.permutation(np.arange(1, 31)):
                some = tuple(city for city in range(5) if number >> city & 1)
                with_z, without = (segments.size(house, use, cities(*one)).size for one in ((*some, Z), some))
                if with_z is not None and without is not None:
                    found.append(float(with_z - without - 75))
        right += _guess([*found]) == secret
    assert right <= _chance(trials)


@pytest.mark.soak
def test_no_door_tells_the_fiftieth(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Forty-nine who live in Z are known, and forty-nine who said no; whether there is one more no door says."""
    for trial in range(12):
        secret, root = trial % 2, tmp_path_factory.mktemp("fifty")
        places = [*[at % 4 for at in range(400)], *[Z] * (49 + secret), *[0] * (49 + secret)]
        clock = TestClock(TODAY)
        with empty_house(root / "house", clock) as house:
            people = [customer(at + 1, city=CITIES[place]) for at, place in enumerate(places)]
            house.load(write_csv(root / "customers.csv", CUSTOMER_COLUMNS, people))
            said = [choice(at + 1, "given" if at < 400 + 49 + secret else "withdrawn") for at in range(len(places))]
            house.load(write_csv(root / "choices.csv", CHOICE_COLUMNS, said))
            for _ in range(3):
                use = house.declare("newsletter", channel="email")
                assert dict(reach.reach(house, "newsletter", "email").reasons)["withdrawn"] is None
                assert segments.size(house, use, cities(Z)).refused
                assert CITIES[Z] not in reach.offered(house, use)["customers.city"]
                for field in reach.disparity(house, use, no(cities(trial % 4))):
                    assert CITIES[Z] not in [part.value for part in field.parts]
                clock.forward(1)

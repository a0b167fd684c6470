"""What a pack must satisfy before a house relies on it, whoever wrote it and whatever law it holds.

A pack is data that decides about people: it may only ever refuse more, both readers must read it alike, and what it
says must have been worked out from the law, case by case. `pacte pack check` shows what holds and what does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from pacte.kernel.errors import PolicyError
from pacte.policy.packs import BUILT_IN, HOUSE, Pack, built_in, read_pack
from pacte.policy.rules import decide
from pacte.policy.satisfy import contradiction
from pacte.policy.table import Requirement
from pacte.testing import grid
from pacte.testing.scenarios import Outcome, coverage, read_scenarios, run

CHECKS = ("reads", "named", "used", "agrees", "protects", "readers", "scenarios", "decided")
"""What is checked, in this order; where a pack cannot be read, nothing else is said."""
MOST = 20
"""As many mistakes as one check tells."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked, and what is wrong with it; `tried` is false where nothing could be checked."""

    code: str
    mistakes: tuple[str, ...] = ()
    tried: bool = True


def check(pack_text: str, scenarios_text: str | None, name: str) -> list[str]:
    """Every mistake of a pack that is called `name`, with the scenarios of its law; an empty list when all holds."""
    return [mistake for one in checks(pack_text, scenarios_text, name) for mistake in one.mistakes]


def checks(pack_text: str, scenarios_text: str | None, name: str, scenarios_name: str = "scenarios") -> list[Check]:
    """The same, one check after the other."""
    try:
        pack = read_pack(pack_text, name)
    except PolicyError as error:
        return [Check("reads", tuple(error.problems))]
    tried = grid.usual_purposes(pack)
    found = [
        Check("reads"),
        Check("named", tuple(_names(pack))),
        Check("used", tuple(_unused(pack))),
        Check("agrees", _cut(_contradictions(pack, tried))),
        Check("protects", _cut(_loosened(pack, tried))),
        Check("readers", _cut(_told_apart(pack, tried))),
    ]
    return [*found, *_scenarios(pack, pack_text, scenarios_text, scenarios_name)]


def _names(pack: Pack) -> Iterator[str]:
    """Decisions name a rule by its pack: two packs of one name could not be told apart."""
    if pack.id in (*BUILT_IN, HOUSE) and pack.file != built_in(pack.id).file:
        yield f"{_at(pack, 'pack')} `{pack.id}` is the name of a pack that comes with pacte; choose another"


def _unused(pack: Pack) -> Iterator[str]:
    """What a pack declares and no rule needs is a rule that somebody forgot."""
    sources = {rule.source for rule in (*pack.file.rules, *pack.file.contact)}
    for source in [source for source in pack.file.sources if source not in sources]:
        yield f"{_at(pack, 'sources', source)} no rule cites the source `{source}`"
    named = set(_texts(pack.tree.mapping("groups")))
    named |= {node for index in range(len(pack.file.rules)) for node in _texts(pack.node(index, "for"))}
    for group in [group for group in pack.file.groups if group not in named]:
        yield f"{_at(pack, 'groups', group)} no rule is for the group `{group}`"


def _contradictions(pack: Pack, tried: Iterable[grid.Tried]) -> Iterator[str]:
    """Two rules that nobody can satisfy together would refuse everybody, and no reason would say so.

    A rule that a purpose breaks by what it declares, such as a transfer without a safeguard, is no contradiction: only
    one that no usual purpose can satisfy is.
    """
    never: dict[str, bool] = {}
    for one in grid.different(tried):
        possible = [rule for rule in one.own if not _is_never(rule)]
        for rule in one.own:
            never[rule.id] = never.get(rule.id, True) and rule not in possible
        if pair := _apart(possible):
            first, second = (rule.id.partition(":")[2] for rule in pair)
            yield f"{_line(pack, second)} {_APART.format(first, second, one.where)}"
    for name in [name.partition(":")[2] for name, always in never.items() if always]:
        yield f"{_line(pack, name)} rule `{name}` can never hold, for no usual purpose"


_APART = "rules `{}` and `{}` cannot hold together, for a purpose such as {}"


def _apart(rules: list[Requirement]) -> tuple[Requirement, Requirement] | None:
    """Two rules that nobody whom both bind can satisfy: those that leave the same people out, or nobody."""
    for exempt in dict.fromkeys(rule.exempt for rule in rules):
        pair = contradiction([_bare(rule) for rule in rules if rule.exempt == exempt])
        if pair is not None:
            return pair
    return contradiction(rules)


def _is_never(rule: Requirement) -> bool:
    return contradiction([_bare(rule)]) is not None


def _bare(rule: Requirement) -> Requirement:
    """What a rule asks of those whom it binds, while it does."""
    return replace(rule, exempt=None, ends=None)


def _told_apart(pack: Pack, tried: tuple[grid.Tried, ...]) -> Iterator[str]:
    """The reader for one person and the reader for a population read every rule of the pack alike."""
    several = grid.different(tried)
    for t in grid.moments(several):
        people = grid.near_misses([rule.condition for one in several for rule in one.own], t)
        rules = [one.alone for one in several]
        for person, row in zip(people, grid.in_duckdb(rules, people, t), strict=True):
            for one, many in zip(several, row, strict=True):
                found = decide(one.alone, person, t).reason
                if found != many:
                    yield _DIFFER.format(pack.name, one.where, found, many)


def _loosened(pack: Pack, tried: tuple[grid.Tried, ...]) -> Iterator[str]:
    """A pack may only deny: whoever it permits was permitted without it."""
    several = grid.shop(grid.different(tried)) or grid.different(tried)
    for t in grid.moments(several):
        people = grid.near_misses([rule.condition for one in several for rule in one.own], t)
        for one in several:
            permitted = [person for person in people if decide(one.with_it, person, t).effect == "permit"]
            if any(decide(one.without, person, t).effect != "permit" for person in permitted):
                yield _LOOSER.format(pack.name, one.where)


_DIFFER = "{}:1: the two readers of rules differ on {}: `{}` for one person, `{}` for many"
_LOOSER = "{}:1: with this pack, {} permits what was refused without it; a pack may only refuse"


def _scenarios(pack: Pack, pack_text: str, text: str | None, name: str) -> list[Check]:
    if text is None:
        return [Check("scenarios", tried=False), Check("decided", tried=False)]
    try:
        with TemporaryDirectory() as directory:
            outcomes = _run(pack, pack_text, text, Path(directory))
    except PolicyError as error:
        return [
            Check("scenarios", tuple(f"{name}: {problem}" for problem in error.problems)),
            Check("decided", (), False),
        ]
    wrong = [f"{name}:{one.line}: {one.scenario.scenario}: {found}" for one in outcomes if (found := one.wrong())]
    return [Check("scenarios", tuple(wrong)), Check("decided", tuple(_undecided(pack, outcomes)))]


def _run(pack: Pack, pack_text: str, text: str, directory: Path) -> list[Outcome]:
    (directory / "scenarios").write_text(text, encoding="utf-8")
    scenarios = read_scenarios(directory / "scenarios")
    named = {law for scenario, _ in scenarios for law in scenario.policy.get("laws", ()) if str(law).endswith(".yaml")}
    mine = [law for law in named if Path(law).name == Path(pack.name).name]
    others = sorted(set(named) - set(mine))
    if others:
        raise PolicyError([f"`laws` names `{law}`; expected the pack that is checked, `{pack.name}`" for law in others])
    if not mine and pack.id not in (*BUILT_IN, HOUSE):
        raise PolicyError([f"no scenario names the pack under `laws`, such as `laws: [packs/{Path(pack.name).name}]`"])
    return run(scenarios, directory, dict.fromkeys(mine, pack_text))


def _undecided(pack: Pack, outcomes: list[Outcome]) -> Iterator[str]:
    refused, permitted = coverage(outcomes)
    for rule in pack.file.rules:
        name = f"{pack.id}:{rule.id}"
        if name not in refused:
            yield f"{_line(pack, rule.id)} no scenario in which rule `{rule.id}` refuses"
        if name not in permitted:
            yield f"{_line(pack, rule.id)} no permitted scenario that names rule `{rule.id}`"


def _texts(node: object) -> Iterator[str]:
    """The names of groups in a `for`, a list of them, or a mapping of groups."""
    if isinstance(node, str):
        yield node
    for one in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        if isinstance(one, str | list):
            yield from _texts(one)


def _line(pack: Pack, rule: str) -> str:
    index = next(index for index, one in enumerate(pack.file.rules) if one.id == rule)
    return _at(pack, "rules", index)


def _at(pack: Pack, *path: str | int) -> str:
    return f"{pack.name}:{pack.tree.line(path)}:"


def _cut(mistakes: Iterable[str]) -> tuple[str, ...]:
    """Each mistake once, and not more than anybody reads."""
    return tuple(islice(dict.fromkeys(mistakes), MOST))

"""`rules`: the compiled rule table as people read it, each rule in a sentence with the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacte.cli.output import (
    HERE,
    HouseOption,
    JsonOption,
    LangOption,
    counted,
    language,
    opened,
    say,
    tell,
    words,
)

if TYPE_CHECKING:
    from pacte.policy.compile import Compiled
    from pacte.policy.contact import ContactRule
    from pacte.policy.table import Requirement, RuleTable


HOUSE = "house"
GUARDS = frozenset(
    f"{HOUSE}:{name}"
    for name in (
        "stopped", "in_force", "known", "once_known", "hold_known", "told_known", "choice_known", "guardian_known",
    )
)  # fmt: skip
"""Rules that ask no more than whether the facts are there: said in one line."""


def rules(
    purpose: Annotated[
        str, typer.Argument(metavar="PURPOSE", help="Only this purpose, in the order in which its rules are asked.")
    ] = "",
    pack: Annotated[str, typer.Option("--pack", metavar="NAME", help="Only this pack: gdpr, fr, house…")] = "",
    at: Annotated[
        str, typer.Option("--at", metavar="DATE", help="The table in force on that day (ISO 8601); now if absent.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="The table of this policy, published or not.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="One by one also the rules that only ask whether the facts are known.")
    ] = False,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the rules that decide: what each says, where it stands, since when, and whether counsel has checked it."""
    from pacte.kernel.errors import BadInput, NotFound, named

    tongue = language(lang, house)
    if at and file:
        raise BadInput("`--at` asks for a published table and `--file` for another; give one of them")
    compiled = _table(at, file, house)
    table = compiled.table
    if purpose and purpose not in table.purposes:
        declared = ", ".join(named(name) for name in compiled.document.purposes)
        raise NotFound(f"this policy declares no such purpose; it declares {declared}")
    known = dict.fromkeys(rule.pack for rules in table.purposes.values() for rule in rules.requirements)
    if pack and pack not in known:
        other = "" if file else "; a policy that is not published yet is read with `--file policy.yaml`"
        raise NotFound(
            f"no rule of this table is of that pack; its packs are {', '.join(f'`{name}`' for name in known)}{other}"
        )
    purposes = [purpose] if purpose else list(compiled.document.purposes)
    chosen = {
        name: [(n, rule) for n, rule in enumerate(table.purposes[name].requirements, 1) if pack in ("", rule.pack)]
        for name in purposes
    }
    data: dict[str, Any] = {
        "policy": compiled.policy_digest,
        "rules": table.digest,
        "laws": list(table.laws),
        "purposes": {name: [_json(n, rule) for n, rule in found] for name, found in chosen.items()},
    }
    contact = [] if purpose or table.contact is None else [one for one in table.contact.rules if pack in ("", one.pack)]
    if contact:
        data["contact"] = [one.to_json() for one in contact]

    def show() -> None:
        _show(table, compiled.policy_digest, chosen, tongue, every=every)
        _show_contact(contact, tongue)

    say(data, as_json, show)


def _table(at: str, file: Path | None, house: Path) -> Compiled:
    from pacte.app.versions import in_file, in_force
    from pacte.kernel.instant import parse_instant

    if file is not None:
        return in_file(file)
    with opened(house) as home:
        return in_force(home, parse_instant(at) if at else None)


def settled(rule: Requirement) -> bool | None:
    """Whether the policy alone settles a rule, and how: kept by it, broken by it; `None` where people differ."""
    from pacte.policy.conditions import Fixed

    return bool(rule.when.value) if isinstance(rule.when, Fixed) else None


def _json(order: int, rule: Requirement) -> dict[str, Any]:
    bounds = {"starts": rule.starts, "ends": rule.ends}
    return {
        "order": order,
        "id": rule.id,
        "says": dict(rule.says),
        **{name: getattr(rule, name) for name in ("article", "source", "since", "pack")},
        "checked_by_counsel": bool(rule.checked),
        "settled": settled(rule),
        "otherwise": rule.otherwise,
        **{name: value for name, value in bounds.items() if value is not None},
    }


@dataclass(slots=True)
class _Line:
    """A rule and the purposes that have it; `order` is its place where there is one purpose only."""

    rule: Requirement
    order: int
    purposes: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def _show(
    table: RuleTable, policy: str, chosen: Mapping[str, list[tuple[int, Requirement]]], lang: str, *, every: bool
) -> None:
    lines = _lines(table, chosen)
    guards = [] if every else [line.rule.id for line in lines if line.rule.id in GUARDS]
    digests = {"policy": policy[:12], "rules": table.digest[:12]}
    tell(counted("rules.title", lang, len(lines), **digests), style="bold")
    if len(chosen) == 1:
        name = next(iter(chosen))
        title = table.purposes[name].title.get(lang, name)
        tell(words("rules.purpose", lang, purpose=name, title=title))
    laws = [line.rule for line in lines if line.rule.pack != HOUSE]
    unchecked = bool(laws) and not any(rule.checked for rule in laws)
    if unchecked:
        tell(words("rules.none_checked", lang), style="bold")
    tell(words("rules.order", lang), style="dim")
    if guards:
        tell(words("rules.guards", lang, rules=_listed(guards)), style="dim")
    for place, line in enumerate(lines, 1):
        if line.rule.id in guards:
            continue
        _show_rule(line, line.order if len(chosen) == 1 else place, len(chosen), lang, unchecked=unchecked)


def _show_contact(rules: list[ContactRule], lang: str) -> None:
    """When and how often people are reached."""
    from pacte.kernel.i18n import day, typeset
    from pacte.kernel.instant import parse_instant
    from pacte.policy.citations import cite
    from pacte.policy.contact_words import said

    if rules:
        tell("")
        tell(counted("rules.contact", lang, len(rules)), style="bold")
    for place, rule in enumerate(rules, 1):
        where = words("rules.own", lang) if rule.pack == HOUSE else cite(rule.article, rule.source, rule.short, lang)
        dated = words("rules.since", lang, day=day(parse_instant(rule.since), lang)) if rule.since else ""
        until = words("rules.until", lang, day=day(rule.ends, lang)) if rule.ends is not None else ""
        checked = "" if rule.pack == HOUSE else words("rules.checked" if rule.checked else "rules.unchecked", lang)
        tell("")
        tell(typeset(said(rule, lang), lang), mark=f"{place:>3}.")
        parts = (rule.id, typeset(where, lang), dated, until, checked)
        tell(" · ".join(part for part in parts if part), style="dim", indent=5)


def _lines(table: RuleTable, chosen: Mapping[str, list[tuple[int, Requirement]]]) -> list[_Line]:
    """Each rule once, in the order of the reasons and of the laws: the order in which every purpose asks its own."""
    from pacte.policy.vocabulary import REASONS

    found: dict[str, _Line] = {}
    for name, listed in chosen.items():
        for order, rule in listed:
            line = found.setdefault(rule.id, _Line(rule, order))
            line.purposes.append(name)
            settles = settled(rule)
            if settles is not None:
                (line.kept if settles else line.broken).append(name)
    if len(chosen) == 1:
        return list(found.values())
    packs = [*table.laws]

    def place(line: _Line) -> tuple[int, int]:
        law = packs.index(line.rule.pack) if line.rule.pack in packs else len(packs)
        return REASONS.index(line.rule.otherwise), law

    return sorted(found.values(), key=place)


def _show_rule(line: _Line, place: int, among: int, lang: str, *, unchecked: bool) -> None:
    from pacte.gate.explain import sentence

    rule = line.rule
    says = sentence(rule.says, lang) or _reason(rule, lang)
    tell("")
    tell(says, mark=f"{place:>3}.", style="")
    for part in (_source(rule, lang, unchecked=unchecked), _fails(rule, lang), *_settled(line, among, lang)):
        tell(part, style="dim", indent=5)
    if among > 1:
        purposes = _listed(line.purposes) if len(line.purposes) < among else words("rules.every_purpose", lang)
        tell(words("rules.purposes", lang, purposes=purposes), style="dim", indent=5)


def _source(rule: Requirement, lang: str, *, unchecked: bool) -> str:
    """Where the rule stands, since when and until when, its name, and who checked it unless the head says: nobody."""
    from pacte.gate.explain import citation, since
    from pacte.gate.values import Reason
    from pacte.kernel.i18n import day

    reason = Reason(rule.otherwise, rule.id, rule.article, rule.source, rule.since, rule.pack, short=rule.short)
    until = words("rules.until", lang, day=day(rule.ends, lang)) if rule.ends is not None else ""
    if rule.pack == HOUSE:
        # Where it stands is said in English; what it names of the policy is the same in every language.
        named = "".join(f" ({word})" for word in re.findall("`[^`]+`", rule.article))
        return " · ".join(part for part in (rule.id, words("rules.own", lang) + named, until) if part)
    where = citation(reason, lang)
    dated = words("rules.since", lang, day=since(reason, lang))
    checked = "" if unchecked else words("rules.checked" if rule.checked else "rules.unchecked", lang)
    return " · ".join(part for part in (rule.id, where, dated, until, checked) if part)


def _fails(rule: Requirement, lang: str) -> str:
    return words("rules.otherwise", lang, reason=_reason(rule, lang), code=rule.otherwise)


def _settled(line: _Line, among: int, lang: str) -> list[str]:
    found = []
    for key, purposes in (("kept", line.kept), ("broken", line.broken)):
        if purposes and among == 1:
            found.append(words(f"rules.{key}", lang))
        elif purposes:
            found.append(words(f"rules.{key}_by", lang, purposes=_listed(purposes)))
    return found


def _reason(rule: Requirement, lang: str) -> str:
    from pacte.kernel.i18n import text

    return text("policy", f"reason.{rule.otherwise}", lang)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)

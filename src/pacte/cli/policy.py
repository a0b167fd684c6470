"""`policy check|diff|publish|schema|unused`, `publish`, `rules`: a promise is read, compared, tried, put in force."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacte.cli.output import (
    HERE,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    code,
    counted,
    help_alone,
    language,
    opened,
    say,
    tell,
    typed_path,
    words,
)

if TYPE_CHECKING:
    from pacte.app.preview import Preview
    from pacte.app.publish import Advice, Published
    from pacte.kernel.instant import Instant
    from pacte.policy.compile import Compiled
    from pacte.policy.diff import Change
    from pacte.policy.lint import Finding

UNSOUND = 2
"""Exit code of a policy with mistakes, and with `--strict` of one with risks."""

LEVELS = ("stops", "risk", "advice")
"""What a lint thinks of what it found, worst first."""

MARKS = {"stops": ("✗", "red"), "risk": ("!", "yellow"), "advice": ("·", "")}

EFFECTS = ("ask", "tell", "less", "none", "law")
"""What a change of the policy means for people, in the order in which it is told."""

policy = typer.Typer(
    help="Read a policy, compare it, try it, put it in force: check, diff, publish, schema, unused.",
    short_help="Check, compare and publish the policy.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    from pacte.cli.rules import rules
    from pacte.cli.valued import unused

    policy.command("unused", short_help="Say which declared fields nothing has read.")(unused)
    app.add_typer(policy, name="policy")
    app.command("publish", short_help="Put policy.yaml in force.")(publish)
    app.command("rules", short_help="Show the rules that decide.")(rules)


@policy.command("publish", short_help="Put policy.yaml in force, or try what it would do.")
def publish(
    preview: Annotated[
        bool, typer.Option("--preview", help="Publish nothing: replay the uses of the last days under policy.yaml.")
    ] = False,
    days: Annotated[int, typer.Option("--days", metavar="N", help="How many days --preview replays.")] = 30,
    advice: Annotated[
        str,
        typer.Option(
            "--advice",
            metavar="WORD",
            help="What the data protection officer thinks: favourable, reserved, unfavourable, not_sought.",
        ),
    ] = "not_sought",
    advice_file: Annotated[
        Path | None, typer.Option("--advice-file", metavar="FILE", help="The advice in words, a text file.")
    ] = None,
    advised_by: Annotated[
        str, typer.Option("--advised-by", metavar="CODE", help="Who advised, as a short code; dpo if absent.")
    ] = "",
    effective: Annotated[
        str, typer.Option("--effective", metavar="DATE", help="The day to come on which it takes effect; else now.")
    ] = "",
    house: HouseOption = HERE,
    by: ByOption = "owner",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put policy.yaml in force, now or on a day to come, with the advice of the data protection officer.

    The same file twice changes nothing. With --preview nothing is published: what would it have done to last month?
    """
    from pacte.kernel.instant import parse_instant

    tongue = language(lang, house)
    if not preview:
        from pacte.app.publish import refuse_officer

        refuse_officer(by)
    when = parse_instant(effective) if effective else None
    if preview:
        _preview(house, days, when, tongue, as_json)
        return
    from pacte.app.publish import publish as publishing

    given = _advice(advice, advice_file, code("--advised-by", advised_by) if advised_by else "")
    with opened(house) as home:
        done = publishing(home, code("--by", by), given, when)
        late = done.effective > home.clock()
    say(
        {
            "entry": done.index,
            "policy": done.policy,
            "rules": done.rules,
            "changed": done.changed,
            "effective": done.effective,
            "advice": done.advice,
            "called_back": [
                {"entry": one.index, "policy": one.policy, "effective": one.effective} for one in done.called_back
            ],
        },
        as_json,
        lambda: _show_published(done, tongue, late=late),
    )


@policy.command("check", short_help="Say what is wrong with a policy, and what could be better.")
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A policy; else policy.yaml of the house, or from here.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="End with exit code 2 for a risk too, and for a purpose that the law stops."),
    ] = False,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say all mistakes of a policy at once; without one, what the law stops, what is risky, what could be better.

    Needs no house; in one, notices are held against those it recorded. Exit code 0 when it can be published, else 2.
    """
    from pacte.app.versions import in_file
    from pacte.policy.lint import lint

    tongue = language(lang, house)
    path = _file(file, house)
    compiled = in_file(path)
    found, refused = lint(compiled), _refused(house, compiled)
    say(
        {
            "file": str(path),
            "policy": compiled.policy_digest,
            "laws": list(compiled.table.laws),
            "findings": [_finding_json(one) for one in found],
            "notices": refused,
        },
        as_json,
        lambda: _show_findings(found, refused, compiled, path.name, tongue),
    )
    raise typer.Exit(UNSOUND if refused or (strict and any(one.level != "advice" for one in found)) else 0)


@policy.command("diff", short_help="Say in words what changes for people.")
def diff(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="A file, or the beginning of a digest; else the policy in force.")
    ] = "",
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="A file, or the beginning of a digest; else policy.yaml.")
    ] = "",
    details: Annotated[
        bool, typer.Option("--details", help="Name each rule of a law that begins, changes or ends.")
    ] = False,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say in words what changes between two policies, and whether people must be told, or asked again."""
    from pacte.policy.diff import differences
    from pacte.policy.lint import lint_change

    tongue = language(lang, house)
    before, after = _version(old, house, "old"), _version(new, house, "new")
    changes, risks, refused = differences(before, after), lint_change(before, after), _refused(house, after)
    say(
        {
            "old": before.policy_digest,
            "new": after.policy_digest,
            "changes": [_change_json(one) for one in changes],
            "findings": [_finding_json(one) for one in risks],
            "notices": refused,
        },
        as_json,
        lambda: _show_changes(changes, risks, refused, tongue, details=details),
    )


@policy.command("schema", short_help="Print the JSON Schema of policy.yaml, for editors.")
def schema() -> None:
    """Print the JSON Schema (2020-12) of policy.yaml: with it, an editor completes and checks while you write."""
    from pacte.policy.schema import schema as schema_of_policy

    say(schema_of_policy(), True, lambda: None)


def _preview(house: Path, days: int, effective: Instant | None, lang: str, as_json: bool) -> None:
    from pacte.app.preview import preview
    from pacte.cli.progress import bar

    with opened(house) as home, bar(words("preview.bar", lang), silent=as_json) as progress:
        found = preview(home, days=days, effective=effective, progress=progress)
    say(found.to_json(), as_json, lambda: _show_preview(found, lang))


def _show_preview(found: Preview, lang: str) -> None:
    from pacte.cli.preview import show_preview

    show_preview(found, lang)
    _show_refused(found.notices, lang)


def _advice(word: str, file: Path | None, by: str) -> Advice:
    from pacte.app.publish import Advice, read_advice

    return Advice(word, by, read_advice(file) if file else "")


def _show_published(done: Published, lang: str, *, late: bool) -> None:
    from pacte.kernel.i18n import moment

    key = ("publish.later" if late else "publish.done") if done.changed else "publish.same"
    tell(words(key, lang, entry=str(done.index), policy=done.policy[:12], moment=moment(done.effective, lang)))
    for one in done.called_back:
        parts = {"entry": str(one.index), "policy": one.policy[:12], "moment": moment(one.effective, lang)}
        tell(words("publish.called_back", lang, **parts))
    tell(words(f"advice.{done.advice}", lang))


def _file(given: Path | None, house: Path) -> Path:
    from pacte.app.house import POLICY
    from pacte.kernel.errors import NotFound

    path = given or house / POLICY
    if not path.exists():
        raise NotFound(f"there is no file {typed_path(path)}; name a policy, or begin one with `pacte init`")
    return path


def _version(named: str, house: Path, side: str) -> Compiled:
    """A policy as somebody names it: a file, the beginning of a digest; else the one in force, or the house's file."""
    from pacte.app.versions import by_digest, in_file, in_force

    if named and Path(named).exists():
        return in_file(Path(named))
    if not named and side == "new":
        return in_file(_file(None, house))
    with opened(house) as home:
        return by_digest(home, named) if named else in_force(home)


def _refused(house: Path, compiled: Compiled) -> list[str]:
    """The notices that the house at hand recorded otherwise, as publishing would say; none where no house stands."""
    from pacte.app.house import stands
    from pacte.app.publish import changed_notices

    if not stands(house):
        return []
    with opened(house) as home:
        return changed_notices(home, compiled)


def _show_refused(refused: Sequence[str], lang: str) -> None:
    if refused:
        tell("")
        tell(words("check.refused", lang), style="bold")
    for problem in refused:
        tell(problem, mark=MARKS["stops"][0], color=MARKS["stops"][1])


def _change_json(change: Change) -> dict[str, Any]:
    told = {"what": change.what, "kind": change.kind, "effect": change.effect, "words": dict(change.words)}
    return told | ({"details": [_change_json(one) for one in change.details]} if change.details else {})


def _finding_json(found: Finding) -> dict[str, Any]:
    names = ("file", "line", "level", "code", "purpose", "field", "article")
    return {name: getattr(found, name) for name in names} | {"words": dict(found.words)}


def _show_findings(found: list[Finding], refused: Sequence[str], compiled: Compiled, name: str, lang: str) -> None:
    from pacte.kernel.i18n import text
    from pacte.policy.packs import BUILT_IN, HOUSE, packs_of

    laws = [
        text("policy", f"article.{law.id}", lang) if law.id in BUILT_IN else law.file.title[lang]
        for law in packs_of(compiled.document)
        if law.id != HOUSE
    ]
    purposes = len(compiled.document.purposes)
    tell(counted("check.sound", lang, purposes, laws=", ".join(laws)), mark="✓", color="green")
    for level in LEVELS:
        here = [one for one in found if one.level == level]
        if here:
            tell("")
            tell(counted(f"check.{level}", lang, len(here)), style="bold")
        for one in here:
            mark, color = MARKS[level]
            tell(f"{one.file or name}:{one.line}: {one.say(lang)}", mark=mark, color=color)
    if not found and not refused:
        tell(words("check.nothing", lang))
    _show_refused(refused, lang)


def _show_changes(
    changes: list[Change], risks: list[Finding], refused: Sequence[str], lang: str, *, details: bool
) -> None:
    if not changes:
        tell(words("diff.nothing", lang))
    for effect in EFFECTS:
        here = [one for one in changes if one.effect == effect]
        if here:
            tell(words(f"diff.{effect}", lang), style="bold")
        for one in here:
            tell(one.say(lang), mark="–")
            for rule in one.details if details else ():
                tell(rule.say(lang), indent=2)
    if not details and any(one.details for one in changes):
        tell(words("diff.details", lang), style="dim")
    for found in risks:
        tell(f"{found.file}:{found.line}: {found.say(lang)}", mark=MARKS["risk"][0], color=MARKS["risk"][1])
    _show_refused(refused, lang)

"""`may`, `audience`, `explain`, `replay`: ask the gate."""

from __future__ import annotations

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
    language,
    opened,
    person_named,
    say,
    tell,
    words,
)
from pacte.cli.output import PersonArgument as Person
from pacte.cli.output import PurposeArgument as Purpose

if TYPE_CHECKING:
    from pacte.app.hints import Undeclared
    from pacte.app.house import House
    from pacte.gate.replay import Answers
    from pacte.gate.values import Decision

Fields = Annotated[
    list[str] | None,
    typer.Option("--field", "-f", metavar="DATASET.FIELD", help="Only this field, repeatable; all declared if absent."),
]
Channel = Annotated[str, typer.Option("--channel", metavar="NAME", help="By this channel: email, sms, phone…")]
Recipient = Annotated[str, typer.Option("--recipient", metavar="NAME", help="For this recipient of the policy.")]

DENIED = 3
"""Exit code of a question that was answered with no."""


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("may", short_help="May this person's data be used for a purpose, now?")(may)
    app.command("audience", short_help="Build the permitted audience of a purpose.")(audience)
    app.command("explain", short_help="Explain the decision about one person, now or then.")(explain)
    app.command("replay", short_help="Take a recorded decision again.")(replay)


def may(
    person: Person,
    purpose: Purpose,
    field: Fields = None,
    channel: Channel = "",
    recipient: Recipient = "",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """May this person's data be used for a purpose, now? Answers and releases nothing. Exit code 0 yes, 3 no."""
    from pacte.app.ask import may as asking

    tongue = language(lang, house)
    fields = tuple(field or ())
    with opened(house) as home:
        decision = asking(home, person_named(person), purpose, fields=fields, channel=channel, recipient=recipient)
        hints = _hints(home, decision)

    def show() -> None:
        show_decision(decision, tongue)
        _show_hints(hints, tongue)

    say(decision_json(decision) | _hints_json(hints), as_json, show)
    raise typer.Exit(0 if decision.permitted else DENIED)


def audience(
    purpose: Purpose,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", "-c", metavar="DATASET.FIELD", help="Only this column, repeatable; all if absent."),
    ] = None,
    channel: Channel = "",
    recipient: Recipient = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the table: .csv or .parquet.")
    ] = None,
    proofs: Annotated[
        bool, typer.Option("--proofs/--no-proofs", help="Count who would be usable with a better proof.")
    ] = True,
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Build the permitted audience of a purpose: the use is recorded first, then the funnel and the table come out."""
    from pacte.app.uses import declare
    from pacte.cli.funnel import funnel_json, show_funnel

    tongue = language(lang, house)
    _check_output(output, column)
    with opened(house) as home:
        use = declare(home, purpose, channel=channel, recipient=recipient, by=code("--by", by), proofs=proofs)
        if output is not None:
            write_table(use.table(tuple(column or ())), output)
        shown: dict[str, Any] = {"use": use.id, "entry": use.index, "purpose": purpose, **funnel_json(use.funnel)}
    shown |= {"output": str(output)} if output else {}

    def show() -> None:
        show_funnel(use.funnel, purpose, tongue)
        tell(words("audience.recorded", tongue, use=use.id, entry=str(use.index)))
        if output:
            tell(words("audience.written", tongue, output=str(output)))

    say(shown, as_json, show)


def explain(
    person: Person,
    purpose: Purpose,
    at: Annotated[str, typer.Option("--at", metavar="DATE", help="A past instant, ISO 8601; now if absent.")] = "",
    channel: Channel = "",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Explain the decision about one person, now or at a past instant. Looking is recorded in the ledger."""
    from pacte.app.ask import explain as explaining
    from pacte.kernel.errors import BadInput
    from pacte.kernel.instant import parse_instant

    tongue, by = language(lang, house), code("--by", by)
    when = parse_instant(at) if at else None
    with opened(house) as home:
        if when is not None and when > home.clock():
            raise BadInput("an instant in the future cannot be explained; expected one up to now")
        answers = explaining(home, person_named(person), purpose, at=when, channel=channel, by=by)
        hints = _hints(home, answers.by_known)

    def show() -> None:
        show_answers(answers, tongue)
        _show_hints(hints, tongue)

    say(answers_json(answers) | _hints_json(hints), as_json, show)


def replay(
    use: Annotated[str, typer.Argument(metavar="USE", help="Identifier of the use, as `pacte audience` printed it.")],
    person: Person,
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a recorded decision again for one person, from the stored rules and the facts known at that moment."""
    from pacte.app.ask import replay as replaying

    tongue = language(lang, house)
    with opened(house) as home:
        again = replaying(home, use, person_named(person), code("--by", by))
    data = {"use": again.use, "entry": again.index, "in_set": again.recorded, "matches": again.matches}

    def show() -> None:
        show_answers(again.answers, tongue)
        key = {True: "replay.matches", False: "replay.differs", None: "replay.gone"}[again.matches]
        where = words("replay.in_set" if again.recorded else "replay.not_in_set", tongue, entry=str(again.index))
        tell(where + " " + words(key, tongue))

    say(data | answers_json(again.answers), as_json, show)


def decision_json(decision: Decision) -> dict[str, Any]:
    """A decision for programs."""
    from pacte.kernel.errors import named

    question, reason = decision.question, decision.reason
    return {
        "permitted": decision.permitted,
        "reason": reason.code,
        "article": reason.article,
        "checked_by_counsel": reason.checked,
        "purpose": named(question.purpose).strip("`"),
        "as_of": question.as_of,
        "known": question.known,
        "fields": {named(name).strip("`"): code for name, code in decision.fields.items()},
        "failing": list(decision.failing),
        "rules": decision.rules,
        "entry": decision.cited.entry if decision.cited else None,
        "explanation": {lang: decision.explain(lang) for lang in ("en", "fr")},
    }


def answers_json(answers: Answers) -> dict[str, Any]:
    """The two answers for programs."""
    return {
        "by_known": decision_json(answers.by_known),
        "by_true": decision_json(answers.by_true),
        "differ": answers.differ,
        "between": [{"entry": index, "use": use} for index, use in answers.between],
    }


def show_decision(decision: Decision, lang: str) -> None:
    """A decision for people."""
    head, *rest = decision.explain(lang).splitlines()
    mark, color = ("✓", "green") if decision.permitted else ("✗", "red")
    tell(head, mark=mark, color=color, style="bold")
    for line in rest:
        tell(line, indent=2)


def show_answers(answers: Answers, lang: str) -> None:
    """One answer, or both where something learnt later changes it."""
    if not answers.differ:
        show_decision(answers.by_known, lang)
        return
    tell(words("answers.known", lang), style="bold")
    show_decision(answers.by_known, lang)
    tell(words("answers.true", lang), style="bold")
    show_decision(answers.by_true, lang)
    for index, use in answers.between:
        tell(words("answers.between", lang, entry=str(index), use=use))


def write_table(table: Any, output: Path) -> None:
    """Write an Arrow table as CSV or Parquet, by the file's suffix, readable by its owner only."""
    from pyarrow import csv, parquet

    from pacte.kernel.files import make_private

    writers = {".csv": csv.write_csv, ".parquet": parquet.write_table}
    make_private(output)
    writers[output.suffix](table, str(output))


def _check_output(output: Path | None, columns: list[str] | None) -> None:
    """Refuse, before a use is recorded, what could not be written afterwards."""
    from pacte.kernel.errors import BadInput

    if output is None and columns:
        raise BadInput("`--column` chooses what `--output` writes; give `--output FILE` too")
    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise BadInput("the output must end in `.csv` or `.parquet`")
    if output is not None and not output.absolute().parent.is_dir():
        raise BadInput("the directory of `--output` does not exist")


def _hints(house: House, decision: Decision) -> list[Undeclared]:
    """What the policy declares, where the question asked for something that it does not."""
    from pacte.app.hints import undeclared

    misspelt = decision.reason.code in ("unknown_purpose", "undeclared_field", "facts_missing")
    return undeclared(house, decision.question) if misspelt else []


def _show_hints(hints: list[Undeclared], lang: str) -> None:
    for hint in hints:
        declared = ", ".join(f"`{name}`" for name in hint.declared) or words("hint.none", lang)
        line = words(f"hint.{hint.what}", lang, declared=declared)
        tell(line + (" " + words("hint.meant", lang, meant=hint.meant) if hint.meant else ""), indent=2)


def _hints_json(hints: list[Undeclared]) -> dict[str, Any]:
    return {"undeclared": [{"what": h.what, "declared": list(h.declared), "meant": h.meant} for h in hints]}

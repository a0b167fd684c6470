"""`prove`, `verify`, `ledger log|check|checkpoint|export`: what was recorded, and the proof of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

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
    person_named,
    person_typed,
    say,
    tell,
    words,
)
from pacte.cli.output import PersonArgument as Person

ledger = typer.Typer(
    help="Read, check and export the ledger.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("prove", short_help="Write the proof of a use of one person's data.")(prove)
    app.command("verify", short_help="Verify a proof, receipt or export, without a house.")(verify)
    app.add_typer(ledger, name="ledger")


def prove(
    person: Person,
    use: Annotated[str, typer.Option("--use", metavar="ID", help="Identifier of the use.")] = "",
    purpose: Annotated[str, typer.Option("--purpose", metavar="NAME", help="Or the purpose, with --on.")] = "",
    on: Annotated[str, typer.Option("--on", metavar="DATE", help="Day of the use (YYYY-MM-DD, UTC).")] = "",
    directory: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Where the files are written; proofs/ of the house if absent."
        ),
    ] = None,
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """By what right was this person's data used? Write the proof file and a one-page exhibit."""
    from pacte.app import prove as proving
    from pacte.app.exhibit import exhibit
    from pacte.kernel.errors import BadInput
    from pacte.kernel.files import make_private
    from pacte.kernel.i18n import moment
    from pacte.kernel.instant import DAY, Instant, parse_instant

    tongue = language(lang, house)
    others: list[Any] = []
    with opened(house) as home:
        person_named(person)
        if not use:
            if not (purpose and on):
                raise BadInput("say which use: `--use ID`, or `--purpose NAME --on YYYY-MM-DD`")
            start = parse_instant(on)
            (_, use, _), *others = proving.uses_on(home, person, purpose, start, Instant(start + DAY))
        proof = proving.prove(home, person, use, code("--by", by))
        target = proving.save(proof, directory or home.path / "proofs")
        page = target.with_name(target.name.replace(".pacte-proof.json", f".{tongue}.html"))
        make_private(page).write_text(exhibit(home, proof, tongue), encoding="utf-8")
    data = {
        "proof": str(target),
        "exhibit": str(page),
        "use": use,
        "in_set": proof.replay.recorded,
        "matches": proof.replay.matches,
        "others": [{"entry": index, "use": other, "as_of": at} for index, other, at in others],
    }

    def show() -> None:
        tell(words("prove.done", tongue, proof=str(target), page=str(page)), whole=True)
        if others:
            tell(counted("prove.took", tongue, len(others), use=use, entry=str(proof.use_index)), mark="!")
        for index, other, at in others:
            tell(words("prove.other", tongue, use=other, entry=str(index), moment=moment(at, tongue)), indent=2)

    say(data, as_json, show)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Proof, receipt, or export of the ledger.")],
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", metavar="FILE", help="A checkpoint or receipt of another time; may be repeated."),
    ] = None,
    key: Annotated[
        str, typer.Option("--key", metavar="KEY", help="The log's public key, as you know it from elsewhere.")
    ] = "",
    anchors: Annotated[Path | None, typer.Option("--anchors", metavar="FILE", help="An anchor file.")] = None,
    details: Annotated[bool, typer.Option("--details", help="Say everything that was checked.")] = False,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Verify a proof, a receipt or an export without any house. Exit code 7 if it does not verify.

    The same program is one file that runs alone: pacte/verifier.py.
    """
    from pacte import verifier

    arguments = ["--lang", language(lang)]
    for path in checkpoint or []:
        arguments += [f"--checkpoint={path}"]
    arguments += [f"--key={key}"] if key else []
    arguments += [f"--anchors={anchors}"] if anchors else []
    arguments += ["--details"] if details else []
    arguments += ["--json"] if as_json else []
    raise typer.Exit(verifier.main([*arguments, "--", str(file)]))


@ledger.command("log", short_help="Show the latest entries in words.")
def show_log(
    last: Annotated[int, typer.Option("--last", "-n", metavar="N", min=1, help="How many entries.")] = 20,
    person: Annotated[
        str,
        typer.Option(
            "--person",
            metavar="PERSON",
            help="Only this person's entries (the look is recorded); - reads who from standard input.",
            callback=person_typed,
        ),
    ] = "",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the latest entries in words, or as they were recorded with --json."""
    from pacte.app.reading import latest
    from pacte.app.wording import describe
    from pacte.kernel.i18n import moment

    tongue = language(lang, house)
    with opened(house) as home:
        found = latest(home, last, person, code("--by", by))
    width = max((len(str(index)) for index, _ in found), default=0)

    def show() -> None:
        for index, entry in found:
            number = str(index).rjust(width)
            if entry is None:
                tell(words("ledger.redacted", tongue), mark=number, color="dim")
            else:
                when = moment(entry["at"], tongue).removesuffix(" UTC")
                tell(f"{when}  {describe(entry, tongue)}", mark=number, color="dim")

    say([{"index": index, "entry": entry} for index, entry in found], as_json, show)


@ledger.command("check", short_help="Recompute everything: entries, tree, signatures, states.")
def check(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Recompute everything: entries, tree, signatures, anchors, and the state that follows. Exit code 7 if wrong."""
    from pacte.app.doctor import check as checking
    from pacte.app.reading import size

    tongue = language(lang, house)
    with opened(house) as home:
        problems, entries = checking(home, tongue), size(home)

    def show() -> None:
        for problem in problems:
            tell(problem, mark="✗", color="red")
        if not problems:
            tell(words("ledger.sound", tongue, size=entries), mark="✓", color="green")

    say({"entries": entries, "problems": problems}, as_json, show)
    raise typer.Exit(7 if problems else 0)


@ledger.command("checkpoint", short_help="Print the signed checkpoint, to be kept elsewhere.")
def checkpoint(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Print the signed checkpoint. Keep it elsewhere: against it, nobody can rewrite or cut the ledger unnoticed.

    The key of the ledger comes with it under --json, and where somebody watches.
    """
    from pacte.app.reading import signed_checkpoint

    tongue = language(lang, house)
    with opened(house) as home:
        note, key = signed_checkpoint(home), home.vkey

    def show() -> None:
        typer.echo(note, nl=False)
        if sys.stdout.isatty():
            tell(f"\n{words('ledger.key', tongue)}\n{key}", style="dim")

    say({"checkpoint": note, "key": key}, as_json, show)


@ledger.command("export", short_help="Write the whole ledger to a file.")
def export(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")],
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Read the ledger although the keys are lost.")
    ] = False,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the whole ledger to a file that `pacte verify` reads. It holds pseudonymous personal data: keep it safe."""
    from pacte.app.reading import export as exporting
    from pacte.app.reading import export_without_keys

    tongue = language(lang, house)
    if without_keys:
        count = export_without_keys(house, output)
    else:
        with opened(house) as home:
            count = exporting(home, output)
    say(
        {"entries": count, "output": str(output)},
        as_json,
        lambda: tell(counted("ledger.exported", tongue, count, output=str(output))),
    )

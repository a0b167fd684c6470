"""`init`, `load`, `rejected`: make a house and bring data in."""

from __future__ import annotations

import shlex
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
    language,
    opened,
    say,
    tell,
    typed_path,
    words,
)

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.intake.load import LoadReport


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("init", short_help="Make a house.")(init)
    app.command("load", short_help="Bring files in; the same file twice changes nothing.")(load)
    app.command("rejected", short_help="Open the rows that a load set aside.")(rejected)


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the house is made.", show_default="the current directory")
    ] = HERE,
    origin: Annotated[
        str,
        typer.Option(
            "--origin", metavar="NAME", help="Name of its log, for ever: your domain and a path, shop.example/log."
        ),
    ] = "",
    template: Annotated[
        str,
        typer.Option("--template", metavar="TRADE", help="Start from: shop, telecom, bank, health, media, b2b."),
    ] = "shop",
    keys: Annotated[
        str,
        typer.Option(
            "--keys", metavar="SERVICE", help="file, passphrase (read from PACTE_PASSPHRASE), or socket:PATH."
        ),
    ] = "file",
    key_folder: Annotated[
        str,
        typer.Option(
            "--key-folder", metavar="DIR", help="Where the wrapped keys lie: best another disk.", show_default="keys/"
        ),
    ] = "",
    database: Annotated[
        str,
        typer.Option(
            "--database",
            metavar="WHERE",
            help="Records in an empty PostgreSQL database: env:NAME, file:PATH or postgresql://name@host/database.",
        ),
    ] = "",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a house: keys, records, and a commented policy.yaml and mapping.yaml of a trade, to adapt."""
    from pacte.app.house import MAPPING, POLICY, create
    from pacte.app.settings import USUAL_REFERENCE, KeySettings, secret
    from pacte.app.templates import SCHEMA, check_template, write_template
    from pacte.kernel.errors import BadInput

    tongue = language(lang)
    check_template(template)
    service, _, socket = keys.partition(":")
    if service not in ("file", "passphrase", "socket") or bool(socket) != (service == "socket"):
        raise BadInput("`--keys` must be `file`, `passphrase` or `socket:PATH`")
    passphrase = secret(USUAL_REFERENCE) if service == "passphrase" else None
    reference = USUAL_REFERENCE if service == "passphrase" else ""
    # In `settings.toml` a path begins at the house; what is typed begins where the caller stands.
    places = {
        name: str(Path(place).absolute()) for name, place in (("socket", socket), ("folder", key_folder)) if place
    }
    keys_in = KeySettings(service=service, passphrase=reference, **places)
    create(directory, lang=tongue, origin=origin, passphrase=passphrase, database=database, keys_in=keys_in).close()
    write_template(directory, template)
    at = f" -H {shlex.quote(str(directory))}" if directory != HERE else ""
    say(
        {"house": str(directory), "template": template, "policy": POLICY, "mapping": MAPPING, "schema": SCHEMA},
        as_json,
        lambda: tell(words("init.done", tongue, house=str(directory if directory != HERE else Path.cwd()), at=at)),
    )


def load(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV or Parquet files, as mapping.yaml describes them.")
    ],
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Source of mapping.yaml, when the file name does not tell.")
    ] = "",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Load files. Undeclared columns never enter, bad rows are set aside; the same file twice changes nothing."""
    load_all(paths, source, house, lang, as_json)


def load_all(
    paths: list[Path], source: str, house: Path, lang: str, as_json: bool, *, only_choices: bool = False
) -> None:
    """Load files one after the other, each told once it is in; `only_choices` refuses any other source."""
    from pacte.app.loading import load as loading
    from pacte.cli.progress import bar

    tongue = language(lang, house)
    reports = []
    for path in paths:
        _expect_file(path)
    with opened(house) as home:
        for path in paths:
            if only_choices:
                _expect_choices(home, path, source)
            with bar(path.name, silent=as_json) as progress:
                reports.append(loading(home, path, source, progress))
            if not as_json:
                show_load(reports[-1], tongue)
    say([report_json(report) for report in reports], as_json, lambda: None)


def _expect_file(path: Path) -> None:
    from pacte.kernel.errors import BadInput

    if path.is_dir():
        raise BadInput(f"{typed_path(path)} is a directory; expected a CSV or Parquet file")
    if not path.exists():
        raise BadInput(f"there is no file {typed_path(path)}")


def _expect_choices(house: House, path: Path, source: str) -> None:
    from pacte.app.house import MAPPING
    from pacte.app.policies import document
    from pacte.intake.mapping import load_mapping
    from pacte.kernel.errors import BadInput

    policy = document(house)
    if not load_mapping(house.path / MAPPING, policy).source_for(path, source).choices:
        raise BadInput("this source does not hold choices, says mapping.yaml; bring it in with `pacte load`")


def rejected(
    load_id: Annotated[str, typer.Argument(metavar="LOAD", help="Identifier that `pacte load` printed.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the rows are written (mode 0600).")
    ],
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Open the rows that a load set aside, to mend them; it is recorded. The file holds personal data."""
    from pacte.app.loading import rejected_rows

    tongue = language(lang, house)
    with opened(house) as home:
        count = rejected_rows(home, load_id, output, by=code("--by", by))
    say(
        {"rows": count, "output": str(output)},
        as_json,
        lambda: tell(counted("rejected", tongue, count, output=str(output))),
    )


def report_json(report: LoadReport) -> dict[str, Any]:
    """A load for programs."""
    return dict(report.to_json())


def show_load(report: LoadReport, lang: str) -> None:
    """A load for people: one line for the whole, one for each thing worth knowing."""
    head, *rest = report.lines(lang)
    tell(words("load.head", lang, source=report.source, words=head), mark="✓", color="green")
    for line in rest:
        tell(line, style="dim", indent=4)
    if report.quarantine:
        tell(counted("load.quarantine", lang, sum(report.rejected.values()), load=report.load), style="dim", indent=4)
    if "unknown_person" in report.rejected:
        tell(words("load.unknown_person", lang), style="dim", indent=4)

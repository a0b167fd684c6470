"""`choice give|refuse|withdraw|object|restrict|import`: what people say, recorded with its proof."""

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
    help_alone,
    language,
    opened,
    person_named,
    say,
    tell,
    words,
)
from pacte.cli.output import PersonArgument as Person

if TYPE_CHECKING:
    from pacte.app.house import House

Purpose = Annotated[
    str, typer.Argument(metavar="PURPOSE", help="Purpose, as the policy calls it; '*' for all; all:sale and such.")
]
Channel = Annotated[str, typer.Option("--channel", metavar="NAME", help="Only this channel.")]
Recipient = Annotated[str, typer.Option("--recipient", metavar="NAME", help="Only this recipient.")]
When = Annotated[str, typer.Option("--effective", metavar="DATE", help="When it took effect, if not now (ISO 8601).")]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="CODE",
        help="How it was said: web_form, double_opt_in_link, paper, till, phone, cookie_banner, signal, letter, staff.",
    ),
]
LOOSENING = ("given", "objection_lifted", "objection_overruled", "restriction_lifted")
"""Acts that allow more than before: from somebody who may be anybody they undo no earlier no."""

Lift = Annotated[bool, typer.Option("--lift", help="Lift an earlier one.")]
Authenticated = Annotated[
    bool, typer.Option("--authenticated", help="You know that it was them: needed to undo a no, or to lift.")
]

choice = typer.Typer(
    help="Record what people say: give, refuse, withdraw, object, restrict, import.",
    short_help="Record what people say.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(choice, name="choice")


@choice.command("give", short_help="Record a yes, with its proof.")
def give(
    person: Person,
    purpose: Purpose,
    grade: Annotated[
        str, typer.Option("--grade", metavar="GRADE", help="Proof: double_opt_in, form, paper, attested, none.")
    ] = "none",
    notice: Annotated[
        str, typer.Option("--notice", metavar="NAME", help="Name of the notice shown before the choice.")
    ] = "",
    form: Annotated[str, typer.Option("--form", metavar="DIGEST", help="SHA-256 of the form that was shown.")] = "",
    voice: Annotated[str, typer.Option("--voice", metavar="VOICE", help="self, or guardian for a minor.")] = "self",
    authenticated: Authenticated = False,
    channel: Channel = "",
    recipient: Recipient = "",
    effective: When = "",
    method: Method = "staff",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record a consent, with the grade of its proof and the notice that was shown."""
    details: dict[str, str | bool] = {
        "grade": grade,
        "notice": notice,
        "form": form,
        "voice": voice,
        "authenticated": authenticated,
    }
    _record(house, person, purpose, "given", channel, recipient, effective, method, by, lang, as_json, **details)


@choice.command("refuse", short_help="Record a no.")
def refuse(
    person: Person,
    purpose: Purpose,
    channel: Channel = "",
    recipient: Recipient = "",
    effective: When = "",
    method: Method = "staff",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record a refusal."""
    _record(house, person, purpose, "refused", channel, recipient, effective, method, by, lang, as_json)


@choice.command("withdraw", short_help="Record that a yes is taken back.")
def withdraw(
    person: Person,
    purpose: Purpose,
    channel: Channel = "",
    recipient: Recipient = "",
    effective: When = "",
    method: Method = "staff",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record the withdrawal of a consent; the next decision sees it."""
    _record(house, person, purpose, "withdrawn", channel, recipient, effective, method, by, lang, as_json)


@choice.command("object", short_help="Record an objection, or its end.")
def object_(
    person: Person,
    purpose: Purpose,
    lift: Lift = False,
    overrule: Annotated[
        str,
        typer.Option("--overrule", metavar="REASON", help="Overrule it: where the compelling grounds are filed."),
    ] = "",
    signal: Annotated[str, typer.Option("--signal", metavar="gpc", help="gpc, when the browser said it.")] = "",
    authenticated: Authenticated = False,
    channel: Channel = "",
    recipient: Recipient = "",
    effective: When = "",
    method: Method = "staff",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record an objection (or, with --lift, that the person lifts it); --signal gpc for a browser's signal.

    With --overrule, that you showed compelling grounds (GDPR Art. 21(1)): never against an objection to marketing.
    """
    from pacte.kernel.errors import BadInput

    if lift and overrule:
        raise BadInput("an objection is lifted by the person or overruled by you, not both: `--lift` or `--overrule`")
    act = "objection_lifted" if lift else "objection_overruled" if overrule else "objected"
    details: dict[str, str | bool] = {"signal": signal, "authenticated": authenticated, "reason": overrule}
    _record(house, person, purpose, act, channel, recipient, effective, method, by, lang, as_json, **details)


@choice.command("restrict", short_help="Restrict the use of a person's data, or lift it.")
def restrict(
    person: Person,
    lift: Lift = False,
    authenticated: Authenticated = False,
    effective: When = "",
    method: Method = "staff",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Restrict all processing of a person's data (GDPR Art. 18), or lift the restriction."""
    act = "restriction_lifted" if lift else "restricted"
    _record(house, person, "*", act, "", "", effective, method, by, lang, as_json, authenticated=authenticated)


@choice.command("import", short_help="Import a file of choices.")
def import_(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or Parquet file of choices, as mapping.yaml describes it.")
    ],
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Source of mapping.yaml, when the file name does not tell.")
    ] = "",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Import a file of choices; the same as `pacte load`, for a source that holds choices."""
    from pacte.cli.data import load_all

    load_all([path], source, house, lang, as_json, only_choices=True)


def _record(
    house: Path,
    person: str,
    purpose: str,
    act: str,
    channel: str,
    recipient: str,
    effective: str,
    method: str,
    by: str,
    lang: str,
    as_json: bool,
    **details: str | bool,
) -> None:
    from pacte.app.choose import choose
    from pacte.kernel.instant import parse_instant

    tongue = language(lang, house)
    given = {"channel": channel, "recipient": recipient, **details}
    known: dict[str, Any] = {name: value for name, value in given.items() if value}
    known |= {"effective": parse_instant(effective)} if effective else {}
    with opened(house) as home:
        done = choose(home, person_named(person), purpose, act, by=code("--by", by), method=method, **known)
        needed = _needed_grade(home, purpose, str(details["grade"])) if act == "given" else ""
    weak = act in LOOSENING and not details.get("authenticated")
    lacking = {"needed_grade": needed} if needed else {}

    def show() -> None:
        tell(words("choice.done", tongue, entry=str(done.index), act=words(f"act.{act}", tongue)))
        if weak:
            tell(words(f"weak.{act}", tongue), mark="!", color="yellow")
        if needed:
            tell(words("weak.grade", tongue, needed=f"`{needed}`"), mark="!", color="yellow")

    say(
        {"entry": done.index, "subject": done.subject, "act": act, "purpose": purpose, "weak": weak} | lacking,
        as_json,
        show,
    )


def _needed_grade(house: House, purpose: str, grade: str) -> str:
    """The grade of proof that the policy asks of a yes to this purpose, where this one is weaker; else empty."""
    from pacte.app.choose import published
    from pacte.policy.vocabulary import grade_level

    with house.reading() as conn:
        rules = published(conn, house.present(conn)).table.purposes.get(purpose)
    return rules.min_grade if rules and grade_level(grade) < grade_level(rules.min_grade) else ""

"""The reference pages say what the code does."""

from __future__ import annotations

import ast
import re
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from pacte import verifier
from pacte.app import settings
from pacte.intake import mapping
from pacte.kernel import errors
from pacte.ledger import anchors, entries
from pacte.policy import model
from pacte.policy.findings import CODES
from pacte.policy.packs import BUILT_IN, built_in
from tools import tables
from tools.commands import PAGE, page
from tools.tree import ROOT, repository_files


def table(page: str) -> list[list[str]]:
    """All cells of a page's tables, row by row."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def section(page: str, heading: str) -> list[list[str]]:
    """The cells of the tables below one heading of a page, up to the next heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert found, f"{page} has no heading {heading}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines() if line[:1] == "|"]


def words(cell: str) -> set[str]:
    """The words in backticks in a cell."""
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_kind_of_entry_is_documented_with_its_keys() -> None:
    """The formats page lists the closed list of entry kinds, with the keys that each must and may have."""
    common = {"v", "kind", "at", "role", "by", "clock", "behalf", "jointly"}
    documented = {
        next(iter(words(row[0]))): (words(row[2]), words(row[3]))
        for row in table("docs/reference/formats.md")
        if len(row) == 4 and words(row[0])
    }
    coded = {
        kind: (set(form.required) - common, set(form.checks) - form.required - common)
        for kind, form in entries._FORMS.items()
    }
    assert documented == coded


def test_the_form_of_every_key_is_documented() -> None:
    """The formats page says which keys of entries are instants, numbers, identifiers, digests, lists and objects."""
    letters = {
        "instant": "i",
        "whole number, not negative": "n",
        "identifier, 32 hexadecimal characters": "p",
        "digest, 64 hexadecimal characters": "d",
        "list of texts": "l",
        "object": "o",
        "sealed set": "s",
        "checkpoint of an older log": "c",
    }
    lines = [verifier._COMMON, verifier._COMMON_OPTIONAL, *verifier._KINDS.values()]
    pairs = [pair.split(":") for line in lines for pair in line.replace("|", "").split()]
    coded = {name: letter for name, letter in pairs if letter != "t"}
    documented = {
        name: letters[row[0]]
        for row in section("docs/reference/formats.md", "Forms of values")
        if row[0] in letters
        for name in words(row[1])
    }
    assert documented == coded


def test_every_exit_code_is_documented() -> None:
    """The page on exit codes names every error under the code that it ends with."""
    documented = {
        (name, int(row[0]))
        for row in table("docs/reference/exit-codes.md")
        if row[0].isdigit()
        for name in words(row[1])
    }
    coded = {
        (name, value.exit_code)
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.PacteError)
    }
    assert documented == coded


def test_the_threat_model_names_tests_that_exist() -> None:
    """Every test that the threat model names as tried is defined, and every attacker has one."""
    rows = [row for row in table("docs/explanation/threat-model.md") if "`test_" in row[-1]]
    assert len(rows) >= 9
    defined = {
        name
        for path in repository_files(".py")
        if path.is_relative_to(ROOT / "tests")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    tried = {
        name for row in rows for name, planned in re.findall(r"`(test_\w+)`( \(planned\))?", row[-1]) if not planned
    }
    assert tried - defined == set()


def test_the_command_line_page_is_what_the_program_offers() -> None:
    """The page on the command line is up to date; after changing a command, run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == page()


POLICY = {
    "The whole file": model.PolicyFile,
    "`controller`": model.Controller,
    "`dpo`": model.Officer,
    "`suppression`": model.Suppression,
    "`segments`": model.Segments,
    "`evidence`": model.Evidence,
    "`recipients`": model.Recipient,
    "`safeguard`": model.Safeguard,
    "`purposes`": model.Purpose,
    "`disclosure`": model.Disclosure,
    "`balancing`": model.Balancing,
    "`ages`": model.Ages,
    "`retention`": model.Retention,
    "`notices`": model.Notice,
    "`forms`": model.Form,
    "`benefit`": model.Benefit,
    "`personalisation`": model.Level,
    "`contact`": model.Contact,
    "`caps`": model.Cap,
    "`hours`": model.Open,
    "`datasets`": model.Dataset,
    "`fields`": model.DataField,
    "`coarse`": model.Coarse,
    "`aggregates`": model.Aggregate,
}


def choices(annotation: Any) -> set[str]:
    """The words of every closed list within a type."""
    if get_origin(annotation) is Literal:
        return {str(word) for word in get_args(annotation)}
    return {word for part in get_args(annotation) for word in choices(part)}


def test_every_part_of_the_policy_has_its_section() -> None:
    """No model of the policy file is missing from the page, whose sections the next test compares."""
    parts = {
        part
        for part in vars(model).values()
        if isinstance(part, type) and issubclass(part, model.Part) and part is not model.Part
    }
    assert parts == set(POLICY.values())


@pytest.mark.parametrize("heading", POLICY)
def test_every_key_of_the_policy_is_documented(heading: str) -> None:
    """Each key of a part is documented with whether it must be there and the words of its closed list."""
    documented = {
        next(iter(words(row[0]))): (row[2] == "●", words(row[1]))
        for row in section("docs/reference/policy.md", heading)
        if words(row[0]) and len(row) == 4
    }
    fields = {field.alias or name: field for name, field in POLICY[heading].model_fields.items()}
    assert documented.keys() == fields.keys()
    for name, field in fields.items():
        needed, shown = documented[name]
        assert needed == field.is_required(), name
        assert choices(field.annotation) <= shown, name


def test_every_key_of_the_mapping_is_documented() -> None:
    """The page on the mapping names the keys that the reader of the file accepts, and its closed lists."""
    documented = {word for row in table("docs/reference/mapping.md") for word in words(row[0])}
    closed = {*mapping.ENCODINGS, *mapping.DATES, *mapping.FORMATS, *mapping.CAPACITIES}
    asked: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / "src/pacte/intake/mapping.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys":
            inner = [part for argument in node.args for part in ast.walk(argument)]
            asked |= {str(part.value) for part in inner if isinstance(part, ast.Constant)}
            for name in (part.id for part in inner if isinstance(part, ast.Name)):
                asked |= set(getattr(mapping, name))
    values = {word for row in table("docs/reference/mapping.md") for cell in row for word in words(cell)}
    assert documented - {"signup_date"} >= asked
    assert {word for word in documented if re.fullmatch("[a-z_]+", word)} - {"signup_date"} == asked
    assert closed <= values


@pytest.mark.parametrize(("page", "heading"), tables.tables())
def test_reasons_and_categories_are_those_of_the_code(page: str, heading: str) -> None:
    """Every reason and category is documented with its words in both languages; after a change, run `make docs`."""
    assert tables.shown(page, heading) == tables.tables()[page, heading]


def test_every_code_of_a_refused_use_is_documented() -> None:
    """Each code with which `Denied` is raised is on the page."""
    documented = {
        word for row in section("docs/reference/reasons.md", "Codes of a refused use") for word in words(row[0])
    }
    raised = {
        code
        for path in (ROOT / "src").rglob("*.py")
        for code in re.findall(r"raise Denied\(\s*\"(\w+)\"", path.read_text(encoding="utf-8"))
    }
    assert documented == raised | {"undeclared_field", "undeclared_channel", "undeclared_recipient"}


def test_every_setting_is_documented() -> None:
    """The page on settings names every key of the settings file."""

    def keys(form: type[BaseModel], before: str = "") -> set[str]:
        found = set()
        for name, field in form.model_fields.items():
            inner = field.annotation
            nested = isinstance(inner, type) and issubclass(inner, BaseModel)
            written = field.alias or name
            found |= keys(inner, f"{before}{written}.") if nested else {before + written}
        return found

    rows = section("docs/reference/settings.md", "`settings.toml`")
    assert {word for row in rows for word in words(row[0])} == keys(settings.Settings)


def test_the_forms_of_files_are_documented() -> None:
    """Every key that the verifier demands of a proof, a receipt, an export or an anchor is on a page of formats."""
    pages = ("docs/reference/formats.md", "docs/reference/receipt-format.md")
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in pages)
    forms = [form for name, form in vars(verifier).items() if re.fullmatch(r"_[A-Z]+_KEYS", name)]
    assert len(forms) >= 9
    assert {key for form in forms for key in form if f"`{key}`" not in text and f'"{key}"' not in text} == set()
    assert anchors.Anchor.__dataclass_fields__.keys() == verifier._ANCHOR_KEYS.keys()


def test_every_finding_is_documented_with_its_level() -> None:
    """The table of findings holds every code of a check, with its level, and no other."""
    documented = {
        next(iter(words(row[0]))): next(iter(words(row[1])))
        for row in section("docs/reference/policy.md", "What a check finds in a sound policy")
        if words(row[0])
    }
    assert documented == {code: level for code, (level, _) in CODES.items()}


def test_every_exception_of_every_pack_is_documented() -> None:
    """Under each law, the words that a purpose may claim and no other."""
    page = (ROOT / "docs/reference/policy.md").read_text(encoding="utf-8")
    for name in BUILT_IN:
        defined = set(built_in(name).file.exceptions)
        _, _, below = page.partition(f"\nUnder `{name}`:\n\n")
        table_of_law = below.partition("\n\n")[0].splitlines()[2:]
        assert {next(iter(words(row.split("|")[1]))) for row in table_of_law} == defined, name

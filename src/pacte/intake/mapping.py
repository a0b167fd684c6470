"""The mapping file: which columns of which files become which declared fields, and who said so when.

A mapping names everything that may enter; a column that it does not name never does. Read with the same strictness as
the policy: unknown keys refused, all mistakes at once with their lines.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from pacte.intake.nodes import Node, likely, root_of
from pacte.kernel.errors import BadInput, PacteError, named
from pacte.kernel.instant import Instant, parse_instant
from pacte.policy import vocabulary
from pacte.policy.document import PolicyFile, read_limited, read_yaml
from pacte.policy.tree import shown

FORMATS = ("csv", "parquet")
ENCODINGS = ("utf-8", "cp1252", "iso-8859-1", "iso-8859-15")
"""Encodings in which a line end is one byte, so that one broken line never costs the next."""
DATES = ("ymd", "dmy", "mdy")
CHOICE_COLUMNS = (
    "purpose",
    "act",
    "effective",
    "learned",
    "channel",
    "recipient",
    "method",
    "grade",
    "notice",
    "voice",
    "authenticated",
    "signal",
    "by",
)
CAPACITIES = (*vocabulary.CAPACITIES, "deceased")
"""In what capacity a person may stand before the retailer; rules know no other."""
FACTS = ("place", "birth_date", "over", "capacity", "contract_since", "contract_until", "guardian_key")
YES = frozenset({"yes", "oui", "true", "1"})
"""What a declaration of age says where the mapping names no words for it."""
DECLARED = tuple(age.removeprefix("over_") for age in vocabulary.AGES if age.startswith("over_"))
"""The ages in years that a person can declare to have reached, as a mapping writes them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one value comes from: a column (perhaps translated word by word), or the same for every row."""

    column: str = ""
    values: Mapping[str, str] | None = None
    fixed: str = ""


@dataclass(frozen=True, slots=True)
class PlaceRule:
    """The columns that say where a person lives, widest first, and the file's own words for places."""

    columns: tuple[str, ...]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OverRule:
    """The column in which people declare that they are `years` old or over, and the words that say yes, folded."""

    column: str
    years: int
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of file. `choices` files have `person` and `choice`; others a `dataset` and `fields`."""

    name: str
    pattern: str
    format: str
    encoding: str
    delimiter: str
    dates: str
    decimal: str
    choices: bool
    dataset: str
    provenance: str
    collected: Cell
    notice: Cell
    fields: Mapping[str, str]
    place: PlaceRule | None
    facts: Mapping[str, Cell]
    person: tuple[str, str]
    choice: Mapping[str, Cell]
    over: OverRule | None = None

    def columns(self) -> frozenset[str]:
        """Every source column that the mapping names."""
        cells = [self.collected, self.notice, *self.facts.values(), *self.choice.values()]
        named = {cell.column for cell in cells} | set(self.fields.values()) | {self.person[1]}
        wider = {*(self.place.columns if self.place else ()), self.over.column if self.over else ""}
        return frozenset((named | wider) - {""})


@dataclass(frozen=True, slots=True)
class MappingFile:
    """All sources of a mapping file and the SHA-256 (hex) of its bytes."""

    digest: str
    sources: Mapping[str, Source]

    def source_for(self, path: PurePath, name: str = "") -> Source:
        """The source called `name`, or the only one whose pattern fits the file; raises `BadInput` otherwise."""
        if name:
            if name not in self.sources:
                raise BadInput(f"the mapping has no source {named(name)}{likely(name, self.sources)}")
            return self.sources[name]
        fitting = [source for source in self.sources.values() if fnmatch.fnmatch(path.name, source.pattern)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(f"`{source.name}`" for source in fitting)
            raise BadInput(f"several sources of the mapping fit this file ({names}); name the one to use")
        patterns = ", ".join(f"`{source.pattern}`" for source in self.sources.values())
        raise BadInput(f"no source of the mapping fits this file name; the mapping knows {patterns}")


def load_mapping(path: Path, policy: PolicyFile) -> MappingFile:
    """Read and check a mapping file against the policy; raises `PolicyError` with every mistake at once."""
    data = read_limited(path)
    root = root_of(read_yaml(data, path.name), path.name)
    parts = root.keys(["mapping", "sources"])
    if "mapping" in parts and parts["mapping"].value != "1":
        parts["mapping"].fail("unknown version of the mapping format; expected `mapping: 1`")
    sources = {}
    if "sources" in parts:
        sources = {name: _source(name, node, policy) for name, node in parts["sources"].entries()}
    root.problems.finish()
    return MappingFile(hashlib.sha256(data).hexdigest(), sources)


_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}")
_COMMON = ("format", "encoding", "delimiter", "dates", "decimal", "source")


def _source(name: str, node: Node, policy: PolicyFile) -> Source:
    is_choices = isinstance(node.value, dict) and node.value.get("choices") in ("true", "yes")
    if is_choices:
        parts = node.keys(["file", "choices", "person"], [*_COMMON, "columns", "defaults"])
    else:
        parts = node.keys(["file", "dataset", "fields"], [*_COMMON, "choices", "collected", "notice", "facts"])
    pattern = parts["file"].text() if "file" in parts else ""
    dataset = ""
    if "dataset" in parts:
        dataset = parts["dataset"].one_of(policy.datasets, "dataset")
    return Source(
        name=name,
        pattern=pattern,
        format=_choice(parts, "format", FORMATS, "parquet" if pattern.endswith(".parquet") else "csv"),
        encoding=_choice(parts, "encoding", ENCODINGS, "utf-8"),
        delimiter=_delimiter(parts),
        dates=_choice(parts, "dates", DATES, "ymd"),
        decimal=_choice(parts, "decimal", (".", ","), "."),
        choices=is_choices,
        dataset=dataset,
        provenance=_provenance(parts, name, node),
        collected=_collected(parts),
        notice=_notice(parts["notice"], policy, plain_is_fixed=True) if "notice" in parts else Cell(),
        fields=_fields(parts, dataset, policy, node),
        place=_place(parts),
        over=_over(parts),
        facts=_facts(parts, dataset, policy),
        person=_person(parts, policy) if is_choices else ("", ""),
        choice=_choice_cells(parts, policy, node) if is_choices else {},
    )


def _choice(parts: dict[str, Node], key: str, allowed: tuple[str, ...], default: str) -> str:
    return parts[key].one_of(allowed, key) if key in parts else default


def _provenance(parts: dict[str, Node], name: str, node: Node) -> str:
    where, word = (parts["source"], parts["source"].text()) if "source" in parts else (node, name)
    if not _WORD.fullmatch(word):
        where.fail("the name of a source should be one short word such as `crm` or `web-shop`; the ledger repeats it")
    return word


def _delimiter(parts: dict[str, Node]) -> str:
    if "delimiter" not in parts:
        return ","
    mark = parts["delimiter"].text()
    mark = "\t" if mark == "tab" else mark
    if len(mark) != 1 or mark in '"\r\n':
        parts["delimiter"].fail("the delimiter should be one character such as `,` or `;`, or the word `tab`")
        return ","
    return mark


def _cell(node: Node, *, plain_is_fixed: bool = False) -> Cell:
    if not isinstance(node.value, dict):
        return Cell(fixed=node.text()) if plain_is_fixed else Cell(column=node.text())
    parts = node.keys([], ["column", "values", "fixed"])
    if ("column" in parts) == ("fixed" in parts):
        node.fail(f"{node.name} should name either a `column` or a `fixed` value")
        return Cell()
    if "fixed" in parts:
        return Cell(fixed=parts["fixed"].text())
    values = {word: ours.text() for word, ours in parts["values"].entries()} if "values" in parts else None
    return Cell(column=parts["column"].text(), values=values)


def _collected(parts: dict[str, Node]) -> Cell:
    if "collected" not in parts:
        return Cell()
    cell = _cell(parts["collected"])
    if cell.fixed and parse_fixed(cell.fixed) is None:
        parts["collected"].fail("`collected` should be a column or a fixed date such as `{fixed: 2024-01-31}`")
    return cell


def parse_fixed(text: str) -> Instant | None:
    """A fixed date of the mapping as an instant, or nothing when it is no date."""
    try:
        return parse_instant(text)
    except PacteError:
        return None


def _notice(node: Node, policy: PolicyFile, *, plain_is_fixed: bool) -> Cell:
    cell = _cell(node, plain_is_fixed=plain_is_fixed)
    for name in [cell.fixed, *(cell.values or {}).values()]:
        if name and name not in policy.notices:
            node.fail(f"unknown notice `{name}`{likely(name, policy.notices)}")
    return cell


def _fields(parts: dict[str, Node], dataset: str, policy: PolicyFile, node: Node) -> dict[str, str]:
    if "fields" not in parts or dataset not in policy.datasets:
        return {}
    declared = policy.datasets[dataset]
    mapped: dict[str, str] = {}
    for name, column in parts["fields"].entries():
        if name not in declared.fields and name != declared.person:
            known = likely(name, declared.fields)
            column.fail(f"the policy declares no field `{dataset}.{name}`{known}")
        else:
            mapped[name] = column.text()
    needed = (set(declared.key) & set(declared.fields)) | {declared.person}
    for name in sorted(needed - set(mapped)):
        parts["fields"].fail(
            f"`{node.name}.fields` lacks `{name}`, which names the rows of `{dataset}` or their people"
        )
    return mapped


def _place(parts: dict[str, Node]) -> PlaceRule | None:
    facts = parts.get("facts")
    if facts is None or not isinstance(facts.value, dict) or "place" not in facts.value:
        return None
    node = dict(facts.entries())["place"]
    if not isinstance(node.value, dict):
        return PlaceRule((node.text(),), {})
    inner = node.keys(["from"], ["map"])
    columns = tuple(item.text() for item in inner["from"].items()) if "from" in inner else ()
    names = {word: code.text() for word, code in inner["map"].entries()} if "map" in inner else {}
    return PlaceRule(columns, names)


def _over(parts: dict[str, Node]) -> OverRule | None:
    facts = parts.get("facts")
    if facts is None or not isinstance(facts.value, dict) or "over" not in facts.value:
        return None
    inner = dict(facts.entries())["over"].keys(["column", "years"], ["yes"])
    years = inner["years"].one_of(DECLARED, "age") if "years" in inner else ""
    words = [item.text() for item in inner["yes"].items()] if "yes" in inner else sorted(YES)
    column = inner["column"].text() if "column" in inner else ""
    return OverRule(column, int(years) if years in DECLARED else 0, frozenset(map(folded, words)))


def folded(word: object) -> str:
    """A word as it is compared: without spaces around it, capitals or small letters alike."""
    return str(word).strip().casefold()


def _facts(parts: dict[str, Node], dataset: str, policy: PolicyFile) -> dict[str, Cell]:
    if "facts" not in parts:
        return {}
    if dataset in policy.datasets and policy.datasets[dataset].per != "person":
        parts["facts"].fail(f"`{dataset}` has no person per row; facts about people belong to the dataset of people")
    cells = {}
    for name, node in parts["facts"].keys([], FACTS).items():
        if name in ("place", "over"):
            continue
        cells[name] = cell = _cell(node)
        if name == "capacity":
            for word in {cell.fixed, *(cell.values or {}).values()} - {"", *CAPACITIES}:
                node.fail(f"unknown capacity `{shown(word)}`{likely(word, CAPACITIES)}")
        elif name != "guardian_key" and cell.fixed and (name == "birth_date" or parse_fixed(cell.fixed) is None):
            node.fail(f"`{name}` should name a column")
    return cells


def _person(parts: dict[str, Node], policy: PolicyFile) -> tuple[str, str]:
    if "person" not in parts:
        return ("", "")
    entries = list(parts["person"].entries())
    if len(entries) != 1:
        parts["person"].fail("`person` should name one field and one column, such as `{customer_id: id}`")
        return ("", "")
    name, column = entries[0]
    known = [
        field
        for dataset in policy.datasets.values()
        if dataset.per == "person"
        for field, declared in dataset.fields.items()
        if declared.identity in ("key", "email", "phone")
    ]
    if name not in known:
        column.fail(f"`{name}` does not name people{likely(name, known)}")
    return name, column.text()


def _choice_cells(parts: dict[str, Node], policy: PolicyFile, node: Node) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    if "defaults" in parts:
        for name, inner in parts["defaults"].keys([], CHOICE_COLUMNS).items():
            cells[name] = Cell(fixed=inner.text())
    if "columns" in parts:
        for name, inner in parts["columns"].keys([], CHOICE_COLUMNS).items():
            column = _notice(inner, policy, plain_is_fixed=False) if name == "notice" else _cell(inner)
            default = cells[name].fixed if name in cells else ""
            cells[name] = Cell(column.column, column.values, column.fixed or default)
    for name in ("purpose", "act"):
        if name not in cells:
            node.fail(f"a choice needs `{name}`, in `columns` or in `defaults`")
    return cells

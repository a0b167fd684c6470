"""What a dataset must hold together: a key for each row, a path to the person, identities apart from behaviour."""

from __future__ import annotations

from pacte.policy.categories import categories
from pacte.policy.mistakes import Mistakes, attempt
from pacte.policy.model import DataField, Dataset
from pacte.policy.tree import Path, Tree

POSITION = "row"
"""A key that is no field: rows without a number of their own are known by their place in their file."""


def check_dataset(name: str, tree: Tree, mistakes: Mistakes) -> None:
    """Note everything that is wrong with one dataset."""
    here, fields = ("datasets", name), tree.mapping("datasets", name, "fields")
    for field_name, node in fields.items():
        _field((*here, "fields", field_name), node if isinstance(node, dict) else {}, mistakes)
    dataset = attempt(Dataset, tree.at(here))
    if dataset is None:
        return
    for path, word in tree.texts(*here, "key"):
        if word not in fields and word not in (dataset.person, POSITION):
            mistakes.unknown(path, "field", word, fields)
    if not dataset.key:
        mistakes.add((*here, "key"), f"dataset `{name}` has no `key`: a row loaded twice could not be recognised")
    if dataset.per == "person":
        person = dataset.fields.get(dataset.person)
        if person is None:
            mistakes.unknown((*here, "person"), "field", dataset.person, fields)
        elif person.identity != "key":
            mistakes.add((*here, "fields", dataset.person), f"`{dataset.person}` names the person; add `identity: key`")
        if dataset.references:
            mistakes.add((*here, "references"), "`references` is for datasets that are `per: event`")
        if dataset.aggregates:
            mistakes.add((*here, "aggregates"), "`aggregates` are for datasets that are `per: event`")
    else:
        _path_to_person(name, dataset, tree, mistakes)
    for aggregate in dataset.aggregates:
        _aggregate((*here, "aggregates", aggregate), aggregate, dataset, mistakes)


def _field(path: Path, node: object, mistakes: Mistakes) -> None:
    category = node.get("category") if isinstance(node, dict) else None
    if isinstance(category, str) and category not in categories():
        mistakes.unknown((*path, "category"), "category", category, categories())
    field = attempt(DataField, node)  # type: ignore[arg-type] # any value may be tried
    if field is None:
        return
    if field.group and not field.identity:
        mistakes.add((*path, "group"), "`group` says what is sealed together; only fields with `identity` are sealed")
    if field.coarse and field.identity:
        mistakes.add((*path, "coarse"), "an identity is released whole or not at all; remove `coarse`")
    elif field.coarse:
        _coarse((*path, "coarse"), field.type, field.coarse.model_dump(exclude_none=True), mistakes)


def _coarse(path: Path, kind: str, coarse: dict[str, object], mistakes: Mistakes) -> None:
    fitting = {"date": "unit", "instant": "unit", "integer": "step", "decimal": "step", "string": "prefix"}.get(kind)
    expected = {
        "unit": "`month`, `quarter` or `year`",
        "step": "a whole number such as `10`",
        "prefix": "`{prefix: 2}`",
    }
    if fitting is None:
        mistakes.add(path, f"the type `{kind}` cannot be rounded; remove `coarse`")
    elif list(coarse) != [fitting]:
        mistakes.add(path, f"a rounding that does not fit the type `{kind}`; expected {expected[fitting]}")


def _path_to_person(name: str, dataset: Dataset, tree: Tree, mistakes: Mistakes) -> None:
    here = ("datasets", name)
    persons = {
        f"{other}.{node['person']}": other
        for other, node in tree.mapping("datasets").items()
        if isinstance(node, dict) and node.get("per") == "person" and isinstance(node.get("person"), str)
    }
    if dataset.references is None:
        mistakes.add(here, f"dataset `{name}` lacks `references`: which person its rows are about{_example(persons)}")
    elif dataset.references not in persons:
        mistakes.unknown((*here, "references"), "key of a person", dataset.references, persons)
    named = dataset.fields.get(dataset.person)
    if named is not None and named.identity != "key":
        mistakes.add(
            (*here, "fields", dataset.person),
            f"`{dataset.person}` names the person and would be stored with behaviour; leave it out, or add "
            "`identity: key`",
        )
    for field, declared in dataset.fields.items():
        if declared.identity and field != dataset.person:
            mistakes.add(
                (*here, "fields", field),
                f"`{field}` says who the person is, and rows of events keep nobody's identity; declare it in the "
                "dataset of the people, or leave it out",
            )


def _example(persons: dict[str, str]) -> str:
    return f", such as `{min(persons)}`" if persons else ""


def _aggregate(path: Path, name: str, dataset: Dataset, mistakes: Mistakes) -> None:
    aggregate = dataset.aggregates[name]
    source = dataset.fields.get(aggregate.field or "")
    if name in dataset.fields:
        mistakes.add(path, f"`{name}` is also the name of a field of this dataset")
    if aggregate.category and aggregate.category not in categories():
        mistakes.unknown((*path, "category"), "category", aggregate.category, categories())
    if aggregate.field and source is None:
        mistakes.unknown((*path, "field"), "field", aggregate.field, dataset.fields)
    if aggregate.take != "count" and not aggregate.field:
        mistakes.add(path, f"`take: {aggregate.take}` needs a `field`")
    no_field = set(dataset.key) <= {dataset.person, POSITION} - set(dataset.fields)
    if aggregate.take == "count" and no_field and not aggregate.category and not aggregate.field:
        mistakes.add(path, f"aggregate `{name}` needs a `category`: its dataset's key is no declared field")
    if source is None:
        return
    if source.identity:
        mistakes.add((*path, "field"), f"`{aggregate.field}` says who the person is and cannot be computed with")
    allowed = ("integer", "decimal") if aggregate.take == "sum" else ("integer", "decimal", "date", "instant")
    if aggregate.take != "count" and source.type not in allowed:
        mistakes.add((*path, "field"), f"`take: {aggregate.take}` cannot be computed on the type `{source.type}`")
    elif aggregate.coarse:
        kind = "integer" if aggregate.take == "count" else source.type
        _coarse((*path, "coarse"), kind, aggregate.coarse.model_dump(exclude_none=True), mistakes)

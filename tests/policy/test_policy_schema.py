"""The JSON Schema of the policy: what an editor shows is what pacte reads."""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pacte.app.templates import TEMPLATES, policy_text
from pacte.kernel.errors import PolicyError
from pacte.policy.categories import categories
from pacte.policy.document import load_policy_text
from pacte.policy.packs import exceptions
from pacte.policy.schema import DIALECT, ID, descriptions, parts, published, schema
from tests.thorough import many
from tools.schema import PAGE

ASSETS = Path(__file__).parent.parent / "assets" / "policy"
GOOD = (ASSETS / "good.yaml").read_text(encoding="utf-8")
FORM = (
    "bad-empty",
    "bad-empty-values",
    "bad-list",
    "bad-missing-keys",
    "bad-names",
    "bad-unknown-keys",
    "bad-wrong-forms",
    "bad-wrong-values",
)
"""The bad files whose mistakes are of form; the others are of reference, of meaning, or no YAML at all."""


@cache
def validator() -> jsonschema.Draft202012Validator:
    """A validator for the schema of this version."""
    return jsonschema.Draft202012Validator(schema())


def as_an_editor(text: str) -> Any:
    """The document as a language server reads it: YAML 1.2 core types, in which a date is a text."""
    return _texts(YAML(typ="safe", pure=True).load(text))


def _texts(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _texts(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_texts(item) for item in node]
    return node.isoformat() if isinstance(node, datetime.date) else node


def mistakes(document: Any) -> list[str]:
    """Where the schema refuses a document, and why."""
    return sorted(f"{list(error.absolute_path)}: {error.message[:200]}" for error in validator().iter_errors(document))


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of everything inside a document."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in inside:
        yield (*path, step)
        yield from places(value, (*path, step))


def test_the_schema_is_a_schema() -> None:
    """It is valid JSON Schema 2020-12, with a name that leads to no host."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert (schema()["$schema"], schema()["$id"]) == (DIALECT, ID)
    assert "//" not in ID


def test_the_published_file_is_up_to_date() -> None:
    """The file in the reference is this version's; after changing a key, run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == published()


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_editor_finds_nothing_wrong_with_a_template(name: str) -> None:
    """Every template validates, and its first line names the schema that lies beside it."""
    text = policy_text(name)
    assert text.splitlines()[0] == "# yaml-language-server: $schema=policy.schema.json"
    assert mistakes(as_an_editor(text)) == []


def test_an_editor_finds_nothing_wrong_with_a_good_policy() -> None:
    """The small good policy of the tests validates, with `NO` for Norway and flow style."""
    assert mistakes(as_an_editor(GOOD)) == []


@pytest.mark.parametrize("name", FORM)
def test_a_mistake_of_form_is_marked_while_typing(name: str) -> None:
    """What pacte refuses for its form, the schema refuses too."""
    assert mistakes(as_an_editor((ASSETS / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("laws", ["gdpr", "dsgvo"]),
        ("laws", []),
        ("languages", ["de"]),
        ("offered_to", "men"),
        ("suppression", {"keep": "3 year olds"}),
        ("suppression", {"keep": "0 days"}),
        ("extends", ""),
        ("open_to", ["notices"]),
    ],
)
def test_words_outside_a_closed_list_are_refused(key: str, value: Any) -> None:
    """Lists that the model leaves open to later checks are closed in the schema."""
    assert mistakes(as_an_editor(GOOD) | {key: value})


def test_an_extension_may_leave_out_what_its_base_says() -> None:
    """With `extends` nothing is required, at no depth; a misspelt key is still refused."""
    assert mistakes({"extends": "group.yaml", "purposes": {"newsletter": {"channels": ["email"]}}}) == []
    assert mistakes({"extends": "group.yaml", "purposes": {"newsletter": {"chanels": ["email"]}}})
    assert mistakes({"purposes": {"newsletter": {"channels": ["email"]}}})


def test_every_key_of_the_model_is_in_the_schema_and_no_other() -> None:
    """Model, schema and descriptions name the same keys; every part is closed and every key says what it means."""
    modelled = {
        name: {info.alias or field for field, info in kind.model_fields.items()} for name, kind in parts().items()
    }
    assert {name: set(keys) for name, keys in descriptions().items()} == modelled
    shown = {}
    for name in modelled:
        definition = schema()["$defs"][name]
        whole = next(one for one in definition.get("anyOf", [definition]) if "properties" in one)
        assert whole["additionalProperties"] is False
        shown[name] = set(whole["properties"])
        for key, form in whole["properties"].items():
            assert 10 <= len(form["description"]) <= 200, (name, key)
    assert shown == modelled


def test_lists_of_words_come_from_where_they_are_kept() -> None:
    """Categories and exceptions are those of this version."""
    purpose, field = schema()["$defs"]["Purpose"], schema()["$defs"]["DataField"]
    assert field["properties"]["category"]["enum"] == list(categories())
    assert set(purpose["properties"]["exceptions"]["properties"]) == set(exceptions())


DOCUMENTS = [as_an_editor(GOOD), as_an_editor(policy_text("bank"))]
VALUES: list[Any] = ["yes", "maybe", 7, 0, True, "3 years", "FR", "2026-01-15", "consent", "month", [], {}, ["email"]]


@settings(max_examples=many(150), deadline=None)
@given(st.data())
def test_an_editor_marks_nothing_that_pacte_accepts(data: st.DataObject) -> None:
    """Whatever is changed in a policy: where pacte has no objection, neither has the schema."""
    document = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    *way, last = data.draw(st.sampled_from(list(places(document))))
    node = document
    for step in way:
        node = node[step]
    if data.draw(st.booleans()):
        del node[last]
    else:
        node[last] = data.draw(st.sampled_from(VALUES))
    try:
        load_policy_text(json.dumps(document, ensure_ascii=False))
    except PolicyError:
        return
    assert mistakes(document) == []

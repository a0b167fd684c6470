"""The OpenAPI document says what the API does: whatever is sent, the answer is a documented one, and never a 500."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi import checks

from pacte.kernel.i18n import catalogue
from pacte.testing.shop import Shop
from pacte.web.api import calls, openapi, problems
from tests.web.conftest import Site
from tests.web.programs import key_for
from tests.web.template import Template

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.missing_required_header,
    checks.ignored_auth,
]
OPERATIONS = [(path, method) for path, of in openapi.document()["paths"].items() for method in of]
FEW, MANY = 12, 400


@schemathesis.serializer("message/rfc822")
def a_mail(_context: Any, value: Any) -> bytes:
    """What is drawn for a mail is sent as it is."""
    return str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def target(shop_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Shop]]:
    """A served house, a key for everything with all the calls that it wants, and the shop."""
    from pacte.web.server import serving

    folder, patch = tmp_path_factory.mktemp("fuzzed"), pytest.MonkeyPatch()
    for name in ("WRONG_KEYS", "OPEN_CALLS"):  # it shows wrong keys more often than anybody else may
        patch.setattr(calls, name, 1_000_000)
    with shop_template.open(folder / "house", '\n[[webhooks]]\nname = "crm"\nurl = "http://127.0.0.1:9/"\n') as shop:
        with serving(shop.house, worker=False) as url:
            yield url, key_for(shop.house, rate=1_000_000), shop
        assert shop.house.check() == []
    patch.undo()


def sensible(body: Any, shop: Shop, chance: random.Random) -> Any:
    """Now and then what the house knows in the place of what was drawn: calls then reach what lies behind the form."""
    known = {
        "person": lambda: f"email:{chance.choice(shop.permitted)}",
        "people": lambda: [f"email:{chance.choice(shop.permitted)}"],
        "purpose": lambda: chance.choice(["newsletter", "similar_offers", "order_service", "partner_offers", "*"]),
        "channel": lambda: "email",
        "recipient": lambda: chance.choice(["mailer", "cookery_school"]),
        "fields": lambda: ["customers.email"],
        "notice": lambda: "web-2024",
        "webhook": lambda: "crm",
    }
    if isinstance(body, dict):
        found = {name: sensible(value, shop, chance) for name, value in body.items()}
        return found | {name: known[name]() for name in found if name in known and chance.random() < 0.7}
    return [sensible(one, shop, chance) for one in body] if isinstance(body, list) else body


def fuzz(target: tuple[str, str, Shop], path: str, method: str, examples: int) -> None:
    """Send what the document allows and what it does not to one operation, and hold each answer against it."""
    url, key, shop = target
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(openapi.document())))
    schema.config.update(base_url=url)
    chance = random.Random(7)

    @schema.hook
    def map_body(_context: Any, body: Any) -> Any:
        return sensible(body, shop, chance) if isinstance(body, (dict, list)) else body

    phases = [Phase.explicit, Phase.generate]
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

    operation = schema[path][method]
    said = openapi.document()["paths"][path][method]
    modes = list(schemathesis.GenerationMode)
    for mode in modes if {"requestBody", "parameters"} & said.keys() else [schemathesis.GenerationMode.POSITIVE]:

        @settings(max_examples=examples, phases=phases, suppress_health_check=quiet, deadline=None, database=None)
        @schemathesis_given(operation, mode)
        def one(case: schemathesis.Case) -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)

        one()


def schemathesis_given(operation: Any, mode: Any) -> Any:
    """Cases of an operation, as Hypothesis draws them."""
    from hypothesis import given

    return given(case=operation.as_strategy(generation_mode=mode))


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_call_gets_an_undocumented_answer(target: tuple[str, str, Shop], path: str, method: str) -> None:
    """A few calls of each operation, good and bad."""
    fuzz(target, path, method, FEW)


@pytest.mark.soak
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_call_of_many_gets_an_undocumented_answer(target: tuple[str, str, Shop], path: str, method: str) -> None:
    """Hundreds of calls of each operation, good and bad."""
    fuzz(target, path, method, MANY)


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_document_is_an_openapi_document(site: Site, lang: str) -> None:
    """Of version 3.1, with every operation, form and problem explained, and nothing but the API in it."""
    said = site.get(f"/api/openapi.json?lang={lang}").json()
    assert said["openapi"].startswith("3.1")
    assert all(path.startswith("/api/v1/") for path in said["paths"])
    for schema in said["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"]
        assert all(form["description"] for form in schema.get("properties", {}).values())
    for of in said["paths"].values():
        for operation in of.values():
            statuses = set(operation["responses"])
            assert {"405", "503"} <= statuses
            problem = [answer for status, answer in operation["responses"].items() if status >= "400"]
            assert all(list(answer["content"]) == ["application/problem+json"] for answer in problem)
            if operation["security"]:
                assert {"401", "429"} <= statuses
            if "requestBody" in operation:
                assert {"400", "413", "415", "422"} <= statuses


def test_every_word_of_the_documentation_is_said_somewhere() -> None:
    """Every problem, scope and operation has its words, and there are none for what is no more."""
    words = catalogue(openapi.ROOM)
    assert {key.partition(".")[2] for key in words if key.startswith("problem.")} == set(problems.CODES)
    named = {one.name for one in calls.OPERATIONS} | {"read_notice"}
    assert {key.split(".")[1] for key in words if key.startswith("op.")} == named
    members = {
        name
        for schema in openapi.document()["components"]["schemas"].values()
        for part in (schema, *(one for one in schema.get("properties", {}).values()))
        for name in part.get("properties", {})
    }
    members |= {
        one["name"]
        for of in openapi.document()["paths"].values()
        for op in of.values()
        for one in op.get("parameters", [])
    }
    said = {key.split(".")[-1] for key in words if key.startswith("field.")}
    assert said <= members


def test_examples_are_of_their_forms() -> None:
    """What the documentation shows can be sent."""
    schemas = openapi.document()["components"]["schemas"]
    whole = {"$defs": schemas}
    for name, schema in schemas.items():
        for example in schema.get("examples", []):
            text = json.dumps({**whole, "$ref": f"#/$defs/{name}"}).replace("#/components/schemas/", "#/$defs/")
            jsonschema.validate(example, json.loads(text))

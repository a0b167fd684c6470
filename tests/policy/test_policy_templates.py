"""The policies that `pacte init` writes: each is one that counsel of its trade could begin with, and it works."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pacte.app import ask
from pacte.app.house import MAPPING, POLICY, create
from pacte.app.loading import load
from pacte.app.publish import publish
from pacte.app.templates import SCHEMA, TEMPLATES, policy_text, write_template
from pacte.cli.main import app
from pacte.intake.mapping import load_mapping
from pacte.kernel.instant import parse_instant
from pacte.policy.categories import categories, covered
from pacte.policy.compile import compile_policy
from pacte.policy.conditions import Fixed
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.lint import lint
from pacte.policy.model import PolicyFile
from pacte.policy.schema import published
from pacte.testing.world import TestClock

NOW = parse_instant("2026-11-16T09:00")
PURPOSES = range(5, 10)


def document(name: str) -> PolicyFile:
    """The policy of a template."""
    return load_policy_text(policy_text(name))


def declared(name: str) -> dict[str, Any]:
    """The rules of the purposes that a template declares, without those of the house."""
    policy = document(name)
    table = compile_policy(policy).table
    return {purpose: table.purposes[purpose] for purpose in policy.purposes}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_read_and_compiled_in_half_a_second(name: str) -> None:
    """From text to rule table, the best of three."""
    text = policy_text(name)
    taken = []
    for _ in range(3):
        started = time.process_time()  # this process's own work: what else the machine does is not counted
        compile_policy(load_policy_text(text))
        taken.append(time.process_time() - started)
    assert min(taken) < 0.5


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_a_real_policy(name: str) -> None:
    """Five to nine purposes on several bases, in two languages, from France; each basis with what it stands on."""
    policy = document(name)
    assert len(policy.purposes) in PURPOSES
    assert len({purpose.basis for purpose in policy.purposes.values()}) >= 3
    assert policy.languages == ("fr", "en")
    assert policy.controller.established == "FR"
    assert {"gdpr", "fr"} <= set(policy.laws)
    for purpose in policy.purposes.values():
        assert (purpose.basis == "legitimate_interests") == (purpose.balancing is not None)
        assert purpose.ground or purpose.basis not in ("legal_obligation", "public_task")
    for recipient in policy.recipients.values():
        assert recipient.contract or recipient.role == "controller"


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_notices_of_a_template_tell_of_what_its_purposes_use(name: str) -> None:
    """For every purpose a notice in each language tells of all its data, and none tells of data it does not use."""
    policy, rules = document(name), declared(name)
    known = categories()
    for purpose, declaration in rules.items():
        used = set(declaration.categories)
        telling = [notice for notice in policy.notices.values() if used <= covered(notice.tells.get(purpose, ()))]
        assert {notice.locale for notice in telling} >= {"fr", "en"}, purpose
        families = used | {known[category].family for category in used}
        for notice in policy.notices.values():
            for word in notice.tells.get(purpose, ()):
                assert word in families or known[word].family in families, (purpose, word)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_notices_of_a_template_say_that_one_may_object(name: str) -> None:
    """Of what rests on an interest, the notices in use say that one may object (GDPR Art. 21(4)); and where data go."""
    policy = document(name)
    for purpose, declaration in policy.purposes.items():
        telling = [notice for notice in policy.notices.values() if purpose in notice.tells]
        latest = max(notice.effective for notice in telling)
        for notice in [notice for notice in telling if notice.effective == latest]:
            said = notice.says.get(purpose, ())
            if declaration.basis in ("legitimate_interests", "public_task"):
                assert "objection" in said, purpose
            if declaration.automated_decision:
                assert "automated_decision" in said, purpose
            places = [policy.recipients[recipient].place for recipient in declaration.recipients]
            if any(place != "FR" for place in places):
                assert "transfer" in said, purpose


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_law_refuses_a_purpose_of_a_template(name: str) -> None:
    """No purpose of a template is one that a law would never permit to anybody."""
    refused = [
        (purpose, rule.id)
        for purpose, rules in declared(name).items()
        for rule in rules.requirements
        if rule.condition == Fixed(0)
    ]
    assert refused == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_there_is_nothing_to_say_about_a_template(name: str) -> None:
    """`pacte policy check` has no advice for those who begin with it."""
    findings = lint(compile_policy(document(name)))
    assert [finding.say("en") for finding in findings] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_field_of_a_template_has_a_column(name: str, tmp_path: Path) -> None:
    """The mapping refers to declared fields only, and brings in every field of every dataset."""
    write_template(tmp_path, name)
    policy = load_policy(tmp_path / POLICY)
    sources = load_mapping(tmp_path / MAPPING, policy).sources.values()
    mapped = {f"{source.dataset}.{field}" for source in sources if not source.choices for field in source.fields}
    fields = {f"{dataset}.{field}" for dataset, found in policy.datasets.items() for field in found.fields}
    assert fields <= mapped
    assert any(source.choices for source in sources)


PEOPLE = {
    "shop": "id,mail,phone,first_name,last_name,birth_date,city,postcode,country,region,kind,"
    "signup_date,customer_since,"
    "closed_at,parent_id,notice\n"
    "P1,ada@example.com,,Ada,Lin,1980-01-01,Rennes,35000,FR,,private,2026-01-20,2026-01-20,,,v3\n"
    "P2,bea@example.com,,Bea,Lin,1980-01-01,Rennes,35000,FR,,private,2026-01-20,2026-01-20,,,\n"
    "P3,cyd@example.com,,Cyd,Lin,1980-01-01,Rennes,35000,FR,,private,2026-01-20,2026-01-20,,,v3-en\n",
    "telecom": "id,mail,phone,first_name,last_name,address,postcode,city,iban,country,kind,"
    "subscribed_on,ended_on,notice\n"
    "P1,ada@example.com,0612345678,Ada,Lin,1 rue du Port,29200,Brest,,FR,private,2026-09-01,,v4\n"
    "P2,bea@example.com,0612345679,Bea,Lin,2 rue du Port,29200,Brest,,FR,private,2026-09-01,,\n"
    "P3,cyd@example.com,0612345670,Cyd,Lin,3 rue du Port,29200,Brest,,FR,private,2026-09-01,,v4-en\n",
    "bank": "id,mail,phone,first_name,last_name,birth_date,address,document,iban,job,income_bracket,"
    "country,kind,opened_on,"
    "closed_on,notice\n"
    "P1,ada@example.com,,Ada,Lin,1980-01-01,1 rue du Port,,,baker,2,FR,private,2026-02-01,,v7\n"
    "P2,bea@example.com,,Bea,Lin,1980-01-01,2 rue du Port,,,baker,2,FR,private,2026-02-01,,\n"
    "P3,cyd@example.com,,Cyd,Lin,1980-01-01,3 rue du Port,,,baker,2,FR,private,2026-02-01,,v7-en\n",
    "health": "id,mail,phone,first_name,last_name,birth_date,address,social_security_number,"
    "birth_year,allergies,country,"
    "parent_id,admitted_on,notice\n"
    "P1,ada@example.com,,Ada,Lin,1980-01-01,1 rue du Port,,1980,,FR,,2026-02-01,v5\n"
    "P2,bea@example.com,,Bea,Lin,1980-01-01,2 rue du Port,,1980,,FR,,2026-02-01,\n"
    "P3,cyd@example.com,,Cyd,Lin,1980-01-01,3 rue du Port,,1980,,FR,,2026-02-01,v5-en\n",
    "media": "id,mail,first_name,last_name,address,birth_date,country,kind,joined_on,subscribed_on,"
    "ended_on,parent_id,notice\n"
    "P1,ada@example.com,Ada,Lin,1 rue du Port,1980-01-01,FR,private,2026-04-01,2026-04-01,,,v9\n"
    "P2,bea@example.com,Bea,Lin,2 rue du Port,1980-01-01,FR,private,2026-04-01,2026-04-01,,,\n"
    "P3,cyd@example.com,Cyd,Lin,3 rue du Port,1980-01-01,FR,private,2026-04-01,2026-04-01,,,v9-en\n",
    "b2b": "id,mail,phone,first_name,last_name,job,company,city,country,met_on,customer_since,closed_on,notice\n"
    "P1,ada@bakery.example,,Ada,Lin,baker,Four SARL,Quimper,FR,2026-02-01,2026-02-01,,v2\n"
    "P2,bea@bakery.example,,Bea,Lin,baker,Four SARL,Quimper,FR,2026-02-01,2026-02-01,,\n"
    "P3,cyd@bakery.example,,Cyd,Lin,baker,Four SARL,Quimper,FR,2026-02-01,2026-02-01,,v2-en\n",
}
"""Three people: P1 and P3 were told, in French and in English, P2 was not."""

ASKED = {
    "shop": ("order_service", "newsletter:email", "similar_offers:email"),
    "telecom": ("line_service", "phone_prospecting:phone", "similar_plans:email"),
    "bank": ("account_service", "credit_scoring:web", "similar_products:email"),
    "health": ("care", "research", "satisfaction:email"),
    "media": ("subscription", "newsletters:email", "subscriber_offers:email"),
    "b2b": ("orders_and_repairs", "demonstration_days:phone", "trade_news:email"),
}
"""What everybody who was told is in, what P1 says yes to, and what P3 objects to; with the channel."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_small_house_works_from_its_template(name: str, tmp_path: Path) -> None:
    """Made, published, loaded with three people and what they said, it answers as its policy promises."""
    files = tmp_path / "files"
    files.mkdir()
    service, consent, interest = ASKED[name]
    with create(tmp_path / "house", clock=TestClock(NOW)) as house:
        write_template(house.path, name)
        publish(house, "owner")
        people, choices = _files(files, house.path, name)
        assert load(house, people).rejected == {}
        assert load(house, choices).rejected == {}

        def may(person: str, asked: str) -> str:
            purpose, _, channel = asked.partition(":")
            return ask.may(house, f"key:{person}", purpose, channel=channel).reason.code

        assert [may(person, service) for person in ("P1", "P2", "P3")] == ["permitted", "not_informed", "permitted"]
        assert [may(person, consent) for person in ("P1", "P3")] == ["permitted", "never_asked"]
        assert [may(person, interest) for person in ("P1", "P3")] == ["permitted", "objected"]
        assert house.check() == []


def _files(folder: Path, house: Path, name: str) -> tuple[Path, Path]:
    """The people, and their choices under the column names of the template's own mapping."""
    sources = load_mapping(house / MAPPING, load_policy(house / POLICY)).sources
    said = next(source for key, source in sources.items() if key == "choices")
    dataset = next(source for source in sources.values() if source.facts)
    _, consent, interest = ASKED[name]
    rows = [_said("P1", consent, "given"), _said("P3", interest, "objected")]
    columns = {"person": said.person[1]} | {key: cell.column for key, cell in said.choice.items() if cell.column}
    table = [",".join(columns.values()), *(",".join(row.get(key, "") for key in columns) for row in rows)]
    people, choices = folder / dataset.pattern.replace("*", "-1"), folder / said.pattern.replace("*", "-1")
    people.write_text(PEOPLE[name], encoding="utf-8")
    choices.write_text("\n".join(table) + "\n", encoding="utf-8")
    return people, choices


def _said(person: str, asked: str, act: str) -> dict[str, str]:
    purpose, _, channel = asked.partition(":")
    return {
        "person": person,
        "purpose": purpose,
        "act": act,
        "channel": channel,
        "effective": "2026-10-01",
        "learned": "2026-10-01",
        "method": "double_opt_in_link",
        "grade": "double_opt_in",
        "authenticated": "1",
    }


def run(*arguments: str | Path) -> Any:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", TEMPLATES)
def test_init_writes_a_template_with_its_schema(name: str, tmp_path: Path) -> None:
    """`init --template` writes the policy, the mapping, and the schema beside them, and says what comes next."""
    done = run("init", tmp_path / "house", "--template", name, "--lang", "en")
    assert done.exit_code == 0, done.output
    assert "pacte publish" in " ".join(done.output.split())
    assert (tmp_path / "house" / POLICY).read_text(encoding="utf-8") == policy_text(name)
    assert (tmp_path / "house" / SCHEMA).read_text(encoding="utf-8") == published()
    json.loads(published())


def test_init_keeps_a_policy_that_is_there(tmp_path: Path) -> None:
    """A policy that somebody wrote beforehand is not touched."""
    house = tmp_path / "house"
    house.mkdir()
    (house / POLICY).write_text("pacte: 1\n", encoding="utf-8")
    assert run("init", house, "--template", "bank").exit_code == 0
    assert (house / POLICY).read_text(encoding="utf-8") == "pacte: 1\n"


def test_an_unknown_template_makes_no_house(tmp_path: Path) -> None:
    """A misspelt trade is refused with what was meant, before anything is written."""
    done = run("init", tmp_path / "house", "--template", "telecon")
    assert done.exit_code != 0
    assert str(done.exception) == "no template `telecon`; did you mean `telecom`?"
    assert not (tmp_path / "house").exists()


def test_help_lists_the_templates() -> None:
    """Every trade is named in the help of `init`."""
    shown = " ".join(run("init", "--help").output.replace("│", " ").split())
    assert all(name in shown for name in TEMPLATES)

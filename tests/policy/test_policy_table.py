"""The rule table and the template it comes from: frozen, stored by digest, readable again, in two languages."""

from __future__ import annotations

import doctest
import json
from dataclasses import FrozenInstanceError
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pacte.policy.categories as categories_module
import pacte.policy.durations as durations_module
import pacte.policy.mistakes as mistakes_module
import pacte.policy.vocabulary as vocabulary_module
from pacte.kernel.canonical import canonical
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.i18n import LANGUAGES, catalogue
from pacte.kernel.instant import DAY, parse_instant, to_iso
from pacte.policy.categories import categories, covered
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.durations import Duration, parse_duration
from pacte.policy.table import RuleTable
from pacte.policy.vocabulary import REASONS, RuleError, reason_text

TEMPLATE = Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates" / "shop" / "policy.yaml"
DOCUMENT = load_policy(TEMPLATE)
COMPILED = compile_policy(DOCUMENT)


def test_the_template_compiles_to_a_table_that_is_read_back_as_it_was_stored() -> None:
    """Canonical bytes → the same table, the same digest: what replay relies on."""
    stored = canonical(COMPILED.table.to_json())
    again = RuleTable.from_json(json.loads(stored))
    assert again == COMPILED.table
    assert canonical(again.to_json()) == stored
    assert COMPILED.table.digest == sha256(stored).hexdigest()


def test_compiling_twice_gives_the_same_bytes() -> None:
    """A policy means one thing."""
    text = TEMPLATE.read_text(encoding="utf-8")
    assert compile_policy(load_policy_text(text)).table.digest == COMPILED.table.digest
    assert COMPILED.policy_digest == sha256(TEMPLATE.read_bytes()).hexdigest()


def test_another_promise_gives_another_digest() -> None:
    """A changed minimum grade changes the table; a comment changes the policy's digest only."""
    text = TEMPLATE.read_text(encoding="utf-8")
    changed = compile_policy(load_policy_text(text.replace("minimum_grade: form", "minimum_grade: paper")))
    assert changed.table.digest != COMPILED.table.digest
    commented = compile_policy(load_policy_text(text + "# read by counsel\n"))
    assert commented.table.digest == COMPILED.table.digest
    assert commented.policy_digest != COMPILED.policy_digest


@pytest.mark.parametrize("broken", [[], {}, {"v": 2}, {"v": 1}, "table"])
def test_a_table_of_another_form_is_refused(broken: object) -> None:
    """What this version cannot evaluate, it does not evaluate."""
    with pytest.raises(RuleError):
        RuleTable.from_json(broken)  # type: ignore[arg-type] # wrong on purpose


def test_a_stored_table_with_one_part_spoilt_is_refused() -> None:
    """Each required key of the table, of a purpose and of a requirement is needed."""
    for path in [("purposes",), ("notices",), ("decider",), ("purposes", "newsletter", "requirements")]:
        stored = json.loads(canonical(COMPILED.table.to_json()))
        target = stored
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]
        with pytest.raises(RuleError):
            RuleTable.from_json(stored)


@pytest.mark.parametrize(("count", "fits"), [(60, True), (61, False)])
def test_a_purpose_uses_at_most_sixty_categories(count: int, fits: bool) -> None:
    """What a person was told of must fit one mask of 64 bits; the message names the purpose."""
    ordinary = [name for name, category in categories().items() if not category.special]
    good = (Path(__file__).parent.parent / "assets" / "policy" / "good.yaml").read_text(encoding="utf-8")
    fields = "".join(f"      f{n}: {{category: {name}, type: string}}\n" for n, name in enumerate(ordinary[:count]))
    uses = ", ".join(f"people.f{n}" for n in range(count))
    text = good.replace("      allergy:", f"{fields}      allergy:").replace(
        "    uses: [people.email]", f"    uses: [{uses}]"
    )
    document = load_policy_text(text)
    if fits:
        assert len(compile_policy(document).table.purposes["service"].categories) == count
    else:
        with pytest.raises(BadInput, match="`service` uses 61 categories"):
            compile_policy(document)


def test_a_company_says_in_what_capacity_it_acts() -> None:
    """The role, and on whose behalf or with whom: what every entry repeats."""
    good = (Path(__file__).parent.parent / "assets" / "policy" / "good.yaml").read_text(encoding="utf-8")
    assert load_policy_text(good).controller.standing == {"role": "controller"}
    for role, key in (("processor", "behalf"), ("joint_controller", "jointly")):
        document = load_policy_text(good.replace("role: controller", f"role: {role}\n  {key}: Atelier Sud", 1))
        assert document.controller.standing == {"role": role, key: "Atelier Sud"}
        assert compile_policy(document).table.controller[key] == "Atelier Sud"


def test_values_are_frozen() -> None:
    """Neither the document nor the table can be edited in place."""
    with pytest.raises(FrozenInstanceError):
        COMPILED.table.purposes["newsletter"].basis = "contract"  # type: ignore[misc] # wrong on purpose
    with pytest.raises(ValueError, match="frozen"):
        DOCUMENT.purposes["newsletter"].basis = "contract"  # type: ignore[misc] # wrong on purpose


def test_notices_tell_of_every_member_of_a_family() -> None:
    """`contact` tells of the e-mail address; an older notice does not tell of the newsletter at all."""
    older, newer = DOCUMENT.notices["web-2022"], DOCUMENT.notices["web-2024"]
    assert "newsletter" not in COMPILED.table.notices[older.digest].purposes
    told = COMPILED.table.notices[newer.digest].purposes["newsletter"]
    assert set(COMPILED.table.purposes["newsletter"].categories) <= set(told)


@pytest.mark.parametrize("lang", ["", "-en"])
def test_the_latest_notices_tell_of_every_declared_purpose(lang: str) -> None:
    """The template keeps its own rule: the latest notice tells of all but the levels, and theirs of these."""
    texts = [COMPILED.table.notices[DOCUMENT.notices[name + lang].digest] for name in ("web-2024", "levels-2024")]
    told = dict(texts[0].purposes) | dict(texts[1].purposes)
    levels = {level.purpose for level in DOCUMENT.personalisation}
    assert (texts[0].purposes.keys() & levels, texts[1].purposes.keys()) == (set(), levels)
    for name in DOCUMENT.purposes:
        assert set(COMPILED.table.purposes[name].categories) <= set(told[name]), name


def test_a_card_filled_at_the_till_tells_of_no_computed_habit() -> None:
    """The paper notice of 2023 allows a newsletter, not one chosen from purchases."""
    told = COMPILED.table.notices[DOCUMENT.notices["paper-2023"].digest].purposes["newsletter"]
    assert "email_address" in told
    assert "purchase_habit" not in told


def test_a_notice_is_known_by_its_text() -> None:
    """The digest is of the text's bytes."""
    notice = DOCUMENT.notices["web-2024"]
    assert notice.digest == sha256(notice.text.encode()).hexdigest()
    assert notice.effective == parse_instant("2024-01-15")


def test_dates_are_released_by_the_month_unless_declared_otherwise() -> None:
    """The default is coarse; identities are never rounded."""
    document = load_policy(Path(__file__).parent.parent / "assets" / "policy" / "good.yaml")
    visits = compile_policy(document).table.datasets["visits"]
    assert isinstance(visits, dict)
    assert visits["fields"]["visited_at"]["coarse"] == {"unit": "month"}  # type: ignore[call-overload, index]
    assert document.datasets["visits"].category_of("visit_count") == "purchase"


def test_the_house_has_its_own_purposes() -> None:
    """Nothing reads without a purpose: the house's own work has six."""
    house = {name for name in COMPILED.table.purposes if name.startswith("house:")}
    works = ("accountability", "rights", "matching", "erasure", "double_opt_in", "restore")
    assert house == {f"house:{work}" for work in works}
    assert COMPILED.table.purposes["house:double_opt_in"].fields == ("customers.email", "customers.phone")


@pytest.mark.parametrize("code", REASONS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_reason_is_said_to_a_marketer_and_to_the_person(code: str, lang: str) -> None:
    """Short for the one, a whole sentence for the other."""
    assert 0 < len(reason_text(code, lang)) <= 70
    assert reason_text(code, lang, to_person=True).endswith(".")


def test_no_reason_is_said_that_does_not_exist() -> None:
    """The catalogue and the closed list are the same."""
    said = {key.split(".")[1] for key in catalogue("policy") if key.startswith("reason")}
    assert said == set(REASONS)
    with pytest.raises(NotFound):
        reason_text("perhaps", "en")


def test_categories_are_terms_of_the_vocabulary_and_special_ones_are_marked() -> None:
    """About eighty terms, one family level, special data never told by a family that is not special."""
    known = categories()
    assert known["email_address"].concept == "pd:EmailAddress"
    assert {known[name].special for name in ("health", "religious_belief", "biometric")} == {"art9"}
    assert known["criminal"].special == "art10"
    assert len(known) > 60
    assert all(not one.family or not known[one.family].family for one in known.values())
    assert all(one.special == known[one.family].special for one in known.values() if one.family)
    assert covered(["city"]) == {"city"}


@given(st.integers(1, 99), st.sampled_from(["day", "week", "month", "year"]))
def test_a_duration_reads_back_as_the_same_length(count: int, unit: str) -> None:
    """What is written from a duration means the same duration."""
    duration = parse_duration(f"{count} {unit}s")
    assert parse_duration(str(duration)) == duration


def test_durations_follow_the_calendar() -> None:
    """Three years from a leap day end on 28 February; days are days."""
    leap = parse_instant("2024-02-29")
    assert to_iso(parse_duration("3 years").after(leap)) == "2027-02-28T00:00:00Z"
    assert parse_duration("30 days").after(leap) == leap + 30 * DAY
    assert Duration(months=18).to_json() == {"months": 18}


@pytest.mark.parametrize(
    "wrong", ["", "3", "three years", "0 days", "-1 day", "101 years", "3 years 2 months", "1e3 days"]
)
def test_a_duration_of_another_form_is_refused(wrong: str) -> None:
    """Everything has a declared, readable end."""
    with pytest.raises(BadInput):
        parse_duration(wrong)


@pytest.mark.parametrize("module", [categories_module, durations_module, mistakes_module, vocabulary_module])
def test_examples_in_docstrings_run(module: ModuleType) -> None:
    """What a docstring shows is what happens."""
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed

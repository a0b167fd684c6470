"""A policy that extends another: it may only tighten, its mistakes say which file they are in, and it is one text."""

from __future__ import annotations

import copy
import json
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pacte.kernel.errors import NotFound, PolicyError
from pacte.kernel.instant import DAY, Instant, add_months, add_years, parse_instant
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.durations import Duration
from pacte.policy.extends import bundle
from pacte.policy.model import PolicyFile
from pacte.policy.parts import keys_of
from pacte.policy.rules import Facts, decide
from pacte.policy.tighter import TABLE, no_longer
from pacte.policy.vocabulary import AGES, CAPACITIES, CHANNELS, CHOICE_STATUSES, FACTS, HOLD_STATUSES
from tests.thorough import many

ASSETS = Path(__file__).parent.parent / "assets" / "policy"
TEMPLATE = Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates" / "shop" / "policy.yaml"
BAD = sorted(path.parent.name for path in ASSETS.glob("extends-*/mistakes.txt"))
GOOD = sorted(path.name for path in ASSETS.glob("extends-*") if path.name not in BAD)


def texts_of(name: str) -> dict[str, str]:
    """The files of an example, by their names in its directory."""
    root = ASSETS / name
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.rglob("*.yaml")}


@pytest.mark.parametrize("name", BAD)
def test_every_mistake_names_the_file_and_line_it_comes_from(name: str) -> None:
    """Loosenings, circles, missing bases and their own mistakes, in the golden words, from disk and from a bundle."""
    expected = (ASSETS / name / "mistakes.txt").read_text("utf-8").splitlines()
    with pytest.raises(PolicyError) as refused:
        load_policy(ASSETS / name / "policy.yaml")
    assert refused.value.problems == expected
    if name != "extends-missing":
        with pytest.raises(PolicyError) as again:
            load_policy_text(bundle("policy.yaml", texts_of(name)))
        assert again.value.problems == expected


def test_there_is_an_example_of_each_way_of_being_wrong() -> None:
    """And of each way of being right."""
    assert len(BAD) >= 9
    assert GOOD == ["extends-good", "extends-open", "extends-own-pack"]


@pytest.mark.parametrize("name", GOOD)
def test_a_policy_of_several_files_is_published_as_one_text(name: str) -> None:
    """The bundle's bytes have the policy's digest, and it is read back without the disk to the same rules."""
    document = load_policy(ASSETS / name / "policy.yaml")
    assert document.digest == sha256(document.bundle.encode()).hexdigest()
    assert json.loads(document.bundle)["main"] == "policy.yaml"
    again = load_policy_text(document.bundle)
    assert (again.digest, again.bundle) == (document.digest, document.bundle)
    assert compile_policy(again).table.digest == compile_policy(document).table.digest


def test_a_policy_of_one_file_is_its_own_bundle() -> None:
    """Its digest stays the digest of the file's bytes."""
    document = load_policy(ASSETS / "good.yaml")
    assert document.bundle.encode() == (ASSETS / "good.yaml").read_bytes()
    assert document.digest == sha256((ASSETS / "good.yaml").read_bytes()).hexdigest()


def test_parts_are_merged_by_name_and_know_their_file() -> None:
    """Mappings key by key, lists as a whole; a part that the extension does not touch stands in the base."""
    document = load_policy(ASSETS / "extends-good" / "policy.yaml")
    newsletter = document.purposes["newsletter"]
    assert document.controller.name == "Atelier Test Nantes"
    assert document.controller.dpo.contact == "dpo@atelier.example"
    assert newsletter.uses == ("people.email", "people.city")
    assert (newsletter.expires_after, newsletter.channels) == (Duration(months=18), ("email",))
    assert set(document.purposes) == {"newsletter"}
    assert set(document.notices) == {"web-1", "nantes-1"}
    assert document.place("purposes", "newsletter", "expires_after") == ("policy.yaml", 9)
    assert document.place("purposes", "newsletter", "channels") == ("group.yaml", 22)
    assert document.line("purposes", "newsletter", "channels") == 22


def test_a_policy_reads_the_files_it_names_and_no_other() -> None:
    """A pack is named from the file that lists it, read when the policy is, and kept with it."""
    document = load_policy(ASSETS / "extends-own-pack" / "policy.yaml")
    assert document.laws == ("gdpr", "group/packs/xx.yaml")
    assert document.file("group/packs/xx.yaml").startswith("pack: xx")
    assert "xx:told" in {rule.id for rule in compile_policy(document).table.purposes["newsletter"].requirements}
    for other in ("policy.yaml", "../good.yaml", "/etc/passwd"):
        with pytest.raises(NotFound):
            document.file(other)


@pytest.mark.parametrize(
    "name", ["../good.yaml", "/etc/passwd", "a/../../good.yaml", ".hidden.yaml", "é.yaml", "a//b.yaml"]
)
@pytest.mark.parametrize("key", ["extends: {}", "laws: [gdpr, '{}']"])
def test_a_path_out_of_the_directory_is_refused(tmp_path: Path, name: str, key: str) -> None:
    """Whatever it is named for, with its line."""
    text = (ASSETS / "good.yaml").read_text("utf-8").replace("pacte: 1", "pacte: 1\n" + key.format(name))
    (tmp_path / "policy.yaml").write_text(text, "utf-8")
    with pytest.raises(PolicyError, match=r"^policy\.yaml:2: "):
        load_policy(tmp_path / "policy.yaml")


def test_a_link_out_of_the_directory_is_refused(tmp_path: Path) -> None:
    """A link inside the directory is followed, one that leads outside is not."""
    house = tmp_path / "house"
    house.mkdir()
    (tmp_path / "secret.yaml").write_text((ASSETS / "good.yaml").read_text("utf-8"), "utf-8")
    (house / "policy.yaml").write_text("pacte: 1\nextends: group.yaml\n", "utf-8")
    (house / "group.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(PolicyError, match="outside the policy's directory"):
        load_policy(house / "policy.yaml")
    (house / "group.yaml").unlink()
    (house / "real.yaml").write_text((ASSETS / "good.yaml").read_text("utf-8"), "utf-8")
    (house / "group.yaml").symlink_to("real.yaml")
    assert load_policy(house / "policy.yaml").purposes


def test_a_base_that_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    """The limits of a policy are those of what it extends."""
    (tmp_path / "policy.yaml").write_text("pacte: 1\nextends: group.yaml\n", "utf-8")
    (tmp_path / "group.yaml").write_bytes(b"# " + b"x" * 600_000)
    with pytest.raises(PolicyError, match=r"group\.yaml:1: a file of more than 512 KB"):
        load_policy(tmp_path / "policy.yaml")
    (tmp_path / "group.yaml").write_bytes(b"pacte: 1\nname: \xff")
    with pytest.raises(PolicyError, match=r"group\.yaml:2: a character that is not UTF-8"):
        load_policy(tmp_path / "policy.yaml")


@pytest.mark.parametrize(
    "damaged",
    [
        '{"files":{',
        '{"files":{},"main":"policy.yaml"}',
        '{"files":{"policy.yaml":1},"main":"policy.yaml"}',
        '{"files":{"a.yaml":"x","policy.yaml":"pacte: 1"},"main":["policy.yaml"]}',
        '{"files":{"a.yaml":"x","b.yaml":"y"}, "main":"a.yaml"}',
        '{"files":{"policy.yaml":"pacte: 1"},"main":"policy.yaml"}',
        '{"files":' + "[" * 100_000,
        '{"files":{"a":' + '{"a":' * 50_000,
    ],
    ids=range(8),
)
def test_a_bundle_that_was_not_published_so_is_refused(damaged: str) -> None:
    """One value has one text; anything else is a list of mistakes."""
    with pytest.raises(PolicyError, match=r"^policy\.yaml:1: "):
        load_policy_text(damaged)


def test_a_text_alone_extends_nothing() -> None:
    """A text is never completed from the disk of whoever reads it."""
    with pytest.raises(PolicyError, match=r"^policy\.yaml:2: `group\.yaml` is not part of this text"):
        load_policy_text("pacte: 1\nextends: group.yaml\n")


def test_the_table_names_every_key_of_a_policy() -> None:
    """Whoever adds a key to the model says what an extension may do with it."""
    assert set(TABLE) == set(keys_of(PolicyFile))


@settings(max_examples=many(60), deadline=None)
@given(
    st.builds(Duration, st.integers(0, 40), st.just(0)) | st.builds(Duration, st.just(0), st.integers(1, 1300)),
    st.builds(Duration, st.integers(1, 40), st.just(0)) | st.builds(Duration, st.just(0), st.integers(1, 1300)),
    st.integers(0, 30_000),
)
def test_a_shorter_length_ends_no_later_from_any_day(old: Duration, new: Duration, start: int) -> None:
    """What `no_longer` says of two lengths holds on every day of the calendar."""
    day = start * DAY
    if no_longer(old, new):
        assert add_months(day, new.months) + new.days * DAY <= add_months(day, old.months) + old.days * DAY


# --- tightening never permits more ---------------------------------------------------------------------------------

_DATA: dict[str, Any] = YAML(typ="safe", pure=True).load(TEMPLATE.read_text("utf-8"))
_BASE: Compiled = compile_policy(load_policy(TEMPLATE))
_T = parse_instant("2026-11-01T12:00:00")
_WORDS: dict[str, list[str]] = {
    "person.place": ["FR", "CA-QC", "US-CA", "DE", "US"],
    "person.capacity": [*CAPACITIES, "deceased"],
    "person.age": [*AGES],
    "hold.status": [*HOLD_STATUSES],
    "use.channel": ["", *CHANNELS],
    "use.recipient": ["", *_DATA["recipients"]],
    "choice.method": ["web", "paper"],
    "guardian.method": ["payment_card", "email_plus"],
    **{
        name: [notice.digest for notice in _BASE.document.notices.values()]
        for name in ("choice.notice", "guardian.notice")
    },
    **{name: ["", "gpc"] for name in FACTS if name.endswith(".signal")},
}
_NUMBERS = [0, 1, 2, 3, 4, _T - 400 * DAY, _T - 1, _T + 1, _T + 800 * DAY, add_years(_T, 3), add_years(_T, 5)]
_WILLING: dict[str, str | int | None] = dict.fromkeys(FACTS) | {
    "person.known": 1,
    "person.place": "FR",
    "person.capacity": "consumer",
    "person.age": "adult",
    "contract.since": 0,
    "choice.status": "given",
    "choice.since": _T - 30 * DAY,
    "choice.grade": 4,
    "choice.signal": "",
    "hold.status": "none",
    "told.requested": 1,
    "use.channel": "email",
    "use.recipient": "",
    "use.stopped": 0,
    "use.in_force": 1,
    **{name: 1 for name in FACTS if name.startswith("told.")},
    **{name: "none" for name in FACTS if name.endswith(".status") and name.partition(".")[0] not in ("choice", "hold")},
}


def _near(name: str) -> list[str | int | None]:
    if FACTS[name] is int:
        return [None, *_NUMBERS]
    return [None, *_WORDS.get(name, CHOICE_STATUSES)]


_CHILD = {
    "person.age": "minor",
    "person.minor_until": add_years(_T, 5),
    "guardian.status": "given",
    "guardian.grade": 4,
}
_PEOPLE: list[Facts] = [
    {**who, name: value} for who in (_WILLING, _WILLING | _CHILD) for name in FACTS for value in _near(name)
]
"""An adult and a child whom most purposes permit, and everybody who is one fact away from them."""

_purpose = st.sampled_from(sorted(_DATA["purposes"]))
_lists = {
    "uses": [f"{name}.{field}" for name, data in _DATA["datasets"].items() for field in data["fields"]],
    "exact": ["orders.ordered_at", "orders.amount"],
    "channels": [*CHANNELS],
    "recipients": [*_DATA["recipients"]],
    "public": [*CAPACITIES],
    "honours": ["gpc"],
    "technology": ["identification", "location", "profiling", "tracker"],
}
_lengths = st.sampled_from(["1 day", "30 days", "11 months", "1 year", "2 years", "3 years", "4 years", "10 years"])
_flags = st.sampled_from(["yes", "no"])
_scalars: dict[str, st.SearchStrategy[Any]] = {
    "minimum_grade": st.sampled_from(["none", "attested", "paper", "form", "double_opt_in"]),
    "expires_after": _lengths,
    "basis": st.sampled_from(["consent", "contract", "legal_obligation", "legitimate_interests"]),
    "kind": st.sampled_from(["service", "direct_marketing", "measurement"]),
    "explicit": _flags,
    "by_recipient": _flags,
    "sale": _flags,
    "automated_decision": _flags,
    "financial_incentive": _flags,
    "retention": st.fixed_dictionaries({"keep": _lengths}),
    "ages": st.fixed_dictionaries(
        {"minimum": st.integers(12, 18).map(str)},
        optional={"below": st.just("guardian"), "unknown": st.just("adult")},
    ),
    "in_return": st.just({"fr": "Une surprise", "en": "A surprise"}),
    "exceptions": st.just({"existing_customers": "they bought something"}),
}
_keys: dict[str, st.SearchStrategy[Any]] = {
    **{key: st.lists(st.sampled_from(known), max_size=4, unique=True) for key, known in _lists.items()},
    **_scalars,
}


def _kept(purpose: str) -> st.SearchStrategy[dict[str, Any]]:
    """Edits of one purpose: members taken from its own lists, so that some are tightenings, or anything at all."""
    own = {
        key: st.lists(st.sampled_from(value), min_size=1, unique=True)
        for key, value in _DATA["purposes"][purpose].items()
        if key in _lists
    }
    anything = st.sampled_from(sorted(_keys)).flatmap(lambda key: st.fixed_dictionaries({key: _keys[key]}))
    fitting = st.fixed_dictionaries(
        {}, optional=own | {"ages": st.just({"minimum": "18"}), "honours": st.just(["gpc"])}
    )
    return anything | fitting


_edits = st.dictionaries(_purpose, st.just(None), min_size=1, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: _kept(name) for name in names})
)
_tops = st.fixed_dictionaries(
    {},
    optional={
        "laws": st.lists(
            st.sampled_from(["gdpr", "fr", "us-ca", "ca-qc", "us-coppa", "us-hipaa"]), min_size=1, unique=True
        ),
        "offered_to": st.sampled_from(["adults", "everyone", "children"]),
        "without": st.lists(_purpose.map(lambda name: f"purposes.{name}"), max_size=2, unique=True),
        "controller": st.sampled_from(
            [{"name": "A subsidiary"}, {"established": "DE"}, {"regulated_as": ["public_body"]}]
        ),
        "suppression": st.fixed_dictionaries({"keep": _lengths}),
    },
)


def _written(value: dict[str, Any]) -> str:
    out = StringIO()
    YAML(typ="safe", pure=True).dump(copy.deepcopy(value), out)
    return out.getvalue()


def _extended(child: dict[str, Any]) -> Compiled | None:
    files = {"group.yaml": TEMPLATE.read_text("utf-8"), "policy.yaml": _written(child)}
    try:
        return compile_policy(load_policy_text(bundle("policy.yaml", files)))
    except PolicyError as refused:
        if not all(problem.startswith(("policy.yaml:", "group.yaml:")) for problem in refused.problems):
            raise
        return None


_DENIED = {
    name: [person for person in _PEOPLE if decide(rules, person, Instant(_T)).effect == "deny"]
    for name, rules in _BASE.table.purposes.items()
    if not name.startswith("house:")
}


def check_tightens(child: dict[str, Any]) -> None:
    """The extension is refused, or whomever the base denies is denied by the extension too."""
    own = _extended({"pacte": "1", "extends": "group.yaml", **child})
    if own is None:
        return
    for name in _DENIED.keys() & own.table.purposes.keys():
        rules = own.table.purposes[name]
        assert not rules.art9 or _BASE.table.purposes[name].art9, (name, child)
        channels = {"", None, *rules.channels}
        for person in _DENIED[name] if rules != _BASE.table.purposes[name] else []:
            if person["use.channel"] in channels:
                assert decide(rules, person, Instant(_T)).effect == "deny", (name, child, person)


@settings(max_examples=many(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(top=_tops, purposes=_edits)
def test_an_extension_is_refused_or_permits_no_more(top: dict[str, Any], purposes: dict[str, Any]) -> None:
    """Whatever is written over the base: what the extension permits of somebody, the base permits too."""
    check_tightens({**top, "purposes": purposes})


_SINGLE: dict[str, list[Any]] = {
    "minimum_grade": ["none", "double_opt_in"],
    "public": [[], ["consumer"], [*CAPACITIES]],
    "ages": [{"minimum": "12"}, {"minimum": "18"}, {"minimum": "15", "unknown": "adult"}, {"below": "guardian"}],
    "basis": ["consent", "contract", "legal_obligation"],
    "kind": ["service", "measurement", "security"],
    "honours": [[]],
    "explicit": ["yes"],
    "exceptions": [{"existing_customers": "they bought something"}],
    "channels": [["email"], ["sms", "phone"]],
    "expires_after": ["10 years", "1 day"],
    "retention": [{"keep": "1 day"}, {"keep": "10 years"}, {"from": "choice"}],
}
_WITHOUT = ["ages", "public", "exceptions", "expires_after", "minimum_grade", "honours", "in_return"]
_TOP: list[dict[str, Any]] = [
    *(
        {"laws": laws}
        for laws in (["gdpr"], ["fr"], ["us-ca"], ["gdpr", "fr", "us-ca", "ca-qc", "us-coppa", "us-hipaa"])
    ),
    *({"offered_to": whom} for whom in ("adults", "everyone", "children")),
    *({"controller": part} for part in ({"established": "US"}, {"regulated_as": ["public_body", "covered_entity"]})),
]


@pytest.mark.parametrize("purpose", [name for name in sorted(_DENIED) if name in ("newsletter", "partner_offers")])
def test_no_single_edit_of_a_purpose_permits_more(purpose: str) -> None:
    """Key by key, for somebody who is one fact away from being permitted."""
    for key, values in _SINGLE.items():
        for value in values:
            check_tightens({"purposes": {purpose: {key: value}}})
    for key in _WITHOUT:
        check_tightens({"without": [f"purposes.{purpose}.{key}"]})


@pytest.mark.parametrize("child", _TOP, ids=str)
def test_no_single_edit_of_the_whole_permits_more(child: dict[str, Any]) -> None:
    """Laws, the public of the offer, the company itself."""
    check_tightens(child)


@settings(max_examples=many(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(purpose=_purpose, data=st.data())
def test_a_tightening_is_accepted(purpose: str, data: st.DataObject) -> None:
    """The other way round: what only takes away is never refused for being looser."""
    declared = _DATA["purposes"][purpose]
    edit: dict[str, Any] = {"uses": data.draw(st.lists(st.sampled_from(declared["uses"]), min_size=1, unique=True))}
    edit["exact"] = [field for field in declared.get("exact", []) if field in edit["uses"]]
    if "channels" in declared:
        edit["channels"] = data.draw(st.lists(st.sampled_from(declared["channels"]), min_size=1, unique=True))
    if "public" in declared:
        edit["public"] = data.draw(st.lists(st.sampled_from(declared["public"]), min_size=1, unique=True))
    shorter = ["1 day"] if declared["retention"]["keep"] == "1 day" else ["1 day", "300 days", "11 months"]
    edit["retention"] = {"keep": data.draw(st.sampled_from(shorter))}
    assert _extended({"pacte": "1", "extends": "group.yaml", "purposes": {purpose: edit}}) is not None

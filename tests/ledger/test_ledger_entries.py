"""The closed list of entries."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.canonical import LARGEST, canonical
from pacte.kernel.errors import BadInput
from pacte.ledger.entries import encode, kinds, validate

COMMON = {"v": 1, "at": 5, "role": "controller", "by": "cli"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "genesis": {
        "house": "h1",
        "origin": "x.example/h1",
        "vkey": "x+00000000+" + "A" * 44,
        "format": 1,
        "continues": {"origin": "y.example", "vkey": "y+00000000+" + "A" * 44, "size": 9, "root": "a" * 64},
    },
    "policy": {
        "policy": "a" * 64,
        "rules": "b" * 64,
        "decider": "decider 1",
        "effective": 1,
        "label": "été",
        "advice": "reserved",
        "advice_text": "c" * 64,
        "advised_by": "dpo",
    },
    "notice": {
        "notice": "a" * 64,
        "locale": "fr",
        "version": "3",
        "purposes": {"newsletter": ["contact", "purchase"]},
        "effective": 0,
    },
    "fact": {"subject": "c" * 32, "effective": -5, "commit": "d" * 64, "sealed": "QUJD", "source": "crm"},
    "collection": {
        "subject": "c" * 32,
        "dataset": "customers",
        "source": "crm",
        "effective": 1,
        "load": "l1",
        "notice": "a" * 64,
    },
    "told": {"subject": "c" * 32, "notice": "a" * 64, "effective": 1, "how": "mail"},
    "choice": {
        "subject": "c" * 32,
        "purpose": "*",
        "act": "objected",
        "learned": 4,
        "effective": 3,
        "channel": "email",
        "recipient": "mailer",
        "expires": 9,
        "notice": "a" * 64,
        "locale": "fr-FR",
        "notice_version": "3",
        "form": "b" * 64,
        "method": "web_form",
        "grade": "form",
        "voice": "self",
        "authenticated": 1,
        "signal": "gpc",
    },
    "form": {"form": "b" * 64, "name": "newsletter", "locale": "fr", "effective": 3, "picture": "d" * 64},
    "preference": {
        "subject": "c" * 32,
        "channel": "email",
        "setting": "frequency",
        "value": "weekly",
        "effective": 3,
    },
    "load": {
        "load": "l1",
        "dataset": "customers",
        "source": "crm",
        "file": "a" * 64,
        "mapping": "b" * 64,
        "rows": 3,
        "accepted": 2,
        "rejected": 1,
        "unchanged": 0,
        "segments": ["c" * 64],
    },
    "use": {
        "use": "e" * 32,
        "purpose": "newsletter",
        "channel": "email",
        "recipient": "mailer",
        "fields": ["customers.city"],
        "categories": ["location_city"],
        "as_of": 3,
        "known": 4,
        "rules": "b" * 64,
        "policy": "a" * 64,
        "counts": {"permitted": 1, "never_asked": 2},
        "candidates": 3,
        "set": {"root": "f" * 64, "size": 1, "buckets": 4096},
        "expires": 10,
        "domain": "marketing",
        "mode": "set",
        "until": 20,
    },
    "segment": {"segment": "a" * 64, "act": "saved", "name": "regulars", "revision": 2, "purpose": "newsletter"},
    "message": {
        "message": "a" * 64,
        "act": "saved",
        "name": "spring",
        "revision": 1,
        "message_kind": "promotion",
        "purpose": "newsletter",
        "channel": "email",
    },
    "campaign": {
        "campaign": "b" * 32,
        "act": "ended",
        "message": "a" * 64,
        "purpose": "newsletter",
        "channel": "email",
        "segment": "c" * 64,
        "within": "e" * 32,
        "counts": {"sent": 3},
        "reason": "finished",
    },
    "suppressed": {"act": "added", "reason": "bounced", "channel": "email", "until": 9, "subject": "c" * 32},
    "export": {
        "export": "b" * 32,
        "act": "made",
        "within": "e" * 32,
        "purpose": "newsletter",
        "channel": "post",
        "people": 60,
        "until": 9,
        "recipient": "mailer",
    },
    "list": {"list": "b" * 32, "act": "entered", "source": "partner", "rows": 3, "proof": "d" * 64, "due": 9},
    "look": {"subject": "c" * 32, "purpose": "house:rights", "reason": "request"},
    "look_aside": {"load": "20260101-00112233", "rows": 3, "purpose": "house:accountability", "reason": "rejected"},
    "sought": {"purpose": "house:rights", "reason": "sign_in", "whom": "d" * 32},
    "recipient_told": {"subject": "c" * 32, "recipient": "mailer", "choice": 7, "effective": 3, "how": "letter"},
    "stop": {"scope": "*", "effective": 3, "reason": "incident"},
    "stop_lifted": {"scope": "newsletter", "effective": 3, "reason": "resolved"},
    "staff": {"member": "1" * 32, "act": "invited", "staff_role": "dpo", "until": 9},
    "api_key": {
        "key": "2" * 32,
        "act": "made",
        "scopes": ["choices:write"],
        "bound": ["newsletter", "*"],
        "expires": 9,
    },
    "keys": {"step": "rotated", "epoch": 2, "effective": 3},
    "erasure": {
        "subject": "c" * 32,
        "step": "done",
        "effective": 3,
        "certificate": "a" * 64,
        "counts": {"vault": 2},
        "kept": {"invoices": 1},
        "evidence_until": 99,
        "suppressed_until": 99,
        "backups_until": 30,
        "reason": "request",
    },
}
WHOLE = [{"kind": kind, **COMMON, **body} for kind, body in EXAMPLES.items()]
ERASURE = {"subject", "step", "effective", "reason"}
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.floats(), st.binary(), st.text(), st.integers(), st.lists(st.none()), st.just(2**60)
)


def test_every_kind_has_an_example_here() -> None:
    """The examples of these tests cover the closed list."""
    assert EXAMPLES.keys() == kinds()


@pytest.mark.parametrize("entry", WHOLE, ids=lambda e: e["kind"])
def test_examples_are_entries(entry: dict[str, Any]) -> None:
    """Each kind accepts its example, and its bytes are RFC 8785."""
    validate(entry)
    assert encode(entry) == canonical(entry) == rfc8785.dumps(entry)


@pytest.mark.parametrize("entry", WHOLE, ids=lambda e: e["kind"])
def test_nothing_unknown_gets_in(entry: dict[str, Any]) -> None:
    """An unknown key is refused, whatever its value, and is not repeated if it could be somebody's name."""
    with pytest.raises(BadInput, match="not among its keys"):
        validate({**entry, "email": "x"})
    with pytest.raises(BadInput) as caught:
        validate({**entry, "Ada Lovelace": 1})
    assert "Ada" not in str(caught.value)


@given(st.sampled_from(WHOLE), st.data())
def test_wrong_values_are_refused(entry: dict[str, Any], data: st.DataObject) -> None:
    """A value is either refused or written exactly as the kernel's canonical JSON writes it; nothing else happens."""
    key = data.draw(st.sampled_from(sorted(entry)))
    changed = {**entry, key: data.draw(ANYTHING)}
    try:
        validate(changed)
        found = encode(changed)
    except BadInput:
        return
    assert found == canonical(changed)
    assert type(changed[key]) in (str, int, list)


@pytest.mark.parametrize("entry", WHOLE, ids=lambda e: e["kind"])
def test_missing_keys_are_named(entry: dict[str, Any]) -> None:
    """Without one of its required keys an entry is refused with the key's name."""
    for key in set(COMMON) - ({"role"} if entry["kind"] == "genesis" else set()):
        with pytest.raises(BadInput, match=f"missing `{key}`"):
            validate({name: value for name, value in entry.items() if name != key})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("choice", {"act": "agreed"}),
        ("choice", {"authenticated": True}),
        ("choice", {"subject": "C" * 32}),
        ("choice", {"channel": ""}),
        ("choice", {"method": "ada@example.com"}),
        ("fact", {"sealed": "QUJ"}),
        ("fact", {"effective": LARGEST + 1}),
        ("use", {"counts": {"never_asked": 1}}),
        ("use", {"set": {"root": "f" * 64, "size": 1, "buckets": 1}}),
        ("use", {"mode": "many"}),
        ("load", {"rows": -1}),
        ("look", {"by": "ada@example.com"}),
        ("look", {"by": "Ada Lovelace"}),
        ("look", {"behalf": "Somebody"}),
        ("look", {"role": "processor"}),
        ("look", {"jointly": "Somebody"}),
        ("genesis", {"role": "processor"}),
        ("genesis", {"continues": {"origin": "y.example", "size": 9, "root": "a" * 64}}),
        ("genesis", {"continues": "y.example"}),
        ("fact", {"source": "Ada Lovelace"}),
        ("use", {"subject": "c" * 32}),
        ("use", {"within": "e" * 32}),
        ("use", {"mode": "one"}),
        ("erasure", {"step": "begun"}),
        ("erasure", {"step": "restricted"}),
        ("erasure", {"kept": {"invoices": -1}}),
        ("policy", {"label": "a\nb"}),
        ("policy", {"kind": "unheard_of"}),
        ("policy", {"kind": ["policy"]}),
    ],
)
def test_forms(kind: str, change: dict[str, Any]) -> None:
    """Codes, digests, counts and roles have exactly their forms."""
    with pytest.raises(BadInput):
        validate({"kind": kind, **COMMON, **EXAMPLES[kind], **change})


def test_a_processor_says_for_whom() -> None:
    """A processor names on whose behalf it acts."""
    validate({"kind": "stop", **COMMON, **EXAMPLES["stop"], "role": "processor", "behalf": "Boutique Dupré"})


def test_a_joint_controller_may_say_with_whom() -> None:
    """A joint controller may name with whom it acts."""
    joint = {"kind": "stop", **COMMON, **EXAMPLES["stop"], "role": "joint_controller"}
    validate(joint)
    validate({**joint, "jointly": "Boutique Dupré"})


def test_a_house_begins_without_a_role() -> None:
    """The first entry may be silent about the role, and about an older log; no other kind may leave the role out."""
    genesis = {"kind": "genesis", **COMMON, **EXAMPLES["genesis"]}
    validate({key: value for key, value in genesis.items() if key not in ("role", "continues")})


@pytest.mark.parametrize(
    ("kind", "chosen_by", "word", "required", "optional"),
    [
        ("use", "mode", "set", "set until", ""),
        ("use", "mode", "one", "subject", "within"),
        ("erasure", "step", "restricted", "", "counts"),
        ("erasure", "step", "done", "certificate counts evidence_until suppressed_until", "kept backups_until"),
        ("erasure", "step", "evidence_ended", "", ""),
    ],
)
def test_what_a_mode_or_a_step_asks_for(kind: str, chosen_by: str, word: str, required: str, optional: str) -> None:
    """Each mode of a use and each step of an erasure has its own keys: all that it needs, none that are another's."""
    values = EXAMPLES[kind] | ({"subject": "c" * 32, "within": "e" * 32} if kind == "use" else {})
    chosen = {"subject", "within", "set", "until"} if kind == "use" else set(EXAMPLES["erasure"]) - ERASURE
    bare = {key: value for key, value in values.items() if key not in chosen} | {chosen_by: word}
    needed, allowed = required.split(), optional.split()
    whole = {"kind": kind, **COMMON, **bare, **{key: values[key] for key in needed}}
    validate(whole)
    validate({**whole, **{key: values[key] for key in allowed}})
    for key in needed:
        with pytest.raises(BadInput, match=f"`{word}` needs `{key}`"):
            validate({name: value for name, value in whole.items() if name != key})
    for key in chosen - {*needed, *allowed}:
        with pytest.raises(BadInput, match=f"`{word}` has no `{key}`"):
            validate({**whole, key: values[key]})


def test_half_a_surrogate_is_refused() -> None:
    """Text that is not valid Unicode cannot be recorded."""
    with pytest.raises(BadInput, match="surrogate"):
        encode({**WHOLE[1], "label": "\ud800"})

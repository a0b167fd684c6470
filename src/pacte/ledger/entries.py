"""Entries: the closed list of what the ledger can hold, and the check that nothing else gets in.

The form of an entry is permanent: what is written today must be readable by a verifier of any later year. A later pacte
may add a kind or an optional key; any other change to a kind raises its `v`. A verifier that does not know them still
checks the tree, and says what it does not understand; writing is closed to all but what is listed here. Values are
codes, digests, identifiers, instants (µs UTC) and counts; INVARIANT: no body holds a personal value, which is why free
text is allowed only where it names the house, a partner, a version or a policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from pacte.kernel.canonical import LARGEST, Json
from pacte.kernel.errors import BadInput

Entry: TypeAlias = "dict[str, Json]"
"""One entry: a flat JSON object with ASCII keys."""

Check: TypeAlias = Callable[[object], object]
"""Answers something true if a value has the right form; may raise `TypeError` for one of another type.

INVARIANT: the integers that pass a check have no gap, so that the least and the greatest of many speak for all.
"""

BUCKETS = 4096
"""Buckets of a use's sealed set."""

NOT_SOUGHT = "not_sought"
"""The word for a policy that was published without the data protection officer's advice."""


def validate(entry: Mapping[str, object]) -> None:
    """Refuse (`BadInput`) an unknown kind, an unknown or missing key, a value of the wrong form."""
    kind, form = entry.get("kind"), form_of(entry)
    if form is None:
        raise BadInput("an entry of an unknown kind; the list of kinds is closed")
    checks = form.checks
    for key, value in entry.items():
        check = checks.get(key)
        try:
            good = check is not None and check(value)
        except TypeError:
            good = False
        if not good:
            raise BadInput(f"`{kind}` entry: {_complaint(key, check is not None)}")
    check_together(entry, form)


def check_together(entry: Mapping[str, object], form: Form) -> None:
    """Refuse (`BadInput`) keys and values, right in themselves, that do not go together.

    INVARIANT: the answer depends only on which keys there are and on the values under the form's `deciding` keys.
    """
    kind = entry["kind"]
    if not form.required <= entry.keys():
        raise BadInput(f"`{kind}` entry: missing {_named(form.required - entry.keys())}")
    if form.variants:
        _check_variant(entry, form)
    role = entry.get("role")
    if ("behalf" in entry) != (role == "processor"):
        raise BadInput(f"`{kind}` entry: a processor, and nobody else, says on whose behalf it acts (`behalf`)")
    if "jointly" in entry and role != "joint_controller":
        raise BadInput(f"`{kind}` entry: a joint controller, and nobody else, says with whom it acts (`jointly`)")
    if kind == "policy":
        _check_advice(entry)
    if kind == "choice" and ("reason" in entry) != (entry["act"] == "objection_overruled"):
        raise BadInput("`choice` entry: an objection that is overruled, and no other act, says the `reason`")


def form_of(entry: Mapping[str, object]) -> Form | None:
    """The form that an entry must have by its kind; `None` if there is no such kind."""
    kind = entry.get("kind")
    return _FORMS.get(kind) if isinstance(kind, str) else None


def free(form: Form | None, key: str) -> str:
    """What a value under a key may be replaced by, leaving the entry as well formed as it was.

    `hex` or `base64`: by other characters of that alphabet (the padding stays); `number`: by any other from 0 to below
    2^53; empty: by nothing that could be told without looking at the rest.
    """
    return _FREE.get(form.checks[key], "") if form is not None and key not in form.deciding else ""


def encode(entry: Mapping[str, Json] | Json) -> bytes:
    """The canonical bytes of a *validated* entry or value: those of `kernel.canonical`, without checking it twice."""
    try:
        return _ENCODER.encode(entry).encode("utf-8")
    except UnicodeEncodeError:
        raise BadInput("a text with half of a surrogate pair; expected valid Unicode") from None


def kinds() -> frozenset[str]:
    """Every kind of entry."""
    return frozenset(_FORMS)


@dataclass(frozen=True, slots=True)
class _Variant:
    """The keys that one word asks for and allows, beyond those of its kind."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a kind; where it has variants, the word under `chosen_by` says which one an entry is.

    `deciding` are the keys whose values have a say in which other keys there must be.
    """

    checks: dict[str, Check]
    required: frozenset[str]
    chosen_by: str
    variants: dict[str, _Variant]
    deciding: tuple[str, ...]


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False)


def _like(pattern: str) -> Check:
    # `fullmatch` raises `TypeError` for what is not text, as a `Check` may.
    return cast("Check", re.compile(pattern).fullmatch)


_hex32 = _like(r"[0-9a-f]{32}")
_hex64 = _like(r"[0-9a-f]{64}")
_word = _like(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
_scope = _like(r"\*|[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
_actor = _like(r"[a-z][a-z0-9_-]{0,31}(:[A-Za-z0-9_-]{1,64})?")
_base64 = _like(r"([A-Za-z0-9+/]{4}){0,4096}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_vkey = _like(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}")
_preferred = _like(r"first|also|least|as_announced|weekly|monthly|none|([01]\d|2[0-3])-([01]\d|2[0-3])")
_text = _like(r"[^\x00-\x1f\x7f]{1,200}")


def _instant(value: object) -> bool:
    return type(value) is int and -LARGEST <= value <= LARGEST  # `type`: a bool would be written `true`


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _flag(value: object) -> bool:
    return type(value) is int and 0 <= value <= 1


_FREE: dict[Check, str] = {
    _hex32: "hex",
    _hex64: "hex",
    _base64: "base64",
    _instant: "number",
    _count: "number",
}


def _one_of(*values: str) -> Check:
    allowed = frozenset(values)
    return lambda value: isinstance(value, str) and value in allowed


def _exactly(number: int) -> Check:
    return lambda value: type(value) is int and value == number


def _list_of(item: Check) -> Check:
    return lambda value: type(value) is list and all(map(item, value))


def _table_of(item: Check) -> Check:
    return lambda value: type(value) is dict and all(map(_word, value)) and all(map(item, value.values()))


def _counts_of_use(value: object) -> bool:
    return bool(_table_of(_count)(value)) and "permitted" in value  # type: ignore[operator] # a dict, as just checked


def _set(value: object) -> bool:
    return (
        type(value) is dict
        and value.keys() == {"root", "size", "buckets"}
        and bool(_hex64(value["root"]))
        and _count(value["size"])
        and bool(_exactly(BUCKETS)(value["buckets"]))
    )


_CONTINUES: dict[str, Check] = {"origin": _text, "vkey": _vkey, "size": _count, "root": _hex64}


def _continues(value: object) -> bool:
    return (
        type(value) is dict
        and value.keys() == _CONTINUES.keys()
        and all(check(value[key]) for key, check in _CONTINUES.items())
    )


_COMMON: dict[str, Check] = {
    "v": _exactly(1),
    "at": _instant,
    "role": _one_of("controller", "joint_controller", "processor"),
    "by": _actor,
}
_COMMON_OPTIONAL: dict[str, Check] = {"clock": _instant, "behalf": _text, "jointly": _text}


_DECIDING = ("role", "act", "advice", "advised_by")
"""Keys whose values, and not only their presence, decide which others go with them."""


def _form(
    kind: str,
    required: dict[str, Check],
    optional: dict[str, Check] | None = None,
    *,
    chosen_by: str = "",
    variants: dict[str, _Variant] | None = None,
) -> Form:
    must, may = {"kind": _one_of(kind), **_COMMON, **required}, optional or {}
    checks = {**must, **_COMMON_OPTIONAL, **may}
    deciding = tuple(key for key in (*_DECIDING, chosen_by) if key in checks) + ("by",) * ("advised_by" in checks)
    return Form(checks, frozenset(must.keys() - may.keys()), chosen_by, variants or {}, deciding)


def _variant(required: str, optional: str = "") -> _Variant:
    return _Variant(frozenset(required.split()), frozenset(optional.split()))


_STOP: dict[str, Check] = {"scope": _scope, "effective": _instant, "reason": _word}

_FORMS: dict[str, Form] = {
    "genesis": _form(
        "genesis",
        {"house": _word, "origin": _text, "vkey": _vkey, "format": _exactly(1)},
        # A house begins before it has a policy that says in which role it acts.
        {"role": _COMMON["role"], "continues": _continues},
    ),
    "policy": _form(
        "policy",
        {"policy": _hex64, "rules": _hex64, "decider": _text, "effective": _instant},
        {
            "label": _text,
            "advice": _one_of(NOT_SOUGHT, "favourable", "reserved", "unfavourable"),
            "advice_text": _hex64,
            "advised_by": _actor,
        },
    ),
    "notice": _form(
        "notice",
        {
            "notice": _hex64,
            "locale": _word,
            "version": _text,
            "purposes": _table_of(_list_of(_word)),
            "effective": _instant,
        },
        {"says": _table_of(_list_of(_word)), "layers": _hex64},
    ),
    "fact": _form(
        "fact",
        {"subject": _hex32, "effective": _instant, "commit": _hex64, "sealed": _base64},
        {"source": _word},
    ),
    "collection": _form(
        "collection",
        {"subject": _hex32, "dataset": _word, "source": _word, "effective": _instant, "load": _word},
        {"notice": _hex64},
    ),
    "told": _form("told", {"subject": _hex32, "notice": _hex64, "effective": _instant, "how": _word}),
    "choice": _form(
        "choice",
        {
            "subject": _hex32,
            "purpose": _scope,
            "act": _one_of(
                "given",
                "refused",
                "withdrawn",
                "objected",
                "objection_lifted",
                "objection_overruled",
                "restricted",
                "restriction_lifted",
            ),
            "learned": _instant,
            "method": _word,
            "grade": _one_of("double_opt_in", "form", "paper", "attested", "none"),
            "voice": _one_of("self", "guardian"),
            "authenticated": _flag,
        },
        {
            "effective": _instant,
            "channel": _word,
            "recipient": _word,
            "expires": _instant,
            "notice": _hex64,
            "locale": _word,
            "notice_version": _text,
            "form": _hex64,
            "signal": _word,
            "reason": _word,
        },
    ),
    "form": _form(
        "form",
        {"form": _hex64, "name": _word, "locale": _word, "effective": _instant},
        {"picture": _hex64},
    ),
    "preference": _form(
        "preference",
        {
            "subject": _hex32,
            "channel": _word,
            "setting": _one_of("reach", "frequency", "quiet"),
            "value": _preferred,
            "effective": _instant,
        },
    ),
    "load": _form(
        "load",
        {
            "load": _word,
            "dataset": _word,
            "source": _word,
            "file": _hex64,
            "mapping": _hex64,
            "rows": _count,
            "accepted": _count,
            "rejected": _count,
            "unchanged": _count,
            "segments": _list_of(_hex64),
        },
    ),
    "use": _form(
        "use",
        {
            "use": _hex32,
            "purpose": _word,
            "fields": _list_of(_word),
            "categories": _list_of(_word),
            "as_of": _instant,
            "known": _count,
            "rules": _hex64,
            "policy": _hex64,
            "counts": _counts_of_use,
            "candidates": _count,
            "expires": _instant,
            "domain": _word,
            "mode": _one_of("set", "one"),
        },
        {
            "channel": _word,
            "recipient": _word,
            "set": _set,
            "until": _instant,
            "subject": _hex32,
            "within": _hex32,
            "campaign": _hex32,
            "message": _hex64,
        },
        chosen_by="mode",
        variants={"set": _variant("set until"), "one": _variant("subject", "within campaign message")},
    ),
    "segment": _form(
        "segment",
        {"segment": _hex64, "act": _one_of("saved", "removed"), "name": _word, "revision": _count, "purpose": _word},
    ),
    "message": _form(
        "message",
        {
            "message": _hex64,
            "act": _one_of("saved", "removed"),
            "name": _word,
            "revision": _count,
            "message_kind": _one_of("service", "promotion"),
            "purpose": _word,
            "channel": _word,
        },
    ),
    "campaign": _form(
        "campaign",
        {
            "campaign": _hex32,
            "act": _one_of("started", "held", "resumed", "stopped", "ended"),
            "message": _hex64,
            "purpose": _word,
            "channel": _word,
        },
        {"segment": _hex64, "within": _hex32, "counts": _table_of(_count), "reason": _word},
    ),
    "suppressed": _form(
        "suppressed",
        {"act": _one_of("added", "lifted"), "reason": _word, "channel": _word, "until": _instant},
        {"subject": _hex32},
    ),
    "export": _form(
        "export",
        {
            "export": _hex32,
            "act": _one_of("made", "collected", "ended"),
            "within": _hex32,
            "purpose": _word,
            "channel": _word,
            "people": _count,
            "until": _instant,
        },
        {"recipient": _word},
    ),
    "list": _form(
        "list",
        {
            "list": _hex32,
            "act": _one_of("entered", "told", "refused"),
            "source": _word,
            "rows": _count,
            "proof": _hex64,
            "due": _instant,
        },
    ),
    "look": _form("look", {"subject": _hex32, "purpose": _word, "reason": _word}),
    "look_aside": _form("look_aside", {"load": _word, "rows": _count, "purpose": _word, "reason": _word}),
    "sought": _form("sought", {"purpose": _word, "reason": _word}, {"whom": _hex32}),
    "recipient_told": _form(
        "recipient_told",
        {"subject": _hex32, "recipient": _word, "choice": _count, "effective": _instant, "how": _word},
    ),
    "staff": _form(
        "staff",
        {
            "member": _hex32,
            "act": _one_of("invited", "joined", "role", "left", "relinked", "renewed", "revoked"),
            "staff_role": _word,
        },
        {"until": _instant},
    ),
    "api_key": _form(
        "api_key",
        {"key": _hex32, "act": _one_of("made", "revoked"), "scopes": _list_of(_word), "bound": _list_of(_scope)},
        {"expires": _instant},
    ),
    "stop": _form("stop", _STOP),
    "stop_lifted": _form("stop_lifted", _STOP),
    "keys": _form(
        "keys",
        {"step": _one_of("rotated", "ended"), "epoch": _count, "effective": _instant},
        chosen_by="step",
        variants={"rotated": _variant(""), "ended": _variant("")},
    ),
    "erasure": _form(
        "erasure",
        {"subject": _hex32, "step": _one_of("restricted", "done", "evidence_ended"), "effective": _instant},
        {
            "certificate": _hex64,
            "counts": _table_of(_count),
            "kept": _table_of(_count),
            "evidence_until": _instant,
            "suppressed_until": _instant,
            "backups_until": _instant,
            "reason": _word,
        },
        chosen_by="step",
        variants={
            "restricted": _variant("", "counts"),
            "done": _variant("certificate counts evidence_until suppressed_until", "kept backups_until"),
            "evidence_ended": _variant(""),
        },
    ),
}


def _check_variant(entry: Mapping[str, object], form: Form) -> None:
    # The key that chooses is required and one of the words, as has just been checked.
    word = str(entry[form.chosen_by])
    here, kind = form.variants[word], entry["kind"]
    if missing := here.required - entry.keys():
        raise BadInput(f"`{kind}` entry: {form.chosen_by} `{word}` needs {_named(missing)}")
    others = {key for variant in form.variants.values() for key in variant.required | variant.optional}
    if foreign := (others - here.required - here.optional) & entry.keys():
        raise BadInput(f"`{kind}` entry: {form.chosen_by} `{word}` has no {_named(foreign)}")


def _check_advice(entry: Mapping[str, object]) -> None:
    """Advice has somebody who gave it, and that is not who publishes. Source: GDPR Art. 38(6), 39(1)(a)."""
    given = entry.get("advice", NOT_SOUGHT) != NOT_SOUGHT
    if given != ("advised_by" in entry) or ("advice_text" in entry and not given):
        raise BadInput("`policy` entry: advice that was given, and no other, says by whom (`advised_by`)")
    if given and entry["advised_by"] == entry["by"]:
        raise BadInput("`policy` entry: nobody advises on a policy and publishes it (GDPR Art. 38(6))")


def _named(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in sorted(keys))


def _complaint(key: object, known: bool) -> str:
    # An unknown key may itself be somebody's name in a column: it is repeated only if it looks like a key of ours.
    shown = f"`{key}`" if isinstance(key, str) and re.fullmatch(r"[a-z_]{1,24}", key) else "a key"
    return f"{shown} has a value of the wrong form" if known else f"{shown} is not among its keys"

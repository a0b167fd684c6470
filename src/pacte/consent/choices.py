"""Choices: the closed words of what a person can say, and the one way to write it down as a ledger entry.

Every choice that arrives, by hand or in a file, is held against the policy by `fitted` and written by `build_choice`.

The expiry is fixed when the choice is made: a policy that changes later does not lengthen an old agreement.
Source: GDPR Art. 4(11), 7(1), 7(3), 18, 21.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import is_id
from pacte.kernel.instant import DAY, Instant
from pacte.policy import vocabulary
from pacte.policy.model import PolicyFile

ACTS: Mapping[str, str] = {
    "given": "given",
    "refused": "refused",
    "withdrawn": "withdrawn",
    "objected": "objected",
    "objection_lifted": "lifted",
    "objection_overruled": "overruled",
    "restricted": "restricted",
    "restriction_lifted": "none",
}
"""What a person can do, and the status it leaves. The last two concern the whole person (GDPR Art. 18).

`objection_overruled` is the company's answer to an objection: it showed compelling grounds (Art. 21(1)).
"""

HOLDS = frozenset({"restricted", "restriction_lifted"})
PROTECTIVE = frozenset({"refused", "withdrawn", "objected", "restricted"})
"""Acts that allow less than before: nobody has to prove them, and none may be lost for a detail."""
LOOSENING = frozenset({"given", "objection_lifted", "objection_overruled", "restriction_lifted"})
"""Acts that allow more than before: they count in full only when they are dated and authenticated."""

PROTECTION: Mapping[str, int] = {
    "given": 0,
    "overruled": 1,
    "lifted": 2,
    "refused": 3,
    "withdrawn": 4,
    "objected": 5,
}
"""Of two statements of the same microsecond the more protective one counts."""

GRADES: Mapping[str, int] = {grade: level for level, grade in enumerate(vocabulary.GRADES)}
"""How well a choice is proved, weakest first."""

METHODS = frozenset(
    [
        *"web_form double_opt_in_link paper till phone import cookie_banner signal letter staff".split(),  # noqa: SIM905 reads better
        *"message_link message_reply complaint undo".split(),  # noqa: SIM905 reads better
        *vocabulary.METHODS_OF_PARENTS,
    ]
)
SIGNALS = frozenset(vocabulary.SIGNALS)
VOICES = ("self", "guardian")

STANDING = frozenset(vocabulary.STANDING_CHOICES.values())
"""Purposes of choices about many purposes at once, such as `all:sale`."""
DIRECTIVES = frozenset({vocabulary.STANDING_CHOICES["directive"]})
"""Those to which a person may also say yes: what shall become of their data. Source: loi 78-17 art. 85."""
STANDING_ACTS = frozenset({"given", "refused", "withdrawn", "objected", "objection_lifted"})
WEIGHED = frozenset({"legitimate_interests", "public_task"})
"""Legal bases under which compelling grounds can outweigh an objection. Source: GDPR Art. 21(1)."""

_NAME = re.compile(r"[!-~]{1,100}")
_VERSION = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_REASON = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
_REQUIRED = frozenset({"subject", "purpose", "act", "learned", "method", "grade", "voice", "authenticated"})
_OPTIONAL = frozenset(
    "effective channel recipient expires notice locale notice_version form signal reason".split()  # noqa: SIM905 reads better
)


class Unfit(BadInput):
    """A choice that does not fit the policy: `word` is the detail at fault, `wide` a yes to more than one thing."""

    def __init__(self, word: str, message: str, *, wide: bool = False) -> None:
        self.word = word
        self.wide = wide
        super().__init__(message)


def fitted(policy: PolicyFile, said: Mapping[str, Any]) -> dict[str, Any]:
    """The details of a choice (`purpose`, `act`, …) as `build_choice` takes them, held against the policy.

    `channel`, `recipient` and `notice` (its name) must be declared; the notice's digest and the purpose's expiry are
    added. Raises `Unfit` for what is not declared, and for a yes to every purpose, or to no recipient where the
    purpose asks for one: consent is specific. Source: GDPR Art. 4(11), 7(2).
    """
    details = {key: value for key, value in said.items() if value is not None}
    purpose, given = details.get("purpose"), details.get("act") == "given"
    if purpose in STANDING:
        _refuse_standing(details)
    elif purpose != "*" and purpose not in policy.purposes:
        raise Unfit("purpose", f"the policy declares no such purpose; it declares {_known(policy.purposes)}")
    if purpose == "*" and given:
        raise Unfit("purpose", "a yes to every purpose at once; a yes is for one purpose: name it", wide=True)
    if details.get("act") == "objection_overruled":
        _refuse_overruling(policy, details)
    concerned = [declared for name, declared in policy.purposes.items() if purpose in ("*", name)]
    channels = {channel: None for declared in concerned for channel in declared.channels}
    recipients = {name: None for declared in concerned if declared.by_recipient for name in declared.recipients}
    for word, declared in (("channel", channels), ("recipient", recipients)):
        if details.get(word) and details[word] not in declared:
            raise Unfit(word, f"purpose `{purpose}` takes no choice for such a {word}; it takes {_known(declared)}")
    if given and details.get("voice") == "guardian" and not details.get("authenticated"):
        raise Unfit(
            "authenticated", "a parent's yes counts only when it is known to be the parent's: say `--authenticated`"
        )
    if given and recipients and not details.get("recipient"):
        raise Unfit("recipient", f"a yes to `{purpose}` is for one recipient: name {_known(recipients)}", wide=True)
    if name := details.pop("notice", ""):
        if name not in policy.notices:
            raise Unfit("notice", f"the policy declares no notice of that name; it declares {_known(policy.notices)}")
        notice = policy.notices[name]
        if given and details.get("effective", notice.effective) < notice.effective:
            raise Unfit("notice", "a yes given before the notice that it names existed; name the one that was shown")
        details |= {"notice": notice.digest, "locale": notice.locale, "notice_version": notice.version}
    expiry = policy.purposes[str(purpose)].expires_after if purpose in policy.purposes else None
    return details | ({"expires_after": expiry.after} if expiry else {})


def _refuse_standing(details: Mapping[str, Any]) -> None:
    """A choice about many purposes at once: an opt-out of all, by every channel; only directives can be a yes."""
    purpose, act = str(details["purpose"]), details.get("act")
    if act == "given" and purpose not in DIRECTIVES:
        raise Unfit("act", f"a yes to `{purpose}`; an opt-out is lifted, not given: expected `objection_lifted`")
    if act not in STANDING_ACTS:
        raise Unfit("act", f"`{purpose}` takes no such act; it takes {_listed(STANDING_ACTS)}")
    for word in ("channel", "recipient"):
        if details.get(word):
            raise Unfit(word, f"`{purpose}` is about every {word}; leave the {word} out")


def _refuse_overruling(policy: PolicyFile, details: Mapping[str, Any]) -> None:
    """Only what rests on a weighing of interests can outweigh an objection. Source: GDPR Art. 21(1)-(3)."""
    purpose = policy.purposes.get(str(details.get("purpose")))
    if purpose is None:
        raise Unfit(
            "purpose", "an objection is overruled for one purpose, whose compelling grounds were shown: name it"
        )
    if purpose.kind == "direct_marketing":
        raise Unfit("act", "an objection to direct marketing is absolute (GDPR Art. 21(2)-(3)); it cannot be overruled")
    if purpose.basis not in WEIGHED:
        raise Unfit(
            "act",
            f"this purpose rests on `{purpose.basis}`; an objection is overruled only where a purpose rests on "
            f"{_listed(WEIGHED)} (GDPR Art. 21(1))",
        )
    if not details.get("reason"):
        raise Unfit("reason", "an objection is overruled for a reason: say where the compelling grounds are filed")


def protection(status: str) -> int:
    """How protective a status is: 0 for all that allows, more for a refusal, a withdrawal, an objection."""
    return PROTECTION[status] if status in PROTECTIVE else 0


def build_choice(
    *,
    subject: str,
    purpose: str,
    act: str,
    method: str,
    grade: str,
    now: Instant,
    by: str,
    role: str = "controller",
    behalf: str | None = None,
    jointly: str | None = None,
    learned: Instant | None = None,
    effective: Instant | None = None,
    expires_after: Callable[[Instant], Instant] | None = None,
    channel: str = "",
    recipient: str = "",
    voice: str = "self",
    authenticated: bool = False,
    notice: str | None = None,
    locale: str | None = None,
    notice_version: str | None = None,
    form: str | None = None,
    signal: str | None = None,
    reason: str | None = None,
) -> dict[str, Json]:
    """The ledger entry of a choice, without what the ledger fills in (`v`, `at`, `clock`).

    `effective` is when the person said it, absent when nobody knows; `learned` is when the house heard of it (default
    `now`); `expires_after` tells from the effective (or else learned) instant when an agreement ends (such as a
    `Duration`'s `after`) and is ignored for every other act. Paper that arrives late is welcome; raises `BadInput`
    for a time in the future, a word outside the closed lists or a restriction of less than the whole person.
    """
    heard = now if learned is None else learned
    if act in PROTECTIVE and effective is not None and effective <= now and effective % DAY == 0:
        # A day without a time: the no counts after whatever was said on that day, a yes from its beginning.
        effective = Instant(min(effective + DAY - 1, now))
        heard = max(heard, effective)
    agreed = act == "given" and expires_after is not None
    optional: dict[str, Json | None] = {
        "effective": effective,
        "channel": channel or None,
        "recipient": recipient or None,
        "expires": expires_after(heard if effective is None else effective) if agreed and expires_after else None,
        "notice": notice,
        "locale": locale,
        "notice_version": notice_version,
        "form": form,
        "signal": signal,
        "reason": reason,
        "behalf": behalf,
        "jointly": jointly,
    }
    entry: dict[str, Json] = {
        "kind": "choice",
        "role": role,
        "by": by,
        "subject": subject,
        "purpose": purpose,
        "act": act,
        "learned": heard,
        "method": method,
        "grade": grade,
        "voice": voice,
        "authenticated": int(authenticated),
        **{key: value for key, value in optional.items() if value is not None},
    }
    check_choice(entry, now)
    return entry


def check_choice(entry: Mapping[str, Any], now: Instant) -> None:
    """Raise `BadInput` unless `entry` is a choice that could have been made by `now`; no value is repeated."""
    missing = _REQUIRED - entry.keys()
    if missing:
        raise BadInput(f"a choice without {_listed(missing)}")
    for key, allowed in (("act", ACTS), ("grade", GRADES), ("method", METHODS), ("voice", VOICES)):
        if entry[key] not in allowed:
            raise BadInput(f"a choice with an unknown `{key}`; expected one of {_listed(allowed)}")
    if "signal" in entry and (entry["signal"] not in SIGNALS or entry["act"] != "objected"):
        raise BadInput(f"a choice with a signal; expected one of {_listed(SIGNALS)}, which can only object")
    _check_names(entry)
    _check_times(entry, now)
    if entry["act"] in HOLDS and (entry["purpose"] != "*" or entry.keys() & {"channel", "recipient"}):
        raise BadInput(
            "a restriction of one purpose; it concerns the whole person: purpose `*`, no channel, no recipient"
        )
    _check_overruling(entry)
    if "expires" in entry and entry["act"] != "given":
        raise BadInput("a choice that expires without being an agreement; only `given` can expire")


def _check_overruling(entry: Mapping[str, Any]) -> None:
    overruled = entry["act"] == "objection_overruled"
    if overruled != ("reason" in entry) or (overruled and not _REASON.fullmatch(entry["reason"])):
        raise BadInput(
            "an objection is overruled, and nothing else is, for a `reason`: a reference of one word to where the "
            "compelling grounds are filed, such as `LIA-2026-04`"
        )
    if overruled and entry["method"] != "staff":
        raise BadInput("an objection is overruled by your own staff: expected the method `staff`")


def _check_names(entry: Mapping[str, Any]) -> None:
    if not is_id(entry["subject"]):
        raise BadInput("a choice of nobody; expected a subject identifier of 32 hexadecimal characters")
    for key in ("purpose", "channel", "recipient", "locale"):
        if key in entry and not _NAME.fullmatch(entry[key]):
            raise BadInput(f"a choice with a `{key}` that is not a short ASCII name without spaces")
    if "notice_version" in entry and not _VERSION.fullmatch(entry["notice_version"]):
        raise BadInput("a choice with a `notice_version` that is not one short line")
    for key in ("notice", "form"):
        if key in entry and not _HEX64.fullmatch(entry[key]):
            raise BadInput(f"a choice with a `{key}` that is not a SHA-256 in hexadecimal")
    if entry["authenticated"] not in (0, 1):
        raise BadInput("a choice whose `authenticated` is neither 0 nor 1")


def _check_times(entry: Mapping[str, Any], now: Instant) -> None:
    if entry["learned"] > now:
        raise BadInput("a choice that would be learnt in the future")
    if entry.get("effective", entry["learned"]) > entry["learned"]:
        raise BadInput("a choice that takes effect after it was learnt of; expected a time in the past")


def _known(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _listed(words: Any) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))

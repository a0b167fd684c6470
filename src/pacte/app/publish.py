"""Publish a policy: from then on it binds every use. Published versions are kept by digest, never edited in place.

The owner publishes; the data protection officer advises and watches, and never decides what data are used for. What
was advised stands beside the policy in the ledger, also where nobody asked. Source: GDPR Art. 38(3), 38(6), 39(1)(a).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from pacte.app.house import House
from pacte.app.staff import refuse_staff
from pacte.consent.form.values import untold
from pacte.consent.notice import kept
from pacte.gate import rules as stored
from pacte.kernel import jobs
from pacte.kernel.errors import BadInput, Conflict, PolicyError
from pacte.kernel.instant import SECOND, Instant
from pacte.kernel.jobs import Job
from pacte.ledger import log
from pacte.ledger.entries import NOT_SOUGHT
from pacte.policy.compile import Compiled
from pacte.policy.document import read_limited
from pacte.policy.model import Notice
from pacte.policy.tree import LARGEST_BYTES

ADVICE = ("favourable", "reserved", "unfavourable", NOT_SOUGHT)
"""What a data protection officer may have thought of a policy."""

OFFICER = "dpo"
"""The code of the data protection officer; one of several is `dpo:` and a code of theirs."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What the data protection officer thought, who they are as a code, and their text where there is one."""

    word: str = NOT_SOUGHT
    by: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if self.word not in ADVICE:
            raise BadInput(f"the advice must be one of {', '.join(f'`{word}`' for word in ADVICE)}")
        if self.word == NOT_SOUGHT and (self.by or self.text):
            raise BadInput("advice was given, so say which: `favourable`, `reserved` or `unfavourable`")

    def to_json(self) -> dict[str, object]:
        """The keys of a `policy` entry."""
        parts = {"advice": self.word, "advised_by": self._giver, "advice_text": self.digest}
        return {name: value for name, value in parts.items() if value}

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal; empty without one."""
        return hashlib.sha256(self.text.encode()).hexdigest() if self.text else ""

    @property
    def _giver(self) -> str:
        return "" if self.word == NOT_SOUGHT else self.by or OFFICER


KEEP = "keep_forms"
"""The kind of job that keeps what forms show, with a picture where there is a browser."""

A_MINUTE = 60 * SECOND
"""A day that began while the command was typed is not past."""

UNASKED = Advice()
"""Nobody asked the data protection officer."""


@dataclass(frozen=True, slots=True)
class CalledBack:
    """A policy that would have taken effect on a day to come: its ledger index, its digest, that day."""

    index: int
    policy: str
    effective: Instant


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did: the ledger index of the `policy` entry, or the earlier one where nothing changed.

    `effective` is when it takes effect, `advice` what the data protection officer thought of it by that entry.
    `called_back` are the policies that were recorded for a later day and that this publication keeps from that day.
    """

    index: int
    policy: str
    rules: str
    changed: bool
    effective: Instant
    advice: str = NOT_SOUGHT
    called_back: tuple[CalledBack, ...] = ()


def publish(
    house: House, by: str = "cli", advice: Advice = UNASKED, effective: Instant | None = None, reviewed: str = ""
) -> Published:
    """Compile `policy.yaml`, record it and its notices, put it in force now or on the day `effective`.

    The same file twice changes nothing, unless there is advice that was not recorded with it, or a policy recorded for
    a later day: what is published last counts from its own day on, so that policy is called back. Raises `BadInput` for
    a day that is past, for a notice that was recorded otherwise, and where the data protection officer publishes or
    whoever publishes advises; `Denied` for a member of staff who may not; `Conflict` where the file is no longer the
    one that was `reviewed` (its policy's digest).
    """
    refuse_officer(by, advice)
    compiled = house.policy()
    if reviewed and compiled.policy_digest != reviewed:
        raise Conflict("the policy was changed since it was looked at; look at what it would change now")
    with house.writing() as conn:
        refuse_staff(conn, by, "publish")
        now = house.present(conn)
        when = _day(now, effective)
        there = stored.present(conn, when)
        same = there is not None and (there.policy, there.rules) == (compiled.policy_digest, compiled.table.digest)
        back = tuple(
            CalledBack(row.entry, row.policy, Instant(row.effective))
            for row in stored.scheduled(conn, now)
            if row.effective >= when and not (same and there and row.entry == there.entry)
        )
        if same and there and not back:
            entry = log.entry(conn, there.entry) or {}
            known = str(entry.get("advice", NOT_SOUGHT))
            if advice == UNASKED or advice.to_json().items() <= entry.items():
                return Published(there.entry, there.policy, there.rules, False, Instant(there.effective), known)
        index = _record(house, conn, compiled, by, advice, (now, when))
    return Published(index, compiled.policy_digest, compiled.table.digest, True, when, advice.word, back)


def read_advice(path: Path) -> str:
    """The text of the officer's advice; raises `BadInput` for a file that is empty, too large or not UTF-8 text.

    It is kept with the records of the house, for as long as the policy is: it speaks of the policy, not of people.
    """
    content = read_limited(path)
    if len(content) > LARGEST_BYTES:
        raise BadInput(f"the advice is larger than {LARGEST_BYTES // 1024} KB; expected the text that was written")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(
            "the advice is not UTF-8 text; expected plain text or Markdown, not a word processor's file"
        ) from None
    if not text.strip():
        raise BadInput("the file of the advice is empty")
    return text


def refuse_officer(by: str, advice: Advice = UNASKED) -> None:
    """Raise `BadInput` where the data protection officer publishes, or whoever publishes advises, however spelt."""
    if re.match(f"{OFFICER}(?![a-z])", by.strip().casefold()):
        raise BadInput(
            "the data protection officer advises and does not publish: who decides what data are used for cannot "
            "watch over it (GDPR Art. 38(6)); let the owner publish, with `--advice`"
        )
    if str(advice.to_json().get("advised_by", "")).casefold() == by.strip().casefold():
        raise BadInput("whoever publishes a policy does not advise on it (GDPR Art. 38(6), 39(1)(a)); say who advised")


def _day(present: Instant, effective: Instant | None) -> Instant:
    if effective is None:
        return present
    if effective < present - A_MINUTE:
        raise BadInput(
            "a policy cannot take effect in the past: what was done was done under the policy of its day; expected a "
            "day that is to come"
        )
    return Instant(max(effective, present))


def _record(
    house: House, conn: Connection, compiled: Compiled, by: str, advice: Advice, days: tuple[Instant, Instant]
) -> int:
    now, when = days
    _keep_notices(conn, compiled)
    stored.store(conn, compiled.table)
    stored.store_text(conn, compiled.policy_digest, compiled.document.bundle)
    if advice.text:
        stored.store_text(conn, advice.digest, advice.text)
    role: dict[str, str] = compiled.document.controller.standing
    if when > now and stored.present(conn, now) is not None:
        # Until the new policy takes effect the company acts as the one in force says, also when it records this.
        role = stored.role(conn, now)
    policy = {
        "kind": "policy",
        "policy": compiled.policy_digest,
        "rules": compiled.table.digest,
        "decider": compiled.table.decider,
        "effective": when,
        "by": by,
        **advice.to_json(),
        **role,
    }
    index = house.record(conn, [*_notices(conn, compiled, by, role), policy], house.clock())[-1]
    if compiled.document.forms:
        jobs.add(conn, [Job(KEEP, house.clock(), entry=index)])
    return index


_TOLD = {"purposes": "tells", "says": "says", "locale": "locale", "version": "version", "effective": "effective"}
"""What a notice entry says beside its text, and how the policy calls it."""


def changed_notices(house: House, compiled: Compiled) -> list[str]:
    """Notices of a policy that were recorded otherwise and forms that none tells of: it cannot be published.

    A sentence each, with file and line. Nothing is written; `policy check`, `policy diff` and a preview say the same as
    publishing would.
    """
    with house.reading() as conn:
        return _changed(conn, compiled) + untold(compiled)


def _keep_notices(conn: Connection, compiled: Compiled) -> None:
    """Refuse to change what a recorded notice told, and a form that none tells of: nobody is told after the fact."""
    if changed := _changed(conn, compiled) + untold(compiled):
        raise PolicyError(changed)


def _changed(conn: Connection, compiled: Compiled) -> list[str]:
    recorded = {str(entry["notice"]): entry for _, entry in log.of_kind(conn, "notice")}
    found = []
    for name, notice in compiled.document.notices.items():
        before, after = recorded.get(notice.digest), _told(notice)
        changed = [] if before is None else [key for key in _TOLD if _plain(before, key) != _plain(after, key)]
        if changed:
            file, line = compiled.document.place("notices", name, _TOLD[changed[0]])
            if line == 1:
                file, line = compiled.document.place("notices", name)
            words = ", ".join(f"`{_TOLD[key]}`" for key in changed)
            found.append(
                f"{file}:{line}: notice `{name}` was recorded with other {words}: what people were told stays what it "
                "was; keep the old notice as it is and add a new one with a text of its own"
            )
    return found


def _told(notice: Notice) -> dict[str, object]:
    says = {purpose: list(words) for purpose, words in notice.says.items() if words}
    return {
        "purposes": {purpose: list(categories) for purpose, categories in notice.tells.items()},
        **({"says": says} if says else {}),
        "locale": notice.locale,
        "version": notice.version,
        "effective": notice.effective,
    }


def _plain(told: Mapping[str, object], key: str) -> object:
    """What a notice told, to be compared: the order of categories and words tells nobody anything."""
    value = told.get(key, {})
    return {purpose: sorted(names) for purpose, names in value.items()} if isinstance(value, dict) else value


def _notices(conn: Connection, compiled: Compiled, by: str, role: dict[str, str]) -> list[dict[str, object]]:
    known = stored.notices(conn)
    return [
        {
            "kind": "notice",
            "notice": notice.digest,
            **_told(notice),
            **_generated(conn, compiled, notice),
            "by": by,
            **role,
        }
        for notice in compiled.document.notices.values()
        if notice.digest not in known
    ]


def _generated(conn: Connection, compiled: Compiled, notice: Notice) -> dict[str, str]:
    """Under which digest the layers are kept that a notice was generated from; none where its words are somebody's own.

    They are what people see: a later pacte would make others, of other words than those recorded.
    """
    made = kept.generated(compiled, notice)
    if made is None:
        return {}
    text = kept.written(made)
    digest = hashlib.sha256(text.encode()).hexdigest()
    stored.store_text(conn, digest, text)
    return {"layers": digest}

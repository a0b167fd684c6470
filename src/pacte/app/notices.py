"""The notices of a house over time: what was shown when, under names that never change, and what differs between two.

A notice is part of a published policy and known by the digest of its words. The ledger says which there are; the words
are read from the policy that brought them, and are compared with their digest.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from pacte.app.house import POLICY, House
from pacte.app.policies import published
from pacte.app.versions import in_force
from pacte.consent.notice import kept
from pacte.consent.notice.changes import Changes, changes
from pacte.consent.notice.entry import Drafted, with_entries
from pacte.consent.notice.layers import layers
from pacte.consent.notice.plain import plain
from pacte.consent.notice.redline import Piece, redline
from pacte.consent.notice.values import Layers
from pacte.consent.notice.words import of_policy
from pacte.gate import rules as stored
from pacte.kernel.errors import BadInput, Denied, NotFound, Unsafe
from pacte.kernel.files import replace_whole
from pacte.kernel.instant import Instant
from pacte.kernel.quiet import free_in_copies
from pacte.ledger import log
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.diff import asked_again
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.model import Notice
from pacte.policy.readability import Readability, measured, score

SHORTEST = 12
"""Characters of a digest that name a notice."""
KEPT = 8
"""Of how many ledgers, or states of one, a process remembers the notices, the latest asked for."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,23}")
_DIGEST = re.compile(rf"[0-9a-f]{{{SHORTEST},64}}")

Brought: TypeAlias = tuple[tuple[int, str, str, str], ...]
"""Of every notice its ledger index, its digest, the digest of the policy that brought it, and that of its layers."""


@dataclass(frozen=True, slots=True)
class Version:
    """One notice that was published: its words are those of `digest`, and no others.

    `name` is its permanent name in its language: its version, or the beginning of its digest where an older one has
    that name already. `entry` is the ledger entry that records it, `policy` the policy that brought it. `layers` is
    the digest of those that it was generated from, empty where its words are somebody's own, or nobody recorded it.
    """

    digest: str
    lang: str
    name: str
    version: str
    effective: Instant
    entry: int
    policy: str
    key: str
    text: str
    purposes: Mapping[str, tuple[str, ...]]
    layers: str = ""

    @property
    def ease(self) -> Readability | None:
        """How easy its words are to read, by the formula of its language; `None` where that has none."""
        return score(self.text, self.lang) if measured(self.text, self.lang) else None


_read: OrderedDict[Brought, tuple[Version, ...]] = OrderedDict()
_lock = free_in_copies(Lock())


@dataclass(frozen=True, slots=True)
class Shown:
    """The notice as people see it now: its layers, the recorded version, and whether the layers are its very words.

    Where they are not, somebody wrote the words by hand: they count, and the layers stand beside them.
    """

    layers: Layers
    version: Version | None
    generated: bool


@dataclass(frozen=True, slots=True)
class Between:
    """What differs between two versions: for people, in sentences, and in the words themselves."""

    old: Version
    new: Version
    changes: Changes
    pieces: tuple[Piece, ...]


def versions(house: House, lang: str = "") -> list[Version]:
    """Every notice that was published, in one language or in all, in the order of the ledger."""
    with house.reading() as conn:
        return [one for one in _versions(conn) if lang in ("", one.lang)]


def current(house: House, lang: str, at: Instant | None = None) -> Version | None:
    """The notice in force in a language, now or at an instant; `None` where there is none in that language."""
    with house.reading() as conn:
        return _current(conn, lang, house.present(conn) if at is None else at)


def named(house: House, lang: str, name: str) -> Version:
    """The notice of this permanent name, or by the beginning of its digest; raises `NotFound`."""
    with house.reading() as conn:
        found = [one for one in _versions(conn) if one.lang == lang]
    by_name = [one for one in found if one.name == name]
    by_digest = [one for one in found if _DIGEST.fullmatch(name) and one.digest.startswith(name)]
    if len(chosen := by_name or by_digest) != 1:
        raise NotFound("no notice of this name was published in this language")
    return chosen[0]


def by_digest(house: House, digest: str) -> Version:
    """The notice with this digest; raises `NotFound`."""
    found = [one for one in versions(house) if one.digest == digest]
    if not found:
        raise NotFound("no notice with this digest was published here")
    return found[0]


def before(house: House, version: Version) -> Version | None:
    """The notice of the same language that was in force before this one; `None` for the first."""
    earlier = [
        one
        for one in versions(house, version.lang)
        if (one.effective, one.entry) < (version.effective, version.entry) and one.policy != version.policy
    ]
    return max(earlier, key=lambda one: (one.effective, one.entry), default=None)


def shown(house: House, lang: str) -> Shown:
    """The notice to be shown now; raises `Denied` before a policy is in force."""
    with house.reading() as conn:
        now = house.present(conn)
        compiled, version = published(conn, now), _current(conn, lang, now)
        recorded = stored.text_of(conn, version.layers) if version and version.layers else None
    if version is None:
        return Shown(layers(compiled, lang, "", now), None, False)
    if recorded is not None:
        return Shown(kept.read(recorded), version, True)
    # Published before layers were kept: generated is what this pacte generates word by word.
    made = layers(compiled, lang, version.version, version.effective)
    return Shown(made, version, plain(made) == version.text)


def was_shown(house: House, digest: str, at: Instant) -> Version:
    """The notice behind a form that was shown at `at` and is answered now; what was displayed is what counts.

    Raises `NotFound` for words that were never published, and `BadInput` for a notice that was not in force then.
    """
    version = by_digest(house, digest)
    with house.reading() as conn:
        there = _current(conn, version.lang, at)
    if there is None or there.digest != digest:
        raise BadInput("the notice that this answer names was not in force when the form was shown; show it again")
    return version


def newer(house: House, digest: str) -> Version | None:
    """The notice that has taken the place of this one since, in its language; whoever answered must be told of it."""
    version = by_digest(house, digest)
    now = current(house, version.lang)
    return None if now is None or (now.effective, now.entry) <= (version.effective, version.entry) else now


def between(house: House, old: Version, new: Version) -> Between:
    """What differs from one version to another; raises `BadInput` for two languages."""
    if old.lang != new.lang:
        raise BadInput("two notices in different languages; compare those of one")
    with house.reading() as conn:
        sides = [_compiled(stored.policy_text(conn, one.policy)) for one in (old, new)]
    return Between(old, new, changes(sides[0], sides[1], new.lang), tuple(redline(old.text, new.text)))


def titles(house: House, version: Version) -> dict[str, str]:
    """The names of the purposes in the language of a notice, as the policy that brought it has them."""
    with house.reading() as conn:
        purposes = policy_of(conn, version).document.purposes
    return {name: of_policy(purpose.title, version.lang) for name, purpose in purposes.items()}


def add_to_policy(house: House, compiled: Compiled, drafted: Sequence[Drafted]) -> tuple[str, ...]:
    """Add these notices to `policy.yaml`, and `asked_by` to each purpose whose yes must be asked again; names these.

    What the file becomes is read and checked first: raises `PolicyError`, and leaves the file, where it is no policy.
    """
    path = house.path / POLICY
    try:
        asked = asked_again(in_force(house), compiled)
    except Denied:  # nothing is in force, so there is no yes yet
        asked = ()
    text = with_entries(path.read_text(encoding="utf-8"), compiled.document, drafted, asked)
    trial = path.with_name(f"{path.stem}.trial{path.suffix}")
    try:
        trial.write_text(text, encoding="utf-8")
        load_policy(trial)
    finally:
        trial.unlink(missing_ok=True)
    replace_whole(path.resolve(), text)  # the file may stand elsewhere, under a link of this name
    return asked


def policy_of(conn: Connection, version: Version) -> Compiled:
    """The policy that brought a notice, compiled from its stored text."""
    return _compiled(stored.policy_text(conn, version.policy))


def _current(conn: Connection, lang: str, at: Instant) -> Version | None:
    policy = stored.present(conn, at)
    if policy is None:
        return None
    held = _notices(stored.policy_text(conn, policy.policy))
    there = [one for one in _versions(conn) if one.lang == lang and one.digest in held and one.effective <= at]
    return max(there, key=lambda one: (one.effective, one.entry), default=None)


def _versions(conn: Connection) -> Sequence[Version]:
    """All of them, in the order of the ledger; read once in this process, since what was published never changes."""
    recorded = [(at, str(one["notice"]), str(one.get("layers", ""))) for at, one in log.of_kind(conn, "notice")]
    policies = sorted((row.entry, row.policy) for row in conn.execute(select(stored.policies)))
    # A notice is recorded together with the policy that brings it, which is the next one in the ledger.
    brought = tuple(
        (index, digest, next(one for at, one in policies if at > index), made) for index, digest, made in recorded
    )
    with _lock:
        found = _read.get(brought)
    if found is None:
        found = tuple(_published(conn, brought))
    with _lock:
        _read[brought] = found
        _read.move_to_end(brought)
        while len(_read) > KEPT:
            _read.popitem(last=False)
    return found


def _published(conn: Connection, brought: Brought) -> Iterator[Version]:
    names: set[tuple[str, str]] = set()
    for index, digest, policy, made in brought:
        key, notice = _words(conn, policy, digest)
        lang = notice.locale.partition("-")[0]
        name = _permanent(lang, notice, names)
        names.add((lang, name))
        yield Version(
            notice.digest,
            lang,
            name,
            notice.version,
            notice.effective,
            index,
            policy,
            key,
            notice.text,
            notice.tells,
            made,
        )


def _permanent(lang: str, notice: Notice, taken: set[tuple[str, str]]) -> str:
    """The version where it can stand in an address and is free, so that it looks like no digest; else the digest."""
    fits = _NAME.fullmatch(notice.version) and not _DIGEST.fullmatch(notice.version) and notice.version != "print"
    return notice.version if fits and (lang, notice.version) not in taken else notice.digest[:SHORTEST]


def _words(conn: Connection, policy: str, digest: str) -> tuple[str, Notice]:
    found = _notices(stored.policy_text(conn, policy)).get(digest)
    if found is None or hashlib.sha256(found[1].text.encode()).hexdigest() != digest:
        raise Unsafe("the words of a recorded notice are not in the policy that was published with it")
    return found


@lru_cache(maxsize=32)
def _notices(body: str) -> Mapping[str, tuple[str, Notice]]:
    """By digest: the name and the words of each notice of a policy, from its stored text."""
    document = load_policy_text(body, "policy.yaml")
    return {notice.digest: (name, notice) for name, notice in document.notices.items()}


@lru_cache(maxsize=16)
def _compiled(body: str) -> Compiled:
    return compile_policy(load_policy_text(body, "policy.yaml"))


def as_json(version: Version) -> dict[str, Any]:
    """A version for programs, without its words."""
    return {
        "notice": version.digest,
        "language": version.lang,
        "name": version.name,
        "version": version.version,
        "effective": version.effective,
        "entry": version.entry,
        "policy": version.policy,
    }


def listed(found: Sequence[Version]) -> list[dict[str, Any]]:
    """Versions for programs."""
    return [as_json(one) for one in found]

"""Restore: make a house serve again whose records were put back from a backup, without bringing anybody back with them.

What the backup does not know is lost for good, but it is known that it is lost. The anchors say how far the log went;
the key store says who was erased. So the saved entries go on under a new log's name that names the old log's last
checkpoint; everybody erased since is erased again; and everything is stopped, because a withdrawal, an objection or a
restriction may be among what is lost, and only people can find out: the data protection officer lifts each stop.

Until the new name stands in `settings.toml`, put in place whole and last, the house refuses to serve. Crash points:
`restore-shredding` (not all keys are destroyed again that older ones brought back), `restore-before-commit` (nothing
happened), `restore-begun` (the new log stands, nobody erased since is used any more), `restore-anchors-aside`,
`restore-erased`, `restore-before-switch`: restoring again goes on from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from pacte.app import erase as erasing
from pacte.app import formats, trust
from pacte.app import settings as configuration
from pacte.app.house import House, open_house, unchecked
from pacte.app.policies import published
from pacte.gate import rules as stored
from pacte.gate.questions import CHOICE_BASES
from pacte.kernel import crash, db, unfinished
from pacte.kernel.canonical import Json, digest
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.files import replace_whole, sync_directory
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.kernel.instant import now as system_clock
from pacte.lake import numbers, segments
from pacte.ledger import anchors, log, queries, renewal
from pacte.ledger.check import check as check_log
from pacte.ledger.checkpoint import unsigned_checkpoint
from pacte.ledger.log import Continued
from pacte.ledger.note import NoteSigner

REASON = "restored"
"""The code of the stops that a restore leaves behind."""

GONE = "not_in_backup"
"""The code of erasures whose person the backup never knew."""

_ORIGIN = re.compile(r"^origin\s*=.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did, and what it could not know.

    `kept` entries were in the backup; at least `lost` more were in the old log. `erased` people were erased again;
    `gone` more were erased whom the backup never knew, so that no list keeps a file from bringing them back. `unknown`
    people came after the backup and live: they have keys and nothing else here. `stopped` are the scopes that wait for
    the data protection officer.
    """

    origin: str
    vkey: str
    kept: int
    lost: int
    erased: int
    gone: int
    unknown: int
    stopped: tuple[str, ...]
    shredded: int = 0
    """Keys of erased people that an older key store had brought back, destroyed again."""

    def to_json(self) -> dict[str, Json]:
        """The restore for programs."""
        numbers = {"kept": self.kept, "lost": self.lost, "erased": self.erased, "gone": self.gone}
        found: dict[str, Json] = {"origin": self.origin, "vkey": self.vkey, **numbers, "unknown": self.unknown}
        return found | {"stopped": list(self.stopped), "shredded": self.shredded}


def restore(
    path: Path, *, clock: Callable[[], Instant] = system_clock, passphrase: str | None = None, by: str = "cli"
) -> Restored:
    """Restore the house in `path`, whose records are older than its anchors or its keys, or finish a restore cut short.

    Where the keys are older instead, they forget again whom the ledger says was erased, and that is all: no log begins
    and nothing is stopped.
    Raises `BadInput` when there is nothing to restore, and `Unsafe` for records that are no earlier state of this
    house's, or that lack files of the lake: then nothing was changed.
    """
    house = unchecked(path, clock=clock, passphrase=passphrase)
    renewed = None
    try:
        with unfinished.saying(lambda _: _BEGUN if renewed else ""):
            house.keys.finish_pending()
            shredded = _shred_again(house)
            if shredded and (whole := _as_it_is(house, shredded)) is not None:
                return whole
            renewed = _renewed(house, by)
            crash.point("restore-begun")
            _put_anchors_aside(renewed)
            crash.point("restore-anchors-aside")
            _erase_again(renewed, by)
            crash.point("restore-erased")
            with renewed.reading() as conn:
                report = replace(_report(renewed, conn), shredded=shredded)
            db.truncate_wal(renewed.engine)
            renewed.anchoring.flush()
            crash.point("restore-before-switch")
            _switch(path, renewed.signer.name)
    finally:
        (renewed or house).close()
    open_house(path, clock=clock, passphrase=passphrase).close()
    return report


_BEGUN = (
    "the restore is begun and not finished, and the house serves nobody yet; run `pacte restore` again, and it goes on "
    "from there"
)


def _shred_again(house: House) -> int:
    """Destroy what an older key store has brought back of people who were erased; how many keys."""
    with house.reading() as conn:
        formats.refuse_other(conn)
        with suppress(trust.OlderRecords):  # of a log that another restore has begun or ended
            trust.refuse_of_another(conn, house.keys, house.vkey)
        try:
            trust.refuse_older_keys(conn, house.keys)
            return 0
        except trust.OlderKeys:
            again = trust.standing(conn, house.keys)
    for kind in ("data", "evidence"):
        # Crash point `restore-shredding`: what is not destroyed yet is found again.
        crash.point("restore-shredding")
        names = sorted(SubjectId(name) for name, which in again if which == kind)
        house.keys.shred_many(names, kind, house.clock())
    return len(again)


def _as_it_is(house: House, shredded: int) -> Restored | None:
    """What there is to say where nothing but the keys was older; `None` where the records are, too."""
    known = trust.noted(house.keys, house.vkey, house.anchor_file)
    with house.reading() as conn:
        try:
            trust.refuse_untrusted(conn, house.keys, house.vkey, house.anchor_file, known)
        except trust.OlderRecords:
            return None
        return Restored(house.signer.name, house.vkey, log.head(conn).size, 0, 0, 0, 0, (), shredded)


def _renewed(house: House, by: str) -> House:
    """The house under the name of its new log, which this begins unless a restore cut short has done so."""
    noted = anchors.signed(anchors.read(house.anchor_file).anchors, house.vkey)
    with db.write(house.engine) as conn:
        formats.refuse_other(conn)
        try:
            known = trust.noted(house.keys, house.vkey, house.anchor_file)
            trust.refuse_untrusted(conn, house.keys, house.vkey, house.anchor_file, known)
        except trust.OlderRecords:
            pass
        else:
            raise BadInput("there is nothing to restore: records, keys and anchors belong together")
        trust.refuse_older_keys(conn, house.keys)
        if _is_begun(conn, house):
            return _named(house, log.head(conn).vkey.partition("+")[0])
        _refuse_unusable(conn, house, noted)
        renewed = _named(house, _next_name(conn, house, noted))
        _begin(conn, renewed, _last_known(conn, house, noted), by)
        crash.point("restore-before-commit")
    return renewed


def _named(house: House, name: str) -> House:
    signer = NoteSigner(house.keys.house_key("log-signing"), name)
    return House(house.path, house.settings, house.engine, house.keys, signer, house.clock)


def _is_begun(conn: Connection, house: House) -> bool:
    """Whether the records have a later log's name than the settings: the last step was not reached."""
    there, here = (renewal.place(conn, vkey.partition("+")[0]) for vkey in (log.head(conn).vkey, house.vkey))
    return there is not None and here is not None and there > here


def _refuse_unusable(conn: Connection, house: House, noted: Iterable[anchors.Anchor]) -> None:
    """Raise `Unsafe` unless the records are whole and an earlier state of the log that the anchors are of."""
    head = log.head(conn)
    earlier = [one for one in noted if one.size <= head.size and _origin(one) == head.vkey.partition("+")[0]]
    if problems := check_log(conn, head.vkey, earlier):
        raise Unsafe(f"the records are no earlier state of this house's ({problems[0]}); put back another backup")
    if problem := next(iter(segments.check(conn, house.lake)), ""):
        raise Unsafe(f"the lake is not the one of the backup ({problem}); put back that of the same day as well")


def _origin(anchor: anchors.Anchor) -> str:
    return unsigned_checkpoint(anchor.checkpoint).origin


def _next_name(conn: Connection, house: House, noted: Iterable[anchors.Anchor]) -> str:
    """A name that no log of this house has had: neither by its records and settings nor by any anchor."""
    aside = (one for path in house.path.glob("anchors-*.log") for one in anchors.read(path).anchors)
    past = map(_origin, anchors.signed(aside, house.vkey))
    names = {log.head(conn).vkey.partition("+")[0], house.signer.name, *map(_origin, noted), *past}
    return renewal.name(conn, max(renewal.place(conn, name) or 1 for name in names) + 1)


def _last_known(conn: Connection, house: House, noted: Iterable[anchors.Anchor]) -> Continued:
    """The last checkpoint known of the log before: an anchor, unless the anchors were put back as well."""
    head = log.head(conn)
    held = {head.vkey.partition("+")[0]: (head.size, head.root)}
    for anchor in noted:
        held[_origin(anchor)] = max(held.get(_origin(anchor), (0, b"")), (anchor.size, anchor.root))
    origin = max(held, key=lambda name: renewal.place(conn, name) or 0)
    return Continued(origin, _named(house, origin).vkey, *held[origin])


def _begin(conn: Connection, house: House, continues: Continued, by: str) -> None:
    """The new log's first entries, in one transaction: whose place it takes, the stops, the erasures."""
    now = house.present(conn)
    first = log.entry(conn, 0) or {}
    role = stored.role(conn, now)
    renewal.take_over(conn, house.signer, continues, house=str(first["house"]), now=house.clock(), by=by, role=role)
    stop = {"kind": "stop", "effective": now, "reason": REASON, "by": by, **role}
    house.record(conn, [{**stop, "scope": scope} for scope in _scopes(conn, now)], house.clock())
    for subject in _erased(house):
        if not queries.about(conn, subject):
            _note_gone(conn, house, subject, now, by)
        elif "done" not in _steps(conn, subject):
            erasing.restrict(house, conn, subject, now, by)


def _scopes(conn: Connection, now: Instant) -> list[str]:
    """Everything, and again each purpose that rests on what people said, so that they can be let go one by one."""
    if (row := stored.present(conn, now)) is None:
        return ["*"]
    purposes = stored.load(conn, row.rules).purposes
    rest = [name for name, rules in purposes.items() if rules.basis in CHOICE_BASES and not name.startswith("house:")]
    return ["*", *sorted(rest)]


def _erased(house: House) -> list[SubjectId]:
    """Whoever has a key that was destroyed, in the order in which it was."""
    return list(dict.fromkeys(SubjectId(one.name) for one in house.keys.tombstones() if one.which != "house"))


def _steps(conn: Connection, subject: SubjectId) -> set[str]:
    return {str(entry["step"]) for _, entry in queries.about(conn, subject) if entry["kind"] == "erasure"}


def _note_gone(conn: Connection, house: House, subject: SubjectId, now: Instant, by: str) -> None:
    """Record the erasure of somebody whom the backup never knew: nothing of theirs is here, and no evidence either."""
    certificate: dict[str, Json] = {"subject": subject, "counts": {}, "evidence_until": now, "suppressed_until": now}
    details = {name: value for name, value in certificate.items() if name != "subject"}
    step = {"kind": "erasure", "subject": subject, "effective": now, "by": by, "reason": GONE}
    step |= stored.role(conn, now)
    done = {**step, **details, "step": "done", "certificate": digest(certificate)}
    house.record(conn, [{**step, "step": "restricted", "counts": {}}, done], house.clock())


def _put_anchors_aside(house: House) -> None:
    """Keep the old log's anchors in `anchors-<n>.log`, n being which log of the house it was; begin the new file."""
    lines = anchors.read(house.anchor_file).anchors
    noted = anchors.last_signed(lines, house.vkey)
    with house.reading() as conn:
        head = log.head(conn)
        number = 0 if noted is None else renewal.place(conn, _origin(noted)) or 0
    if lines and (noted is None or _origin(noted) != house.signer.name):
        targets = (house.path / f"anchors-{number}{suffix}.log" for suffix in ("", *(f"-{n}" for n in range(2, 100))))
        house.anchor_file.rename(next(path for path in targets if not path.exists()))
        sync_directory(house.path)
    anchors.append(house.anchor_file, head)


def _erase_again(house: House, by: str) -> None:
    for subject in _erased(house):
        with house.reading() as conn:
            now = house.present(conn)
            steps = _steps(conn, subject)
            document = None if "done" in steps else published(conn, now).document
        if document is not None:
            with house.writing() as conn:
                counts = erasing.restrict(house, conn, subject, now, by)
            erasing.carry_out(house, subject, counts, document, now, by)
    ended = {SubjectId(one.name) for one in house.keys.tombstones() if one.which == "evidence"}
    for subject in sorted(ended):
        with house.reading() as conn:
            over = "evidence_ended" in _steps(conn, subject)
        if not over:
            erasing.end_evidence_of(house, subject, now, by)


def _report(house: House, conn: Connection) -> Restored:
    index, entry = renewal.begun(conn)
    erased = set(_erased(house))
    again = [e for i, e in log.of_kind(conn, "erasure") if i > index and e["step"] == "done"]
    gone = sum(e.get("reason") == GONE for e in again)
    people = [subject for subject in house.keys.people() if subject not in erased]
    unknown = len(people) - len(numbers.numbers(conn, people))
    stops = tuple(str(e["scope"]) for i, e in log.of_kind(conn, "stop") if i > index and e["reason"] == REASON)
    continues: Any = entry["continues"]
    lost = max(0, int(continues["size"]) - index)
    return Restored(house.signer.name, house.vkey, index, lost, len(again) - gone, gone, unknown, stops)


def _switch(path: Path, origin: str) -> None:
    """Write the new log's name into the settings: from here on the house serves."""
    target = path / configuration.FILE
    words = target.read_text(encoding="utf-8")
    changed, count = _ORIGIN.subn(lambda _: f"origin = {json.dumps(origin)}", words, count=1)
    if not count:
        raise BadInput(f"{configuration.FILE}: `origin` does not stand on a line of its own; mend that, and go on")
    replace_whole(target, changed)

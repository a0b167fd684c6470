"""The key store: every person's two keys and the house's own, wrapped, in a file apart from the data.

A person has a data key (opens who they are) and an evidence key (opens the facts that decisions were taken on). Keys
are committed here before anything sealed with them is written to the record database. After a shredding only backups
can still hold the key, wrapped; `final_since` says since when those are useless too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from pacte.kernel import crash, unfinished
from pacte.kernel.db import Damaged, fetch, open_sqlite, read, truncate_wal, write
from pacte.kernel.errors import BadInput, Conflict, NotFound, Unsafe
from pacte.kernel.ids import SubjectId, are_ids
from pacte.kernel.instant import Instant
from pacte.keys import compared
from pacte.keys.compared import Mark, Shredded
from pacte.keys.files import check_private, private_folder
from pacte.keys.owner import is_untouched, own, owner
from pacte.keys.rotation import Which, rewrap_house, rewrap_people, under, unopened
from pacte.keys.seal import KEY_BYTES
from pacte.keys.service import Items, KeyService, version_of
from pacte.keys.shredding import KINDS, Tombstone, conclude, intend, newest, pending, tombstones
from pacte.keys.tables import add_people, house_place, house_row, key_metadata, person_place

DATABASE = "keys.db"
CHECK = "check"
"""The house key that proves, when the store is opened, that the key file belongs to it; its version is the epoch."""


class KeyGone(NotFound):
    """The key was shredded: what it sealed can no longer be opened by anyone."""


class Drawn(NamedTuple):
    """Keys that were drawn just now, of people who had none."""

    data: Mapping[SubjectId, bytes]
    evidence: Mapping[SubjectId, bytes]


class _Wrapped(NamedTuple):
    """Wrapped keys of people, in the order of the people."""

    data: Sequence[bytes]
    evidence: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Status:
    """How the keys stand: the version that wraps, how many keys are under each, when versions were destroyed.

    `shredded` keys are gone from here; `revocable` of them lie, wrapped under a version that still lives, in whatever
    backups there are; `pending` shreddings were cut short.
    """

    version: int
    under: dict[int, int]
    destroyed: dict[int, Instant]
    shredded: int
    revocable: int
    pending: int


def open_keystore(folder: Path, service: KeyService, create: bool = False) -> KeyStore:
    """Open the key store in `folder` (mode 0700); with `create`, make folder and store if they are missing.

    Raises `Unsafe` when it is missing, damaged, open to other users, or when the key file belongs to another house.
    """
    path = folder / DATABASE
    if create:
        private_folder(folder)
    if not path.exists() and not create:
        raise Unsafe(
            f"the key store `{path}` is missing; put it back from your copy of the keys: "
            "without it no sealed value can be opened"
        )
    return KeyStore(path, service, create)


class KeyStore:
    """The keys of one house; safe to share between threads, and between processes on one machine."""

    def __init__(self, path: Path, service: KeyService, create: bool = False) -> None:
        check_private(path.parent)
        if path.exists():
            check_private(path)
        self._path = path
        self._service = service
        self._engine = open_sqlite(path, "the key store")
        try:
            self._check(create)
        except Damaged:
            raise Unsafe(f"the key store `{path}` is damaged; put back your copy of it") from None

    def close(self) -> None:
        """Release the database file, and the connection to the key service."""
        self._engine.dispose()
        self._service.close()

    def promise_to(self, house: str, *, beside: bool) -> None:
        """Keep these keys for a house that is being founded; raises `BadInput` where they are another's.

        `beside` the records of the new house, and never used, they are what a founding cut short has left there.
        """
        with write(self._engine) as connection:
            known, taken = owner(connection)
            begun = known == house or (known != "" and not taken)
            fresh = is_untouched(connection) and (beside or house_row(connection, "log-signing") is None)
            if not begun and not fresh:
                raise BadInput(
                    f"the keys in `{self._path.parent}` belong to another house; give this one a folder of its own (if "
                    "no house uses them, neither here nor in a backup, remove them)"
                )
            self._service.serve_house(house, take=False)
            own(connection, house, taken=known == house and taken)

    def belong_to(self, house: str) -> None:
        """Serve this house from here on; a store that knows no house yet is taken over. Raises `Unsafe` as below."""
        if house and not self.refuse_other_house(house):
            with write(self._engine) as connection:
                self._service.serve_house(house, take=True)
                if owner(connection) != (house, True):
                    own(connection, house, taken=True)

    def refuse_other_house(self, house: str) -> bool:
        """Raise `Unsafe` when these keys, or the service that wraps them, are another house's; whether all know it."""
        with read(self._engine) as connection:
            known, taken = owner(connection)
        if house and known not in ("", house):
            raise Unsafe(
                f"the keys in `{self._path.parent}` belong to another house; put back this house's own, or name their "
                "folder in settings.toml (`folder` under `[keys]`)"
            )
        return house == "" or (self._service.serve_house(house, take=False) and taken)

    def create_subject_keys(self, subjects: Sequence[SubjectId]) -> Drawn:
        """Draw and wrap both keys of each person, durable when this returns; people who have keys keep them.

        Answers the keys that were drawn, of those who had none, for whoever seals with them now: nobody else knows of
        these people before that is committed, so nobody can have shredded their keys.
        """
        _check_ids(subjects)
        if not subjects:
            return Drawn({}, {})
        wanted = sorted(set(subjects))
        with write(self._engine) as connection:
            self._epoch(connection)
            drawn, wrapped = self._draw(wanted)
            if add_people(connection, wanted, wrapped.data, wrapped.evidence) < len(wanted):
                drawn = self._drawn_here(connection, drawn, wrapped.data)
            # Crash point `keys-written`: keys are drawn that nobody has yet; nothing is recorded.
            crash.point("keys-written")
        return drawn

    def data_key(self, subject: SubjectId) -> bytes:
        """The 32-byte key that opens who the person is; raises `KeyGone` once shredded, `NotFound` if never made."""
        return self._key(subject, "data")

    def evidence_key(self, subject: SubjectId) -> bytes:
        """The 32-byte key that opens the facts decisions were taken on; errors as for `data_key`."""
        return self._key(subject, "evidence")

    def data_keys(self, subjects: Iterable[SubjectId]) -> dict[SubjectId, bytes]:
        """The data keys of many people; those shredded are left out, a person without keys raises `NotFound`."""
        return self._keys(subjects, "data")

    def evidence_keys(self, subjects: Iterable[SubjectId]) -> dict[SubjectId, bytes]:
        """The evidence keys of many people; errors as for `data_keys`."""
        return self._keys(subjects, "evidence")

    def shred(self, subject: SubjectId, which: Which, at: Instant) -> None:
        """Destroy one key of a person; when this returns no file of this store holds it. Twice changes nothing."""
        self.shred_many([subject], which, at)

    def shred_many(self, subjects: Sequence[SubjectId], which: Which, at: Instant) -> None:
        """Destroy one key of each person, all in the same two commits."""
        self._shred(subjects, which, at)

    def shred_house_key(self, name: str, at: Instant) -> None:
        """Destroy a house key; the same name never gets another key."""
        self._shred([name], "house", at)

    def append_tombstone(self, tombstone: Tombstone) -> None:
        """Take over a tombstone known from elsewhere; the key goes, should a restored store still hold it."""
        self._shred([tombstone.name], tombstone.which, tombstone.at)

    def tombstones(self) -> list[Tombstone]:
        """All keys shredded so far, oldest first; restored records are made to forget these people again."""
        with read(self._engine) as connection:
            return tombstones(connection)

    def shredded(self, vkey: str) -> Shredded:
        """What was shredded since the store was last compared with the log of `vkey`: all of it, if it never was."""
        with read(self._engine) as connection:
            return compared.shredded(connection, vkey)

    def without_tombstone(self, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (name, which) were not shredded here."""
        missing = set(wanted)
        with read(self._engine) as connection:
            for which in {which for _, which in wanted}:
                names = json.dumps([name for name, kind in wanted if kind == which])
                query = "SELECT name FROM json_each(?) AS w JOIN keys_tombstone ON name = w.value AND which = ?"
                missing -= {(name, which) for (name,) in fetch(connection, query, (names, which))}
        return missing

    def remember_compared(self, mark: Mark) -> None:
        """Keep how far this store and a ledger were found to agree; see `keys.compared`."""
        with write(self._engine) as connection:
            compared.remember(connection, mark)

    def people(self) -> list[SubjectId]:
        """Everybody for whom keys were ever made, also where they were shredded; the oldest first."""
        with read(self._engine) as connection:
            return [SubjectId(row) for row in connection.exec_driver_sql(_EVERYBODY).scalars()]

    def pending(self) -> list[tuple[str, str]]:
        """Shreddings that were begun and not concluded, as (name, which)."""
        with read(self._engine) as connection:
            return pending(connection)

    def finish_pending(self) -> int:
        """Conclude the shreddings that were begun; answers how many. Raises `Conflict` while a reader holds the log."""
        begun = self.pending()
        if begun:
            # Crash point `shred-intended`: zeros stand over the keys; their old bytes may linger in the log.
            crash.point("shred-intended")
            self._cut_log()
            # Crash point `shred-cut`: the keys are gone; what is missing is the record of it.
            crash.point("shred-cut")
            with write(self._engine) as connection:
                conclude(connection, begun)
        return len(begun)

    def house_key(self, name: str, length: int = KEY_BYTES) -> bytes:
        """The house's own key of this name (`length` in bytes), drawn on first use; `KeyGone` once it was shredded."""
        with read(self._engine) as connection:
            wrapped = house_row(connection, name)
        if wrapped is None:
            with write(self._engine) as connection:
                self._epoch(connection)
                wrapped = self._draw_house_key(connection, name, length)
        if not any(wrapped):
            raise KeyGone(f"the house key `{name}` was shredded; what it protected can no longer be opened")
        key = self._service.unwrap(wrapped, house_place(name))
        if len(key) != length:
            raise BadInput(f"the house key `{name}` has {len(key)} bytes; {length} were asked for")
        return key

    def rotate(self, now: Instant) -> int:
        """Wrap every key again under a new version of the key-encryption key; answers the version.

        Other processes go on reading and writing. A rotation that was cut short is continued, under the version that it
        had begun: until then some keys are still under the old one, and open.
        """
        begun = False
        with unfinished.saying(lambda _: _ROTATING if begun else ""):
            with write(self._engine) as connection:
                self._service.refresh()
                self._epoch(connection)
                version = self._service.version
                if not any(older < version for older in under(connection)):
                    # The service comes first: a key wrapped under a version that nobody holds would be lost.
                    version = self._service.begin_version(now)
                begun = True
                # Crash point `rotation-begun`: the service holds a version that wraps nothing yet.
                crash.point("rotation-begun")
                rewrap_house(connection, self._service)
            # Crash point `rotation-house`: new keys are wrapped under the new version, by every process.
            crash.point("rotation-house")
            last: int | None = 0
            while last is not None:
                with write(self._engine) as connection:
                    last = rewrap_people(connection, self._service, last)
                    crash.point("rotation-people")
            # Crash point `rotation-uncut`: all is wrapped again; the log may hold keys wrapped under the old version.
            crash.point("rotation-uncut")
            self._cut_log()
        return version

    def destroy_version(self, version: int, now: Instant) -> list[Tombstone]:
        """Destroy an old version of the key-encryption key; answers the shreddings that became final by it.

        Raises `Conflict` while keys are wrapped under it, and `NotFound` for a version that never was.
        """
        before = {(t.name, t.which) for t in self.tombstones() if self.final_since(t) is None}
        with write(self._engine) as connection:
            self._service.refresh()
            if version not in self._service.held() and version not in self._service.destroyed():
                raise NotFound(f"there is no version {version} of the key-encryption key; see `pacte keys status`")
            used = under(connection).get(version, 0)
            if used:
                raise Conflict(f"{used} keys are still wrapped under version {version}; rotate first")
            # Crash point `ending-version`: destroying is one step of the service, and may be asked for twice.
            crash.point("ending-version")
            self._service.destroy_version(version, now)
        return [t for t in self.tombstones() if (t.name, t.which) in before and self.final_since(t) is not None]

    def status(self) -> Status:
        """Which versions there are, how many keys are under each, and what shredding is final."""
        self._service.refresh()
        with read(self._engine) as connection:
            counts, gone, begun = under(connection), tombstones(connection), pending(connection)
        destroyed = self._service.destroyed()
        return Status(
            self._service.version,
            {version: counts.get(version, 0) for version in sorted({*self._service.held(), *counts})},
            destroyed,
            len(gone),
            sum(self.final_since(one) is None for one in gone),
            len(begun),
        )

    def lock_with(self, passphrase: str | None) -> None:
        """Lock the key file with another passphrase, or with none; nothing is wrapped again.

        Raises `BadInput` where the keys are held elsewhere.
        """
        with write(self._engine):
            self._service.lock_with(passphrase)

    def unopened(self) -> int:
        """How many keys that were not shredded do not open with the key service: all are tried."""
        self._service.refresh()
        with read(self._engine) as connection:
            return unopened(connection, self._service)

    def final_since(self, tombstone: Tombstone) -> Instant | None:
        """Since when no backup of the key store can bring this key back; `None` while a version it was under lives.

        Holds if copies of the key file were destroyed with the version.
        """
        destroyed = self._service.destroyed()
        epochs = range(1, tombstone.epoch + 1)
        return max(destroyed[n] for n in epochs) if all(n in destroyed for n in epochs) else None

    def _check(self, create: bool) -> None:
        """Make the tables if asked to, then prove that the key file is the one that belongs here."""
        with read(self._engine) as connection:
            empty = not connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'keys_house'").first()
        if empty and create:
            with write(self._engine) as connection:
                key_metadata.create_all(connection)
                self._draw_house_key(connection, CHECK, KEY_BYTES)
        elif empty:
            raise Unsafe(f"the key store `{self._path}` is empty; put back your copy of it")
        with read(self._engine) as connection:
            self._epoch(connection)

    def _epoch(self, connection: Connection) -> int:
        """The version that wraps now, once it is sure that the service is this house's.

        It is never one older than the store's, which may be about to be destroyed.
        """
        check = house_row(connection, CHECK) or b""
        epoch = version_of(check)
        if self._service.version < epoch:
            self._service.refresh()
        if self._service.version < epoch:
            raise Unsafe(f"the key file is older than the key store (version {epoch}); put back the newest key file")
        self._service.prove(check, house_place(CHECK))
        return self._service.version

    def _key(self, subject: SubjectId, which: Which) -> bytes:
        found = self._keys([subject], which)
        if subject not in found:
            raise KeyGone(f"the {which} key of this person was shredded")
        return found[subject]

    def _keys(self, subjects: Iterable[SubjectId], which: Which) -> dict[SubjectId, bytes]:
        wanted = sorted(set(subjects))  # in the order of the index they are found in two thirds of the time
        rows = self._wrapped(wanted, which)
        if len(rows) < len(wanted):
            raise NotFound(
                f"the key store has no keys for {len(wanted) - len(rows)} of {len(wanted)} people; "
                "if it was restored from a backup, it is older than the records"
            )
        try:
            return self._opened(rows, which)
        except Unsafe:
            # A rotation may have ended, and its old version been destroyed, since the rows were read.
            if (again := self._wrapped(wanted, which)) == rows:
                raise
            return self._opened(again, which)

    def _wrapped(self, subjects: list[SubjectId], which: Which) -> list[tuple[SubjectId, bytes]]:
        query = f"SELECT subject, {which} FROM json_each(?) AS wanted JOIN keys_person ON subject = wanted.value"
        with read(self._engine) as connection:
            return fetch(connection, query, (json.dumps(subjects),))

    def _opened(self, rows: list[tuple[SubjectId, bytes]], which: Which) -> dict[SubjectId, bytes]:
        start = person_place("", which)
        # A key made of zeros is gone; a wrapped one begins with zeros, too, and few of them have to be looked at whole.
        alive = [row for row in rows if row[1] > _NO_VERSION or any(row[1])]
        items = Items([wrapped for _, wrapped in alive], [start + subject.encode() for subject, _ in alive])
        opened = self._service.unwrap_many(items)
        return {subject: key for (subject, _), key in zip(alive, opened, strict=True)}

    def _draw(self, subjects: Sequence[SubjectId]) -> tuple[Drawn, _Wrapped]:
        """New keys for each, plain and wrapped."""
        count = len(subjects)
        random = os.urandom(2 * KEY_BYTES * count)
        keys = [random[start : start + KEY_BYTES] for start in range(0, len(random), KEY_BYTES)]
        names = [subject.encode() for subject in subjects]
        data, evidence = person_place("", "data"), person_place("", "evidence")
        places = [data + name for name in names] + [evidence + name for name in names]
        wrapped = self._service.wrap_many(Items(keys, places))
        drawn = Drawn(dict(zip(subjects, keys[:count], strict=True)), dict(zip(subjects, keys[count:], strict=True)))
        return drawn, _Wrapped(wrapped[:count], wrapped[count:])

    def _drawn_here(self, connection: Connection, drawn: Drawn, wrapped: Sequence[bytes]) -> Drawn:
        """Of the keys that were drawn, those that stand: somebody who had keys kept them; `wrapped` are data keys."""
        query = "SELECT subject, data FROM json_each(?) AS wanted JOIN keys_person ON subject = wanted.value"
        standing: dict[SubjectId, bytes] = dict(fetch(connection, query, (json.dumps(list(drawn.data)),)))
        mine = [subject for subject, data in zip(drawn.data, wrapped, strict=True) if standing[subject] == data]
        return Drawn(*({subject: keys[subject] for subject in mine} for keys in (drawn.data, drawn.evidence)))

    def _draw_house_key(self, connection: Connection, name: str, length: int) -> bytes:
        """Draw a house key unless another process was first; answers the wrapped key that stands."""
        wrapped = self._service.wrap(os.urandom(length), house_place(name))
        statement = "INSERT INTO keys_house (name, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING"
        connection.exec_driver_sql(statement, (name, wrapped))
        return house_row(connection, name) or b""

    def _shred(self, names: Sequence[str], which: str, at: Instant) -> None:
        if which not in KINDS:
            raise BadInput(f"a kind of key that does not exist; expected one of {', '.join(KINDS)}")
        if which != "house":
            _check_ids(names)
        elif CHECK in names:
            raise BadInput(f"the house key `{CHECK}` guards the key store itself and cannot be shredded")
        with write(self._engine) as connection:
            # The service is not asked: a key can be destroyed while it is away.
            stored = version_of(house_row(connection, CHECK) or b"")
            intend(connection, names, which, at, max(stored, self._service.version, newest(connection, names, which)))
        self.finish_pending()

    def _cut_log(self) -> None:
        try:
            truncate_wal(self._engine)
        except Conflict:
            raise Conflict(
                "another process is reading the key store, so its log still holds old bytes; try again in a moment"
            ) from None


_ROTATING = (
    "the rotation is begun and not finished: some keys are under the new version, others under older ones, and all of "
    "them open; rotate again, and it goes on from there"
)
_NO_VERSION = b"\0\0\0\1"
_EVERYBODY = "SELECT subject FROM keys_person ORDER BY slot"


def _check_ids(names: Collection[str]) -> None:
    if not are_ids(names):
        raise BadInput("not a subject identifier; expected 32 hexadecimal characters")

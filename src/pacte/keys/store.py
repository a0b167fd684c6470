"""The key store: every person's two keys and the house's own, wrapped, in a file apart from the data.

A person has a data key (opens who they are) and an evidence key (opens the facts that decisions were taken on). Keys
are committed here before anything sealed with them is written to the record database. After a shredding only backups
can still hold the key, wrapped; `final_since` says since when those are useless too.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, OperationalError

from pacte.kernel.db import open_sqlite, read, truncate_wal, write
from pacte.kernel.errors import BadInput, Conflict, NotFound, Unsafe
from pacte.kernel.ids import SubjectId, is_id
from pacte.kernel.instant import Instant
from pacte.keys.files import check_private, private_folder
from pacte.keys.rotation import rewrap_house, rewrap_people, still_under
from pacte.keys.seal import KEY_BYTES
from pacte.keys.service import VERSION_BYTES, KeyService
from pacte.keys.shredding import KINDS, Tombstone, conclude, intend, pending, tombstones
from pacte.keys.tables import house_place, house_row, key_metadata, person_place

Which: TypeAlias = Literal["data", "evidence"]

DATABASE = "keys.db"
CHECK = "check"
"""The house key that proves, when the store is opened, that the key file belongs to it; its version is the epoch."""


class KeyGone(NotFound):
    """The key was shredded: what it sealed can no longer be opened by anyone."""


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
        self._engine = open_sqlite(path)
        try:
            self._check(create)
        except OperationalError:
            raise Conflict(f"the key store `{path}` is busy, or cannot be written; try again in a moment") from None
        except DatabaseError:
            raise Unsafe(f"the key store `{path}` is damaged; put back your copy of it") from None

    def close(self) -> None:
        """Release the database file."""
        self._engine.dispose()

    def create_subject_keys(self, subjects: Sequence[SubjectId]) -> None:
        """Draw and wrap both keys of each person, durable when this returns; people who have keys keep them."""
        _check_ids(subjects)
        if not subjects:
            return
        with write(self._engine) as connection:
            self._epoch(connection)
            connection.exec_driver_sql(
                "INSERT INTO keys_person (subject, data, evidence) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [self._new_pair(subject) for subject in sorted(subjects)],
            )

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

    def pending(self) -> list[tuple[str, str]]:
        """Shreddings that were begun and not concluded, as (name, which)."""
        with read(self._engine) as connection:
            return pending(connection)

    def finish_pending(self) -> int:
        """Conclude the shreddings that were begun; answers how many. Raises `Conflict` while a reader holds the log."""
        begun = self.pending()
        if begun:
            self._cut_log()
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
        """Begin a new version of the key-encryption key and wrap every key again under it; answers the version.

        After a crash some keys are still under the old version, and open; rotate again.
        """
        with write(self._engine) as connection:
            # The key file comes first: a key wrapped under a version that no file holds would be lost.
            version = self._service.begin_version(now)
            rewrap_house(connection, self._service)
        last: int | None = 0
        while last is not None:
            with write(self._engine) as connection:
                last = rewrap_people(connection, self._service, last)
        self._cut_log()
        return version

    def destroy_version(self, version: int, now: Instant) -> None:
        """Destroy an old version of the key-encryption key; raises `Conflict` while keys are wrapped under it."""
        with write(self._engine) as connection:
            used = still_under(connection, version)
            if used:
                raise Conflict(f"{used} rows of keys are still wrapped under version {version}; rotate first")
            self._service.destroy_version(version, now)

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
            self._service.unwrap(house_row(connection, CHECK) or b"", house_place(CHECK))

    def _epoch(self, connection: Connection) -> int:
        """The version that wraps now; never one older than the store's, which may be about to be destroyed."""
        epoch = int.from_bytes((house_row(connection, CHECK) or b"")[:VERSION_BYTES])
        if self._service.version < epoch:
            self._service.refresh()
        if self._service.version < epoch:
            raise Unsafe(f"the key file is older than the key store (version {epoch}); put back the newest key file")
        return self._service.version

    def _key(self, subject: SubjectId, which: Which) -> bytes:
        found = self._keys([subject], which)
        if subject not in found:
            raise KeyGone(f"the {which} key of this person was shredded")
        return found[subject]

    def _keys(self, subjects: Iterable[SubjectId], which: Which) -> dict[SubjectId, bytes]:
        wanted = set(subjects)
        with read(self._engine) as connection:
            rows = connection.exec_driver_sql(
                f"SELECT subject, {which} FROM json_each(?) AS wanted JOIN keys_person ON subject = wanted.value",
                (json.dumps(sorted(wanted)),),
            ).all()
        if len(rows) < len(wanted):
            raise NotFound(
                f"the key store has no keys for {len(wanted) - len(rows)} of {len(wanted)} people; "
                "if it was restored from a backup, it is older than the records"
            )
        unwrap = self._service.unwrap
        return {subject: unwrap(wrapped, person_place(subject, which)) for subject, wrapped in rows if any(wrapped)}

    def _new_pair(self, subject: SubjectId) -> tuple[str, bytes, bytes]:
        drawn = secrets.token_bytes(2 * KEY_BYTES)
        wrap = self._service.wrap
        return (
            subject,
            wrap(drawn[:KEY_BYTES], person_place(subject, "data")),
            wrap(drawn[KEY_BYTES:], person_place(subject, "evidence")),
        )

    def _draw_house_key(self, connection: Connection, name: str, length: int) -> bytes:
        """Draw a house key unless another process was first; answers the wrapped key that stands."""
        wrapped = self._service.wrap(secrets.token_bytes(length), house_place(name))
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
            intend(connection, names, which, at, self._epoch(connection))
        self.finish_pending()

    def _cut_log(self) -> None:
        try:
            truncate_wal(self._engine)
        except Conflict:
            raise Conflict(
                "another process is reading the key store, so its log still holds old bytes; try again in a moment"
            ) from None


def _check_ids(names: Iterable[str]) -> None:
    if not all(map(is_id, names)):
        raise BadInput("not a subject identifier; expected 32 hexadecimal characters")

"""A house: one company's data, promises and proofs in one directory, and the doors to them.

>>> import pacte
>>> house = pacte.open_house("shop")          # doctest: +SKIP
>>> use = house.declare("newsletter", channel="email")  # doctest: +SKIP
>>> use.table().to_pandas()                   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event

from pacte.app import formats, founding, server
from pacte.app import settings as configuration
from pacte.app.committer import Committer, T, Verb
from pacte.app.keyholder import KEY_FILE, KEYS, key_folder, key_service
from pacte.app.trust import identity, noted, refuse_untrusted
from pacte.consent import state
from pacte.gate import rules as stored
from pacte.gate.use import Act
from pacte.kernel import crash, db
from pacte.kernel.errors import BadInput, Conflict, NotFound, PacteError, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.instant import now as system_clock
from pacte.keys.store import DATABASE, KeyStore, open_keystore
from pacte.lake import segments, tables
from pacte.ledger import anchors, log
from pacte.ledger.anchoring import Anchoring
from pacte.ledger.note import NoteSigner, check_name
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.document import load_policy
from pacte.vault.evidence import opener

if TYPE_CHECKING:
    from pacte.app.choose import Recorded
    from pacte.app.erase import Certificate
    from pacte.app.publish import Published
    from pacte.app.uses import Use
    from pacte.gate.permit import Permit
    from pacte.gate.values import Decision
    from pacte.intake.load import LoadReport

RECORDS, LAKE, ANCHORS, QUARANTINE = "records.db", "lake", "anchors.log", "quarantine"
MOVED = f"{RECORDS}.moved"
"""The records as they were before they went to PostgreSQL."""
POLICY, MAPPING = "policy.yaml", "mapping.yaml"

BEHIND = DAY
"""How far the clock may stand before the ledger's last entry while data are used, in microseconds."""


@dataclass(frozen=True)
class House:
    """An open house. Verbs of the rooms take it; it holds no legal state of its own.

    `clock` gives the present instant; tests and the demo pass their own.
    """

    path: Path
    settings: configuration.Settings
    engine: Engine
    keys: KeyStore
    signer: NoteSigner
    clock: Callable[[], Instant] = system_clock
    anchoring: Anchoring = field(init=False, repr=False, compare=False)
    committer: Committer = field(default_factory=Committer, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchoring", Anchoring(self.anchor_file))

    @property
    def lake(self) -> Path:
        """The directory of the lake's segments."""
        return self.path / LAKE

    @property
    def key_folder(self) -> Path:
        """The directory of the key store, which may lie on another disk."""
        return key_folder(self.path, self.settings.keys)

    @property
    def anchor_file(self) -> Path:
        """The file outside the database that remembers every checkpoint."""
        return self.path / ANCHORS

    @property
    def vkey(self) -> str:
        """The public key of this house's log, as a C2SP verifier key; publish it."""
        return self.signer.vkey

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent snapshot of the records."""
        with db.read(self.engine) as conn:
            yield conn

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction; when it commits, its checkpoint also goes to the anchor file, within a second.

        Crash point `after-commit-before-anchor`: the anchor file is then a second behind, which is no rollback.
        """
        with db.write(self.engine) as conn:
            before = log.head(conn).size
            yield conn
            after = log.head(conn)
        crash.point("after-commit-before-anchor")
        if after.size != before:
            self.anchoring.note(after)

    def present(self, conn: Connection) -> Instant:
        """The instant that decisions and choices are about: the clock, but never before the ledger's last entry.

        A clock that went back must not make a withdrawal of five minutes ago lie in the future.
        """
        return Instant(max(self.clock(), log.head(conn).time))

    def act(self, conn: Connection, by: str) -> Act:
        """Who uses data now, by a clock that can be trusted; raises `Unsafe` when the clock is far behind the ledger.

        After a jump of the clock into the future and back, ages and ends would be counted from a day that has not
        come. Choices, stops and erasures go on; uses wait until the clock has caught up.
        """
        return self.act_at(log.head(conn).time, self.clock(), by)

    def act_at(self, last: Instant, clock: Instant, by: str) -> Act:
        """`act` by a clock that was read already, beside a ledger whose last entry is of the instant `last`."""
        if last - clock > BEHIND:
            raise Unsafe(
                f"the clock stands {(last - clock) // DAY} days before the ledger's last entry: it is wrong now, or "
                "was wrong then; no data are used until it has caught up"
            )
        return Act(by, self.signer, clock, Instant(max(clock, last)))

    def record(self, conn: Connection, entries: Sequence[Mapping[str, Any]], now: Instant) -> range:
        """Append entries and derive from them all that follows; returns their ledger indices."""
        return self.write_down(conn, entries, now).indices

    def write_down(
        self,
        conn: Connection,
        entries: Sequence[Mapping[str, Any]],
        now: Instant,
        onto: log.Tip | None = None,
        people: Mapping[SubjectId, state.Person] | None = None,
    ) -> log.AppendResult:
        """`record`, answering all that the ledger says of it.

        `onto` and `people` are what this transaction has looked up already; see `log.append` and `state.apply`.
        """
        result = log.append(conn, entries, now, self.signer, onto)
        recorded = [{**entry, "v": 1, "at": result.at} for entry in entries]
        derive(conn, list(zip(result.indices, recorded, strict=True)), self.keys, people)
        if self.settings.webhooks:
            from pacte.app.webhooks import announce

            announce(conn, self, zip(result.indices, recorded, strict=True))
        return result

    def commit(self, verb: Verb[T]) -> T:
        """Record a hot verb together with whatever else waits; returns its answer when that is durable.

        See `app.committer`. A no waits until no message to these people is on its way; see `app.inflight`.
        """
        if not getattr(verb, "ends", False):
            return self.committer.commit(self, verb)
        from pacte.app.inflight import no_message_to

        with no_message_to(self, verb.persons):
            return self.committer.commit(self, verb)

    def policy(self) -> Compiled:
        """The policy file of this house, compiled; it binds nothing before it is published."""
        return compile_policy(load_policy(self.path / POLICY))

    def publish(self, by: str = "python", **details: Any) -> Published:
        """Put `policy.yaml` in force; see `app.publish`."""
        from pacte.app.publish import publish

        return publish(self, by, **details)

    def load(self, path: str | Path, source: str = "") -> LoadReport:
        """Load a file as `mapping.yaml` describes it; see `app.loading`."""
        from pacte.app.loading import load

        return load(self, Path(path), source)

    def choose(self, person: str, purpose: str, act: str, **details: Any) -> Recorded:
        """Record what a person says; see `app.choose`."""
        from pacte.app.choose import choose

        return choose(self, person, purpose, act, **details)

    def may(self, person: str, purpose: str, **details: Any) -> Decision:
        """Ask about one person; answers and releases nothing. See `app.ask.may`."""
        from pacte.app.ask import may

        return may(self, person, purpose, **details)

    def permit(self, person: str, purpose: str, **details: Any) -> Permit | Decision:
        """Use one person's data: ask, record the use, then open; see `app.ask.permit` and `app.reading`."""
        from pacte.app.ask import permit

        return permit(self, person, purpose, **details)

    def declare(self, purpose: str, **details: Any) -> Use:
        """Declare a use and get what it permits; see `app.uses.declare`."""
        from pacte.app.uses import declare

        return declare(self, purpose, **details)

    def erase(self, person: str, by: str = "python") -> Certificate:
        """Erase one person; see `app.erase`."""
        from pacte.app.erase import erase

        return erase(self, person, by)

    def check(self) -> list[str]:
        """Check the whole house; an empty list when all is well. See `app.doctor.check`."""
        from pacte.app.doctor import check

        return check(self)

    def reached_at(self, url: str) -> None:
        """Where people reach the doors that this process just opened, where the settings name no address."""
        object.__setattr__(self, "settings", configuration.reached_at(self.settings, url))

    def close(self) -> None:
        """Record what waits, write the last anchor, let go of the files; raises `Unsafe` where it cannot be written."""
        self.committer.close()
        try:
            self.anchoring.close()
        finally:
            db.dispose(self.engine)
            self.keys.close()

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def derive(
    conn: Connection,
    entries: Sequence[tuple[int, Mapping[str, Any]]],
    keys: KeyStore,
    people: Mapping[SubjectId, state.Person] | None = None,
) -> None:
    """Derive the rooms' states from ledger entries: choices and facts, policies and stops. See `state.apply`."""
    state.apply(conn, entries, opener(keys), people)
    stored.apply(conn, entries)


def _anchor(path: Path, state: log.Head) -> None:
    try:
        anchors.append(path, state)
    except OSError:
        raise Unsafe(
            f"recorded as entry {state.size - 1}, but `{path.name}` cannot be written; make room or mend its "
            "permissions: until then a rewritten ledger goes unnoticed"
        ) from None


def create(
    path: Path,
    *,
    lang: str = "en",
    origin: str = "",
    clock: Callable[[], Instant] = system_clock,
    passphrase: str | None = None,
    database: str = "",
    keys_in: configuration.KeySettings | None = None,
) -> House:
    """Make an empty house in a new or empty directory; raises `BadInput` where a house stands already.

    `origin` names its log for ever (a domain of the company and a path); without one an example name is drawn.
    `database` puts the records into an empty PostgreSQL database: `env:NAME`, `file:PATH`, or an address without a
    password. `keys_in` says where its keys are; by default in a file beside the data.
    """
    if (path / RECORDS).exists():
        raise BadInput("a house stands here already; open it, or choose another directory")
    _refuse_lost_records(path / ANCHORS)
    if database:
        server.refuse_filled(configuration.address_of(database))
    with founding.whole_or_nothing() as made:
        return _create(path, made, lang, origin, clock, passphrase, database, keys_in)


def _create(
    path: Path,
    made: founding.Made,
    lang: str,
    origin: str,
    clock: Callable[[], Instant],
    passphrase: str | None,
    database: str,
    keys_in: configuration.KeySettings | None,
) -> House:
    check_name(origin or "pacte.example/house")
    made.will_make(*(path / name for name in (configuration.FILE, LAKE, QUARANTINE, ANCHORS, founding.MARK)))
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    for name in (LAKE, QUARANTINE):
        (path / name).mkdir(mode=0o700, exist_ok=True)
    name = founding.identity(path)
    configuration.write_defaults(path, origin or f"pacte.example/house/{name}", lang, database)
    if passphrase is not None and keys_in is None:
        keys_in = configuration.KeySettings(service="passphrase", passphrase=configuration.USUAL_REFERENCE)
    if keys_in is not None:
        configuration.write_keys(path, keys_in)
    settings = configuration.load_settings(path)
    if database and settings.records.database != database:
        raise BadInput(f"`{configuration.FILE}` stands here already and names another database; mend or remove it")
    address = configuration.record_address(settings)
    # An earlier attempt that never came to its records may have left keys: they are taken over.
    folder = key_folder(path, settings.keys)
    made.will_make(folder, *(folder / name for name in (KEY_FILE, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")))
    service = key_service(path, settings.keys, passphrase, clock(), create=True)
    keys = open_keystore(folder, service, create=True)
    try:
        keys.promise_to(name, beside=folder == path / KEYS)
        # Crash point `keys-promised`: nothing was signed with these keys yet; any founding may take them.
        crash.point("keys-promised")
        signer = NoteSigner(keys.house_key("log-signing"), settings.origin)

        def take() -> None:
            made.stays()
            keys.belong_to(name)

        if address:
            engine = _found_elsewhere(path, settings, address, signer, name, clock(), take)
        else:
            _found(path, signer, name, clock(), take)
            engine = _open_records(path, settings)
    except BaseException:
        keys.close()
        raise
    founding.over(path)
    return House(path, settings, engine, keys, signer, clock)


def _refuse_lost_records(anchor_file: Path) -> None:
    """A new log beside the anchors of another would hide that a ledger is gone; one founding cut short is no loss."""
    last = anchors.read(anchor_file).last
    if last is not None and last.size > 1:
        raise BadInput(f"a house stood here and its `{RECORDS}` is gone; put it back, or choose another directory")


def _found(path: Path, signer: NoteSigner, identity: str, now: Instant, take: Callable[[], None]) -> None:
    """Write the records beside their place and move them there whole, so that half a house never stands.

    Just before, `take` takes the keys for good.
    """
    beside = path / f"{RECORDS}.new"
    for part in path.glob(f"{RECORDS}.new*"):
        part.unlink()
    engine = db.open_sqlite(beside)
    with db.write(engine) as conn:
        formats.upgrade(conn)
        log.create(conn, signer, house=identity, now=now)
        begun = log.head(conn)
    db.truncate_wal(engine)
    engine.dispose()
    (path / ANCHORS).unlink(missing_ok=True)  # at most the anchor of a founding that was cut short
    _anchor(path / ANCHORS, begun)
    take()
    # Crash point `anchored-not-founded`: no house stands yet; founding it again replaces the anchor.
    crash.point("anchored-not-founded")
    beside.rename(path / RECORDS)


def _found_elsewhere(
    path: Path,
    settings: configuration.Settings,
    address: str,
    signer: NoteSigner,
    identity: str,
    now: Instant,
    take: Callable[[], None],
) -> Engine:
    """Found the house in an empty PostgreSQL database: tables, first entry and all in one transaction."""
    server.refuse_filled(address)
    engine = server.connect(address)
    try:
        with db.write(engine) as conn:
            formats.upgrade(conn)
            if settings.lake.engine == "postgresql":
                tables.begin(conn)
            log.create(conn, signer, house=identity, now=now)
            (path / ANCHORS).unlink(missing_ok=True)  # at most the anchor of a founding that was cut short
            _anchor(path / ANCHORS, log.head(conn))
            take()
            # Crash point `anchored-not-founded`: no house stands yet; founding it again replaces the anchor.
            crash.point("anchored-not-founded")
    except PacteError:
        engine.dispose()
        raise
    return engine


def stands(path: Path) -> bool:
    """Whether a house was made in this directory, wherever its records are."""
    return (path / RECORDS).exists() or bool(
        (path / configuration.FILE).exists() and configuration.load_settings(path).records.database
    )


def refuse_missing(path: Path) -> None:
    """Raise `NotFound` where no house was ever made, and `Unsafe` where its records are gone."""
    if stands(path):
        return
    if (path / configuration.FILE).exists() and anchors.read(path / ANCHORS).last is not None:
        raise Unsafe(
            f"the records of this house are gone: `{RECORDS}` is missing; put back your newest copy of it, then run "
            "`pacte restore`"
        )
    raise NotFound("no house stands here; make one with `pacte init`")


def open_house(
    path: str | Path, *, clock: Callable[[], Instant] = system_clock, passphrase: str | None = None
) -> House:
    """Open a house; raises `NotFound` where there is none and `Unsafe` where it cannot be trusted.

    A house whose ledger is older than its last anchor was restored from a backup: it does not know which people were
    erased since, and refuses to serve.
    """
    house = unchecked(Path(path), clock=clock, passphrase=passphrase)
    try:
        known = noted(house.keys, house.vkey, house.anchor_file)
        with house.reading() as conn:
            formats.refuse_other(conn)
            _refuse_other_lake(conn, house.settings)
            refuse_untrusted(conn, house.keys, house.vkey, house.anchor_file, known)
            name = identity(conn)
        with suppress(PacteError):  # keys from before they knew their house; written down as soon as it can be
            house.keys.belong_to(name)
        with suppress(Conflict):  # the process that began them may be concluding them; the keys are zeros either way
            house.keys.finish_pending()
    except PacteError:
        _let_go(house)
        raise
    return house


def unchecked(path: Path, *, clock: Callable[[], Instant] = system_clock, passphrase: str | None = None) -> House:
    """A house put together and not looked at yet: for the verbs that mend one. Everybody else calls `open_house`."""
    refuse_missing(path)
    settings = configuration.load_settings(path)
    address = configuration.record_address(settings)
    service = key_service(path, settings.keys, passphrase, clock(), create=False)
    keys = open_keystore(key_folder(path, settings.keys), service, create=False)
    try:
        engine = server.connect(address) if address else _open_records(path, settings)
        return House(path, settings, engine, keys, NoteSigner(keys.house_key("log-signing"), settings.origin), clock)
    except PacteError:
        keys.close()
        raise


@contextmanager
def records_alone(path: Path) -> Iterator[Connection]:
    """A snapshot of the records without any key: the ledger can be exported and verified when the keys are lost.

    Nothing sealed opens, and nothing is checked here: `pacte verify` does that with the export.
    """
    refuse_missing(path)
    settings = configuration.load_settings(path)
    address = configuration.record_address(settings)
    engine = server.connect(address) if address else _open_records(path, settings)
    try:
        with db.read(engine) as conn:
            yield conn
    finally:
        engine.dispose()


def _refuse_other_lake(conn: Connection, settings: configuration.Settings) -> None:
    """A house that looks for its rows where they are not would find that nobody ever did anything."""
    said, there = settings.lake.engine or "files", "postgresql" if tables.here(conn) else "files"
    if there == "files" and any(segment.number is not None for segment in segments.segments(conn)):
        raise Unsafe("the rows of the lake are missing from the record database; put back the whole of the backup")
    if said != there:
        raise BadInput(
            f"{configuration.FILE}: `lake.engine` says `{said}`, and the rows of this house are in `{there}`; "
            "write that there again"
        )


def _open_records(path: Path, settings: configuration.Settings) -> Engine:
    if (path / RECORDS).stat().st_mode & 0o077:
        raise Unsafe(f"`{RECORDS}` is open to other users; run `chmod 600` on it")
    engine = db.open_sqlite(path / RECORDS)
    watch = configuration.Watch(path, settings)
    event.listen(engine, "begin", lambda _conn: watch.refuse_moved())
    return engine


def _let_go(house: House) -> None:
    house.engine.dispose()
    house.keys.close()

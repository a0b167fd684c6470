"""The state of consent against a naive reading of the same ledger, on a real SQLite and DuckDB."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from pacte.consent import population, snapshot, state
from pacte.consent.facts import UNKNOWN, cited, facts_at, told_notices
from pacte.consent.population import Asked
from pacte.consent.sql import fetch
from pacte.consent.tables import COLUMNS, FACETS
from pacte.consent.vectors import FACTS
from pacte.kernel.db import metadata, open_database, write
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.instant import Instant
from pacte.lake.numbers import numbers, release
from pacte.lake.segments import rewrite_without
from pacte.lake.source import open_lake
from pacte.policy.vocabulary import FACTS as FACT_TYPES
from pacte.policy.vocabulary import STANDING_CHOICES
from tests.conftest import DATABASES

PEOPLE = ["1" * 32, "2" * 32, "3" * 32]
NOTICES = ["a" * 64, "b" * 64]
TIMES = range(10)
GRADES = ["none", "attested", "paper", "form", "double_opt_in"]
HOLDS_IN_ORDER = ["restricted", "restriction_lifted"]
Entry = dict[str, Any]
Story = list[tuple[int, Entry]]

times = st.sampled_from(TIMES)
_choice = st.fixed_dictionaries(
    {
        "kind": st.just("choice"),
        "subject": st.sampled_from(PEOPLE),
        "purpose": st.sampled_from(["news", "news", "ads", "*", "all:sale", "all:after_death"]),
        "act": st.sampled_from(
            [
                "given",
                "given",
                "refused",
                "withdrawn",
                "objected",
                "objection_lifted",
                "objection_overruled",
                "restricted",
                "restriction_lifted",
            ]
        ),
        "learned": times,
        "method": st.sampled_from(["paper", "id_check"]),
        "grade": st.sampled_from(GRADES),
        "voice": st.sampled_from(["self", "self", "guardian"]),
        "authenticated": st.sampled_from([1, 1, 0]),
    },
    optional={
        "effective": times,
        "channel": st.sampled_from(["email", "sms"]),
        "recipient": st.just("mailer"),
        "expires": st.integers(5, 20),
        "notice": st.sampled_from(NOTICES),
        "signal": st.just("gpc"),
    },
)
_fact = st.fixed_dictionaries(
    {
        "kind": st.just("fact"),
        "subject": st.sampled_from(PEOPLE),
        "effective": times,
        "vector": st.builds(
            lambda told, withdrawn: told | ({"unknown": sorted(withdrawn - told.keys())} if withdrawn else {}),
            st.fixed_dictionaries(
                {},
                optional={
                    "place": st.sampled_from(["FR", "US-CA"]),
                    "capacity": st.sampled_from(["consumer", "deceased"]),
                    "age": st.sampled_from(["adult", "minor", "over_15"]),
                    "minor_until": times,
                    "contract_since": times,
                    "contract_until": times,
                    "guardian": st.just("9" * 32),
                },
            ),
            st.sets(st.sampled_from(FACTS), max_size=2),
        ),
    }
)
_told = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["told", "collection"]),
        "subject": st.sampled_from(PEOPLE),
        "effective": times,
        "notice": st.sampled_from(NOTICES),
    }
)
_erasure = st.fixed_dictionaries(
    {
        "kind": st.just("erasure"),
        "subject": st.sampled_from(PEOPLE),
        "step": st.sampled_from(["restricted", "done"]),
        "effective": times,
    }
)
_ended = st.fixed_dictionaries(
    {
        "kind": st.just("erasure"),
        "subject": st.sampled_from(PEOPLE),
        "step": st.just("evidence_ended"),
        "effective": times,
    }
)
_nobody = st.just({"kind": "load", "load": "l1"})


def _stories(*kinds: st.SearchStrategy[Entry], least: int = 1) -> st.SearchStrategy[Story]:
    return st.lists(st.one_of(*kinds), min_size=least, max_size=14).map(lambda drawn: list(enumerate(drawn)))


stories = _stories(_choice, _choice, _choice, _fact, _told, _erasure, _nobody)
endings = _stories(_choice, _choice, _fact, _told, _erasure, _ended)
crowded = _stories(_choice.map(lambda entry: entry | {"subject": PEOPLE[0], "voice": "self"}), least=4)


def _open(_subject: str, _index: int, entry: Any) -> Any:
    return entry["vector"]


class _Undo(Exception):
    pass


@contextmanager
def _scratch(engine: Engine) -> Iterator[Connection]:
    try:
        with write(engine) as conn:
            yield conn
            raise _Undo
    except _Undo:
        pass


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory for segments."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module", params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A record database of each kind, with every table and no row; each example leaves it so."""
    if request.param == "sqlite":
        where = str(tmp_path_factory.mktemp("house") / "records.db")
    else:
        where = request.getfixturevalue("postgres").database()
    engine = open_database(where)
    with write(engine) as conn:
        metadata.create_all(conn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def duck(engine: Engine, lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that may read the lake and nothing else."""
    with _scratch(engine) as conn:
        opened = open_lake(conn, lake, {})
    yield opened
    opened.close()


# The naive reading: at query time, from entries alone, without rectangles.


SILENT = {"status": "none", "since": None, "expires": None, "grade": 0, "signal": "", "notice": None, "method": None}
LIFTED, OVERRULED = "objection_lifted", "objection_overruled"
STANDING_FACTS = ("sale", "sensitive", "automated", "directive")


def _named(name: str, said: dict[str, Any]) -> dict[str, Any]:
    return {fact: value for word, value in said.items() if (fact := f"{name}.{word}") in UNKNOWN}


def _begins(entry: Entry) -> int:
    return entry["effective"] if "effective" in entry else entry["learned"]


def _naive_choice(known: Story, who: str, voice: str, asked: tuple[str, str, str], t: int) -> dict[str, Any]:
    firm: list[tuple[int, Entry]] = []
    weak: list[tuple[int, Entry]] = []
    for index, entry in known:
        if entry["kind"] != "choice" or (entry["subject"], entry["voice"]) != (who, voice):
            continue
        about = (entry["purpose"], entry.get("channel", ""), entry.get("recipient", ""))
        if entry["act"] in ("restricted", "restriction_lifted") or _begins(entry) > t:
            continue
        if any(said not in (question, wild) for said, question, wild in zip(about, asked, ("*", "", ""), strict=True)):
            continue
        vague = "effective" not in entry or not entry["authenticated"]
        (weak if vague and entry["act"] in ("given", LIFTED, OVERRULED) else firm).append((index, entry))
    counting = firm or weak
    if not counting:
        return dict(SILENT)
    latest = max(_begins(entry) for _, entry in counting)
    same_time = [one for one in counting if _begins(one[1]) == latest]
    for act in ("objected", "withdrawn", "refused", LIFTED, OVERRULED, "given"):
        saying = [entry for _, entry in same_time if entry["act"] == act]
        if saying:
            break
    said = saying[-1]
    if act in (LIFTED, OVERRULED):
        # It ends objections only: what else was said still counts. Nobody overrules what was not objected to.
        answers = (LIFTED, OVERRULED) if act == LIFTED else (OVERRULED,)
        before = _naive_choice(_without(known, *answers), who, voice, asked, t)
        if before["status"] == "objected":
            before = _naive_choice(_without(known, "objected", LIFTED, OVERRULED), who, voice, asked, t)
            if before["status"] in ("given", "none"):
                before = {}
        elif before["status"] == "none" and act == LIFTED:
            before = {}
        if before:
            return before
    return SILENT | {
        "status": {LIFTED: "lifted", OVERRULED: "overruled"}.get(act, act),
        "since": latest,
        "expires": said.get("expires"),
        "grade": GRADES.index(said["grade"]),
        "signal": said.get("signal", ""),
        "notice": said.get("notice"),
        "method": said["method"],
        "firm": bool(firm),
    }


def _without(known: Story, *acts: str) -> Story:
    return [one for one in known if one[1].get("act") not in acts]


def _naive_hold(known: Story, who: str, t: int) -> tuple[str, int]:
    steps = {e["step"] for _, e in known if e["kind"] == "erasure" and e["subject"] == who and e["effective"] <= t}
    if "done" in steps:
        return "erased", -1
    if "restricted" in steps:
        return "erasing", -1
    last, status = -1, "none"
    for _, entry in known:
        if entry["kind"] != "choice" or entry["subject"] != who or _begins(entry) > t:
            continue
        if entry["act"] == "restricted" and _begins(entry) >= last:
            last, status = _begins(entry), "restricted"
        sure = entry["purpose"] == "*" and "effective" in entry and entry["authenticated"]
        if entry["act"] == "restriction_lifted" and sure and _begins(entry) > last:
            last, status = _begins(entry), "none"
    return status, last


def _naive_standing(known: Story, who: str, asked: tuple[str, str, str], t: int, grown: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, purpose in STANDING_CHOICES.items():
        about = (purpose, *asked[1:])
        own, parent = (_naive_choice(known, who, voice, about, t) for voice in ("self", "guardian"))
        order = ["refused", "withdrawn", "objected"]
        heed = parent["status"] in order and not grown
        if heed and own["status"] in order:
            heed = order.index(parent["status"]) > order.index(own["status"])
        found |= _named(name, parent if heed else own)
    return found


def _naive_facts(
    story: Story, who: str, asked: tuple[str, str, str], t: int, s: int, *, standing: bool = False
) -> dict[str, Any]:
    known = story[:s]
    if not any(entry.get("subject") == who for _, entry in known):
        return dict(UNKNOWN)
    facts = dict(UNKNOWN) | {"person.known": 1}
    vectors = [(e["effective"], i, e["vector"]) for i, e in known if e["kind"] == "fact" and e["subject"] == who]
    for _, _, vector in sorted((one for one in vectors if one[0] <= t), key=itemgetter(0, 1)):
        spoken = vector.keys() | set(vector.get("unknown", ()))
        for names in (("place",), ("capacity",), ("age", "minor_until"), ("contract_since",), ("contract_until",)):
            if spoken & set(names):
                facts |= {_FACT_NAMES[name]: vector.get(name) for name in names}
    own = _naive_choice(known, who, "self", asked, t)
    facts |= _named("choice", own) | _named("guardian", _naive_choice(known, who, "guardian", asked, t))
    hold, since = _naive_hold(known, who, t)
    again = own["status"] == "given" and own["firm"] and own["since"] > since
    facts |= {"hold.status": hold, "choice.after_hold": int(hold == "restricted" and again)}
    if not standing:
        return facts
    until = facts["person.minor_until"]
    grown = facts["person.age"] == "adult" or (until is not None and until <= t)
    return facts | _naive_standing(known, who, asked, t, grown)


_FACT_NAMES = {name: f"person.{name}" for name in ("place", "capacity", "age", "minor_until")} | {
    "contract_since": "contract.since",
    "contract_until": "contract.until",
}


def _naive_told(story: Story, who: str, t: int, s: int) -> set[str]:
    return {e["notice"] for _, e in story[:s] if e.get("subject") == who and "notice" in e and _begins(e) <= t}


def _chance(story: Story) -> random.Random:
    # Questions and cuts follow from the story: many for each, the same when it is tried again.
    return random.Random(repr(story))


def _question(chance: random.Random) -> tuple[str, str, str]:
    purpose = chance.choice(["news", "ads", "profile"])
    return purpose, chance.choice(["", "email", "sms", "post"]), chance.choice(["", "mailer", "other"])


def _split(story: Story, chance: random.Random) -> list[Story]:
    cuts = sorted(chance.sample(range(len(story) + 1), k=min(len(story), chance.randint(0, 4))))
    return [story[a:b] for a, b in zip([0, *cuts], [*cuts, len(story)], strict=True)]


def _apply(conn: Connection, story: Story, chance: random.Random) -> None:
    for batch in _split(story, chance):
        state.apply(conn, batch, _open)


def _tables(conn: Connection) -> dict[str, list[Any]]:
    return {name: sorted(fetch(conn, f"SELECT * FROM consent_{name}"), key=repr) for name in FACETS}


relaxed = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(story=endings)
def test_batches_of_any_size_give_what_a_rebuild_gives(engine: Engine, story: Story) -> None:
    """However the ledger was cut into batches, the tables are those of a rebuild from its first entry."""
    with _scratch(engine) as conn:
        _apply(conn, story, _chance(story))
        grown = _tables(conn)
        assert state.equal(conn, story, _open) == []
        state.rebuild(conn, story, _open)
        assert _tables(conn) == grown
        assert state.applied(conn) == len(story)


@relaxed
@given(story=st.one_of(stories, crowded))
def test_later_entries_never_change_an_earlier_answer(engine: Engine, story: Story) -> None:
    """Facts read at (T, S) from the final tables are those that the first S entries alone give, read naively."""
    chance = _chance(story)
    with _scratch(engine) as conn:
        _apply(conn, story, chance)
        nos = numbers(conn, PEOPLE)
        for s in range(len(story) + 1):
            for who, no in [*nos.items()] * 3:
                t, asked = Instant(chance.choice(TIMES)), _question(chance)
                assert facts_at(conn, no, *asked, t, s) == _naive_facts(story, who, asked, t, s)
                whole = facts_at(conn, no, *asked, t, s, STANDING_FACTS)
                assert whole == _naive_facts(story, who, asked, t, s, standing=True)
                assert told_notices(conn, no, t, s) == _naive_told(story, who, t, s)


@relaxed
@given(story=st.one_of(stories, crowded))
def test_rectangles_never_overlap(engine: Engine, story: Story) -> None:
    """In no table are two rectangles of one key visible at one (T, S)."""
    with _scratch(engine) as conn:
        _apply(conn, story, _chance(story))
        for facet, key in (("choice", 5), ("hold", 1), ("person", 1)):
            rows = fetch(conn, f"SELECT {', '.join(COLUMNS[facet])} FROM consent_{facet}")
            seen: set[Any] = set()
            for row in rows:
                known_from, valid_from, valid_to, known_to = row[key : key + 4]
                for t in range(valid_from, TIMES.stop if valid_to is None else valid_to):
                    for s in range(known_from + 1, (known_to or len(story)) + 1):
                        assert (row[:key], t, s) not in seen
                        seen.add((row[:key], t, s))


@settings(relaxed, max_examples=80)
@given(story=st.one_of(stories, crowded))
def test_a_population_is_read_as_its_members_are(
    engine: Engine, duck: duckdb.DuckDBPyConnection, lake: Path, story: Story
) -> None:
    """Each person known has one row, equal to that person's facts, with no base, a fresh one or one that has aged."""
    chance = _chance(story)
    written = chance.choice([None, chance.randint(0, len(story))])
    with _scratch(engine) as conn:
        _apply(conn, story[:written], chance)
        if written is not None:
            snapshot.write(conn, lake)
            _apply(conn, story[written:], chance)
        for _ in range(4):
            asked, t, s = _question(chance), Instant(chance.choice(TIMES)), chance.randint(0, len(story))
            standing = chance.sample(STANDING_FACTS, chance.randint(0, 4))
            facts = {no: facts_at(conn, no, *asked, t, s, standing) for no in numbers(conn, PEOPLE).values()}
            assert _everybody(duck, conn, lake, asked, t, s, standing) == {
                no: one for no, one in facts.items() if one["person.known"]
            }
            told = {no: told_notices(conn, no, t, s) for no in facts}
            digests = {notice: place for place, notice in enumerate(chance.choice([NOTICES, NOTICES[:1], []]))}
            question = Asked(*asked, t, s, frozenset({"told.requested"}), notices=digests)
            people = population.read(duck, conn, lake, question)
            for no, at in zip(people.numbers.tolist(), people.classes.tolist(), strict=True):
                bits = int(people.facts["told"][at] or 0) if digests else 0
                assert {notice for notice, place in digests.items() if bits >> place & 1} == told[no] & digests.keys()
            assert people.sizes.sum() == len(people.numbers)
        assert state.equal(conn, story, _open) == []


def _everybody(
    duck: duckdb.DuckDBPyConnection,
    conn: Connection,
    lake: Path,
    asked: tuple[str, str, str],
    t: Instant,
    s: int,
    standing: Collection[str],
) -> dict[int, dict[str, Any]]:
    """The facts of everybody known, by number; rules that turn at every instant tell every instant apart."""
    unread = {fact for fact in UNKNOWN if fact.partition(".")[0] in STANDING_CHOICES}
    reads = frozenset(UNKNOWN.keys() - unread)
    marks = {fact: tuple(range(-1, 62)) for fact in UNKNOWN if FACT_TYPES[fact] is int}
    found = population.read(duck, conn, lake, Asked(*asked, t, s, reads, marks, tuple(standing)))
    classes = [{name: column[at] for name, column in found.facts.items()} for at in range(len(found.sizes))]
    facts = [dict(UNKNOWN) | one for one in classes]
    return {no: facts[at] for no, at in zip(found.numbers.tolist(), found.classes.tolist(), strict=True)}


def _said(act: str, effective: int | None, **more: Any) -> Entry:
    dated = {} if effective is None else {"effective": effective}
    entry = {"kind": "choice", "subject": PEOPLE[0], "purpose": "news", "act": act, "learned": 50, "method": "paper"}
    return entry | {"grade": "paper", "voice": "self", "authenticated": 1} | dated | more


def _status(conn: Connection, t: int, s: int, asked: tuple[str, str, str] = ("news", "", "")) -> Any:
    return facts_at(conn, numbers(conn, PEOPLE)[PEOPLE[0]], *asked, Instant(t), s)["choice.status"]


def test_a_late_paper_form_does_not_rewrite_what_we_knew(engine: Engine) -> None:
    """A withdrawal of May that arrives in July: what we knew in June stands, what was true in June is now known."""
    with _scratch(engine) as conn:
        state.apply(conn, [(0, _said("given", 10))], _open)
        state.apply(conn, [(1, _said("withdrawn", 20, learned=40))], _open)
        assert _status(conn, 30, 1) == "given"
        assert _status(conn, 30, 2) == "withdrawn"
        assert _status(conn, 15, 2) == "given"
        assert _status(conn, 5, 2) == "none"


def test_an_agreement_of_unknown_date_gives_way_to_any_refusal(engine: Engine) -> None:
    """An undated or unauthenticated agreement counts until something firm is said, however old that is."""
    with _scratch(engine) as conn:
        story = [_said("given", None), _said("refused", 60), _said("given", 70, authenticated=0)]
        state.apply(conn, list(enumerate([*story, _said("objected", 5), _said("objection_lifted", None)])), _open)
        assert _status(conn, 55, 1) == "given"
        assert _status(conn, 75, 3) == "refused"
        assert _status(conn, 55, 3) == "given"
        assert _status(conn, 55, 4) == "objected"
        assert _status(conn, 55, 5) == "objected"


def test_a_general_objection_reaches_every_purpose_and_channel(engine: Engine) -> None:
    """What was said about all purposes answers for a purpose nobody mentioned, and outweighs older special choices."""
    with _scratch(engine) as conn:
        story = [_said("given", 10, channel="email"), _said("objected", 20, purpose="*"), _said("given", 30)]
        state.apply(conn, list(enumerate(story)), _open)
        assert _status(conn, 25, 3, ("ads", "sms", "mailer")) == "objected"
        assert _status(conn, 25, 3, ("news", "email", "")) == "objected"
        assert _status(conn, 35, 3, ("news", "email", "mailer")) == "given"
        assert _status(conn, 35, 3, ("ads", "", "")) == "objected"


@settings(relaxed, max_examples=80)
@example(story=[(0, _said("given", 1))], written=True)
@given(story=stories, written=st.booleans())
def test_a_person_is_forgotten_as_if_never_recorded(
    engine: Engine, duck: duckdb.DuckDBPyConnection, lake: Path, story: Story, written: bool
) -> None:
    """Once the evidence has ended no table, base file or population mentions the person, and a rebuild agrees."""
    with _scratch(engine) as conn:
        state.apply(conn, story, _open)
        if written:
            snapshot.write(conn, lake)
        gone = numbers(conn, PEOPLE[:1])
        state.forget(conn, list(gone.values()))
        redacted = [(i, None if e.get("subject") == PEOPLE[0] else e) for i, e in story]
        assert state.equal(conn, redacted, _open) == []
        for rewritten in (False, True):
            if rewritten:
                rewrite_without(conn, lake, list(gone.values()), "evidence", derived=True)
            nos = set(_everybody(duck, conn, lake, ("news", "", ""), Instant(9), len(story), ()))
            assert nos == set(numbers(conn, PEOPLE).values()) - set(gone.values())
        release(conn, list(gone.values()))
        assert state.equal(conn, story, _open) == [], "who has no number is in no table, even before redaction"


@pytest.mark.parametrize("no", ["refused", "withdrawn"])
@pytest.mark.parametrize("when", [10, 20])
def test_lifting_ends_an_objection_and_nothing_else(engine: Engine, no: str, when: int) -> None:
    """A refusal stands through an objection and its lifting, before, at the same instant, and learnt of later."""
    with _scratch(engine) as conn:
        story = [_said(no, when), _said("objected", 20, purpose="*"), _said("objection_lifted", 30, purpose="*")]
        state.apply(conn, list(enumerate(story)), _open)
        assert _status(conn, 35, 3) == no
        assert _status(conn, 35, 3, ("ads", "", "")) == "lifted"
        state.apply(conn, [(3, _said(no, 5, purpose="ads")), (4, _said("given", 40))], _open)
        assert _status(conn, 35, 3, ("ads", "", "")) == "lifted"
        assert _status(conn, 35, 4, ("ads", "", "")) == no
        assert _status(conn, 45, 5) == "given"


def test_lifting_what_nobody_objected_to_changes_nothing(engine: Engine) -> None:
    """A yes stays a yes, a no stays a no."""
    with _scratch(engine) as conn:
        story = [_said("given", 10), _said("refused", 10, purpose="ads"), _said("objection_lifted", 20, purpose="*")]
        state.apply(conn, list(enumerate(story)), _open)
        assert [_status(conn, 25, 3, (purpose, "", "")) for purpose in ("news", "ads")] == ["given", "refused"]


@pytest.fixture
def read(engine: Engine, duck: duckdb.DuckDBPyConnection, lake: Path) -> Callable[..., dict[str, Any]]:
    """The facts of the first person for `news`, which both readers must give alike."""

    def both(conn: Connection, t: int, s: int, *standing: str) -> dict[str, Any]:
        asked, no = ("news", "", ""), numbers(conn, PEOPLE)[PEOPLE[0]]
        facts = facts_at(conn, no, *asked, Instant(t), s, standing)
        assert _everybody(duck, conn, lake, asked, Instant(t), s, standing) == {no: facts}
        return dict(facts)

    return both


@pytest.mark.parametrize("no", ["refused", "withdrawn"])
def test_overruling_ends_an_objection_and_nothing_else(engine: Engine, no: str) -> None:
    """Compelling grounds answer an objection until there is another one; a refusal beneath it stands."""
    with _scratch(engine) as conn:
        story = [_said("objected", 20), _said("objection_overruled", 30), _said("objected", 40), _said(no, 10)]
        state.apply(conn, list(enumerate(story)), _open)
        assert [_status(conn, t, 3) for t in (25, 35, 45)] == ["objected", "overruled", "objected"]
        assert [_status(conn, t, 4) for t in (15, 25, 35)] == [no, "objected", no]


def test_overruling_what_nobody_objected_to_changes_nothing(engine: Engine) -> None:
    """Silence stays silence, a yes a yes, and an objection that the person lifted stays lifted."""
    with _scratch(engine) as conn:
        lifted = [_said("objected", 5, purpose="profile"), _said("objection_lifted", 10, purpose="profile")]
        over = [_said("objection_overruled", 20, purpose=purpose) for purpose in ("news", "ads", "profile")]
        state.apply(conn, list(enumerate([_said("given", 10, purpose="ads"), *lifted, *over])), _open)
        found = [_status(conn, 25, 6, (purpose, "", "")) for purpose in ("news", "ads", "profile")]
        assert found == ["none", "given", "lifted"]


def test_nobody_unknown_overrules_an_objection(engine: Engine) -> None:
    """An overruling of which nobody knows who decided it, or when, answers nothing."""
    with _scratch(engine) as conn:
        weak = [_said("objection_overruled", 30, authenticated=0), _said("objection_overruled", None)]
        state.apply(conn, list(enumerate([_said("objected", 20), *weak])), _open)
        assert _status(conn, 60, 3) == "objected"


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (_said("given", 30), 1),
        (_said("given", 10), 0),
        (_said("given", 20), 0),
        (_said("given", 30, authenticated=0), 0),
        (_said("given", None), 0),
        (_said("refused", 30), 0),
    ],
    ids=["after", "before", "at once", "by somebody", "undated", "a no"],
)
def test_a_restricted_person_may_say_yes_again(engine: Engine, read: Any, later: Entry, expected: int) -> None:
    """Only a yes that is dated after the restriction, and known to be theirs, is one in spite of it."""
    with _scratch(engine) as conn:
        state.apply(conn, [(0, _said("restricted", 20, purpose="*")), (1, later)], _open)
        facts = read(conn, 60, 2)
        assert (facts["hold.status"], facts["choice.after_hold"]) == ("restricted", expected)
        state.apply(conn, [(2, _said("restricted", 55, purpose="*"))], _open)
        assert read(conn, 60, 3)["choice.after_hold"] == 0
        assert read(conn, 60, 2)["choice.after_hold"] == expected


def test_an_opt_out_of_every_sale_is_found_where_it_is_asked_for(engine: Engine, read: Any) -> None:
    """A signal to everything covers it, a parent's no counts until the child is 18, and lifting it is for it alone."""
    with _scratch(engine) as conn:
        told = {"kind": "fact", "subject": PEOPLE[0], "effective": 0, "vector": {"age": "minor", "minor_until": 50}}
        story = [
            told,
            _said("objected", 10, purpose="*", signal="gpc"),
            _said("objection_lifted", 20, purpose="all:sale"),
            _said("objected", 30, purpose="all:sale", voice="guardian"),
        ]
        state.apply(conn, list(enumerate(story)), _open)

        def said(t: int, *standing: str) -> list[Any]:
            facts = read(conn, t, 4, *standing)
            return [facts["sale.status"], facts["sale.signal"], facts["sensitive.status"]]

        assert said(15, "sale", "sensitive") == ["objected", "gpc", "objected"]
        assert said(25, "sale") == ["lifted", "", "none"], "what is not asked for is not looked up"
        assert [said(t, "sale")[0] for t in (35, 49, 50)] == ["objected", "objected", "lifted"]


def test_a_decision_cites_the_choice_it_rests_on(engine: Engine) -> None:
    """The choice cited is the narrowest one that answers the question, at the same instant and state of knowledge."""
    with _scratch(engine) as conn:
        story = [_said("given", 10), _said("refused", 20, channel="email", notice=NOTICES[0]), _said("given", 30)]
        state.apply(conn, list(enumerate(story)), _open)
        no = numbers(conn, PEOPLE)[PEOPLE[0]]
        assert cited(conn, no, "news", "email", "", Instant(25), 3) == (1, "refused", 20, 2, NOTICES[0], None)
        assert cited(conn, no, "news", "sms", "", Instant(25), 3) == (0, "given", 10, 2, None, None)
        assert cited(conn, no, "news", "email", "", Instant(5), 3) is None


def test_restricting_and_lifting_at_one_instant_leaves_the_restriction(engine: Engine) -> None:
    """Of two statements of the same microsecond the more protective one counts, for a hold too."""
    with _scratch(engine) as conn:
        state.apply(conn, [(n, _said(act, 10, purpose="*")) for n, act in enumerate(HOLDS_IN_ORDER)], _open)
        state.apply(conn, [(2, _said("restriction_lifted", 20, purpose="*"))], _open)
        no = numbers(conn, PEOPLE)[PEOPLE[0]]
        holds = [
            facts_at(conn, no, "news", "", "", Instant(t), s)["hold.status"] for t, s in ((15, 2), (15, 3), (20, 3))
        ]
        assert holds == ["restricted", "restricted", "none"]


def test_an_entry_is_applied_once_and_in_order(engine: Engine) -> None:
    """Entries that come twice or in the wrong order are a conflict, and nothing changes."""
    with _scratch(engine) as conn:
        state.apply(conn, [(3, _said("given", 10))], _open)
        for again in ([(3, _said("withdrawn", 20))], [(5, _said("given", 1)), (4, _said("given", 2))]):
            with pytest.raises(Conflict):
                state.apply(conn, again, _open)
        assert _status(conn, 30, 9) == "given"


def test_a_fact_says_only_what_it_mentions(engine: Engine) -> None:
    """A later entry leaves the fields alone that it does not mention; `unknown` takes back what was said."""

    def fact(effective: int, **vector: Any) -> Entry:
        return {"kind": "fact", "subject": PEOPLE[0], "effective": effective, "vector": vector}

    def known(conn: Connection, t: int, s: int) -> tuple[Any, ...]:
        facts = facts_at(conn, numbers(conn, PEOPLE)[PEOPLE[0]], "news", "", "", Instant(t), s)
        return tuple(facts[f"person.{name}"] for name in ("capacity", "place", "age", "minor_until"))

    with _scratch(engine) as conn:
        state.apply(conn, [(0, fact(10, capacity="deceased", place="FR", age="minor", minor_until=40))], _open)
        state.apply(conn, [(1, fact(20, place="US"))], _open)
        state.apply(conn, [(2, fact(10, age="adult"))], _open)
        state.apply(conn, [(3, fact(30, unknown=["place"])), (4, fact(15))], _open)
        assert known(conn, 25, 1) == ("deceased", "FR", "minor", 40)
        assert known(conn, 25, 2) == ("deceased", "US", "minor", 40)
        assert known(conn, 15, 3) == ("deceased", "FR", "adult", None)
        assert known(conn, 35, 5) == ("deceased", None, "adult", None)


@pytest.mark.parametrize("vector", [{"unknown": ["religion"]}, {"place": "FR", "unknown": ["place"]}])
def test_what_cannot_be_withdrawn_is_refused(engine: Engine, vector: dict[str, Any]) -> None:
    """Only facts of the closed vector can be taken back, and not those that the same entry states."""
    entry = {"kind": "fact", "subject": PEOPLE[0], "effective": 1, "vector": vector}
    with _scratch(engine) as conn, pytest.raises(BadInput):
        state.apply(conn, [(0, entry)], _open)


def test_facts_outside_the_closed_vector_are_refused(engine: Engine) -> None:
    """A fact that is not in the closed vector stops the batch, and the message does not show it."""
    entry = {"kind": "fact", "subject": PEOPLE[0], "effective": 1, "vector": {"religion": "secret"}}
    with _scratch(engine) as conn, pytest.raises(BadInput) as caught:
        state.apply(conn, [(0, entry)], _open)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_load_of_a_quarter_of_a_million_entries_is_quick(engine: Engine) -> None:
    """50,000 new persons with a fact, a collection and three choices each take seconds, not minutes."""
    from time import process_time

    story: Story = []
    for at in range(50_000):
        who = f"{at:032x}"
        fact = {"kind": "fact", "subject": who, "effective": 1, "vector": {"place": "FR", "age": "adult"}}
        collection = {"kind": "collection", "subject": who, "effective": 1, "notice": NOTICES[0]}
        choices = [_said("given", 2, subject=who, purpose=purpose) for purpose in ("news", "ads", "profile")]
        story.extend(enumerate([fact, collection, *choices], start=len(story)))
    with _scratch(engine) as conn:
        began = process_time()  # this process's own work: what else the machine does is not counted
        state.apply(conn, story, _open)
        assert process_time() - began < 20, "about 4 s alone on one core"
        assert fetch(conn, "SELECT count(*) FROM consent_choice") == [(150_000,)]

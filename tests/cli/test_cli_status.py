"""How a house stands and what waits: shown in both languages and for programs; what was done by hand is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from pacte.app.choose import TELL, TELL_WITHIN
from pacte.app.doctor import examine
from pacte.app.house import open_house
from pacte.kernel import db, jobs
from pacte.kernel.instant import DAY, Instant, now
from pacte.kernel.jobs import Job
from pacte.ledger import log
from tests.cli.test_cli_commands import flat, pleasant


def subject_of(house: Any) -> str:
    """Somebody's identifier."""
    with open_house(house) as home, home.reading() as conn:
        return str(log.of_kind(conn, "choice")[0][1]["subject"])


def untold(house: Any, since: int = 5) -> Job:
    """A recipient who should have been told: the policy of the shop names none, so the job is asked for here."""
    begun = Instant(now() - since * DAY)
    job = Job(TELL, begun, subject_of(house), 7, "mailer", Instant(begun + TELL_WITHIN))
    with open_house(house) as home, db.write(home.engine) as conn:
        jobs.add(conn, [job])
    return job


def test_jobs_that_are_open(mine: Any, lang: str) -> None:
    """Each with its kind, whom it is about by identifier only, the recipient, its day, and why it was not done."""
    assert {"en": "keep what forms show", "fr": "montrent les formulaires"}[lang] in flat(
        mine("jobs", "--lang", lang).out
    )
    job = untold(mine.house)
    assert mine("worker", "--once").code == 0
    said = mine("jobs", "--lang", lang)
    assert (said.code, said.err) == (0, "")
    for word in (job.id, str(job.about), "mailer", "pacte jobs done"):
        assert word in flat(said.out)
    (told,) = [one for one in mine("jobs", "--json").json if one["kind"] == TELL]
    assert told["overdue"] is True
    assert (told["id"], told["subject"], told["target"], told["entry"]) == (job.id, job.about, "mailer", 7)
    assert (told["state"], told["reason"], told["deadline"]) == ("waiting", "no_connector", job.deadline)


def test_a_recipient_told_by_hand(mine: Any, lang: str) -> None:
    """The ledger says who told whom and how; the job is gone, cannot be done twice, and the doctor rests."""
    job = untold(mine.house)
    with open_house(mine.house) as home:
        assert ("jobs_overdue", "1") in [(found.code, found.detail) for found in examine(home)]
    done = mine("jobs", "done", job.id, "--how", "phone", "--by", "staff:9", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    with open_house(mine.house) as home:
        with home.reading() as conn:
            ((index, entry),) = log.of_kind(conn, "recipient_told")
        assert "jobs_overdue" not in {found.code for found in examine(home)}
    assert str(index) in done.out.replace(",", "").replace("\u202f", "")
    assert (entry["subject"], entry["recipient"], entry["choice"]) == (job.about, "mailer", 7)
    assert (entry["how"], entry["by"]) == ("phone", "staff:9")
    assert mine("jobs", "done", job.id).code == 6
    assert TELL not in {one["kind"] for one in mine("jobs", "--json").json}
    assert "mailer" in mine("ledger", "log", "-n", "2", "--lang", lang).out


@pytest.mark.parametrize(("what", "code"), [("tell_recipient:99:nobody", 4), ("prune", 2)])
def test_what_is_not_done_by_hand(mine: Any, what: str, code: int) -> None:
    """A job that is not there, and one that is the worker's."""
    assert mine("worker", "--once").code == 0
    refused = mine("jobs", "done", what)
    assert (refused.code, refused.out) == (code, "")


def test_status(mine: Any, lang: str) -> None:
    """One page: policy, stops, jobs, anchor, keys, places; programs get the same."""
    untold(mine.house)
    mine("stop", "newsletter", "--reason", "drill")
    said = mine("status", "--lang", lang)
    assert (said.code, said.err) == (0, "")
    words = {
        "en": ("The policy in force since", "Stopped since", "2 jobs are open; 1 overdue", "Anchored", "Records"),
        "fr": ("La politique en vigueur", "À l’arrêt depuis", "2 tâches en cours ; 1 en retard", "Ancré", "Registres"),
    }[lang]
    for word in words:
        assert word in flat(said.out)
    pleasant(said.out.replace(str(mine.house), ""), lang)
    told = mine("status", "--json").json
    assert (told["key_version"], told["records"], told["rows"]) == (1, "records.db", "files")
    assert [stop["scope"] for stop in told["stops"]] == ["newsletter"]
    assert told["jobs"]["overdue"] == 1
    assert told["anchored"]["entries"] == told["entries"]
    assert told["policy"]["entry"] < told["entries"]
    assert told["disk"] > 100_000


def test_stops_in_force(mine: Any, lang: str) -> None:
    """`pacte stop` alone lists them, the doctor warns of them, and a lifted one is gone from both."""
    assert {"en": "Nothing is stopped", "fr": "Rien n’est à l’arrêt"}[lang] in mine("stop", "--lang", lang).out
    mine("stop", "*", "--reason", "drill")
    mine("stop", "newsletter", "--reason", "drill")
    assert [stop["scope"] for stop in mine("stop", "--json").json] == ["*", "newsletter"]
    assert {"en": "everything", "fr": "tout"}[lang] in mine("stop", "--lang", lang).out
    assert "`*`, `newsletter`" in flat(mine("doctor", "--lang", lang).out)
    mine("stop", "*", "--lift")
    assert [stop["scope"] for stop in mine("stop", "--json").json] == ["newsletter"]
    assert mine("stop", "--lift").code == 2
    mine("stop", "newsletter", "--lift")
    assert "stops_in_force" not in {finding["code"] for finding in mine("doctor", "--json").json}

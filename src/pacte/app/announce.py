"""Tell people of a changed notice: a letter to everybody concerned, in batches, and the record that they were told.

Who is concerned: everybody where the company changes, or a purpose that waits for no yes; else those who said yes to a
purpose that changes. Nobody counts as told before the mail server has taken their letter. A yes that must be asked
again is no yes under the new policy (`asked_by`), whatever people are told: to be told is not to agree.
Source: GDPR Art. 4(11), 7, 12(1), 13(3), 14(4); P-39.1 s. 8.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import notices
from pacte.app.letters import Letter, address, letter_job
from pacte.app.notices import Version
from pacte.app.told import was_told
from pacte.consent import told
from pacte.consent.notice.changes import Changes, changes
from pacte.kernel import db, jobs
from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import text
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.jobs import Job
from pacte.lake.numbers import number
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House

ANNOUNCE = "announce_notice"
"""The kind of job that tells a batch of people."""
LETTER = "notice_changed"
"""The letter that tells one of them."""
BATCH = 500
"""People of one batch, at most."""
TRIED = 30 * DAY
"""How long a letter is tried, in microseconds; whoever could not be reached by then counts as not told."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What was asked for: the notice in each language, in how many batches, and which yes is asked again."""

    versions: tuple[Version, ...]
    batches: int
    again: tuple[str, ...]


def announce(house: House, version: Version) -> Announced:
    """Ask for the letters that tell of this notice, and of the same version in other languages; twice asks for no more.

    Raises `BadInput` for the first notice of a house, for one that changes nothing that people must be told of, and
    where a purpose has grown whose earlier yes would still count: it must be asked again first.
    """
    now = house.clock()
    what = _changes(house, version)
    if what is None or not what.material:
        raise BadInput("nothing changes in this notice that people must be told of; nobody is written to")
    with house.writing() as conn:
        _refuse_old_yes(conn, version, what)
        blocks = told.batches(conn, BATCH)
        asked = [Job(ANNOUNCE, now, None, version.entry, f"{start}-{stop}") for start, stop in blocks]
        jobs.add(conn, asked)
    return Announced(tuple(_siblings(house, version).values()), len(asked), what.again)


def tell_batch(house: House, job: Job, _now: Instant) -> None:
    """Do a job of `announce`: ask for a letter to everybody of the batch who is concerned and was not told yet."""
    version = _by_entry(house, job.entry)
    what, siblings = _changes(house, version), _siblings(house, version)
    if what is None:
        return
    start, _, stop = str(job.target).partition("-")
    with house.reading() as conn:
        people = _concerned(conn, house.present(conn), what, siblings, (int(start), int(stop)))
    house_lang = house.settings.language
    letters = []
    for subject, lang in people.items():
        chosen = siblings.get(lang) or siblings.get(house_lang) or version
        # By the job's own time: a batch that is done twice asks for the same letters.
        letters.append(
            letter_job(LETTER, subject, chosen.lang, str(chosen.entry), job.due, entry=job.entry, lasts=TRIED)
        )
    with db.write(house.engine) as conn:
        jobs.add(conn, letters)


def compose(house: House, subject: SubjectId, lang: str, entry: str) -> Letter | None:
    """The letter to one person: what changes for them, what is asked again, and where it can be read word by word.

    `entry` is the ledger entry of the notice. `None` where they were told meanwhile, or where another notice has taken
    the place of this one.
    """
    version = _by_entry(house, int(entry))
    what, earlier = _changes(house, version), notices.before(house, version)
    if what is None or earlier is None:
        return None
    if was_told(house, subject, version.digest) or notices.newer(house, version.digest):
        return None
    with house.reading() as conn:
        policy = notices.policy_of(conn, version).document
        no = number(conn, subject)
        now = house.present(conn)
        agreed = told.agreed(conn, [] if no is None else [no], policy.purposes, now, log.head(conn).size)
    yes = agreed.get(no, set()) if no is not None else set()
    rests = {name for name, purpose in policy.purposes.items() if purpose.basis == "consent"}
    mine = [one for one in what.found if one.purpose not in rests - yes]
    again = [policy.purposes[name].title.get(lang, name) for name in what.again if name in yes]
    lines = [f"– {one.say(lang)}" for one in mine]
    asked = [_say("again", lang, purposes=_listed(again, lang))] if again else []
    return Letter(
        "house:rights",
        _say("subject", lang, company=policy.controller.name),
        (_say("text", lang, company=policy.controller.name), *lines, *asked),
        address(house, lang, f"notice/{version.name}/changes?since={earlier.name}"),
        _say("link", lang),
        (_say("rights", lang, contact=policy.controller.contact), _say("why", lang)),
        notice=version.digest,
    )


def _changes(house: House, version: Version) -> Changes | None:
    """What this notice changes from the one before, in its language; `None` for the first."""
    earlier = notices.before(house, version)
    if earlier is None:
        return None
    with house.reading() as conn:
        return changes(notices.policy_of(conn, earlier), notices.policy_of(conn, version), version.lang)


def _refuse_old_yes(conn: Connection, version: Version, what: Changes) -> None:
    """INVARIANT: nobody is told of a grown purpose while an earlier yes would let them in."""
    purposes = notices.policy_of(conn, version).document.purposes
    for name in what.again:
        if version.key not in purposes[name].asked_by:
            raise BadInput(
                f"purpose `{name}` rests on consent and does more than before: a yes of before does not cover it "
                f"(GDPR Art. 4(11)); name the new notices under its `asked_by`, such as `{version.key}`, and publish"
            )


def _concerned(
    conn: Connection, now: Instant, what: Changes, siblings: Mapping[str, Version], block: tuple[int, int]
) -> dict[SubjectId, str]:
    """The people of a block who must be told, each with the language of the last notice that they were told."""
    people, size = told.people_between(conn, *block), log.head(conn).size
    known = told.told_since(conn, people, now, size)
    version = next(iter(siblings.values()))
    policy = notices.policy_of(conn, version).document
    about = what.purposes
    wide = about is None or any(policy.purposes[name].basis != "consent" for name in about if name in policy.purposes)
    agreed = {} if wide else told.agreed(conn, people, about or (), now, size)
    languages = {
        str(entry["notice"]): str(entry["locale"]).partition("-")[0] for _, entry in log.of_kind(conn, "notice")
    }
    new = {one.digest for one in siblings.values()}
    found: dict[SubjectId, str] = {}
    for no, subject in people.items():
        heard = known.get(no, {})
        if new & heard.keys() or not (wide or no in agreed):
            continue
        last = max(heard, key=lambda digest: heard[digest], default="")
        found[SubjectId(subject)] = languages.get(last, "")
    return found


def _siblings(house: House, version: Version) -> dict[str, Version]:
    """The same version in each language: published together, under the same number."""
    found = [one for one in notices.versions(house) if (one.policy, one.version) == (version.policy, version.version)]
    return {one.lang: one for one in found}


def _by_entry(house: House, entry: int | None) -> Version:
    return next(one for one in notices.versions(house) if one.entry == entry)


def _listed(titles: list[str], lang: str) -> str:
    return ", ".join(_say("quoted", lang, title=title) for title in titles)


def _say(key: str, lang: str, **parameters: str) -> str:
    return text("app", f"letter.notice_changed.{key}", lang, **parameters)

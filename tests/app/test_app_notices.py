"""Notices over time: permanent names, exact words, what changed; and the letters that tell people of a new one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pacte.app import announce, notices
from pacte.app.erase import erase
from pacte.app.house import POLICY, House, open_house
from pacte.app.people import people_of
from pacte.app.publish import publish
from pacte.app.settings import FILE
from pacte.app.told import record_told
from pacte.app.worker import work
from pacte.consent import told as asked
from pacte.consent.notice.entry import draft
from pacte.consent.notice.layers import layers
from pacte.consent.notice.plain import plain
from pacte.kernel import jobs
from pacte.kernel.errors import BadInput, NotFound, PolicyError
from pacte.kernel.i18n import catalogue
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.testing.shop import PURPOSE, Shop, shop
from tests.app.mail import mail_server

GROWN = ("      - orders.spent\n    channels", "      - orders.spent\n      - orders.product\n    channels")
"""The newsletter sees the products too: its yes must be asked again."""
LONGER = ("retention: {keep: 25 months", "retention: {keep: 5 years")
"""Statistics are kept longer: everybody must be told."""
SERVICE = "statistics"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Shop]:
    """A shop with a few customers, whose notices were written by hand."""
    found = shop(tmp_path / "house", tmp_path / "files", people=40)
    yield found
    assert found.house.check() == []
    found.house.close()


def edit(house: House, *changes: tuple[str, str]) -> None:
    """Change the policy file."""
    path = house.path / POLICY
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def renew(house: House, *changes: tuple[str, str]) -> notices.Version:
    """Change the policy, add its notice in both languages as `pacte notice --write` does, publish; the French one."""
    edit(house, *changes)
    compiled = house.policy()
    now = house.clock()
    made = [draft(compiled, lang, Instant(now - now % DAY)) for lang in ("fr", "en")]
    notices.add_to_policy(house, compiled, made)
    publish(house, "owner")
    found = notices.current(house, "fr")
    assert found is not None
    return found


def told(house: House) -> list[dict[str, Any]]:
    """The `told` entries of the ledger."""
    with house.reading() as conn:
        return [entry for _, entry in log.of_kind(conn, "told")]


def _mailing(found: Shop, port: int) -> House:
    target = found.house.path / FILE
    target.write_text(
        target.read_text("utf-8") + f'\n[mail]\nhost = "127.0.0.1"\nfrom = "Shop <hello@shop.example>"\nport = {port}\n'
        'tls = "none"\n'
    )
    return open_house(found.house.path, clock=found.clock)


def _work(house: House) -> Any:
    return work(house, threading.Event(), once=True)


def test_notices_have_permanent_names_and_exact_words(here: Shop) -> None:
    """Each is found by its version and by its digest, in the order of the ledger, with the words of the policy."""
    house = here.house
    document = house.policy().document
    found = notices.versions(house)
    assert {one.digest: one.text for one in found} == {one.digest: one.text for one in document.notices.values()}
    whole = [(one.lang, one.name) for one in found if not one.key.startswith("levels")]
    assert whole == [("fr", "1"), ("fr", "2"), ("fr", "3"), ("en", "3")]
    third = notices.named(house, "fr", "3")
    assert notices.named(house, "fr", third.digest[:12]) == third == notices.by_digest(house, third.digest)
    assert third.ease is not None
    for lang, name in (("fr", "4"), ("en", "1"), ("fr", third.digest[:8]), ("de", "3")):
        with pytest.raises(NotFound):
            notices.named(house, lang, name)


def test_names_stay_when_policies_follow(here: Shop) -> None:
    """A new version takes its number; a second notice of that number is named by its digest, the first keeps it."""
    house = here.house
    before = {one.digest: one.name for one in notices.versions(house)}
    renew(house, LONGER)
    here.clock.forward(1)
    edit(house, ("\nnotices:\n", NOTICE_TWICE))
    publish(house, "owner")
    after = {one.digest: one.name for one in notices.versions(house)}
    assert before.items() <= after.items()
    twice = [one for one in notices.versions(house, "fr") if one.key == "again"]
    assert [one.name for one in twice] == [twice[0].digest[:12]]
    assert notices.named(house, "fr", "4").key == "notice-4-fr"


NOTICE_TWICE = """
notices:

  again:
    locale: fr
    version: "4"
    effective: 2026-11-01
    tells: {order_service: [contact]}
    text: Une autre mention du même numéro, écrite à la main.
"""


def test_the_notice_shown_is_its_recorded_words(here: Shop) -> None:
    """One written by hand counts as it was written; a generated one is its layers, word for word."""
    house = here.house
    by_hand = notices.shown(house, "fr")
    assert (by_hand.generated, by_hand.version and by_hand.version.name) == (False, "3")
    renew(house)
    made = notices.shown(house, "en")
    assert (made.generated, made.version and made.version.name) == (True, "4")


def test_a_generated_notice_stays_so_when_pacte_words_it_otherwise(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept when it was published is shown; a later version makes other words of the same policy."""
    house = here.house
    renew(house)
    before = notices.shown(house, "fr")
    for words in catalogue("consent.notice").values():  # what a later version of pacte changes
        monkeypatch.setitem(words, "fr", f"{words['fr']}·")
    assert "·" in plain(layers(house.policy(), "fr", "9", house.clock()))
    after = notices.shown(house, "fr")
    assert (after.generated, after.layers, after.version) == (True, replace(before.layers, gaps=()), before.version)
    monkeypatch.undo()
    assert before.version is not None
    assert plain(after.layers) == before.version.text
    with house.reading() as conn:
        entries = [entry for _, entry in log.of_kind(conn, "notice")]
    assert ["layers" in entry for entry in entries][-2:] == [True, True]
    assert not any("layers" in entry for entry in entries[:-2])  # written by hand


def test_a_notice_that_is_no_policy_leaves_the_file_alone(here: Shop) -> None:
    """What `--write` would make is checked first."""
    house = here.house
    compiled = house.policy()
    made = draft(compiled, "fr", house.clock())
    source = (house.path / POLICY).read_text("utf-8")
    edit(house, ("basis: contract", "basis: contrat"))
    broken = (house.path / POLICY).read_text("utf-8")
    with pytest.raises(PolicyError):
        notices.add_to_policy(house, compiled, [made])
    assert (house.path / POLICY).read_text("utf-8") == broken != source
    assert list(house.path.glob("*trial*")) == []
    edit(house, ("basis: contrat", "basis: contract"))


def test_an_answer_counts_under_the_notice_that_was_displayed(here: Shop) -> None:
    """A notice changed between display and answer: the old one was in force when shown, and a newer one is there."""
    house = here.house
    old = notices.current(house, "fr")
    assert old is not None
    displayed = here.clock()
    here.clock.forward(1)
    new = renew(house, LONGER)
    assert notices.was_shown(house, old.digest, displayed) == old
    assert notices.newer(house, old.digest) == new
    assert notices.newer(house, new.digest) is None
    with pytest.raises(BadInput, match="not in force"):
        notices.was_shown(house, old.digest, here.clock())
    with pytest.raises(NotFound):
        notices.was_shown(house, "0" * 64, displayed)


def test_a_yes_of_before_does_not_cover_a_purpose_that_has_grown(here: Shop) -> None:
    """Denied from the publication on, whatever the person is told meanwhile; a yes under the new notice counts."""
    house, email = here.house, here.permitted[0]
    person = f"email:{email}"
    assert house.may(person, PURPOSE, channel="email").permitted
    version = renew(house, GROWN)
    assert house.policy().document.purposes[PURPOSE].asked_by == ("notice-4-fr", "notice-4-en")
    assert house.may(person, PURPOSE, channel="email").reason.code == "expired"
    with house.reading() as conn:
        subject = people_of(house, conn, person)[0]
    assert record_told(house, subject, version.digest)
    assert house.may(person, PURPOSE, channel="email").reason.code == "expired"
    house.choose(
        person, PURPOSE, "given", notice="notice-4-fr", grade="form", method="web_form", authenticated=True, by="person"
    )
    assert house.may(person, PURPOSE, channel="email").permitted
    # The population is decided as its members are.
    assert house.declare(PURPOSE, channel="email").funnel.permitted == 1


def test_everybody_concerned_is_told_once(here: Shop) -> None:
    """In their own language, with what changes for them; each letter taken is a `told` entry; nobody is told twice."""
    version = renew(here.house, LONGER)
    with mail_server() as box:
        house = _mailing(here, box.port)
        erase(house, f"email:{here.permitted[1]}")
        done = announce.announce(house, version)
        assert (len(done.versions), done.again) == (2, ())
        assert _work(house).failed == 0
        letters = len(box.taken)
        assert letters == len(told(house)) > 10
        assert len({one["To"] for one in box.taken}) <= letters
        assert here.permitted[1] not in {one["To"] for one in box.taken}
        body = box.letter()
        assert "conservé plus longtemps" in body or "kept longer" in body
        assert f"/notice/{version.name}/changes?since=3" in body
        for entry in told(house):
            assert entry["how"] == "mail"
            assert entry["notice"] in {one.digest for one in done.versions}
        announce.announce(house, version)
        _work(house)
        assert len(box.taken) == letters
        house.close()


def test_a_batch_done_twice_writes_to_nobody_twice(here: Shop) -> None:
    """A worker that died asks for the same letters again, and they are the same jobs."""
    version = renew(here.house, LONGER)
    announce.announce(here.house, version)
    with here.house.reading() as conn:
        (batch,) = [job for job in jobs.listed(conn) if job.kind == announce.ANNOUNCE]
    for _ in range(2):
        announce.tell_batch(here.house, batch, here.clock())
        here.clock.forward(0.1)
    with here.house.reading() as conn:
        letters = [job for job in jobs.listed(conn) if job.kind == "send_mail"]
    assert len({job.about for job in letters}) == len(letters) > 10
    assert not any("@" in str(job.target) for job in letters)


def test_only_those_who_said_yes_are_told_of_a_purpose_that_waits_for_one(here: Shop) -> None:
    """And their letter says that it stops until they say yes again; nobody is told before the mail server took it."""
    house = here.house
    version = renew(house, GROWN)
    announce.announce(house, version)
    with mail_server() as box:
        house = _mailing(here, box.port)
        box.refuse = "451 later"
        assert _work(house).failed > 0
        assert told(house) == []
        box.refuse = ""
        here.clock.forward(1 / 24)
        _work(house)
        assert {one["To"] for one in box.taken} >= set(here.permitted)
        assert len(box.taken) == len(told(house)) < 30
        again = [box.letter(place) for place in range(len(box.taken))]
        assert all("redemandons" in one or "ask you again" in one for one in again)
        assert not house.may(f"email:{here.permitted[0]}", PURPOSE, channel="email").permitted
        house.close()


def test_nobody_is_told_while_an_old_yes_would_let_them_in(here: Shop) -> None:
    """A purpose that has grown without `asked_by` is refused, and so is a notice that changes nothing material."""
    version = renew(here.house)
    with pytest.raises(BadInput, match="nothing changes"):
        announce.announce(here.house, version)
    here.clock.forward(1)
    grown = renew(here.house, GROWN)
    announce.announce(here.house, grown)
    here.clock.forward(1)
    edit(here.house, ("    channels: [email, sms]                 #", "    channels: [email, sms, phone]   #"))
    compiled = here.house.policy()
    made = [draft(compiled, lang, here.clock()) for lang in ("fr", "en")]
    notices.add_to_policy(here.house, compiled, made)
    edit(here.house, ("asked_by: [notice-6-fr, notice-6-en]", "asked_by: [notice-5-fr, notice-5-en]"))
    publish(here.house, "owner")
    last = notices.current(here.house, "fr")
    assert last is not None
    with pytest.raises(BadInput, match="asked_by"):
        announce.announce(here.house, last)


def test_people_are_told_and_decided_alike_on_each_database(records: Any, tmp_path: Path) -> None:
    """Blocks cover everybody once; a yes of before the purpose grew is no yes, for one person and for all of them."""
    found = shop(tmp_path / "house", tmp_path / "files", people=40, database=records())
    house = found.house
    version = renew(house, GROWN)
    with house.reading() as conn:
        whole = asked.batches(conn, 7)
        people = [subject for block in whole for subject in asked.people_between(conn, *block).values()]
        every = asked.people_between(conn, 0, 1 << 40).values()
    assert len(whole) > 3
    assert sorted(people) == sorted(every)
    announce.announce(house, version)
    with house.reading() as conn:
        batches = [job for job in jobs.listed(conn) if job.kind == announce.ANNOUNCE]
    for batch in batches:
        announce.tell_batch(house, batch, house.clock())
    with house.reading() as conn:
        letters = {job.about for job in jobs.listed(conn) if job.kind == "send_mail"}
    assert len(letters) >= len(found.permitted)
    funnel = house.declare(PURPOSE, channel="email").funnel
    alone = [house.may(subject, PURPOSE, channel="email").reason.code for subject in every]
    assert funnel.permitted == alone.count("permitted") == 0
    assert funnel.counts["expired"] >= len(found.permitted)
    assert house.check() == []
    house.close()

"""The staff without a browser: links that open once, taken back, taken over; members removed; sign-ins set anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pacte.app import letters, offers, passkeys, relink
from pacte.app import staff as people
from pacte.app.links import Forged
from pacte.app.staff import Member
from pacte.kernel import db, jobs
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.redacted import Redacted
from pacte.ledger import log
from pacte.testing.world import World, world
from pacte.web import session
from tests.web.staff import member, owner


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> Iterator[World]:
    """A house, on either database."""
    found = world(tmp_path / "house", database=records())
    yield found
    found.house.close()


@pytest.fixture
def first(home: World) -> Member:
    """The owner of the house."""
    return owner(home.house)


def _over(home: World, token: str) -> str:
    """Why an invitation opens nothing any more."""
    with pytest.raises(offers.Over) as ended:
        people.invited(home.house, token)
    with pytest.raises(offers.Over):
        people.join(home.house, token, "mallory", "Mallory", "x")
    return ended.value.why


def _acts(home: World) -> list[str]:
    with home.house.reading() as conn:
        return [str(entry["act"]) for _, entry in log.of_kind(conn, "staff")]


def _signed_in(home: World, who: str) -> list[session.Session]:
    with home.house.reading() as conn:
        return session.listed(conn, who)


def test_what_is_open_is_listed_and_can_be_taken_back(home: World, first: Member) -> None:
    """Who invited whom as what, until when; each stands in the ledger; what was taken back lets nobody in."""
    taken, used, late = (people.invite(home.house, role, first) for role in ("dpo", "agent", "analyst"))
    there = relink.every_open(home.house)
    assert [(one.act, one.role, one.by) for one in there] == [
        ("invited", role, first.actor) for role in ("analyst", "agent", "dpo")
    ]
    assert all(one.until == home.clock() + people.INVITED_LASTS for one in there)
    relink.revoke(home.house, there[2].entry, first.actor)
    joined = people.join(home.house, used, "agathe", "Agathe", "x")
    assert joined.id == there[1].member
    assert [one.role for one in relink.every_open(home.house)] == ["analyst"]
    assert [_over(home, token) for token in (taken, used)] == ["revoked", "used"]
    home.clock.forward(8)
    assert relink.every_open(home.house) == []
    assert _over(home, late) == "expired"
    with pytest.raises(NotFound):
        relink.revoke(home.house, there[2].entry, first.actor)
    assert _acts(home) == ["joined", "invited", "invited", "invited", "revoked", "joined"]
    assert home.house.check() == []


def test_who_is_removed_is_out_in_one_commit(home: World, first: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their sign-ins, their passkeys and the links that they made are gone with the entry that says so, or none is."""
    house = home.house
    second = people.join(house, people.invite(house, "owner", first), "second", "Second", "x")
    token = people.invite(house, "dpo", second)
    passkeys.add(house, "staff", second.id, passkeys.New(b"key", b"public", 0), "Ring")
    with db.write(house.engine) as conn:
        session.drawn(conn, "staff", second.id, "full", home.clock())
    before = _acts(home)
    with monkeypatch.context() as broken:
        broken.setattr(passkeys, "forget", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            people.remove(house, second.id, first)
    assert (people.member_of(house, second.id).state, _acts(home)) == ("active", before)
    assert _signed_in(home, second.id)
    people.remove(house, second.id, first)
    assert (_signed_in(home, second.id), passkeys.of(house, "staff", second.id)) == ([], [])
    assert _acts(home)[len(before) :] == ["left", "revoked"]
    assert _over(home, token) == "revoked"
    assert house.check() == []


def test_a_lost_second_factor_is_set_anew_by_a_link_that_opens_once(home: World, first: Member) -> None:
    """Before it is used everything opens as before, afterwards nothing does; a letter says so."""
    house = home.house
    found = people.join(house, people.invite(house, "dpo", first), "dominique@shop.example", "Dominique", "hash")
    people.set_second(house, found, "second")
    found = people.member_of(house, found.id)
    passkeys.add(house, "staff", found.id, passkeys.New(b"key", b"public", 0), "Ring")
    with db.write(house.engine) as conn:
        session.drawn(conn, "staff", found.id, "full", home.clock())
    token = relink.relink(house, found.id, first.actor)
    assert (people.member_of(house, found.id), len(_signed_in(home, found.id))) == (found, 1)
    people.attempted(house, found, right=False)
    now = relink.renew(house, token, "another hash", "fr")
    assert (now.password, now.second, now.wrong, now.login) == ("another hash", "", 0, found.login)
    assert (_signed_in(home, found.id), passkeys.of(house, "staff", found.id)) == ([], [])
    with pytest.raises(offers.Over) as ended:
        relink.renew(house, token, "third hash", "fr")
    assert ended.value.why == "used"
    assert _acts(home)[-2:] == ["relinked", "renewed"]
    with house.reading() as conn:
        (letter,) = [job for job in jobs.listed(conn) if job.kind == "send_mail"]
        assert found.login not in str(db.fetch(conn, "SELECT * FROM job")) + str(log.of_kind(conn, "staff"))
    assert (letter.about, str(letter.target).split(":")[0]) == (found.id, letters.STAFF_SIGN_IN)
    assert house.check() == []


def test_links_are_of_one_sort_and_the_newest_counts(home: World, first: Member) -> None:
    """An invitation sets nobody's sign-in anew, nor the other way round; a second link ends the first."""
    house, found = home.house, member(home.house, "agent")
    invitation, older = people.invite(house, "dpo", first), relink.relink(house, found.id, first.actor)
    newer = relink.relink(house, found.id, "cli")
    with pytest.raises(Forged):
        relink.relinked(house, invitation)
    with pytest.raises(Forged):
        people.invited(house, newer)
    with pytest.raises(offers.Over, match="expired"):
        relink.relinked(house, older)
    assert relink.relinked(house, newer) == found
    home.clock.forward(1.01)
    with pytest.raises(offers.Over, match="expired"):
        relink.relinked(house, newer)


def test_who_may_hand_out_links(home: World, first: Member) -> None:
    """Owners, for everybody; each member, for themselves; for one who left nobody; a right that ends ends its links."""
    house, agent = home.house, member(home.house, "agent")
    dpo = member(house, "dpo")
    for refused in (lambda: relink.relink(house, agent.id, dpo.actor), lambda: people.invite(house, "agent", dpo)):
        with pytest.raises(BadInput, match="only owners"):
            refused()
    own = relink.relink(house, dpo.id, dpo.actor)
    assert relink.relinked(house, own).id == dpo.id
    second = people.join(house, people.invite(house, "owner", first), "second", "Second", "x")
    token = relink.relink(house, agent.id, second.actor)
    people.change_role(house, second.id, "agent", first)
    with pytest.raises(offers.Over):
        relink.renew(house, token, "hash", "en")
    with pytest.raises(BadInput, match="only owners"):
        relink.revoke(house, 0, second.actor)
    people.remove(house, agent.id, first)
    with pytest.raises(Conflict):
        relink.relink(house, agent.id, first.actor)


def test_the_first_owners_link_ends_with_the_first_owner(home: World) -> None:
    """Two were printed: the second one lets nobody in any more, and is known for what it is."""
    tokens = [people.first_owner(home.house) or "" for _ in range(2)]
    assert people.join(home.house, tokens[0], "olga", "Olga", "x").role == "owner"
    assert _over(home, tokens[1]) == "used"
    assert people.first_owner(home.house) is None


def test_a_letter_reaches_whose_login_is_an_address(home: World, first: Member) -> None:
    """Nobody else is written to: a word is no address, and who left reads nothing of the house."""
    house = home.house
    reached = people.join(house, people.invite(house, "dpo", first), "dominique@shop.example", "Dominique", "x")
    for lang in ("en", "fr"):
        for what in ("passkey_added", "passkey_removed", "renewed"):
            letter = _letter(home, reached, lang, what)
            assert letter is not None
            assert letter.to == Redacted("dominique@shop.example")
            assert "Dominique" not in letter.plain(lang)
    assert _letter(home, first, "en", "renewed") is None
    people.remove(house, reached.id, first)
    assert _letter(home, reached, "en", "renewed") is None


def test_one_invitation_lets_one_in(home: World, first: Member) -> None:
    """Eight at once, by the same link: one joins, the others read that it was used."""
    token = people.invite(home.house, "agent", first)

    def join(number: int) -> str:
        try:
            return people.join(home.house, token, f"agent-{number}", "Agathe", "x").state
        except offers.Over as ended:
            return ended.why

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(join, range(8))) == ["active"] + ["used"] * 7
    assert len(people.members(home.house)) == 2
    assert home.house.check() == []


def _letter(home: World, to: Member, lang: str, what: str) -> letters.Letter | None:
    return letters.compose(home.house, letters.STAFF_SIGN_IN, SubjectId(to.id), lang, f"{what}.17")

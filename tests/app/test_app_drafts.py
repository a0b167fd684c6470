"""The policy that is being written: its texts change where they stand, nobody's words are lost, nothing is in force."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pacte.app import drafts, staff
from pacte.app.choose import published
from pacte.app.drafts import Saved, Words, draft, known_as, review, save, write_notice
from pacte.app.house import POLICY, House
from pacte.app.publish import publish
from pacte.kernel.errors import Conflict, Denied
from pacte.ledger import log
from pacte.policy.tree import Path as Place
from pacte.testing.world import World, world

REASON: Place = ("purposes", "newsletter", "reason")
TITLE: Place = ("purposes", "newsletter", "title")


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A small house under the shop's policy."""
    made: World = world(tmp_path / "house")
    return made.house


def _now(found: drafts.Draft) -> Words:
    return {(text.path, lang): words for text in found.texts for lang, words in text.words.items()}


def say(house: House, said: Words, shown: Words | None = None) -> Saved:
    """Save these texts, as a page that showed `shown` would, or the draft as it stands."""
    seen = shown or _now(draft(house))
    return save(house, said, {place: known_as(seen.get(place, "")) for place in said})


def words(house: House, path: Place, lang: str) -> str:
    """What the draft says."""
    return next(text.words[lang] for text in draft(house).texts if text.path == path)


def edit(house: House, old: str, new: str) -> None:
    """Change the file as an editor would."""
    file = house.path / POLICY
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def test_words_go_into_the_draft_and_bind_nobody(house: House) -> None:
    """The file says them, with its comments; the policy in force is the one that was published."""
    before = (house.path / POLICY).read_text("utf-8")
    assert say(house, {(REASON, "en"): "  To send you our news.\r\n"}) == Saved(1)
    after = (house.path / POLICY).read_text("utf-8")
    assert after == before.replace(
        "To send you our news, recipes and offers, chosen from what you buy.", "To send you our news."
    )
    with house.reading() as conn:
        reason = published(conn, house.present(conn)).document.purposes["newsletter"].reason
    assert "recipes" in reason["en"]
    assert draft(house).changed == [(REASON, "en")]
    assert house.check() == []


def test_two_people_who_write_at_once_lose_nothing(house: House) -> None:
    """Different texts of one page both count; of the same text the second is told, and nothing of theirs is written."""
    shown = {(REASON, lang): words(house, REASON, lang) for lang in ("fr", "en")}
    assert say(house, {(REASON, "fr"): "Vous écrire.", (REASON, "en"): shown[REASON, "en"]}, shown).changed == 1
    assert say(house, {(REASON, "fr"): shown[REASON, "fr"], (REASON, "en"): "To write."}, shown).changed == 1
    assert (words(house, REASON, "fr"), words(house, REASON, "en")) == ("Vous écrire.", "To write.")

    told = say(house, {(REASON, "fr"): "Autre chose.", (REASON, "en"): "Something."}, shown)
    assert set(told.overtaken) == {(REASON, "fr"), (REASON, "en")}
    assert (words(house, REASON, "fr"), words(house, REASON, "en")) == ("Vous écrire.", "To write.")
    assert say(house, {(REASON, "fr"): "Autre chose."}).changed == 1  # having seen what stands now


def test_those_who_save_at_the_same_moment_take_turns(house: House) -> None:
    """Each reads, changes and writes the whole file; none overwrites what another wrote meanwhile."""
    now = _now(draft(house))
    said = {place: f"{place[1]} {number}" for number, place in enumerate(list(now)[:12])}
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda one: save(house, {one[0]: one[1]}, {one[0]: known_as(now[one[0]])}), said.items()))
    assert done == [Saved(1)] * len(said)
    assert {place: words for place, words in _now(draft(house)).items() if place in said} == said


def test_a_missing_text_blocks_and_is_written_here(house: House) -> None:
    """A language that a text lacks is named, keeps the draft from being published, and is added where it belongs."""
    edit(house, "title: {fr: Lettre du Comptoir, en: Our newsletter}", "title: {fr: Lettre du Comptoir}   # soon")
    found = draft(house)
    assert found.missing == [(TITLE, "en")]
    assert (found.compiled, found.version, found.problems) == (None, "", ())
    with pytest.raises(Conflict):
        review(house, found)
    assert say(house, {(TITLE, "en"): "Our letter"}).changed == 1
    assert "    title: {fr: Lettre du Comptoir, en: Our letter}   # soon\n" in (house.path / POLICY).read_text("utf-8")
    assert draft(house).compiled is not None


def test_other_mistakes_are_told_with_their_line(house: House) -> None:
    """A draft with a mistake shows its texts all the same, and says what is wrong; what is no YAML shows none."""
    edit(house, "    basis: consent  ", "    basis: consnet  ")
    found = draft(house)
    assert found.texts
    assert any("policy.yaml:" in problem and "basis" in problem for problem in found.problems)
    (house.path / POLICY).write_text("purposes: [", "utf-8")
    assert (draft(house).texts, len(draft(house).problems)) == ((), 1)


@pytest.mark.parametrize(
    ("place", "typed", "why"),
    [
        ((REASON, "en"), "   ", "empty"),
        ((REASON, "en"), "x" * 5_001, "long"),
        ((REASON, "en"), "a\x00b", "letters"),
        ((REASON, "en"), "a\ud800b", "letters"),
        ((REASON, "de"), "Neuigkeiten", "gone"),
        ((("purposes", "nothing", "title"), "en"), "Nothing", "gone"),
        ((("purposes", "newsletter", "basis"), "en"), "contract", "gone"),
        ((("controller", "name"), "en"), "Somebody Else", "gone"),
    ],
)
def test_what_cannot_be_a_text_is_refused(house: House, place: tuple[Place, str], typed: str, why: str) -> None:
    """Nothing but texts is written, and no text that nobody could read."""
    before = (house.path / POLICY).read_bytes()
    assert save(house, {place: typed}, {}).wrong == {place: why}
    assert (house.path / POLICY).read_bytes() == before


def test_any_words_are_words(house: House) -> None:
    """What looks like YAML, or like a page, is a text like any other."""
    typed = (
        "no",
        "{a: b}",
        "- one\n- two",
        "key: value # note",
        "<script>\"'</script>",
        "«\u202fÉté\u202f» & œuf",
        "~",
        "|",
    )
    places = [(text.path, lang) for text in draft(house).texts for lang in text.words]
    said = dict(zip(places, typed, strict=False))
    assert say(house, said).changed == len(typed)
    found = draft(house)
    assert {place: words for place, words in said.items() if words != _now(found)[place]} == {}
    assert (found.compiled is not None, found.problems) == (True, ())


def test_words_of_a_group_are_changed_where_they_stand(house: House) -> None:
    """A subsidiary's draft shows the texts of the policy that it extends, and leaves them to the group."""
    file = house.path / POLICY
    file.rename(house.path / "group.yaml")
    file.write_text("pacte: 1\nextends: group.yaml\npurposes:\n  newsletter:\n    expires_after: 1 year\n", "utf-8")
    group = (house.path / "group.yaml").read_bytes()
    found = next(text for text in draft(house).texts if text.path == REASON)
    assert (found.file, draft(house).problems) == ("group.yaml", ())
    assert say(house, {(REASON, "en"): "Ours."}).wrong == {(REASON, "en"): "elsewhere"}
    assert (house.path / "group.yaml").read_bytes() == group


def test_a_house_without_a_file_begins_with_the_policy_in_force(house: House) -> None:
    """The draft is what was published until somebody writes; then it is a file again, comments and all."""
    source = (house.path / POLICY).read_text("utf-8")
    (house.path / POLICY).unlink()
    found = draft(house)
    assert (found.changed, found.version) == ([], found.in_force)
    assert not (house.path / POLICY).exists()
    assert say(house, {(TITLE, "en"): "Our letter"}).changed == 1
    assert (house.path / POLICY).read_text("utf-8") == source.replace("en: Our newsletter}", "en: Our letter}")
    assert (house.path / POLICY).stat().st_mode & 0o077 == 0


def test_a_file_keeps_its_mark_and_its_line_ends(house: House) -> None:
    """What a program of another system wrote at the head and at each line's end is there afterwards."""
    file = house.path / POLICY
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert say(house, {(REASON, "en"): "word " * 60 + "end"}).changed == 1
    content = file.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == content.count(b"\r\n")


def test_a_link_to_a_file_elsewhere_stays_one(house: House, tmp_path: Path) -> None:
    """A file kept in a folder of the company's own is changed there."""
    kept = tmp_path / "kept.yaml"
    (house.path / POLICY).rename(kept)
    (house.path / POLICY).symlink_to(kept)
    assert say(house, {(TITLE, "en"): "Our letter"}).changed == 1
    assert (house.path / POLICY).is_symlink()
    assert "en: Our letter}" in kept.read_text("utf-8")


def test_the_review_tells_words_from_more_than_words(house: House) -> None:
    """What was changed in a text is told apart from what was changed beside it, with what each asks for."""
    say(house, {(REASON, "en"): "To send you other news.", (("forms", "letter", "title"), "fr"): "Notre lettre"})
    edit(house, "channels: [email, sms]  ", "channels: [email, sms, phone]  ")
    found = review(house, draft(house))
    assert [one.what for one in found.words] == ["purposes.newsletter.reason"]
    assert "purposes.newsletter.channels" in [one.what for one in found.more]
    assert (found.again, found.letters, found.untold) == (("newsletter",), True, True)
    assert write_notice(house) == ("newsletter",)
    after = review(house, draft(house))
    assert (after.untold, after.risks, after.by_hand) == (False, (), ())
    say(house, {(REASON, "en"): "To send you some news."})
    assert len(review(house, draft(house)).by_hand) == 1  # the English one was written before this change
    say(house, {(REASON, "en"): "To send you other news."})
    assert draft(house).changed == [(REASON, "en"), (("forms", "letter", "title"), "fr")]


def test_the_name_of_a_level_is_a_word(house: House) -> None:
    """Levels of personalisation are compared as a whole; where only a name is another it is no more than words."""
    level: Place = ("personalisation", 0, "title")
    assert say(house, {(level, "en"): "What I buy now"}).changed == 1
    found = review(house, draft(house))
    assert ([one.what for one in found.words], found.more) == (["personalisation"], ())
    assert draft(house).changed == [(level, "en")]


def test_a_draft_is_published_as_it_was_looked_at(house: House) -> None:
    """One that was changed since is not: whoever publishes knows what they publish."""
    say(house, {(TITLE, "en"): "Our letter"})
    seen = draft(house)
    say(house, {(TITLE, "en"): "Another letter"})
    with pytest.raises(Conflict):
        publish(house, "owner", reviewed=seen.version)
    assert draft(house).in_force == seen.in_force
    assert publish(house, "owner", reviewed=draft(house).version).changed


def test_only_the_role_of_now_publishes(house: House) -> None:
    """A member whose role was taken away since the page was shown puts nothing in force."""
    owner = staff.join(house, staff.first_owner(house) or "", "olga", "Olga", "hash")
    other = staff.join(house, staff.invite(house, "owner", owner), "otto", "Otto", "hash")
    say(house, {(TITLE, "en"): "Our letter"})
    done = publish(house, owner.actor, reviewed=draft(house).version)
    with house.reading() as conn:
        assert (log.entry(conn, done.index) or {})["by"] == owner.actor
    staff.change_role(house, owner.id, "dpo", other)
    say(house, {(TITLE, "en"): "Our daily letter"})
    with pytest.raises(Denied):
        publish(house, owner.actor)
    assert draft(house).changed == [(TITLE, "en")]


def test_a_policy_that_was_to_come_is_told(house: House) -> None:
    """Publishing now calls back what was recorded for a later day; the review says so first."""
    from pacte.kernel.instant import DAY, Instant

    say(house, {(TITLE, "en"): "Our letter"})
    publish(house, "owner", effective=Instant(house.clock() + 30 * DAY))
    assert len(review(house, drafts.draft(house)).called_back) == 1


def test_a_file_that_cannot_be_written_is_said(house: House) -> None:
    """Where the file stands in a folder that this server may not write, nothing is saved and that is the reason."""
    lock = house.path / f".{POLICY}.lock"
    lock.mkdir()  # as impossible to open as a file of somebody else's, for an administrator too
    assert say(house, {(REASON, "en"): "To write."}).wrong == {(REASON, "en"): "closed"}
    lock.rmdir()
    assert say(house, {(REASON, "en"): "To write."}).changed == 1

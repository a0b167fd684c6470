"""Messages of a house: saved in versions, each recorded; checked beside the policy; tested on the staff alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pacte.app import messages, specimen, staff
from pacte.app.house import POLICY, House, create, open_house
from pacte.app.publish import publish
from pacte.app.settings import FILE
from pacte.app.templates import write_template
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound, PolicyError, Unsafe
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.testing.shop import TODAY
from pacte.testing.world import TestClock
from pacte.uses.message.model import Block, Message, Text, read
from tests.app.mail import mail_server
from tests.uses.test_uses_message_checks import GOOD, SERVICE

PROMOTION = read(GOOD.encode())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with a shop's policy in force, and nobody in it."""
    home = tmp_path / "house"
    with create(home, lang="fr", clock=TestClock(TODAY)) as found:
        write_template(home)
        publish(found, "owner")
        yield found
        assert found.check() == []


@pytest.fixture
def on_either(records: Callable[[], str], tmp_path: Path) -> Iterator[House]:
    """The same on SQLite and on PostgreSQL."""
    home = tmp_path / "house"
    with create(home, lang="fr", clock=TestClock(TODAY), database=records()) as found:
        write_template(home)
        publish(found, "owner")
        yield found


def reworded(message: Message, words: str) -> Message:
    """The same message with another first paragraph."""
    texts = {
        lang: replace(text, blocks=(Block("heading", words), *text.blocks[1:])) for lang, text in message.texts.items()
    }
    return replace(message, texts=texts)


def recorded(house: House) -> list[tuple[str, int, str]]:
    """What the ledger says of messages: the act, the version, the digest."""
    with house.reading() as conn:
        return [(str(one["act"]), int(one["revision"]), str(one["message"])) for _, one in log.of_kind(conn, "message")]


def test_each_version_is_kept_and_recorded(on_either: House) -> None:
    """What was saved can be had by its digest for ever; saving the same again saves nothing."""
    house = on_either
    first = messages.save(house, PROMOTION, by="owner")
    assert messages.save(house, PROMOTION, by="owner") == first
    other = reworded(PROMOTION, "Other tables")
    second = messages.save(house, other, by="owner")
    third = messages.save(house, PROMOTION, by="owner")
    assert [one.version for one in messages.versions(house, "winter")] == [3, 2, 1]
    assert messages.listed(house) == [third]
    assert messages.by_digest(house, second.digest) == other
    assert messages.by_digest(house, first.digest) == PROMOTION
    assert recorded(house) == [("saved", 1, first.digest), ("saved", 2, second.digest), ("saved", 3, first.digest)]


def test_what_the_policy_stops_is_not_saved(house: House) -> None:
    """All that stops it is said at once, with its article, and nothing is recorded."""
    bad = read(SERVICE.replace("It arrives on Tuesday.", "20% off your next order").encode())
    with pytest.raises(PolicyError) as refused:
        messages.save(house, replace(bad, purpose="newsletter"), by="owner")
    assert len(refused.value.problems) == 2
    assert "L34-5" in str(refused.value)
    assert recorded(house) == []
    assert messages.listed(house) == []


def test_two_people_do_not_write_over_one_another(house: House) -> None:
    """Who saves over another version than the latest is told."""
    messages.save(house, PROMOTION, by="owner", seen=0)
    with pytest.raises(Conflict):
        messages.save(house, reworded(PROMOTION, "Mine"), by="owner", seen=0)
    assert messages.save(house, reworded(PROMOTION, "Mine"), by="owner", seen=1).version == 2


def test_a_removed_message_is_sent_no_more(house: House) -> None:
    """It is still what it was, for whoever asks what was sent; saved again, it goes on."""
    saved = messages.save(house, PROMOTION, by="owner")
    assert messages.sendable(house, saved.digest) == PROMOTION
    messages.remove(house, "winter", by="owner")
    assert messages.listed(house) == []
    assert messages.by_digest(house, saved.digest) == PROMOTION
    with pytest.raises(NotFound, match="removed"):
        messages.sendable(house, saved.digest)
    with pytest.raises(NotFound):
        messages.remove(house, "winter", by="owner")
    assert messages.save(house, PROMOTION, by="owner").version == 2
    assert messages.sendable(house, saved.digest) == PROMOTION
    assert [act for act, _, _ in recorded(house)] == ["saved", "removed", "saved"]


def test_a_message_is_checked_again_beside_the_policy_of_the_day(house: House) -> None:
    """A field that the purpose may no longer use is no longer printed."""
    saved = messages.save(house, PROMOTION, by="owner")
    path = house.path / POLICY
    text = path.read_text(encoding="utf-8")
    start = text.index("  newsletter:\n    title")
    path.write_text(text[:start] + text[start:].replace("      - customers.first_name\n", "", 1), encoding="utf-8")
    publish(house, "owner")
    with pytest.raises(PolicyError, match="first_name"):
        messages.sendable(house, saved.digest)


def test_no_message_leads_to_an_address_in_the_clear(house: House) -> None:
    """It is said before a campaign begins, and not of each person in turn."""
    saved = messages.save(house, PROMOTION, by="owner")
    with (house.path / FILE).open("a", encoding="utf-8") as file:
        file.write('\n[web]\nurl = "http://privacy.comptoir.example"\n')
    with open_house(house.path, clock=house.clock) as home, pytest.raises(BadInput, match="not https"):
        messages.sendable(home, saved.digest)


def test_a_message_changed_behind_the_houses_back_is_refused(house: House) -> None:
    """What is sent is what was recorded, or nothing."""
    saved = messages.save(house, PROMOTION, by="owner")
    with db.write(house.engine) as conn:
        db.run(conn, "UPDATE message SET body = replace(body, 'Winter', 'Summer')")
    with pytest.raises(Unsafe):
        messages.by_digest(house, saved.digest)


def test_only_who_may_writes_messages(house: House) -> None:
    """An analyst's role does not allow it, whatever page they were shown."""
    owner = staff.join(house, staff.first_owner(house) or "", "owner", "Camille Test", "hash")
    analyst = staff.join(house, staff.invite(house, "analyst", owner), "analyst", "Alex Test", "hash")
    with pytest.raises(Denied):
        messages.save(house, PROMOTION, by=analyst.actor)
    with pytest.raises(Denied):
        messages.remove(house, "winter", by=analyst.actor)
    assert messages.save(house, PROMOTION, by=owner.actor).by == owner.actor


@pytest.mark.parametrize("known", [True, False])
def test_a_preview_opens_nobody(house: House, known: bool) -> None:
    """Its values are invented, or there are none; nothing is recorded of it."""
    with house.reading() as conn:
        before = log.head(conn).size
    found = specimen.look(house, PROMOTION, "fr", known=known)
    assert ("Camille" in found.subject) is known
    assert "{" not in re.sub(r"<style>.*?</style>", "", found.html)
    with house.reading() as conn:
        assert log.head(conn).size == before


def test_every_field_has_an_invented_value(house: House) -> None:
    """A message that prints what a shop knows of somebody shows something in each place, but what would be a link."""
    from pacte.app.policies import document

    datasets = document(house).datasets.items()
    fields = {f"{name}.{column}": field.identity for name, one in datasets for column, field in one.fields.items()}
    links = [name for name, identity in fields.items() if identity in ("email", "phone")]
    for names, gone in (([*fields.keys() - links], 0), (links, len(links))):
        words = " ".join(f"{{{name}|GONE}}" for name in names)
        message = Message("all", "service", "order_service", "email", {"en": Text("s", "", (Block("text", words),))})
        assert specimen.look(house, message, "en").text.count("GONE") == gone


def key_file(folder: Path) -> Path:
    """A file with a key to sign with."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    form = serialization.PrivateFormat.PKCS8
    file = folder / "dkim.pem"
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return file


def test_a_test_reaches_the_staff_signed_and_marked(house: House, tmp_path: Path) -> None:
    """The member who asks and the seeds get the mail in both languages, signed; nobody's data are used for it."""
    owner = staff.join(house, staff.first_owner(house) or "", "camille@comptoir.example", "Camille Test", "hash")
    with mail_server() as box:
        said = (
            f'\n[mail]\nhost = "127.0.0.1"\nport = {box.port}\ntls = "none"\nfrom = "News <news@comptoir.example>"\n'
            'seeds = ["seed@comptoir.example"]\n[mail.dkim]\ndomain = "comptoir.example"\nselector = "s1"\n'
            f'key = "file:{key_file(tmp_path)}"\n'
        )
        with (house.path / FILE).open("a", encoding="utf-8") as file:
            file.write(said)
        with open_house(house.path, clock=house.clock) as home:
            assert specimen.send(home, PROMOTION, owner, TODAY) == 2
            signer = messages.signer(home)
    assert signer is not None
    subjects = {"[Essai] Camille, nos tables d'hiver", "[Test] Camille, our winter tables"}
    for to in ("camille@comptoir.example", "seed@comptoir.example"):
        assert {str(mail["subject"]) for mail in box.taken if mail["to"] == to} == subjects
    assert len(box.taken) == 4
    for mail in box.taken:
        assert dkim.verify(mail.as_bytes(), dnsfunc=lambda *_, **__: signer.record[1].encode())
        assert mail["list-unsubscribe"] is None  # it unsubscribes nobody


def test_a_test_that_cannot_reach_anybody_says_why(house: House, tmp_path: Path) -> None:
    """No server, another channel, no address: each is said before anything is sent."""
    owner = staff.join(house, staff.first_owner(house) or "", "owner", "Camille Test", "hash")
    with pytest.raises(BadInput, match="no mail server"):
        specimen.send(house, PROMOTION, owner, TODAY)
    with pytest.raises(BadInput, match="by e-mail"):
        specimen.send(house, replace(PROMOTION, channel="sms"), owner, TODAY)
    with (house.path / FILE).open("a", encoding="utf-8") as file:
        file.write('\n[mail]\nfolder = "letters"\nfrom = "news@comptoir.example"\n')
    with open_house(house.path, clock=house.clock) as home:
        with pytest.raises(BadInput, match="reaches nobody"):
            specimen.send(home, PROMOTION, owner, TODAY)
        member = replace(owner, login="camille@comptoir.example")
        assert specimen.send(home, PROMOTION, member, Instant(TODAY + 1)) == 1
        assert len(list((home.path / "letters").glob("*.eml"))) == 2

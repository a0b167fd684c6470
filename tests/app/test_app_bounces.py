"""Reports of mail servers: acted upon where message and address belong together, and nowhere else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacte.app import bounces, contact, doctor, message_ids, recipients, soft_bounces, suppressions, unsubscribe
from pacte.app.bounces import Heard
from pacte.app.house import House
from pacte.app.people import people_of
from pacte.app.worker import work
from pacte.gate.permit import Permit
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.ledger import log
from pacte.testing.shop import Shop
from pacte.uses.message import reports
from tests.web.template import Template, made

CAMPAIGN = "c" * 32
REPORTS = '\n[mail]\nreports = "Maildir"\n'


@dataclass(frozen=True)
class Sent:
    """A message that a campaign sent, and what mail servers may say of it."""

    shop: Shop
    subject: SubjectId
    email: str
    place: int
    name: str

    def dsn(self, status: str = "5.1.1", to: str = "", name: str = "") -> bytes:
        """A report that it did not arrive."""
        lines = f"""From: MAILER-DAEMON@mx.example
To: bounces@shop.example
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {to or self.email}
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 {status} no

--B
Content-Type: text/rfc822-headers

Message-ID: <{name or self.name}@shop.example>
Subject: Offers

--B--
"""
        return lines.replace("\n", "\r\n").encode()

    def arf(self, to: str = "", link: str = "", name: str = "") -> bytes:
        """A report that somebody complained of it."""
        original = f"Original-Rcpt-To: {to}\n" if to else ""
        listed = f"List-Unsubscribe: <{link}>\n" if link else ""
        lines = f"""From: feedback@service.example
To: complaints@shop.example
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Service/1
Version: 1
{original}
--B
Content-Type: message/rfc822

From: news@shop.example
Message-ID: <{name or self.name}@shop.example>
{listed}Subject: Offers

Hello
--B--
"""
        return lines.replace("\n", "\r\n").encode()

    def refused(self) -> str:
        """Why this person is not written to by mail; empty where nothing of what came back is in the way."""
        house = self.shop.house
        with house.reading() as conn:
            now = house.present(conn)
            found = contact.refusals(conn, house, "service", "email", [self.subject], now)
        return found[self.subject].reason if self.subject in found else ""

    def state(self) -> str:
        """What is said of the message."""
        with self.shop.house.reading() as conn:
            sql = "SELECT state FROM campaign_recipient WHERE campaign = ? AND place = ?"
            return str(db.fetch(conn, sql, (CAMPAIGN, self.place))[0][0])


@pytest.fixture(scope="module", params=[os.environ.get("PACTE_TEST_RECORDS", "sqlite")])
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A shop's house, made once; each test works on a copy of it."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return made(tmp_path_factory.mktemp("shop"), server)


@pytest.fixture
def send(template: Template, tmp_path: Path) -> Iterator[Callable[[int], Sent]]:
    """Sends the newsletter to a customer, by their place; the house is in order afterwards."""
    with template.open(tmp_path / "house", REPORTS) as shop:
        yield lambda place: _sent(shop, place)
        assert shop.house.check() == []


@pytest.fixture
def sent(send: Callable[[int], Sent]) -> Sent:
    """A message to one customer."""
    return send(0)


def _sent(shop: Shop, place: int) -> Sent:
    house, email = shop.house, shop.permitted[place]
    permit = house.permit(f"email:{email}", "newsletter", channel="email", fields=("customers.email",), by="worker")
    assert isinstance(permit, Permit)
    with db.write(house.engine) as conn:
        subject = people_of(house, conn, f"email:{email}")[0]
        recipients.enter(conn, CAMPAIGN, [subject], place, house.clock())
        sql = "UPDATE campaign_recipient SET state = 'sent', entry = ? WHERE campaign = ? AND place = ?"
        db.change(conn, sql, (permit.index, CAMPAIGN, place))
    name = message_ids.name(message_ids.key(house), CAMPAIGN, place, subject)
    return Sent(shop, subject, email, place, name)


def _entries(sent: Sent) -> int:
    with sent.shop.house.reading() as conn:
        return log.head(conn).size


def test_a_hard_bounce_ends_writing_to_that_address(sent: Sent) -> None:
    """Not even a service message goes there any more; the message counts as bounced."""
    assert sent.refused() == ""
    assert bounces.hear(sent.shop.house, sent.dsn(), by="cli") == Heard(suppressed=1)
    assert (sent.refused(), sent.state()) == ("suppressed", "bounced")


def test_a_report_counts_once(sent: Sent) -> None:
    """The same file again records nothing; another report of the same message does no harm."""
    house = sent.shop.house
    bounces.hear(house, sent.dsn(), by="cli")
    size = _entries(sent)
    assert bounces.hear(house, sent.dsn(), by="cli") == Heard()
    assert _entries(sent) == size


def test_a_soft_bounce_ends_nothing(sent: Sent) -> None:
    """A full mailbox, a filter: the next message may still go there; what is counted goes with the person."""
    house = sent.shop.house
    for status in ("4.2.2", "5.2.2", "5.7.1"):
        assert bounces.hear(house, sent.dsn(status), by="cli") == Heard(soft=1)
    assert (sent.refused(), sent.state()) == ("", "sent")
    assert _soft(sent) == [sent.subject]
    house.erase(sent.subject, by="person")
    assert _soft(sent) == []


def _soft(sent: Sent) -> list[SubjectId]:
    with sent.shop.house.reading() as conn:
        return soft_bounces.people(conn, "email")


def _days(sent: Sent, status: str, *after: float) -> list[Heard]:
    """What is heard of the same mailbox, so many days after the last time."""
    found = []
    for days in after:
        sent.shop.clock.forward(days)
        report = sent.dsn(status).replace(b"mx.example", f"mx{sent.shop.clock()}.example".encode())
        found.append(bounces.hear(sent.shop.house, report, by="cli"))
    return found


@pytest.mark.parametrize("after", [(0, 2, 2, 2, 1), (0, 1, 1, 1, 1, 3)])
def test_a_mailbox_that_stays_full_is_written_to_no_more(sent: Sent, after: tuple[float, ...]) -> None:
    """Five days on which mail came back, over a week: the address counts as gone, until somebody lifts it."""
    *before, last = _days(sent, "4.2.2", *after)
    assert set(before) == {Heard(soft=1)}
    assert last == Heard(suppressed=1)
    assert (sent.refused(), sent.state(), _soft(sent)) == ("suppressed", "sent", [])
    assert suppressions.lift_of(sent.shop.house, sent.subject, "email", "bounced", by="cli")
    assert _days(sent, "4.2.2", 1) == [Heard(soft=1)]
    assert sent.refused() == ""


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("4.2.2", (0, *[0.1] * 9)),  # a bad day
        ("4.2.2", (0, 1, 1, 1, 1, 1)),  # a bad week-end, or somewhat more
        ("4.2.2", (0, 3, 3, 3, 91, 3, 3, 3)),  # long since
        ("5.7.1", (0, *[3] * 9)),  # the sender's fault
        ("5.2.3", (0, *[3] * 9)),  # the message's
    ],
)
def test_what_says_nothing_of_the_mailbox_ends_nothing(sent: Sent, status: str, after: tuple[float, ...]) -> None:
    """Many reports of few days, of a short time, with a long pause, or of the message or its sender."""
    assert set(_days(sent, status, *after)) == {Heard(soft=1)}
    assert sent.refused() == ""


def test_a_bounce_for_somebody_else_changes_nothing(send: Callable[[int], Sent]) -> None:
    """One's own message with another's address, a guessed message, an address of nobody: counted, and no more."""
    mine, other = send(0), send(1)
    house, size = mine.shop.house, _entries(other)
    for report in (
        mine.dsn(to=other.email),
        other.dsn(name=mine.name),
        other.dsn(name="0" * 32),
        other.dsn(to="nobody@example.net"),
        mine.dsn(to="not an address"),
    ):
        assert not bounces.hear(house, report, by="api:k1").suppressed
    assert (mine.refused(), other.refused()) == ("", "")
    assert (mine.state(), other.state()) == ("sent", "sent")
    assert _entries(mine) == size


def test_a_complaint_is_a_no_and_ends_writing_to_the_address(sent: Sent) -> None:
    """The newsletter is withdrawn as a complaint, once, and the address gets nothing more of that kind."""
    house = sent.shop.house
    found = bounces.hear(house, sent.arf(to=sent.email), by="worker")
    assert found == Heard(suppressed=1, ended=1)
    assert not house.may(sent.subject, "newsletter", channel="email").permitted
    assert bounces.hear(house, sent.arf(to=sent.email), by="worker") == Heard()
    with house.reading() as conn:
        said = [one for _, one in log.of_subject(conn, sent.subject) if one.get("method") == "complaint"]
        about = contact.refusals(conn, house, "promotion", "email", [sent.subject], house.present(conn))
    assert [(one["act"], one["purpose"], one["channel"]) for one in said] == [("withdrawn", "newsletter", "email")]
    assert about[sent.subject].reason == "suppressed"


def test_a_complaint_without_an_address_is_known_by_its_link(sent: Sent) -> None:
    """Services that hide who complained send the message along; its own unsubscribe address says whose it was.

    Whoever was forwarded the message holds that address, too: it says no, and keeps no other mail from the mailbox.
    """
    house = sent.shop.house
    link = unsubscribe.link(house, sent.subject, "newsletter", "email", CAMPAIGN, "fr")
    assert bounces.hear(house, sent.arf(link=link), by="worker") == Heard(ended=1)
    assert not house.may(sent.subject, "newsletter", channel="email").permitted
    with house.reading() as conn:
        about = contact.refusals(conn, house, "promotion", "email", [sent.subject], house.present(conn))
    assert "suppressed" not in {one.reason for one in about.values()}


def test_a_complaint_by_link_that_names_the_address_suppresses_it(send: Callable[[int], Sent]) -> None:
    """The person's own address does; another's, which the link does not lead to, suppresses nothing."""
    sent, other = send(0), send(1)
    house = sent.shop.house
    link = unsubscribe.link(house, sent.subject, "newsletter", "email", CAMPAIGN, "fr")
    assert bounces.hear(house, sent.arf(to=other.email, link=link), by="worker") == Heard(ended=1)
    assert bounces.hear(house, sent.arf(to=sent.email, link=link), by="worker") == Heard(suppressed=1)


def test_a_forged_complaint_changes_nothing(send: Callable[[int], Sent]) -> None:
    """Without the message's own name or link, or with another's address, nobody's no is recorded."""
    mine, other = send(0), send(1)
    house = mine.shop.house
    for report in (
        mine.arf(name="0" * 32),
        mine.arf(to=other.email, name=mine.name),
        mine.arf(to=mine.email, name="0" * 32),
        mine.arf(link="https://shop.example/fr/u/AAAA", name="0" * 32),
    ):
        assert bounces.hear(house, report, by="worker") == Heard(unmatched=1)
    assert house.may(mine.subject, "newsletter", channel="email").permitted
    assert house.may(other.subject, "newsletter", channel="email").permitted


@pytest.mark.parametrize("raw", [b"", b"Subject: hello\r\n\r\nHow are you?", b"\xff" * 10_000, b"\0"])
def test_what_is_no_report_changes_nothing(sent: Sent, raw: bytes) -> None:
    """A letter, noise, nothing at all."""
    assert bounces.hear(sent.shop.house, raw, by="cli") == Heard()


def test_an_erased_person_is_nobody(sent: Sent) -> None:
    """A late report about somebody who is gone finds nobody, and brings nothing of them back."""
    house = sent.shop.house
    late = sent.dsn()
    house.erase(sent.subject, by="person")
    size = _entries(sent)
    assert bounces.hear(house, late, by="cli") == Heard(unmatched=1)
    assert _entries(sent) == size


def test_the_worker_reads_the_folder_of_reports(sent: Sent) -> None:
    """Reports are acted upon and removed with the addresses in them; letters are kept for people to read."""
    folder = sent.shop.house.path / "Maildir"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "new" / "1.bounce").write_bytes(sent.dsn())
    (folder / "new" / "2.letter").write_bytes(b"Subject: a question\r\n\r\nWho are you?")
    (folder / "tmp" / "3.half").write_bytes(b"half")
    work(sent.shop.house, threading.Event(), once=True)
    assert sent.refused() == "suppressed"
    assert [one.name for one in sorted(folder.rglob("*")) if one.is_file()] == ["2.letter:2,", "3.half"]
    (folder / "new" / "4.bounce").write_bytes(sent.dsn("4.2.2"))
    work(sent.shop.house, threading.Event(), once=True)
    assert (folder / "new" / "4.bounce").exists()
    sent.shop.clock.forward(61 / 86_400)
    work(sent.shop.house, threading.Event(), once=True)
    assert not (folder / "new" / "4.bounce").exists()


def _maildir(sent: Sent) -> Path:
    folder = sent.shop.house.path / "Maildir"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def test_a_report_made_to_stop_the_reader_stops_nothing(sent: Sent) -> None:
    """Thousands of brackets where an address should stand; the complaint behind them is heard in the same round."""
    folder, house = _maildir(sent), sent.shop.house
    (folder / "new" / "1700000001.poison").write_bytes(sent.dsn(to="(" * 1_900))
    (folder / "new" / "1700000002.complaint").write_bytes(sent.arf(to=sent.email))
    work(house, threading.Event(), once=True)
    assert not house.may(sent.subject, "newsletter", channel="email").permitted
    assert list((folder / "new").iterdir()) == []


def test_what_cannot_be_read_is_set_aside_and_told(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reading it raises; the doctor tells of it until somebody has removed it."""
    folder, house = _maildir(sent), sent.shop.house
    (folder / "new" / "1700000001.odd:2,").write_bytes(b"odd")
    (folder / "new" / "1700000002.bounce").write_bytes(sent.dsn())
    parsed = reports.parsed

    def broken(raw: bytes) -> reports.Report:
        if raw == b"odd":
            raise RecursionError
        return parsed(raw)

    monkeypatch.setattr(reports, "parsed", broken)
    work(house, threading.Event(), once=True)
    assert [one.name for one in sorted(folder.rglob("*")) if one.is_file()] == ["1700000001.odd.unread:2,F"]
    assert sent.refused() == "suppressed"
    assert _unread(house) == ["1"]
    with pytest.raises(BadInput, match="cannot be read"):
        bounces.hear(house, b"odd", by="api:k1")
    (folder / "cur" / "1700000001.odd.unread:2,F").unlink()
    assert _unread(house) == []


def _unread(house: House) -> list[str]:
    return [one.detail for one in doctor.examine(house) if one.code == "reports_unread"]


def test_what_the_house_cannot_act_upon_now_hides_nothing(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that fail go behind the others and are tried again; no more than a few are tried in one round."""
    folder, house = _maildir(sent), sent.shop.house
    for number in range(5):
        (folder / "new" / f"170000000{number}.complaint").write_bytes(sent.arf(name="0" * 32) + b"x" * number)
    (folder / "new" / "1700000009.bounce").write_bytes(sent.dsn())
    heard = bounces._complained

    def away(*_: object) -> Heard:
        raise Unsafe("the keys are away")

    monkeypatch.setattr(bounces, "_complained", away)
    for _ in range(2):
        later = bounces.read_folder(house, house.clock())
        assert (later.at, later.code) == (house.clock() + bounces.PAUSE, "unsafe")
    assert sent.refused() == "suppressed"
    again = {one.name.partition(".again.")[2] for one in (folder / "new").iterdir()}
    assert again == {f"170000000{number}.complaint" for number in range(5)}
    monkeypatch.setattr(bounces, "_complained", heard)
    assert bounces.read_folder(house, house.clock()).code == ""
    assert list((folder / "new").iterdir()) == []

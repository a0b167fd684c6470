"""Campaigns into a local mail server, beside a bare loop over `smtplib` that sends the same bytes; and a race.

The server is aiosmtpd in a process of its own, and takes everything. The bare loop has its messages ready and signed:
it decides nothing, records nothing, opens nothing. The race: people unsubscribe over HTTP, one after the other, while
eight workers, each a process, write to all of them; each message that the server took for somebody after the commit of
their no counts. A worker reads its own memory at its end.
"""

from __future__ import annotations

import csv
import http.client
import random
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.figure import Figure, Scale, at_least, at_most
from pacte.app import campaigns, messages, recipients, unsubscribe
from pacte.app.campaigns import Campaign
from pacte.app.house import House, open_house
from pacte.app.people import people_of
from pacte.app.settings import FILE
from pacte.kernel.ids import SubjectId
from pacte.kernel.redacted import Redacted
from pacte.testing.shop import TODAY, shop
from pacte.testing.world import TestClock
from pacte.uses.message.mime import Envelope, build
from pacte.uses.message.model import read
from pacte.uses.message.render import Frame, render
from pacte.web.server import serving

PEOPLE = {"small": 8_000, "full": 260_000}
"""Customers; four in ten of them read the newsletter."""
RACE = 10_000
"""Noes of the race at most."""
WORKERS, RACERS = 2, 8
"""Processes that send: as many as there are processors here, and in the race."""
FEW = 1_000
"""People of the campaign that memory is compared with."""
FLAT = 1.1
"""How much more memory a worker may have in a campaign to all of them, as a ratio."""
SLOWEST = 50
"""Milliseconds in which 99 of 100 are to be unsubscribed."""
MESSAGE = """
message: spring
kind: promotion
purpose: newsletter
channel: email
texts:
  en:
    subject: Spring is here
    preheader: New colours in the shop
    blocks:
      - heading: Spring is here
      - text: Good day {customers.first_name|to you}, the new colours are in the shop.
      - button: Look at them
        link: https://shop.example/spring
  fr:
    subject: Le printemps est là
    preheader: Les nouvelles couleurs sont en boutique
    blocks:
      - heading: Le printemps est là
      - text: Bonjour {customers.first_name|à vous}, les nouvelles couleurs sont en boutique.
      - button: Les voir
        link: https://shop.example/printemps
"""
SINK = """
import sys, time
from aiosmtpd.controller import Controller

class Sink:
    async def handle_DATA(self, server, _, envelope):
        taken.write(f"{time.monotonic_ns()} {envelope.rcpt_tos[0]}\\n")
        return "250 taken"

class Server(Controller):
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

with open(sys.argv[1], "w", buffering=1) as taken:
    server = Server(Sink(), hostname="127.0.0.1", port=0)
    server.start()
    print(server.port, flush=True)
    sys.stdin.read()
"""
WORKER = """
import sys, threading, time
from pathlib import Path
from pacte.app.house import open_house
from pacte.app.sending import sender
from pacte.kernel.instant import Instant
from pacte.testing.world import TestClock

house = open_house(Path(sys.argv[1]), clock=TestClock(Instant(int(sys.argv[2]))))
worker = sender(house)
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
sent = worker.run(threading.Event(), once=True).sent
took = time.monotonic() - began
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(sent, took, status["VmHWM"].split()[0], flush=True)
house.close()
"""


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Messages per second, memory, and the race with how long a no takes in it."""
    size = "small" if scale.rows < 1_000_000 else "full"
    with tempfile.TemporaryDirectory(prefix="pacte-bench-") as folder:
        place = Path(folder)
        made = shop(place / "house", place / "files", people=PEOPLE[size])
        made.house.close()
        with _sink(place / "taken") as port:
            _with_mail(place, port)
            yield from _speed(place, port, made.permitted, scale.repeats)
            yield "messages_memory", _memory(place, made.permitted)
            yield from _race(place)


def _speed(place: Path, port: int, emails: Sequence[str], repeats: int) -> Iterator[tuple[str, Figure]]:
    rates, beside = [], []
    for turn in range(max(3, repeats)):
        home = place / f"copy-{turn}"
        shutil.copytree(place / "house", home)
        with _opened(home) as house:
            campaign = _begun(house)
            same = _messages(house, campaign, emails)
        ended = _all_sent([_worker(home) for _ in range(WORKERS)])
        rates.append(sum(sent for sent, _, _ in ended) / max(seconds for _, seconds, _ in ended))
        beside.append(_bare(port, same))
        shutil.rmtree(home)
    ratios = sorted(ours / bare for ours, bare in zip(rates, beside, strict=True))
    yield "messages_sent", at_least(median(rates), "messages/s", median(beside), 0.7, (ratios[0], ratios[-1]))


def _memory(place: Path, emails: Sequence[str]) -> Figure:
    """The most that one worker had, in a campaign to few and in one to all."""
    peaks = []
    for some in (emails[:FEW], emails):
        home = place / "memory"
        shutil.copytree(place / "house", home)
        with _opened(home) as house:
            _begun(house, [one for email in some for one in _people(house, email)])
        ((_, _, peak),) = _all_sent([_worker(home)])
        peaks.append(peak / 1e3)
        shutil.rmtree(home)
    return at_most(peaks[1], f"MB, {len(emails):,} people", peaks[0], FLAT)


def _people(house: House, email: str) -> list[SubjectId]:
    with house.reading() as conn:
        return people_of(house, conn, f"email:{email}")


def _race(place: Path) -> Iterator[tuple[str, Figure]]:
    home = place / "race"
    shutil.copytree(place / "house", home)
    taken = place / "taken"
    before = taken.stat().st_size
    with _opened(home) as house, serving(house, worker=False) as url:
        campaign = _begun(house)
        with house.reading() as conn:
            people = [one for some in recipients.everybody(conn, campaign.id, RACE) for one in some]
        random.Random(7).shuffle(people)
        people = people[:RACE]
        links = [unsubscribe.link(house, one, "newsletter", "email", campaign.id, "en") for one in people]
        workers = [_worker(home) for _ in range(RACERS)]
        for one in workers:
            _begin(one)
        times, said = list[float](), dict[str, int]()
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for person, link in zip(people, links, strict=True):
            began = time.perf_counter()
            connection.request("POST", urlsplit(link).path, "List-Unsubscribe=One-Click", headers)
            answer = connection.getresponse()
            answer.read()
            times.append(time.perf_counter() - began)
            assert answer.status == 200  # or nothing is measured
            said[person] = time.monotonic_ns()
        ended = [_ended(one) for one in workers]
        by_address = _addresses(house, people)
    arrived = [line.split() for line in taken.read_bytes()[before:].decode().splitlines()]
    late = sum(int(at) > said[by_address[to]] for at, to in arrived if to in by_address)
    sent = sum(one[0] for one in ended)
    assert 0 < sent == len(arrived)  # both sides of the race ran
    yield "messages_after_a_no", at_most(float(late), f"messages of {len(people):,} raced", 1.0, 0.0)
    yield "unsubscribe_p99_while_sending", at_most(quantiles(times, n=100)[98] * 1e3, "ms", SLOWEST, 1.0)


def _addresses(house: House, people: Sequence[SubjectId]) -> dict[str, SubjectId]:
    """Whose address each one is; the bench alone looks them up in one go."""
    files = house.path.parent / "files" / "customers.csv"
    with files.open(encoding="utf-8", newline="") as lines:
        emails = {row["mail"] for row in csv.DictReader(lines) if row["mail"]}
    wanted, found = set(people), dict[str, SubjectId]()
    with house.reading() as conn:
        for email in emails:
            for subject in people_of(house, conn, f"email:{email}"):
                if subject in wanted:
                    found[email] = subject
    return found


def _messages(house: House, campaign: Campaign, emails: Sequence[str]) -> list[tuple[str, bytes]]:
    """The messages of the campaign, written and signed beforehand: (address, bytes), of the same form and length."""
    message, signer = messages.sendable(house, campaign.message), messages.signer(house)
    assert signer is not None  # the settings name a key
    link = unsubscribe.link(house, SubjectId("0" * 32), "newsletter", "email", campaign.id, "fr")
    frame = Frame("Atelier", "bonjour@shop.example", "Vous avez dit oui à cela.", link, link, link)
    made = []
    for number, email in enumerate(emails):
        rendered = render(message, "fr", {"customers.first_name": Redacted("Camille")}, frame)
        named = f"<{number:032x}@shop.example>"
        envelope = Envelope(
            "Shop <hello@shop.example>",
            Redacted(email),
            named,
            TODAY,
            unsubscribe=link,
            list_id="newsletter.shop.example",
        )
        made.append((email, signer.sign(build(rendered, "fr", envelope))))
    return made


def _bare(port: int, same: Sequence[tuple[str, bytes]]) -> float:
    """Messages per second of a loop that does nothing but send."""
    with smtplib.SMTP("127.0.0.1", port) as server:
        began = time.monotonic()
        for email, body in same:
            server.sendmail("hello@shop.example", [email], body)
        return len(same) / (time.monotonic() - began)


def _begun(house: House, people: Sequence[SubjectId] | None = None) -> Campaign:
    saved = messages.save(house, read(MESSAGE.encode()), by="bench")
    campaign = campaigns.make(house, saved.digest, by="bench")
    return campaigns.start(house, campaign.id, by="bench", people=people)


@contextmanager
def _opened(home: Path) -> Iterator[House]:
    house = open_house(home, clock=TestClock(TODAY))
    try:
        yield house
    finally:
        house.close()


def _with_mail(place: Path, port: int) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (place / "key.pem").write_bytes(key.private_bytes(*form))
    (place / "key.pem").chmod(0o600)
    settings = place / "house" / FILE
    settings.write_text(
        f'{settings.read_text()}\n[mail]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'
        f'from = "Shop <hello@shop.example>"\n\n[mail.dkim]\ndomain = "shop.example"\nkey = "file:{place}/key.pem"\n'
    )


@contextmanager
def _sink(taken: Path) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", SINK, str(taken)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # it was asked for
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _worker(home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(home), str(TODAY)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # it was asked for
    process.stdout.readline()
    return process


def _begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None  # it was asked for
    process.stdin.write("\n")
    process.stdin.flush()


def _ended(process: subprocess.Popen[str]) -> tuple[int, float, float]:
    """Messages that it sent, the seconds, and the kilobytes that it had at most."""
    said, _ = process.communicate(timeout=3_600)
    sent, seconds, peak = said.split()
    return int(sent), float(seconds), float(peak)


def _all_sent(workers: Sequence[subprocess.Popen[str]]) -> list[tuple[int, float, float]]:
    for one in workers:
        _begin(one)
    return [_ended(one) for one in workers]

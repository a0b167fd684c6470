"""The demo: one fictional retailer, from its files to a proof that outlives the database, told step by step."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from pacte import verifier
from pacte.app import ask, campaigns, messages, prove, results, segments
from pacte.app.choose import choose
from pacte.app.erase import erase, plan
from pacte.app.exhibit import exhibit
from pacte.app.held import is_held
from pacte.app.house import ANCHORS, RECORDS, House, create, open_house
from pacte.app.loading import load
from pacte.app.publish import publish
from pacte.app.sending import sender
from pacte.app.settings import MailSettings, Settings, write_letters_folder
from pacte.app.templates import write_template
from pacte.app.uses import Use, declare
from pacte.cli.data import report_json, show_load
from pacte.cli.funnel import funnel_json, show_funnel
from pacte.cli.output import console, place_name, words
from pacte.cli.output import tell as tell_words
from pacte.cli.progress import bar
from pacte.cli.questions import show_answers
from pacte.kernel.errors import BadInput, VerificationFailed
from pacte.kernel.i18n import day, number
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.instant import now as system_clock
from pacte.testing.retailer import Retailer, generate
from pacte.testing.sink import sink
from pacte.uses.audience.reading import read_file as read_segment
from pacte.uses.message.model import read as read_message

PURPOSE = "newsletter"
FROM = "Comptoir Sarrasin <bonjour@comptoir-sarrasin.example>"
MOST_PERSONAL = "my_tastes"
LOOKED_AT = 2_000
"""Among how many of its customers the demo looks for those whom it tells of."""
COLUMNS = ("customers.city", "orders.order_count", "orders.last_order")


class Calendar:
    """The demo's clock: it tells a story of a month, so that past and present differ."""

    def __init__(self, today: Instant) -> None:
        self.today = today
        self.days_ago: float = 30

    def __call__(self) -> Instant:
        """The instant of the story."""
        return Instant(self.today - round(self.days_ago * DAY))


def tell(directory: Path | None, people: int, seed: int, lang: str, as_json: bool) -> None:
    """Run the demo in `directory` (a fresh one by default); prints the story, or with `as_json` its figures."""
    home = directory or Path(tempfile.mkdtemp(prefix="pacte-demo-")) / "house"
    if home.exists() and any(home.iterdir()):
        raise BadInput("the demo's directory is not empty; name another one, or remove it")
    story = _Story(lang, as_json)
    started = time.monotonic()
    calendar = Calendar(system_clock())
    shop = story.generate(_files_of(home), people, seed, calendar)
    with create(home, lang=lang, clock=calendar) as house:
        write_letters_folder(home, sender=FROM)
        story.load(house, shop)
        first, leaving, erased = story.audience(house, shop)
        calendar.days_ago -= 1 / 144  # ten minutes later: the use and the withdrawal have instants of their own
        story.withdraw(house, leaving, first)
        calendar.days_ago = 2
        story.erase(house, erased)
        calendar.days_ago = 0
        proof, page = story.prove(house, erased, first)
        key = house.vkey
    story.verify(home, proof, key)
    with open_house(home, clock=calendar) as house:
        story.send(house)
    story.end(home, page, leaving, time.monotonic() - started)


def clear(home: Path) -> None:
    """Remove what an earlier demo left in `home` and beside it.

    Raises `BadInput` for what no demo made, and while somebody serves it.
    """
    beside = _files_of(home)
    if not home.exists():
        return
    if is_held(home):
        raise BadInput("somebody serves the earlier demo (`pacte serve`); end that first, or name another directory")
    if not (beside / "legacy_list.csv").is_file():
        raise BadInput("no demo made what is in that directory, so it stays; name another one")
    shutil.rmtree(home)
    shutil.rmtree(beside)


def _files_of(home: Path) -> Path:
    """Where the fictional retailer's own files lie."""
    return home.parent / f"{home.name}-files"


class _Story:
    """The chapters; each prints itself, or adds its figures to `data`."""

    def __init__(self, lang: str, as_json: bool) -> None:
        self.lang = lang
        self.as_json = as_json
        self.data: dict[str, Any] = {}
        self.chapter = 0

    def say(self, key: str, style: str = "", **values: str | int) -> None:
        if not self.as_json:
            console().print(words(f"demo.{key}", self.lang, **values), style=style or None)

    def title(self, key: str, **values: str | int) -> None:
        self.chapter += 1
        if not self.as_json:
            console().print()
            console().rule(f"[bold]{self.chapter}. {words(f'demo.{key}', self.lang, **values)}[/]", align="left")

    @contextmanager
    def bar(self, title: str) -> Iterator[Any]:
        with bar(title, silent=self.as_json) as progress:
            yield progress

    def generate(self, target: Path, people: int, seed: int, calendar: Calendar) -> Retailer:
        self.title("shop")
        with self.bar(words("demo.generating", self.lang)) as progress:
            shop = generate(target, people, now=calendar(), seed=seed, progress=progress)
        self.data["files"] = shop.rows
        for name, rows in shop.rows.items():
            self.say("file", name=name, rows=rows)
        return shop

    def load(self, house: House, shop: Retailer) -> None:
        self.title("load")
        write_template(house.path)
        publish(house, "owner")
        reports = []
        for path in shop.files:
            with self.bar(path.name) as progress:
                reports.append(load(house, path, progress=progress))
            if not self.as_json:
                show_load(reports[-1], self.lang)
        self.data["loads"] = [report_json(report) for report in reports]

    def audience(self, house: House, shop: Retailer) -> tuple[Use, str, str]:
        self.title("audience", day=day(house.clock(), self.lang))
        use = declare(house, PURPOSE, channel="email", by="marketing", proofs=True)
        self.data["audience"] = {"use": use.id, "entry": use.index} | funnel_json(use.funnel)
        if not self.as_json:
            show_funnel(use.funnel, PURPOSE, self.lang)
            self._show_table(use)
        leaving, erased = _two_permitted(house, shop)
        return use, leaving, erased

    def _show_table(self, use: Use) -> None:
        from rich.table import Table

        self.say("table")
        rows = use.table(COLUMNS).slice(0, 3).to_pylist()
        table = Table(box=None, header_style="dim")
        for column in ("pseudonym", *COLUMNS):
            table.add_column(column)
        for row in rows:
            table.add_row(
                *(str(row[column] if row[column] is not None else "—")[:24] for column in ("pseudonym", *COLUMNS))
            )
        console().print(table)

    def withdraw(self, house: House, person: str, before: Use) -> None:
        self.title("withdraw")
        done = choose(house, person, PURPOSE, "withdrawn", by="person", method="web_form", authenticated=True)
        self.say("withdrawn", entry=str(done.index))
        after = declare(house, PURPOSE, channel="email", by="marketing")
        decision = ask.may(house, person, PURPOSE, channel="email")
        if decision.permitted or after.funnel.permitted >= before.funnel.permitted:
            raise VerificationFailed("a withdrawn person is still in the audience")
        self.data["after_withdrawal"] = {"permitted": after.funnel.permitted, "reason": decision.reason.code}
        self.say("rebuilt", before=before.funnel.permitted, after=after.funnel.permitted)

    def erase(self, house: House, person: str) -> None:
        self.title("erase", day=day(house.clock(), self.lang))
        done = erase(house, person, by="dpo")
        self.data["erasure"] = {"subject": done.subject, "counts": done.counts, "entry": done.index}
        self.subject = done.subject
        places = ", ".join(
            f"{place_name(place, self.lang)} ({number(rows, self.lang)})" for place, rows in done.counts.items()
        )
        self.say("erased", places=places, subject=done.subject, until=day(done.evidence_until, self.lang))

    def prove(self, house: House, _person: str, use: Use) -> tuple[Path, Path]:
        self.title("question", day=day(use.permits.issued, self.lang))
        proof = prove.prove(house, self.subject, use.id, by="dpo")
        target = prove.save(proof, house.path / "proofs")
        page = target.with_suffix("").with_suffix(f".{self.lang}.html")
        page.write_text(exhibit(house, proof, self.lang), encoding="utf-8")
        if not self.as_json:
            show_answers(proof.replay.answers, self.lang)
        self.data["proof"] = {"file": str(target), "exhibit": str(page), "matches": proof.replay.matches}
        if not self.as_json:
            tell_words(words("demo.proved", self.lang, file=str(target), page=str(page)), whole=True)
        return target, page

    def verify(self, home: Path, proof: Path, key: str) -> None:
        self.title("verify")
        away = home / "moved-away.db"
        (home / RECORDS).rename(away)
        command = [sys.executable, verifier.__file__, str(proof), "--key", key, "--anchors", str(home / ANCHORS)]
        try:
            if not self.as_json:
                command_line = f"python verifier.py {proof.name} --key … --anchors {ANCHORS}"
                tell_words(words("demo.command", self.lang, command=command_line), style="dim")
            done = subprocess.run(  # noqa: S603 # the project's own verifier, with files the demo just wrote
                [*command, "--lang", self.lang], capture_output=True, text=True, check=False, timeout=60
            )
        finally:
            away.rename(home / RECORDS)
        if not self.as_json:
            sys.stdout.write("\n".join("  " + line for line in (done.stdout + done.stderr).splitlines()) + "\n")
        if done.returncode:
            raise VerificationFailed("the proof of the demo did not verify")
        self.data["verified"] = True

    def send(self, house: House) -> None:
        """One message to one segment, into a mail server of this machine's own; and one of them as it arrives."""
        self.title("send")
        segment = segments.save(house, *_segment(), "marketing")
        use = declare(house, PURPOSE, channel="email", by="marketing")
        size = segments.size(house, use, segment).size
        if size is not None:
            self.say("segment", says=segments.say(house, PURPOSE, segment.written, self.lang), size=size)
        saved = messages.save(
            house, read_message(_template("spring.message.yaml"), "spring.message.yaml"), by="marketing"
        )
        chosen = None if size is None else segment.digest  # of a small shop, everybody who said yes
        campaign = campaigns.make(house, saved.digest, segment=chosen, by="marketing")
        campaigns.prepare(house, campaign.id, by="marketing")
        with sink() as server, closing(replace(house, settings=_sending_to(house, server.port))) as there:
            campaigns.go(there, campaign.id, by="marketing")
            with self.bar(words("demo.sending", self.lang)) as progress:
                self._sent(there, campaign.id, progress)
            told = results.results(there, campaign.id).numbers.get(("sent", ""))
            self.data["campaign"] = {"campaign": campaign.id, "taken": server.taken, "told": told}
            self.say("sent", count="—" if told is None else told)
            self._show_mail(house, server.last)

    def _sent(self, house: House, campaign: str, progress: Any) -> None:
        """Send to the end, and say how far it is."""
        over = threading.Event()
        worker = threading.Thread(target=sender(house).run, args=(over,), kwargs={"once": True})
        worker.start()
        while worker.is_alive():
            worker.join(0.2)
            progress(results.progress(house, campaign).hundredths, 100)

    def _show_mail(self, house: House, content: bytes) -> None:
        """One of the mails: as text here, and as a page for the browser beside the letters."""
        from rich.panel import Panel
        from rich.text import Text

        mail = message_from_bytes(content, policy=SMTP)
        plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
        target = house.path / "letters" / "spring.html"
        target.parent.mkdir(mode=0o700, exist_ok=True)
        target.write_text(str(page.get_content()) if page else "", encoding="utf-8")
        self.data["campaign"]["page"] = str(target)
        if self.as_json:
            return
        said = re.sub(r"(https?://[^\s]{40})[^\s]+", r"\1…", str(plain.get_content()) if plain else "")
        console().print(Panel(Text(said.strip()), title=str(mail["Subject"]), width=min(console().width, 78)))
        tell_words(words("demo.mail", self.lang, page=str(target)), whole=True)

    def end(self, home: Path, page: Path, customer: str, seconds: float) -> None:
        self.data |= {"house": str(home), "seconds": round(seconds, 1), "customer": customer.partition(":")[2]}
        if self.as_json:
            sys.stdout.write(json.dumps(self.data, ensure_ascii=False, indent=2) + "\n")
            return
        console().print()
        end = {"house": str(home), "page": str(page), "program": _program()}
        tell_words(words("demo.end", self.lang, seconds=round(seconds), **end))
        tell_words(words("demo.serve", self.lang, customer=customer.partition(":")[2], **end))


def _template(name: str) -> bytes:
    return files("pacte.testing").joinpath("templates", name).read_bytes()


def _segment() -> tuple[str, str, Any]:
    """Name, purpose and condition of the demo's segment."""
    read = read_segment(_template("regulars.segment.yaml"), "regulars.segment.yaml")
    return read.name, read.purpose, read.who


def _sending_to(house: House, port: int) -> Settings:
    """The settings of the house, with a mail server on this machine."""
    mail = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "from": FROM,
    }
    return house.settings.model_copy(update={"mail": MailSettings.model_validate(mail)})


def _two_permitted(house: House, shop: Retailer) -> tuple[str, str]:
    """E-mail addresses of two people whom the newsletter may write to, and who have bought something.

    The first is one for whom the shop may also choose, at the highest level, where such a person is found soon.
    """
    chosen, others = "", list[str]()
    for person in islice(_addresses(shop), LOOKED_AT):
        if chosen and len(others) > 1:
            break
        wanted = not chosen and ask.may(house, person, MOST_PERSONAL).permitted
        if not (wanted or len(others) < 2) or not ask.may(house, person, PURPOSE, channel="email").permitted:
            continue
        if "lake:orders" not in plan(house, person).counts:
            continue
        if wanted:
            chosen = person
        else:
            others.append(person)
    people = [chosen, *others] if chosen else others
    if len(people) < 2:
        raise BadInput("too few permitted people for the demo; generate more with `--people`")
    return people[0], people[1]


def _addresses(shop: Retailer) -> Iterator[str]:
    with shop.customers.open(encoding="utf-8", newline="") as lines:
        yield from (f"email:{row['mail']}" for row in csv.DictReader(lines) if row["mail"])


def _program() -> str:
    """How this program was called, as short as it can be said."""
    called = Path(sys.argv[0])
    try:
        return str(called.resolve().relative_to(Path.cwd()))
    except ValueError:
        return called.name

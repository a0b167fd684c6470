"""`campaign`: prepared, reported on, sent, held, resumed and ended; what became of it in numbers that show nobody."""

from __future__ import annotations

from typing import Any

import pytest

from pacte.app.choose import choose
from pacte.app.house import open_house
from tests.app.sending import Sink, message, send, sink, with_mail
from tests.cli.conftest import PURPOSE
from tests.cli.test_cli_commands import flat, pleasant

WORDS = {
    "en": ("ready", "would be written to", "being sent", "held", "100 % done"),
    "fr": ("prête", "recevraient le message", "en cours d’envoi", "suspendue", "100 % de fait"),
}


@pytest.fixture
def prepared(mine: Any) -> str:
    """A campaign of the newsletter to everybody whom it permits; what it is called."""
    with open_house(mine.house) as home:
        from pacte.app import messages

        messages.save(home, message(), by="cli")
    name = mine("campaign", "prepare", "spring", "--json").json["id"]
    return str(name)[:8]


def sent(house: Any, box: Sink) -> None:
    """Send whatever is due into a mail server."""
    with open_house(house) as home:
        send(with_mail(home, box))


def test_a_campaign_goes_its_way(mine: Any, prepared: str, lang: str) -> None:
    """Each word of the command does what it says, in both languages; nobody is named, and everybody is written to."""
    ready, permitted, sending, held, done = WORDS[lang]
    shown = mine("campaign", "list", "--lang", lang)
    pleasant(shown.out, lang)
    assert ready in shown.out
    report = mine("campaign", "report", prepared, "--lang", lang)
    pleasant(report.out, lang)
    assert permitted in flat(report.out)
    assert mine("campaign", "send", prepared, "--lang", lang).code == 0
    assert sending in mine("campaign", "show", prepared, "--lang", lang).out
    assert held in mine("campaign", "hold", prepared, "--reason", "mistake", "--lang", lang).out
    assert mine("campaign", "show", prepared, "--json").json["reason"] == "mistake"
    assert sending in mine("campaign", "resume", prepared, "--lang", lang).out
    with sink() as box:
        sent(mine.house, box)
    shown = mine("campaign", "show", prepared, "--lang", lang)
    assert done in shown.out.replace("\u202f", " ")
    told = mine("campaign", "show", prepared, "--json").json
    assert (told["state"], [one["outcome"] for one in told["numbers"]]) == ("ended", ["sent"])
    assert told["people"] % 10 == 0
    assert len(box.taken) > 50


def test_what_is_about_few_is_not_said(mine: Any, prepared: str) -> None:
    """One person who said no since adds no line to the report: it is the same."""
    before = mine("campaign", "report", prepared, "--json").json
    with open_house(mine.house) as home:
        choose(home, mine.permitted[0], PURPOSE, "withdrawn", by="person", method="web_form")
    assert mine("campaign", "report", prepared, "--json").json == before
    assert "too few people to be told" in flat(mine("campaign", "report", prepared).out)


def test_what_cannot_be_done_is_said(mine: Any, prepared: str) -> None:
    """An unknown campaign or message, a state that does not fit, a reason that is no code."""
    for words, code in (
        (("show", "ffffffff"), 4),
        (("show", ""), 4),
        (("prepare", "winter"), 4),
        (("hold", prepared), 6),
        (("resume", prepared), 6),
        (("stop", prepared, "--reason", "Ada asked for it"), 2),
    ):
        assert mine("campaign", *words).code == code, words
    assert mine("campaign", "send", prepared).code == 0
    assert mine("campaign", "send", prepared).code == 6
    assert mine("campaign", "stop", prepared, "--json").json["state"] == "stopped"
    assert mine("campaign", "resume", prepared).code == 6

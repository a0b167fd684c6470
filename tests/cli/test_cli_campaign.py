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
    "fr": ("prête", "recevraient le message", "en cours d’envoi", "suspendue", "fait à 100 %"),
}

CLOSED = '\n[mail]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\nfrom = "Shop <hello@shop.example>"\n'


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


def test_what_waits_may_be_removed(mine: Any, prepared: str, lang: str) -> None:
    """A campaign that is ready is gone; an unknown message is answered with the way to save one."""
    removed = mine("campaign", "remove", prepared, "--lang", lang)
    pleasant(removed.out, lang)
    assert mine("campaign", "list", "--json").json == []
    refused = mine("campaign", "prepare", "sprong")
    assert refused.code == 4
    assert "did you mean `spring`?" in flat(refused.err)
    assert "`pacte message save FILE`" in flat(refused.err)


def test_a_stop_is_said(mine: Any, prepared: str, lang: str) -> None:
    """It says what it holds and how it is lifted; reports, what is held and what goes on say that it is in force."""
    lifting = f"`pacte stop {PURPOSE} --lift"
    assert mine("campaign", "send", prepared).code == 0
    stopped = mine("stop", PURPOSE, "--reason", "committee", "--lang", lang)
    assert prepared in stopped.out
    assert lifting in flat(stopped.out)
    assert mine("campaign", "hold", prepared, "--reason", "foo").code == 2
    assert "`complaint`" in flat(mine("campaign", "hold", prepared, "--reason", "foo").err)
    assert mine("campaign", "hold", prepared).code == 0
    refused = mine("campaign", "resume", prepared)
    assert (refused.code, "is stopped" in flat(refused.err)) == (6, True)
    shown = mine("campaign", "show", prepared, "--lang", lang)
    pleasant(shown.out, lang)
    assert lifting in flat(shown.out)
    assert {"en": "Why: no reason given", "fr": "Pourquoi : sans motif précisé"}[lang] in shown.out.replace(
        "\u202f", " "
    )
    draft = mine("campaign", "prepare", "spring")
    assert "is stopped" in flat(draft.err)
    names = [one["id"][:8] for one in mine("campaign", "list", "--json").json if one["state"] == "draft"]
    said = {"en": "its purpose was stopped", "fr": "sa finalité était arrêtée"}[lang]
    assert said in flat(mine("campaign", "show", names[0], "--lang", lang).out)


def test_what_keeps_messages_from_leaving_is_said(mine: Any, prepared: str, lang: str) -> None:
    """No mail server; one that is not there; links that lead to this machine."""
    begun = mine("campaign", "send", prepared, "--lang", lang)
    pleasant(begun.out, lang)
    assert "mail.host" in begun.out
    assert "mail.host" in mine("campaign", "show", prepared, "--lang", lang).out
    assert f"{prepared}" in mine("doctor").out
    settings = mine.house / "settings.toml"
    settings.write_text(settings.read_text("utf-8") + CLOSED, "utf-8")
    mine("worker", "--once")
    waits = mine("campaign", "show", prepared, "--lang", lang)
    pleasant(waits.out, lang)
    assert {"en": "cannot be reached", "fr": "injoignable"}[lang] in flat(waits.out)
    assert mine("campaign", "show", prepared, "--json").json["server_away_since"] > 0
    assert "cannot be reached" in flat(mine("doctor", "--lang", "en").out)
    other = mine("campaign", "prepare", "spring", "--json").json["id"]
    settings.write_text(settings.read_text("utf-8").replace("127.0.0.1", "mail.shop.example"), "utf-8")
    assert "http://127.0.0.1:8080" in mine("campaign", "send", other, "--lang", lang).out

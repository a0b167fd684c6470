"""The exhibit: one page that a judge can read, in both languages, complete in itself."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pacte.app import erase
from pacte.app.exhibit import exhibit
from pacte.app.house import open_house
from pacte.app.prove import prove
from pacte.kernel.instant import SECOND, Instant, add_years, now, to_iso

VOID = {"meta", "br"}


class Page(HTMLParser):
    """A page as a reader sees it; raises where a tag is not closed as it was opened."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words in one line, with plain spaces."""
        return re.sub(r"[\s\u202f]+", " ", " ".join(self.words))


def page(shop: Any, person: str, lang: str) -> Page:
    """The exhibit about one person and the shop's use, as `pacte prove` writes it."""
    told = shop("prove", person, "--use", shop.use, "--lang", lang, "--json").json
    source = Path(told["exhibit"]).read_text(encoding="utf-8")
    found = Page(source)
    assert hashlib.sha256(Path(told["proof"]).read_bytes()).hexdigest() in found.text
    assert source.startswith(f'<!doctype html>\n<html lang="{lang}">')
    return found


def test_the_page_of_somebody_in_the_use(mine: Any, lang: str) -> None:
    """Question, answer with its article, story, facts, what is shown and what is not, and how to check it."""
    found = page(mine, mine.permitted[0], lang)
    english = (
        "By what right was this person’s data used?", "Comptoir Sarrasin SAS, controller", "“Our newsletter” by e-mail",
        "legal basis: consent", "Yes.", "(GDPR, Art. 6(1)(a))", "It stands on entry", "is in the recorded set",
        "In effect from", "says yes to “Our newsletter” by e-mail; proof:", "valid until", "Facts on which",
        "consumer", "France", "What the proof shows", "That nothing was left out", "Who the person is.", "--key KEY",
    )  # fmt: skip
    french = (
        "De quel droit les données de cette personne ont-elles été utilisées ?", "responsable du traitement",
        "« Lettre du Comptoir » par courriel", "base légale : consentement", "Oui.", "RGPD", "repose sur l’écriture",
        "figure dans l’ensemble", "Effet au", "dit oui à « Lettre du Comptoir » par courriel ; preuve :",
        "valable jusqu’au", "Faits auxquels", "clientèle à titre privé", "France", "Ce que la preuve montre",
        "Que rien n’a été omis", "Qui est la personne.", "--key CLÉ",
    )  # fmt: skip
    for part in english if lang == "en" else french:
        assert part in found.text
    assert not re.search(r"\b\d{13,}\b", found.text), "a raw instant"
    assert not re.search("[{}]", found.text)


def test_the_page_stands_alone(mine: Any, lang: str) -> None:
    """It loads nothing, runs nothing, links nowhere, and has one heading and a title in its language."""
    found = page(mine, mine.permitted[0], lang)
    names = [tag for tag, _ in found.tags]
    assert not {"script", "link", "img", "iframe", "a", "form"} & set(names)
    assert not any({"src", "href", "style", "onclick"} & attributes.keys() for _, attributes in found.tags)
    policy = next(a["content"] for t, a in found.tags if t == "meta" and a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert (names.count("h1"), names.count("title")) == (1, 1)
    assert all(attributes.get("scope") == "col" for tag, attributes in found.tags if tag == "th")


def test_the_page_of_somebody_who_was_left_out(mine: Any, lang: str) -> None:
    """For somebody whom the use left out the answer is no, and that their data were not used."""
    found = page(mine, mine.denied, lang)
    assert ("No." if lang == "en" else "Non.") in found.text
    assert ("their data were not used" if lang == "en" else "ses données n’ont pas été utilisées") in found.text


def test_both_answers_where_they_differ(mine: Any, lang: str) -> None:
    """A withdrawal that came late is told beside what was known then; neither answer hides the other."""
    person = mine.permitted[0]
    used = mine("replay", mine.use, person, "--json").json["by_known"]["as_of"]
    mine("choice", "withdraw", person, "newsletter", "--method", "paper", "--effective", to_iso(used - SECOND))
    found = page(mine, person, lang)
    english = ("Two answers.", "Yes, by what was known then:", "No, by what was true then, as learnt since:")
    french = ("Deux réponses.", "Oui, selon ce qui était connu alors :", "Non, selon ce qui était vrai alors")
    for part in english if lang == "en" else french:
        assert part in found.text
    assert ("also used in" if lang == "en" else "ont aussi servi") not in found.text  # this use itself is no other


def test_after_the_evidence_has_ended(spoilt: Any, lang: str) -> None:
    """When the evidence has ended the page says so, and what is still proved."""
    with open_house(spoilt.house) as house:
        subject = erase.erase(house, spoilt.permitted[0]).subject
    later = Instant(add_years(now(), 30))
    with open_house(spoilt.house, clock=lambda: later) as house:
        assert subject in erase.end_evidence(house, sure=True)
        proof = prove(house, subject, spoilt.use)
        found = Page(exhibit(house, proof, lang))
    assert ("No longer answered." if lang == "en" else "Plus de réponse.") in found.text
    ended = "has reached its declared end" if lang == "en" else "a atteint son terme déclaré"
    assert ended in found.text
    assert ("can no longer be opened" if lang == "en" else "ne peuvent plus être ouverts") in found.text


def test_what_the_company_calls_itself_is_escaped(spoilt: Any, lang: str) -> None:
    """A company's name cannot put markup into the page."""
    policy = spoilt.house / "policy.yaml"
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text.replace("name: Comptoir Sarrasin SAS", "name: 'A <b>&</b> B'"), encoding="utf-8")
    assert spoilt("publish").code == 0
    use = spoilt("audience", "newsletter", "--channel", "email", "--json").json["use"]
    told = spoilt("prove", spoilt.permitted[0], "--use", use, "--lang", lang, "--json").json
    source = Path(told["exhibit"]).read_text(encoding="utf-8")
    assert "A &lt;b&gt;&amp;&lt;/b&gt; B" in source
    assert "<b>" not in source

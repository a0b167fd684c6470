"""The notice that a policy makes: nothing left out that a law asks, nothing made up, words that stay what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.consent.form.values import untold
from pacte.consent.notice.changes import changes
from pacte.consent.notice.entry import draft, with_entries
from pacte.consent.notice.layers import layers
from pacte.consent.notice.plain import blocks, plain
from pacte.consent.notice.purposes import OBJECTABLE
from pacte.consent.notice.redline import IN, OUT, SAME, redline
from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import LANGUAGES, catalogue
from pacte.kernel.instant import Instant, parse_instant
from pacte.policy.categories import covered
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.document import load_policy_text
from pacte.policy.lint import lint
from pacte.policy.readability import HARD, score
from pacte.policy.vocabulary import BASES, RETENTION_EVENTS, TECHNOLOGIES

TEMPLATES = Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates"
SHOP = (TEMPLATES / "shop" / "policy.yaml").read_text(encoding="utf-8").partition("\nforms:\n")[0] + "\n"
"""The shop's policy; its forms follow its purposes, and are left out where only these change."""
DAY = parse_instant("2026-12-01")


def compiled(*replacements: tuple[str, str], source: str = SHOP) -> Compiled:
    """The shop's policy with these changes."""
    for old, new in replacements:
        assert old in source, old
        source = source.replace(old, new, 1)
    return compile_policy(load_policy_text(source))


GROWN = ("      - orders.spent\n    channels", "      - orders.spent\n      - orders.product\n    channels")
"""The newsletter sees the products too."""


@pytest.mark.parametrize("template", sorted(path.parent.name for path in TEMPLATES.rglob("policy.yaml")))
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_notice_answers_what_the_laws_ask(template: str, lang: str) -> None:
    """Every purpose with why, basis, data, time, duty to give and the way to say no; who, rights, objection apart."""
    found = compiled(source=(TEMPLATES / template / "policy.yaml").read_text(encoding="utf-8"))
    made = layers(found, lang, "9", DAY)
    assert [told.name for told in made.purposes] == list(found.document.purposes)
    for told in made.purposes:
        purpose = found.document.purposes[told.name]
        assert all(told.fact(key) for key in ("why", "basis", "data", "kept", "must", "stop")), told.name
        assert len(told.fact("recipients")) == len(purpose.recipients)
    parts = {part.key for part in made.parts}
    assert {"rights", "stays"} <= parts
    assert ("california" in parts, "quebec" in parts) == tuple(law in found.document.laws for law in ("us-ca", "ca-qc"))
    objectable = {one.basis for one in found.document.purposes.values()} & set(OBJECTABLE)
    assert (made.short[-1].key == "object") == bool(objectable)
    text = plain(made)
    assert all(word in text for word in (found.document.controller.contact, found.document.controller.dpo.contact))
    assert "{" not in text
    assert score(text, lang).score > HARD + 15


def test_what_the_notice_tells_is_what_the_gate_asks_for() -> None:
    """Whoever was shown it is told of every category that a purpose uses, and of no statement that is still a gap."""
    found = compiled()
    made = layers(found, "en", "9", DAY)
    for name in found.document.purposes:
        assert set(found.table.purposes[name].categories) <= covered(made.tells[name])
    assert made.says["similar_offers"] == ("objection", "transfer")
    assert made.says["partner_offers"] == ("sale", "transfer")


def test_a_gap_is_named_and_never_filled() -> None:
    """What the policy cannot answer is missing in the text, has an article, and goes when the policy answers."""
    decides = ("    kind: measurement\n", "    kind: measurement\n    automated_decision: yes\n")
    gaps = {(gap.key, gap.purpose) for gap in layers(compiled(decides), "en", "9", DAY).gaps}
    assert {("decision", "statistics")} <= gaps
    assert "automated_decision" not in layers(compiled(decides), "en", "9", DAY).says["statistics"]
    explained = (decides[0], decides[1] + "    decision: {fr: Selon vos achats, en: By what you bought}\n")
    whole = layers(compiled(explained), "en", "9", DAY)
    assert "decision" not in {gap.key for gap in whole.gaps}
    assert "automated_decision" in whole.says["statistics"]
    assert "By what you bought." in plain(whole)
    abroad = ("  established: FR", "  established: US")
    assert "representative" in {gap.key for gap in layers(compiled(abroad), "fr", "9", DAY).gaps}
    assert all(gap.article and gap.words for gap in layers(compiled(abroad, decides), "fr", "9", DAY).gaps)


def test_a_transfer_that_does_not_hold_on_the_day_is_a_gap() -> None:
    """A decision of adequacy holds between its days only, and a safeguard while it lasts."""
    us = (
        "    place: CA-QC\n    safeguard:",
        "    place: US\n    safeguard:",
    )
    keys = [
        {gap.key for gap in layers(compiled(us), "en", "9", parse_instant(day)).gaps}
        for day in ("2021-01-01", "2024-01-01")
    ]
    assert ["transfer" in found for found in keys] == [True, False]


def test_every_word_of_the_policy_has_its_words() -> None:
    """No closed word of the model reaches a person as a code, and no words are left over."""
    known = catalogue("consent.notice")
    for kind, words in (("basis", BASES), ("tag", BASES), ("must", BASES), ("kept", RETENTION_EVENTS)):
        assert {key for key in known if key.startswith(f"{kind}.")} == {f"{kind}.{word}" for word in words}
    assert {key for key in known if key.startswith("technology.")} == {f"technology.{word}" for word in TECHNOLOGIES}
    sources = "".join(
        path.read_text("utf-8") for path in (Path(__file__).parents[2] / "src/pacte/consent/notice").glob("*.py")
    )
    plain_keys = [key for key in known if "." not in key]
    assert [key for key in plain_keys if f'"{key}"' not in sources] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_text_is_read_back_in_blocks(lang: str) -> None:
    """No word is lost or added between the recorded text and the page, for generated texts and for those by hand."""
    found = compiled()
    texts = [plain(layers(found, lang, "9", DAY)), *(one.text for one in found.document.notices.values())]
    for text in texts:
        said = " ".join(" ".join((block.text, *block.lines)) for block in blocks(text))
        assert [word for word in said.split() if word != "–"] == [word for word in text.split() if word != "–"]
    kinds = [block.kind for block in blocks(texts[0])]
    assert kinds[:2] == ["heading", "paragraph"]
    assert kinds.count("heading") > 10
    assert "list" in kinds


def test_the_same_policy_makes_the_same_bytes() -> None:
    """The digest of a notice can be made again from the policy."""
    assert plain(layers(compiled(), "fr", "9", DAY)) == plain(layers(compiled(), "fr", "9", DAY))


def test_an_entry_is_a_notice_of_the_policy() -> None:
    """What is written into the file is accepted, keeps every line that was there, and has the words that were shown."""
    found = compiled()
    made = [draft(found, lang, DAY) for lang in ("fr", "en")]
    text = with_entries(SHOP, found.document, made, ["newsletter"])
    again = compiled(source=text)
    assert [one.name for one in made] == ["notice-4-fr", "notice-4-en"]
    for one in made:
        notice = again.document.notices[one.name]
        assert (notice.text, notice.version, notice.effective) == (one.text, "4", DAY)
        assert notice.tells == dict(one.layers.tells)
    assert again.document.purposes["newsletter"].asked_by == ("notice-4-fr", "notice-4-en")
    assert not [line for line in SHOP.splitlines() if line not in text.splitlines()]
    assert [finding.code for finding in lint(again) if "notice-4" in str(finding.words)] == []
    assert next_text(again) == "5"
    twice = with_entries(text, again.document, [draft(again, "fr", DAY)], ["newsletter"])
    assert compiled(source=twice).document.purposes["newsletter"].asked_by == ("notice-5-fr",)
    with pytest.raises(BadInput, match="its words stay"):
        draft(again, "fr", DAY, "4")


def next_text(found: Compiled) -> str:
    """The version of the next notice."""
    return draft(found, "fr", DAY).layers.version


def test_an_entry_stands_also_in_a_policy_without_notices() -> None:
    """The section is made where there is none, at the end of the file too."""
    start, end = SHOP.index("notices:\n"), SHOP.index("# ----", SHOP.index("notices:\n"))
    bare = SHOP[:start] + SHOP[end:]
    found = compiled(source=bare)
    again = compiled(source=with_entries(bare, found.document, [draft(found, "en", DAY)]))
    assert list(again.document.notices) == ["notice-1-en"]


def test_a_form_waits_for_a_notice_that_tells_of_what_it_asks() -> None:
    """A draft may stand so until its notice is written; it is named, and then publishing refuses it."""
    whole = (TEMPLATES / "shop" / "policy.yaml").read_text(encoding="utf-8")
    assert untold(compiled(source=whole)) == []
    older = (GROWN[0], "      - orders.spent\n      - customers.birth_date\n    channels")
    grown = compiled(older, source=whole)
    assert [name for one in untold(grown) for name in ("letter", "account") if f"`{name}`" in one] == [
        "letter",
        "account",
    ]
    made = [draft(grown, lang, DAY) for lang in ("fr", "en")]
    again = compiled(source=with_entries(whole.replace(*older, 1), grown.document, made, ["newsletter"]))
    assert untold(again) == []


def test_nothing_changes_between_a_policy_and_itself() -> None:
    """Nor between two that differ in nothing that people read."""
    assert changes(compiled(), compiled(), "fr").found == ()
    contract = ("Processor agreement ST-2023-01", "Processor agreement ST-2026-01")
    assert changes(compiled(), compiled(contract), "fr").found == ()


@pytest.mark.parametrize(
    ("change", "kind", "words", "material", "again"),
    [
        (GROWN, "data_more", "Our newsletter: more data used, purchases.", True, ("newsletter",)),
        (("keep: 1 year, from: choice", "keep: 3 years, from: choice"), "kept_longer",
         "Offers from our partners: kept longer. Before: 1 year after your choice. Now: 3 years after your choice.",
         True, ()),
        (("keep: 25 months", "keep: 12 months"), "kept_shorter",
         "Sales statistics: kept for less time. Before: 25 months after they were collected. "
         "Now: 1 year after they were collected.", False, ()),
        (("recipients: [accountant]", "recipients: [accountant, carrier]"), "recipients_more",
         "Invoices and accounts: a new recipient, Colis du Ponant SARL (France), works for us only.", True, ()),
        (("    channels: [email, sms]                 #", "    channels: [email]                 #"), "channels_less",
         "Our newsletter: one way fewer to reach you, text message.", False, ()),
        (("basis: contract   ", "basis: vital_interests   "), "basis", "", True, ()),
        (("contact: donnees@", "contact: privacy@"), "contact", "", False, ()),
        (("en: Sales statistics", "en: Figures"), "title", "Figures: this is the new name.", False, ()),
        (("    place: FR\n    contract: Processor agreement ST-2023-01", "    place: US\n    contract: ST"),
         "recipients_more", "", True, ("newsletter",)),
        (("honours: [gpc]                         #", "automated_decision: yes #"), "decision", "",
         True, ("newsletter",)),
    ],
)  # fmt: skip
def test_a_change_is_said_to_the_person(
    change: tuple[str, str], kind: str, words: str, material: bool, again: tuple[str, ...]
) -> None:
    """In a sentence without a code, with what it asks: nothing, to be told, or to be asked again."""
    found = changes(compiled(), compiled(change), "en")
    (one,) = [one for one in found.found if one.kind == kind][:1]
    assert one.material == material
    assert found.again == again
    if words:
        assert one.say("en") == words
    for lang in LANGUAGES:
        said = changes(compiled(), compiled(change), lang).found
        assert all("`" not in one.say(lang) and "{" not in one.say(lang) for one in said)


def test_a_new_purpose_and_one_that_ends() -> None:
    """The first is material and asks nobody again; the second is told."""
    start, end = SHOP.index("  statistics:\n"), SHOP.index("  partner_offers:\n")
    fewer = compiled(source=SHOP[:start] + SHOP[end:])
    new = changes(fewer, compiled(), "fr")
    assert [(one.kind, one.purpose, one.material) for one in new.found] == [("new_purpose", "statistics", True)]
    assert (new.again, new.purposes) == ((), frozenset({"statistics"}))
    gone = changes(compiled(), fewer, "fr")
    assert [(one.kind, one.material) for one in gone.found] == [("ended", False)]


def test_data_that_are_seen_more_exactly_are_wider() -> None:
    """A field released unrounded, or rounded less, is more of it, for each purpose that sees it so."""
    exact = ("    channels: [email, sms]                 #", "    exact: [orders.spent]\n    channels: [email, sms]  #")
    found = changes(compiled(), compiled(exact), "en")
    assert [(one.kind, one.purpose) for one in found.material] == [("finer", "newsletter")]
    assert found.again == ("newsletter",)
    finer = (
        "category: purchase, type: decimal, coarse: 10}",
        "category: purchase, type: decimal, coarse: 5}",
    )
    about = {one.purpose for one in changes(compiled(), compiled(finer), "en").material if one.kind == "finer"}
    assert about == {"statistics"}


def test_two_texts_compared_give_both_back() -> None:
    """What stayed and what was put in is the new text; what stayed and what was taken out is the old one."""
    found = compiled()
    old, new = found.document.notices["web-2022"].text, found.document.notices["web-2024"].text
    later = plain(layers(compiled(GROWN), "fr", "10", Instant(DAY + 1)))
    for one, other in ((old, new), (plain(layers(found, "fr", "9", DAY)), later), (new, new)):
        pieces = redline(one, other)
        for drop, text in ((OUT, other), (IN, one)):
            said = " ".join(run.text for piece in pieces for run in piece.runs if run.what != drop)
            expected = " ".join(" ".join((block.text, *block.lines)) for block in blocks(text))
            assert sorted(said.split()) == sorted(expected.split())
    assert all(run.what == SAME for piece in redline(new, new) for run in piece.runs)
    assert any(
        "achats" in run.text
        for piece in redline(plain(layers(found, "fr", "9", DAY)), later)
        for run in piece.runs
        if run.what == IN
    )

"""`notice`: in both languages and as JSON, written into the policy, compared, announced."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pacte.app.house import POLICY
from pacte.consent.notice.layers import layers
from pacte.consent.notice.plain import plain
from pacte.kernel.instant import parse_instant
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy
from tests.cli.test_cli_commands import flat, pleasant

LONGER = ("retention: {keep: 25 months", "retention: {keep: 5 years")
GROWN = ("      - orders.spent\n    channels", "      - orders.spent\n      - orders.product\n    channels")


def edit(shop: Any, *changes: tuple[str, str]) -> Path:
    """Edit the policy of a shop and publish nothing; returns the file."""
    file: Path = shop.house / POLICY
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_notice_is_shown_with_its_ease_and_what_is_missing(mine: Any, lang: str) -> None:
    """The short layer, the score with its formula, and each gap; with `--strict` a gap ends with exit code 2."""
    edit(mine, ("    kind: measurement\n", "    kind: measurement\n    automated_decision: yes\n"))
    done = mine("notice", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    pleasant(done.out, lang)
    said = flat(done.out)
    assert {"en": "Flesch Reading Ease", "fr": "Kandel & Moles"}[lang] in said
    assert {"en": "by what logic", "fr": "selon quelle logique"}[lang] in said
    assert mine("notice", "--strict", "--lang", lang).code == 2
    told = mine("notice", "--json", "--lang", lang).json
    assert "decision" in {gap["gap"] for gap in told["gaps"]}
    assert told["readability"]["score"] > 60


def test_the_exact_words_are_printed_alone(shop: Any) -> None:
    """`--text` prints what would be recorded, byte for byte."""
    made = layers(compile_policy(load_policy(shop.house / POLICY)), "en", "9", parse_instant("2027-01-01"))
    done = shop("notice", "--text", "--lang", "en", "--version", "9", "--effective", "2027-01-01")
    assert (done.code, done.out) == (0, plain(made))


def test_a_notice_is_written_published_and_compared(mine: Any, lang: str) -> None:
    """In each language of the policy; the purpose that has grown names it, and the check finds nothing wrong."""
    edit(mine, LONGER, GROWN)
    assert [one["code"] for one in mine("policy", "diff", "--json").json["findings"]] == ["consent_outgrown"]
    done = mine("notice", "--write", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    pleasant(done.out, lang)
    assert "asked_by: [notice-4-fr, notice-4-en]" in (mine.house / POLICY).read_text("utf-8")
    assert mine("policy", "diff", "--json").json["findings"] == []
    assert mine("policy", "check").code == 0
    assert mine("publish").code == 0
    listed = mine("notice", "--list", "--json").json
    assert [one["name"] for one in listed if one["language"] == lang][-1] == "4"
    pleasant(mine("notice", "--list", "--lang", lang).out, lang)
    found = mine("notice", "--changes", "3", "--lang", lang)
    pleasant(found.out, lang)
    assert {"en": "kept longer", "fr": "conservé plus longtemps"}[lang] in flat(found.out)
    told = mine("notice", "--changes", "3", "--lang", lang, "--json").json
    assert told["again"] == ["newsletter"]
    assert {one["kind"] for one in told["changes"] if one["material"]} == {"kept_longer", "data_more"}
    again = mine("notice", "--write", "--version", "4")
    assert (again.code, "its words stay" in again.err) == (2, True)


def test_people_are_told_by_letters_in_batches(mine: Any, lang: str) -> None:
    """One job for each batch, and the letters wait for a mail server; asked twice, nobody is written to twice."""
    edit(mine, LONGER)
    assert mine("notice", "--write").code == 0
    assert mine("publish").code == 0
    done = mine("notice", "--announce", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    pleasant(done.out, lang)
    assert mine("worker", "--once").code == 0
    assert mine("notice", "--announce", "--json").json["batches"] == 1
    assert mine("notice", "--changes", "99").code == 4


def test_nothing_is_said_of_a_house_that_is_not_there(pacte: Any, tmp_path: Path) -> None:
    """One clear message, and no traceback."""
    done = pacte("notice", "--house", tmp_path)
    assert (done.code, done.out) == (4, "")
    assert re.match("✗ no house stands", done.err)

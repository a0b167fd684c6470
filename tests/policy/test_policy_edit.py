"""Other words in a policy file: they stand where the old ones stood, and nothing else is touched."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pacte.app.templates import TEMPLATES, policy_text
from pacte.kernel.errors import BadInput
from pacte.policy.compile import compile_policy
from pacte.policy.diff import differences
from pacte.policy.document import load_policy_text, read_whole_text
from pacte.policy.edit import rewritten
from pacte.policy.texts import texts
from pacte.policy.tree import Path, read_tree
from tests.thorough import many

SOURCE = """\
title: {fr: La lettre, en: "Ours: new"}   # a purpose
reason:
  fr: >-   # why
    Vous envoyer
    nos offres

    chaque mois
  # between the two
  en: To send you
    our offers   # in English
text:
  fr: |
    Une ligne
      plus loin

# after a block

alone: {fr: 'seul'}   # one language
below:
  fr: dessous   # the only one
empty: {fr: , en: here}
nothing:
  fr:   # to be written
  en: something
last:
  en: at the end"""
PLACES: list[Path] = [(path, lang) for path in read_tree(SOURCE).mapping() for lang in ("fr", "en")]
"""Every text of the file, and those in the language that it lacks."""

words = st.one_of(
    st.text(
        st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\x85\u2028\u2029\ufeff\ufffe\uffff"),
        min_size=1,
    ),
    st.from_regex(r"[ -~éà«»’#:{},\[\]\n]{1,300}", fullmatch=True),
    st.sampled_from(["no", "~", "12", "- item", "key: value", "a #b", "' \"", "{x}", "|", ">-", "word " * 60, "---"]),
).map(str.strip)


def comments(source: str) -> list[str]:
    """What people wrote for people."""
    return re.findall(
        r"# (?:a purpose|why|between.*|in English|after.*|one language|the only one|to be.*)$", source, re.M
    )


@settings(max_examples=many(150))
@example({("nothing", "fr"): "word " * 60 + "end", ("reason", "en"): "word " * 60 + "end"})
@example({("reason", "en"): "a line \nand another"})
@given(st.dictionaries(st.sampled_from(PLACES), words.filter(bool), min_size=1))
def test_words_are_replaced_and_all_else_stays(said: dict[Path, str]) -> None:
    """Whatever the words and however they were written: the file says them, and every comment is still there."""
    wanted = read_tree(SOURCE)
    for (name, lang), text in said.items():
        wanted.mapping(name)[lang] = text
    changed = rewritten(SOURCE, said)
    assert read_tree(changed).value == wanted.value
    assert comments(changed) == comments(SOURCE)


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_text_of_a_policy_can_be_changed(name: str) -> None:
    """Every text that people read, in each language, of every trade: what comes out is the same policy otherwise."""
    source = policy_text(name)
    every = {
        (*text.path, lang): f"Neu {n}, {lang}: « oui »"
        for n, text in enumerate(texts(read_tree(source)))
        for lang in text.words
    }
    changed = rewritten(source, every)
    compiled = [compile_policy(load_policy_text(text)) for text in (source, changed)]
    assert [one.effect for one in differences(*compiled) if one.effect in ("ask", "less", "law")] == []
    found = {(*text.path, lang): said for text in texts(read_whole_text(changed)) for lang, said in text.words.items()}
    assert found == every
    assert re.findall(r" # .*$", changed, re.M) == re.findall(r" # .*$", source, re.M)


def test_one_text_is_one_place_of_the_file() -> None:
    """A new word of one text leaves every other line of the file as its writer had it."""
    source = policy_text("shop")
    changed = rewritten(source, {("purposes", "newsletter", "reason", "en"): "To send you our news."})
    parts = SequenceMatcher(None, source.split("\n"), changed.split("\n"), autojunk=False).get_opcodes()
    assert [code[0] for code in parts] == ["equal", "replace", "equal"]


def test_lines_end_as_they_did() -> None:
    """A file from Windows stays one: no line ends otherwise than the others."""
    source = SOURCE.replace("\n", "\r\n")
    changed = rewritten(
        source, {("reason", "fr"): "mot " * 60 + "fin", ("below", "en"): "added", ("text", "en"): "a\nb"}
    )
    assert "\n" not in changed.replace("\r\n", "")
    assert read_tree(changed).mapping("below")["en"] == "added"


def test_a_text_that_is_not_there_is_not_made_up() -> None:
    """A text that the file does not have in any language is written in the file first."""
    with pytest.raises(BadInput, match="not in the file"):
        rewritten(SOURCE, {("worth", "fr"): "cent euros"})

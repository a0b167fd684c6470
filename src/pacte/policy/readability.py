"""How easy a text is to read, by the published formula of its language.

English: Flesch Reading Ease (R. Flesch, "A new readability yardstick", Journal of Applied Psychology 32, 1948).
French: its adaptation by L. Kandel and A. Moles ("Application de l'indice de Flesch à la langue française", Cahiers
Études de Radio-Télévision 19, 1958), whose classes are the same. 100 is a comic strip, 60 a newspaper, 30 a scientific
paper. A formula measures length, not sense: a good score is no proof that people understand (GDPR Art. 12(1)).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pacte.kernel.errors import BadInput
from pacte.policy.syllables import syllables

HARD = 45
"""Below this, a text is too hard for everybody's reading: what a law asks at least of an insurance policy that the
public signs. Source: Florida Statutes § 627.4145(1)(a), on the Flesch test; Connecticut asks the same."""
FEWEST_WORDS = 30
"""A shorter text is not judged: one long word would decide."""

# language → (base, per word of a sentence, per syllable of a word)
_FORMULAS = {"en": (206.835, 1.015, 84.6), "fr": (207.0, 1.015, 73.6)}
_NAMES = {"en": "Flesch Reading Ease (1948)", "fr": "Kandel & Moles (1958)"}

_BULLET = re.compile(r"\s*([-–—•*□☐▪·]|\d+[.)]|[a-z]\))\s")
_ADDRESS = re.compile(r"\S*@\S+|\b(?:https?://|www\.)\S+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Readability:
    """A text's score, its class (`easy` from 60, `fair` from `HARD`, `hard` below), and by which formula."""

    score: float
    level: str
    formula: str
    words: int
    sentences: int


def measured(text: str, lang: str) -> bool:
    """Whether this text can have a score: its language has a formula, and it holds a word."""
    return lang.partition("-")[0] in _FORMULAS and any(map(_words, _sentences(text)))


def score(text: str, lang: str) -> Readability:
    """How easy the text is; raises `BadInput` for a language without a formula, or for a text without a word."""
    language = lang.partition("-")[0]
    if language not in _FORMULAS:
        raise BadInput(f"a language whose reading ease is not measured; expected one of {', '.join(_FORMULAS)}")
    sentences = [words for sentence in _sentences(text) if (words := _words(sentence))]
    words = [word for sentence in sentences for word in sentence]
    if not words:
        raise BadInput("a text without a word; nothing to read")
    base, per_word, per_syllable = _FORMULAS[language]
    spoken = sum(syllables(word, language) for word in words)
    found = base - per_word * len(words) / len(sentences) - per_syllable * spoken / len(words)
    return Readability(round(found, 1), _level(found), _NAMES[language], len(words), len(sentences))


def _level(found: float) -> str:
    if found < HARD:
        return "hard"
    return "easy" if found >= 60 else "fair"


def _words(sentence: str) -> list[str]:
    """The words; a French elision (`l'`, `qu'`) is spoken with the next, and an English one belongs to its word."""
    plain = sentence.lower().replace("’", "'")
    return _WORD.findall(re.sub(r"(?<=\w)'(?=\w)", "", plain))


def _sentences(text: str) -> list[str]:
    """Parts that end with a full stop and the like, or with a line that was ended on purpose."""
    return [
        sentence
        for line in _lines(_ADDRESS.sub(" ", text))
        for sentence in re.split(r"[.!?…]+(?=\s|$|[»\"”)])|□", line)
    ]


def _lines(text: str) -> list[str]:
    """The lines that the writer ended: a heading, a bullet, a paragraph.

    A line was only wrapped if the next word would not have fitted into the widest line.
    """
    rows = text.splitlines()
    widest = max(map(len, rows), default=0)
    found: list[str] = []
    wrapped = False
    for row in rows:
        first = row.split(maxsplit=1)[0] if row.strip() else ""
        joins = wrapped and first and not _BULLET.match(row) and len(found[-1].rsplit("\n")[-1]) + len(first) >= widest
        if joins:
            found[-1] = f"{found[-1]}\n{row}"
        else:
            found.append(row)
        wrapped = bool(first)
    return found

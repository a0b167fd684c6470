"""The policy that is being written: its texts side by side, changed where they stand, and what publishing would do.

The draft is `policy.yaml` of the house, which binds nobody before it is published; where there is none it begins as the
policy in force. Texts are changed here, and nothing else: purposes, legal bases, durations stay as the file has them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from pacte.app.house import POLICY
from pacte.app.notices import add_to_policy
from pacte.app.publish import changed_notices
from pacte.app.versions import in_force
from pacte.consent.notice import kept
from pacte.consent.notice.changes import changes
from pacte.consent.notice.entry import draft as draft_notice
from pacte.consent.notice.entry import next_version
from pacte.gate import rules as stored
from pacte.kernel.errors import BadInput, Conflict, Denied, PacteError, PolicyError
from pacte.kernel.files import refused, replace_whole
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.turns import alone
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.diff import Change, asked_again, differences
from pacte.policy.document import load_policy, load_policy_text, read_limited, read_whole, read_whole_text
from pacte.policy.edit import rewritten
from pacte.policy.extends import unbundle
from pacte.policy.findings import Finding
from pacte.policy.lint import lint_change
from pacte.policy.texts import Text, lacking, texts
from pacte.policy.tree import LARGEST_BYTES, Path

if TYPE_CHECKING:
    from pacte.app.house import House

LONGEST = 5_000
"""Characters of one text, at most."""
_BROKEN = re.compile("[\r\x0b\x0c\x85\u2028\u2029]")
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")

Words = Mapping[tuple[Path, str], str]
"""Texts by place and language."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The policy that is being written. `compiled` is `None` where it has mistakes, which `problems` says.

    `before` are the words in force, `in_force` is the digest of their policy, empty before one is in force.
    """

    texts: tuple[Text, ...]
    before: Words
    problems: tuple[str, ...]
    compiled: Compiled | None
    in_force: str = ""

    @property
    def version(self) -> str:
        """The digest of the policy that would be published; empty where it cannot be."""
        return self.compiled.policy_digest if self.compiled else ""

    @property
    def missing(self) -> list[tuple[Path, str]]:
        """Every text that is not written, with the language that lacks it."""
        return [(text.path, lang) for text in self.texts for lang in text.missing]

    @property
    def changed(self) -> list[tuple[Path, str]]:
        """Every text whose words are not those in force."""
        every = [((text.path, lang), words) for text in self.texts for lang, words in text.words.items()]
        return [place for place, words in every if words != self.before.get(place, "")]


@dataclass(frozen=True, slots=True)
class Review:
    """What publishing the draft would do. `words` are the changes of texts, `more` those that are made in the file.

    `again`: purposes whose consent is asked again; `letters`: whether everybody concerned must be written to;
    `untold`: whether people must be told and no new notice tells them; `by_hand`: new notices whose words are not those
    that the draft makes; `called_back`: the days on which other policies were to take effect, and will not.
    """

    words: tuple[Change, ...]
    more: tuple[Change, ...]
    again: tuple[str, ...]
    letters: bool
    untold: bool
    risks: tuple[Finding, ...]
    refused: tuple[str, ...]
    by_hand: tuple[str, ...] = ()
    called_back: tuple[Instant, ...] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of saving: how many texts were changed; or those that somebody else changed meanwhile, and nothing was.

    `wrong` are those that cannot be written, each with why: `empty`, `long`, `letters`, `elsewhere`, `gone`, `place`,
    `closed`.
    """

    changed: int = 0
    overtaken: tuple[tuple[Path, str], ...] = ()
    wrong: Mapping[tuple[Path, str], str] = field(default_factory=dict)


def known_as(words: str) -> str:
    """What a form says of the words that it shows, so that words changed meanwhile are not lost."""
    return hashlib.sha256(_clean(words).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def draft(house: House) -> Draft:
    """The draft as it stands, whatever its mistakes; without texts where there is no file and no policy in force."""
    digest, found = _in_force(house)
    path = house.path / POLICY
    if not path.exists() and not found:
        return Draft((), {}, (f"there is no `{POLICY}` in this house, and no policy is in force",), None)
    shown = _texts(house)
    compiled, problems = _compiled(path, found)
    told = tuple(lacking(text.path, lang) for text in shown for lang in text.missing)
    before = _by_place(_texts_of(found)) if found else {}
    return Draft(shown, before, tuple(one for one in problems if not one.endswith(told)), compiled, digest)


def review(house: House, found: Draft) -> Review:
    """What publishing the draft would do; raises `Conflict` for one that cannot be published."""
    if found.compiled is None:
        raise Conflict("the draft has mistakes; what it would change cannot be told before they are mended")
    refused = tuple(changed_notices(house, found.compiled))
    try:
        before = in_force(house)
    except Denied:
        return Review((), (), (), False, False, (), refused)
    told = differences(before, found.compiled)
    places = {text.key for text in found.texts}
    if _levels(before) == _levels(found.compiled):
        places.add("personalisation")  # compared as a whole; here only the names of levels differ
    fresh = {n: one for n, one in found.compiled.document.notices.items() if n not in before.document.notices}
    return Review(
        tuple(one for one in told if one.what in places),
        tuple(one for one in told if one.what not in places),
        asked_again(before, found.compiled),
        bool(changes(before, found.compiled, "en").material),
        any(one.effect in ("ask", "tell") for one in told) and not fresh,
        tuple(lint_change(before, found.compiled)),
        refused,
        tuple(name for name, notice in fresh.items() if kept.generated(found.compiled, notice) is None),
        _called_back(house),
    )


def write_notice(house: House) -> tuple[str, ...]:
    """Write the notice that the draft makes into it, in each of its languages, to be shown from today on.

    Answers the purposes whose yes is asked again by it. Raises `PolicyError` for a draft with mistakes.
    """
    with _turn(house):
        compiled, now = house.policy(), house.clock()
        version, today = next_version(compiled.document), Instant(now - now % DAY)
        made = [draft_notice(compiled, lang, today, version) for lang in compiled.document.languages]
        return add_to_policy(house, compiled, made)


def save(house: House, said: Words, seen: Words) -> Saved:
    """Write these texts into the draft. `seen` says of each, by `known_as`, what words the form showed.

    Words that are as they were shown are left alone, so that two people may change different texts of one page. Where
    one was changed by somebody else meanwhile nothing is written.
    """
    new = {place: _clean(words) for place, words in said.items()}
    new = {place: words for place, words in new.items() if known_as(words) != seen.get(place, "")}
    try:
        with _turn(house):
            return _save(house, new, seen)
    except BadInput:
        return Saved(wrong=dict.fromkeys(new, "closed"))


def _save(house: House, new: Words, seen: Words) -> Saved:
    found = _texts(house)
    now, files = _by_place(found), {text.path: text.file for text in found}
    if wrong := {place: why for place, words in new.items() if (why := _why_not(place, words, now, files))}:
        return Saved(wrong=wrong)
    new = {place: words for place, words in new.items() if words != _clean(now[place])}
    if overtaken := tuple(place for place in new if known_as(now[place]) != seen.get(place, "")):
        return Saved(overtaken=overtaken)
    try:
        _write(house, new)
    except BadInput:
        return Saved(wrong=dict.fromkeys(new, "place"))
    return Saved(len(new))


def _why_not(place: tuple[Path, str], words: str, now: Words, files: Mapping[Path, str]) -> str:
    """Why a text cannot be written: a code, or nothing."""
    if place not in now:
        return "gone"
    if files[place[0]]:
        return "elsewhere"
    if not words:
        return "empty" if now[place] else ""
    if len(words) > LONGEST:
        return "long"
    return "letters" if _NO_TEXT.search(words) else ""


def _clean(words: str) -> str:
    """What somebody typed, as it is kept: lines end alike, nothing stands behind their end, a tab is a space."""
    plain = _BROKEN.sub("\n", words.replace("\r\n", "\n")).replace("\t", " ")
    return "\n".join(line.rstrip() for line in plain.split("\n")).strip()


def _write(house: House, new: Words) -> None:
    path = house.path / POLICY
    if not new:
        return
    if not path.exists():
        _begin(house, path)
    content = read_limited(path)
    mark, source = ("\ufeff" if content.startswith(b"\xef\xbb\xbf") else ""), content.decode("utf-8-sig")
    text = rewritten(source, {(*place, lang): words for (place, lang), words in new.items()})
    if len(text.encode()) > LARGEST_BYTES:
        raise BadInput(f"the policy would have more than {LARGEST_BYTES // 1024} KB; a policy is read by people")
    replace_whole(path.resolve(), mark + text)  # the file may stand elsewhere, under a link of this name


def _begin(house: House, path: FilePath) -> None:
    """Write the policy in force as the file that is changed; of several files, only their writer has the folder."""
    _, text = _in_force(house)
    if unbundle(text):
        raise BadInput(
            f"the policy in force is of several files; put them back beside `{POLICY}`, and change them there"
        )
    path.touch(mode=0o600)
    replace_whole(path, text)


def _levels(policy: Compiled) -> list[str]:
    return [level.purpose for level in policy.document.personalisation]


@contextmanager
def _turn(house: House) -> Iterator[None]:
    """Hold the draft; raises `BadInput` where its file or folder cannot be written."""
    try:
        with alone(house.path / f".{POLICY}.lock"):
            yield
    except OSError as error:
        raise BadInput(f"`{POLICY}` cannot be written: {refused(error)}") from None


def _called_back(house: House) -> tuple[Instant, ...]:
    with house.reading() as conn:
        return tuple(one.effective for one in stored.scheduled(conn, house.present(conn)))


def _in_force(house: House) -> tuple[str, str]:
    """The digest and the text of the policy in force; empty before there is one."""
    with house.reading() as conn:
        policy = stored.present(conn, house.present(conn))
        return ("", "") if policy is None else (policy.policy, stored.policy_text(conn, policy.policy))


def _compiled(path: FilePath, otherwise: str) -> tuple[Compiled | None, tuple[str, ...]]:
    """The policy of the file, or of the text where there is none; else why it is no policy."""
    try:
        return compile_policy(load_policy(path) if path.exists() else load_policy_text(otherwise)), ()
    except PolicyError as error:
        return None, tuple(error.problems)
    except PacteError as error:
        return None, (str(error),)


def _texts(house: House) -> tuple[Text, ...]:
    """The texts of the draft; none where it is no YAML, or what it extends is not there."""
    path = house.path / POLICY
    if not path.exists():
        return _texts_of(_in_force(house)[1])
    try:
        return tuple(texts(read_whole(path)))
    except PacteError:
        return ()


@lru_cache(maxsize=8)
def _texts_of(policy: str) -> tuple[Text, ...]:
    return tuple(texts(read_whole_text(policy))) if policy else ()


def _by_place(found: tuple[Text, ...]) -> dict[tuple[Path, str], str]:
    return {(text.path, lang): words for text in found for lang, words in text.words.items()}

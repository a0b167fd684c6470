"""What forms have shown, version by version: the notice of each, whether it is shown now, how many people answered it.

Nobody counts how often a form is shown: that would need something on the visitor's device. How many people answered is
counted once a week, and said in bands: fewer than ten, ten or more, a hundred or more, … so that one more person hardly
ever shows. Source: GDPR Art. 5(1)(c), 7(1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import forms, notices
from pacte.app.figures import SMALLEST, monday
from pacte.app.forms import Kept
from pacte.app.notices import Version as Notice
from pacte.app.policies import document
from pacte.consent.form.values import KNOWN, PROGRAM, STRANGER
from pacte.consent.notice.words import of_policy
from pacte.kernel.errors import Denied, NotFound
from pacte.kernel.i18n import LANGUAGES
from pacte.kernel.quiet import free_in_copies
from pacte.ledger import queries

if TYPE_CHECKING:
    from pacte.app.house import House

_counted: dict[str, tuple[int, Mapping[str, int]]] = {}
_lock = free_in_copies(Lock())


@dataclass(frozen=True, slots=True)
class FormVersion:
    """One version of a form, in one language, to one kind of reader.

    `now` is whether it is what the form shows now, `notice` the information in it, `answered` how many people answered
    it at least, by the band that they are in; 0 in the lowest.
    """

    kept: Kept
    now: bool
    notice: Notice | None
    answered: int


def versions(house: House) -> dict[str, list[FormVersion]]:
    """By form: what it has shown, the newest first; the forms of the policy in force first, in its order."""
    kept, current, counted = forms.kept(house), _current(house), _answered(house)
    texts = notices.versions(house)
    found: dict[str, list[FormVersion]] = {name: [] for name in _listed(house)}
    for one in reversed(kept):
        notice = _notice(forms.body(house, one.digest), one, texts)
        version = FormVersion(one, one.digest in current, notice, band(counted.get(one.digest, 0)))
        found.setdefault(one.name, []).append(version)
    return {name: sorted(some, key=lambda one: not one.now) for name, some in found.items() if some}


def version(house: House, digest: str) -> FormVersion:
    """The version of this digest; raises `NotFound`."""
    for some in versions(house).values():
        for one in some:
            if one.kept.digest == digest:
                return one
    raise NotFound("no form with this digest was shown here")


def band(people: int) -> int:
    """The smallest number of a band, of which each is ten times the one before.

    >>> [band(people) for people in (9, 10, 99, 100)]
    [0, 10, 10, 100]
    """
    return SMALLEST * 10 ** (len(str(people // SMALLEST)) - 1) if people >= SMALLEST else 0


def titles(house: House, lang: str) -> dict[str, str]:
    """What the forms of the policy in force are called."""
    try:
        declared = document(house).forms
    except Denied:  # before a policy is in force
        return {}
    return {name: of_policy(form.title, lang) for name, form in declared.items()}


def _listed(house: House) -> tuple[str, ...]:
    try:
        return forms.listed(house)
    except Denied:  # before a policy is in force
        return ()


def _current(house: House) -> set[str]:
    """The digests of what the forms of the policy in force show now."""
    found = set()
    for name in _listed(house):
        for lang in LANGUAGES:
            for to in (STRANGER, KNOWN, PROGRAM):
                try:
                    found.add(forms.shown(house, name, lang, to).digest)
                except NotFound:  # no notice in this language is in effect yet
                    continue
    return found


def _notice(body: str, one: Kept, texts: list[Notice]) -> Notice | None:
    """The information that stands in what was shown, word by word."""
    if one.reader == PROGRAM:
        digest = json.loads(body)["notice"]["digest"]
        return next((text for text in texts if text.digest == digest), None)
    there = (text for text in texts if escape(text.text.strip()) in body)
    return max(there, key=lambda text: len(text.text), default=None)


def _answered(house: House) -> Mapping[str, int]:
    """By digest: how many people had answered when the week began; counted once in this process, for it reads a lot."""
    with house.reading() as conn:
        size = queries.size_at(conn, monday(house.present(conn)))
    place = str(house.path)
    with _lock:
        known = _counted.get(place)
    if known is None or known[0] != size:
        with house.reading() as conn:
            known = (size, _count(conn, size))
        with _lock:
            _counted[place] = known
    return known[1]


def _count(conn: Connection, size: int) -> Mapping[str, int]:
    people: dict[str, set[str]] = {}
    for digest, subject in queries.answers(conn, size):
        people.setdefault(digest, set()).add(subject)
    return {digest: len(some) for digest, some in people.items()}

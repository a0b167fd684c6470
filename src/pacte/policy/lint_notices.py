"""Findings about notices: too hard to read, in too few languages, telling of what does not happen.

Only the latest notice of each language is asked about: those before it can no longer change.
"""

from __future__ import annotations

from collections.abc import Iterator

from pacte.policy.categories import categories, covered
from pacte.policy.compile import Compiled
from pacte.policy.findings import Finding, found
from pacte.policy.lint_data import source_of
from pacte.policy.lint_purposes import sells_on_interest
from pacte.policy.model import Notice, PolicyFile
from pacte.policy.readability import FEWEST_WORDS, HARD, measured, score


def lint_notices(compiled: Compiled) -> Iterator[Finding]:
    """Every finding about the notices in use."""
    document = compiled.document
    spoken = {notice.locale.partition("-")[0] for notice in document.notices.values()}
    for language in [language for language in document.languages if document.notices and language not in spoken]:
        yield found(document, "notice_language", ("languages",), language=language)
    for name, notice in _latest(document).items():
        yield from _hard(name, notice, document)
        yield from _empty_words(name, notice, compiled)
        yield from _no_objection(name, notice, document)


def _latest(document: PolicyFile) -> dict[str, Notice]:
    """Of each language, the notice of the last date, or those that share it."""
    last: dict[str, int] = {}
    for notice in document.notices.values():
        last[notice.locale] = max(notice.effective, last.get(notice.locale, notice.effective))
    return {name: notice for name, notice in document.notices.items() if notice.effective == last[notice.locale]}


def _hard(name: str, notice: Notice, document: PolicyFile) -> Iterator[Finding]:
    if not measured(notice.text, notice.locale):
        return
    ease = score(notice.text, notice.locale)
    if ease.words >= FEWEST_WORDS and ease.score < HARD:
        here = ("notices", name, "text")
        yield found(
            document, "hard_to_read", here, notice=name, score=round(ease.score), hard=HARD, formula=ease.formula
        )


def _empty_words(name: str, notice: Notice, compiled: Compiled) -> Iterator[Finding]:
    document, known = compiled.document, categories()
    ended = [purpose for purpose in (*notice.tells, *notice.says) if purpose not in document.purposes]
    for purpose in dict.fromkeys(ended):
        at = ("notices", name, "tells" if purpose in notice.tells else "says", purpose)
        yield found(document, "notice_tells_ended", at, purpose=purpose, notice=name)
    for purpose, told in notice.tells.items():
        if purpose in ended:
            continue
        used = set(compiled.table.purposes[purpose].categories) | _computed_from(purpose, document)
        for place, category in enumerate(told):
            if not covered([category]) & used:
                words = {"en": known[category].en, "fr": known[category].fr}
                here = ("notices", name, "tells", purpose, place)
                yield found(document, "notice_tells_unused", here, purpose=purpose, notice=name, told=words)
    for purpose in [purpose for purpose in notice.says if purpose not in (*notice.tells, *ended)]:
        yield found(document, "says_untold", ("notices", name, "says", purpose), purpose=purpose, notice=name)


def _no_objection(name: str, notice: Notice, document: PolicyFile) -> Iterator[Finding]:
    """Who is written to on an interest must be told that they may object, at the latest in the first message."""
    for purpose in [word for word in notice.tells if word in document.purposes and "gdpr" in document.laws]:
        if sells_on_interest(document.purposes[purpose]) and "objection" not in notice.says.get(purpose, ()):
            yield found(document, "objection_untold", ("notices", name), purpose=purpose, notice=name)


def _computed_from(purpose: str, document: PolicyFile) -> set[str]:
    """Categories of the fields behind the aggregates that a purpose uses."""
    sources = [source_of(path, document) for path in document.purposes[purpose].uses]
    parts = [source.partition(".") for source in sources if source and not source.endswith(".")]
    return {document.datasets[dataset].category_of(name) for dataset, _, name in parts}

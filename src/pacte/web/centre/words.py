"""Codes of the records that the privacy centre has words for, reasons and lengths of time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from pacte.consent.notice.words import length
from pacte.gate.explain import HOUSE, citation
from pacte.gate.values import Decision
from pacte.kernel.i18n import catalogue, text
from pacte.policy.durations import Duration

ROOM = "web.centre"


@cache
def known(group: str) -> frozenset[str]:
    """The codes that have words under a heading of the texts, such as the reasons of a look (`why`)."""
    return frozenset(key.removeprefix(f"{group}.") for key in catalogue(ROOM) if key.startswith(f"{group}."))


def reasons(lang: str) -> Callable[[Decision], str]:
    """What says why to the person themselves, in a sentence, with the article that it comes from."""
    return partial(_reason, lang)


def _reason(lang: str, decision: Decision) -> str:
    reason = decision.reason
    kind, _, basis = reason.requirement.partition(":")
    if decision.permitted and kind == "basis":
        sentence = text(ROOM, f"because.{basis}", lang)
    else:
        sentence = text("policy", f"reason_person.{reason.code}", lang)
    if not reason.article or reason.pack == HOUSE:
        return sentence
    return f"{sentence.removesuffix('.')} ({citation(reason, lang)})."


def lengths(lang: str) -> Callable[[Duration], str]:
    """What writes a length of time in a language."""
    return partial(length, lang=lang)

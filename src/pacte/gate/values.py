"""What the gate answers: values with reasons, never a bare yes or no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import Instant


@dataclass(frozen=True, slots=True)
class Question:
    """May the fields of these people be used for `purpose`, at `as_of`, by what was known at ledger size `known`?

    `channel` and `recipient` are empty where the use has none. `fields` are `dataset.field` names; the gate derives
    their data categories from the rule table.
    """

    purpose: str
    as_of: Instant
    known: int
    fields: tuple[str, ...] = ()
    channel: str = ""
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: the code, and the requirement that decided with its article and source (empty when no rule was reached).

    `checked` is false until counsel has confirmed the rule; `explain` says so. `says` is the rule in a sentence, by
    language; empty for tables of before there was one. `short` is the name by which the source is cited, likewise.
    """

    code: str
    requirement: str = ""
    article: str = ""
    source: str = ""
    since: str = ""
    pack: str = ""
    checked: bool = False
    says: Mapping[str, str] = field(default_factory=dict)
    short: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cited:
    """What the decision stands on: ledger index and content of the person's latest choice, as the gate saw it."""

    entry: int
    status: str
    since: Instant
    grade: int
    notice: str
    expires: Instant | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one person. It releases nothing: only a `Permit` does.

    `fields` holds the effect of each asked field by itself. `failing` lists every requirement that is not met, in
    order; `others` are those after the one that gave the reason. `also` works out which of these would still refuse
    this person if the reason were mended: all that a person need be told. `rules` is the digest of the rule table.
    """

    permitted: bool
    reason: Reason
    question: Question
    rules: str
    fields: Mapping[str, str]
    failing: tuple[str, ...] = ()
    others: tuple[Reason, ...] = ()
    cited: Cited | None = None
    subject: SubjectId | None = None
    also: Callable[[], tuple[Reason, ...]] = field(default=tuple, repr=False, compare=False)

    def explain(self, lang: str = "en") -> str:
        """The decision in plain words, in `lang` (`en` or `fr`)."""
        from pacte.gate.explain import explain

        return explain(self, lang)


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many people a use started with, how many each reason excluded, how many remain.

    `counts` maps reason codes to people and includes `permitted`; the counts add up to `candidates`. `if_proved` maps
    each grade of proof to the people who would be permitted if their latest choice were proved at that grade.
    """

    candidates: int
    counts: Mapping[str, int]
    if_proved: Mapping[str, int]

    @property
    def permitted(self) -> int:
        """How many people may be used."""
        return self.counts.get("permitted", 0)


@dataclass(frozen=True, slots=True)
class UseRecord:
    """A use as the ledger holds it: what was decided, about how many, under which rules, and where it is recorded."""

    use: UseId
    index: int
    question: Question
    funnel: Funnel
    rules: str
    policy: str
    root: str = ""

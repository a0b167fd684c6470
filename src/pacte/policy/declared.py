"""One purpose as packs see it: what a policy settles, as words that a `for` or a condition may ask for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from pacte.policy.categories import categories
from pacte.policy.model import PolicyFile, Purpose, Recipient
from pacte.policy.vocabulary import SERVICE, RuleError

DEFAULT_GRADE = "form"
"""The grade of proof that a consent needs when its purpose names none."""

WORK_CONTACT = frozenset({"name", "job", "professional", "email_address_work"})
"""Data about how somebody does their job, and no more: a new category is none of them until it is listed here.

Source: Québec P-39.1 s. 1.
"""

Words: TypeAlias = frozenset[str]
"""What a policy says of a purpose under one key, as words that a pack can ask for."""


@dataclass(frozen=True)
class Declared:
    """One purpose as a pack sees it: what the policy settles about it."""

    name: str
    purpose: Purpose
    document: PolicyFile

    @property
    def grade(self) -> str:
        """The weakest proof of consent that counts."""
        return self.purpose.minimum_grade or DEFAULT_GRADE

    @property
    def recipients(self) -> dict[str, Recipient]:
        """Who may receive the data."""
        return {name: self.document.recipients[name] for name in self.purpose.recipients}

    @cached_property
    def words(self) -> Mapping[str, Words]:
        """Everything that a `for` or a condition may ask of a purpose; see docs/how-to/write-a-pack.md."""
        purpose, document = self.purpose, self.document
        roles = {recipient.role for recipient in self.recipients.values()}
        found = {self._category(path) for path in purpose.uses}
        known = categories()
        families = {known[name].family for name in found if name in known} - {""}
        special = {known[name].special for name in found if name in known} - {""}
        contracted = all(one.contract for one in self.recipients.values() if one.role == "processor")
        flags = {
            "explicit": purpose.explicit,
            "balancing": purpose.balancing is not None,
            "ground": bool(purpose.ground),
            "in_return": bool(purpose.in_return),
            "automated_decision": purpose.automated_decision,
            "sale": purpose.sale or self._sells(roles, contracted),
            "sold": purpose.sale,
            "financial_incentive": purpose.financial_incentive,
            "expires": purpose.expires_after is not None,
            "asked_by": bool(purpose.asked_by),
            "processors_bound": contracted,
            "work_contact": bool(found) and found <= WORK_CONTACT,
            "depends_on_choice": purpose.basis in ("consent", "legitimate_interests", "public_task"),
        }
        ages = purpose.ages
        return {
            **{name: frozenset({"yes" if value else "no"}) for name, value in flags.items()},
            "purpose": frozenset({self.name}),
            "basis": frozenset({purpose.basis}),
            "kind": frozenset({purpose.kind}),
            "claims": frozenset(purpose.exceptions),
            "technology": frozenset(purpose.technology),
            "sector": frozenset({purpose.sector or "none"}),
            "special": frozenset(special),
            "category": frozenset(found | families),
            "discloses_to": frozenset(roles),
            "by": frozenset(purpose.channels),
            "public": frozenset(purpose.public),
            "honours": frozenset(purpose.honours),
            "ages": frozenset({"none"} if ages is None else {"guardian" if ages.below else "minimum"}),
            "ages_unknown": frozenset({"adult" if ages and ages.unknown else "no"}),
            "offered_to": frozenset({document.offered_to}),
            "regulated_as": frozenset(document.controller.regulated_as),
            "law": frozenset(document.laws),
            "retention_from": frozenset({purpose.retention.event}),
        }

    def _sells(self, roles: Collection[str], contracted: bool) -> bool:
        """Whether somebody who decides for themselves receives data for more than the service, or out of a duty.

        Sharing with a processor whom no contract binds is sharing with somebody who decides. Source: California Civil
        Code § 1798.140(ad), (ah); 11 CCR § 7051(c).
        """
        purpose = self.purpose
        if purpose.kind == "sharing":
            return "controller" in roles or not contracted
        asked = purpose.kind in SERVICE
        return "controller" in roles and not asked and purpose.basis not in ("legal_obligation", "vital_interests")

    def _category(self, path: str) -> str:
        dataset, _, name = path.partition(".")
        return self.document.datasets[dataset].category_of(name)

    def notices_that_ask(self) -> tuple[str, ...]:
        """The digests of the notices under which a yes counts; none where the purpose names none."""
        return tuple(self.document.notices[name].digest for name in self.purpose.asked_by)

    def notices_that_say(self, elements: Iterable[str]) -> tuple[str, ...]:
        """The digests of the notices that say all of these of this purpose."""
        wanted = set(elements)
        return tuple(
            notice.digest for notice in self.document.notices.values() if wanted <= set(notice.says.get(self.name, ()))
        )


def selected(node: Any, declared: Declared) -> bool:
    """Whether a purpose is one that a `for` is about: a mapping whose keys all fit, or a list of which one fits."""
    if node is None:
        return True
    if isinstance(node, list):
        return any(selected(one, declared) for one in members("for", node))
    return all(word_fits(declared.words, key, test) for key, test in node.items())


def word_fits(words: Mapping[str, Words], key: str, test: Any) -> bool:
    """Whether a purpose has one of the words asked for under `key`, or none of those under `not`."""
    if key not in STATIC:
        raise RuleError(f"unknown property `{key}` of a purpose")
    if isinstance(test, dict):
        if set(test) != {"not"}:
            raise RuleError(f"`{key}`: expected a word, a list of words, or `not:`")
        return not words.get(key, frozenset()) & set(listed(key, test["not"]))
    return bool(words.get(key, frozenset()) & set(listed(key, test)))


def listed(name: str, test: Any) -> tuple[str, ...]:
    """The words of a test, one or a list of them; raises `RuleError` for anything else, and for none."""
    words = tuple(test) if isinstance(test, list) else (test,)
    if not words or not all(isinstance(word, str) and word for word in words):
        raise RuleError(f"`{name}`: expected a word or a list of words")
    return words


def members(name: str, test: Any) -> list[Any]:
    """The members of a list; raises `RuleError` for none: an empty list would hold of everybody, or of nobody."""
    if not isinstance(test, list) or not test:
        raise RuleError(f"`{name}`: expected a list with at least one member")
    return test


NOTHING: Mapping[str, Words] = {}
"""What is known of no purpose."""

STATIC = frozenset(
    "explicit balancing ground in_return automated_decision sale sold financial_incentive expires processors_bound "  # noqa: SIM905 reads better
    "work_contact depends_on_choice purpose basis kind claims technology sector special category discloses_to by "
    "public honours ages ages_unknown offered_to regulated_as law retention_from asked_by".split()
)
"""The keys of `Declared.words`."""

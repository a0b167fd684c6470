"""From the policy that people wrote to the rule table that machines read."""

from __future__ import annotations

from dataclasses import dataclass

from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.policy.categories import covered
from pacte.policy.declared import DEFAULT_GRADE, Declared
from pacte.policy.house import house_purposes
from pacte.policy.law_checks import GROUNDS
from pacte.policy.model import Aggregate, Coarse, DataField, Dataset, Notice, PolicyFile, Purpose, Recipient
from pacte.policy.packs import Pack, packs_of
from pacte.policy.parts import in_every_language
from pacte.policy.reaching import contact_of
from pacte.policy.requirements import requirements_of
from pacte.policy.table import NoticeRules, PurposeRules, RuleTable


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy ready to be put in force: the digest of its bytes, its rule table, the document itself."""

    policy_digest: str
    table: RuleTable
    document: PolicyFile


def compile_policy(document: PolicyFile) -> Compiled:
    """Compile a checked policy; the same document always gives the same table, byte for byte."""
    fields = {
        f"{dataset_name}.{name}": (dataset.fields[name].category, dataset.fields[name].identity or "")
        for dataset_name, dataset in document.datasets.items()
        for name in dataset.fields
    }
    packs = packs_of(document)
    declared = {name: _purpose(name, purpose, document, packs) for name, purpose in document.purposes.items()}
    table = RuleTable(
        controller=_controller(document),
        purposes={**declared, **house_purposes(fields)},
        notices={notice.digest: _notice(notice) for notice in document.notices.values()},
        datasets={name: _dataset(dataset) for name, dataset in document.datasets.items()},
        recipients={name: _recipient(recipient) for name, recipient in document.recipients.items()},
        laws=tuple(pack.id for pack in packs),
        contact=contact_of(document, packs),
    )
    return Compiled(document.digest, table, document)


MOST_CATEGORIES = 60
"""Distinct categories of one purpose: what a person was told of is one 64-bit mask when populations are decided."""


def _purpose(name: str, purpose: Purpose, document: PolicyFile, packs: tuple[Pack, ...]) -> PurposeRules:
    categories = tuple(sorted({_category(path, document) for path in purpose.uses}))
    if len(categories) > MOST_CATEGORIES:
        raise BadInput(
            f"purpose `{name}` uses {len(categories)} categories of data; expected at most {MOST_CATEGORIES}: split it"
        )
    return PurposeRules(
        basis=purpose.basis,
        kind=purpose.kind,
        title=purpose.title,
        requirements=requirements_of(Declared(name, purpose, document), packs),
        categories=categories,
        fields=purpose.uses,
        exact=purpose.exact,
        channels=purpose.channels,
        recipients=purpose.recipients,
        by_recipient=purpose.by_recipient,
        public=purpose.public,
        honours=purpose.honours,
        min_grade=purpose.minimum_grade or (DEFAULT_GRADE if purpose.basis == "consent" else "none"),
        expires_after=purpose.expires_after,
        keep=purpose.retention.keep,
        keep_from=purpose.retention.event,
        domain=purpose.processing_domain or name,
        ground=(in_every_language(purpose.ground) or {}).get("en", ""),
        art9=art9(purpose),
    )


def art9(purpose: Purpose) -> bool:
    """Whether a purpose stands on a ground that opens special categories of data. Source: GDPR Art. 9(2)."""
    if purpose.basis == "consent" and purpose.explicit:
        return True
    if purpose.sale or purpose.kind in _ASKS:
        return False
    claimed = any(word in GROUNDS for word in purpose.exceptions)
    return claimed or purpose.basis == "vital_interests" or purpose.kind == "legal_claims"


_ASKS = ("direct_marketing", "personalisation", "profiling", "sharing", "model_training", "inference")
"""Kinds of use that see special categories with the person's explicit consent only, whatever else is claimed."""


def _category(path: str, document: PolicyFile) -> str:
    dataset, _, name = path.partition(".")
    return document.datasets[dataset].category_of(name)


def _notice(notice: Notice) -> NoticeRules:
    told = {purpose: tuple(sorted(covered(named))) for purpose, named in notice.tells.items()}
    said = {purpose: tuple(sorted(words)) for purpose, words in notice.says.items()}
    return NoticeRules(notice.locale, notice.version, told, said)


def _recipient(recipient: Recipient) -> Json:
    return dict(recipient.model_dump(exclude_none=True, by_alias=True))


def _controller(document: PolicyFile) -> dict[str, Json]:
    found = document.controller.model_dump(exclude_none=True, exclude={"postal"})  # it decides nothing
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value != ()}


def _dataset(dataset: Dataset) -> Json:
    found: dict[str, Json] = {
        "per": dataset.per,
        "person": dataset.person,
        "key": list(dataset.key),
        "fields": {name: _field(field) for name, field in dataset.fields.items()},
        "aggregates": {name: _aggregate(name, item, dataset) for name, item in dataset.aggregates.items()},
    }
    return {**found, "references": dataset.references} if dataset.references else found


def _field(field: DataField) -> Json:
    parts = {"category": field.category, "type": field.type, "identity": field.identity, "group": field.group}
    known: dict[str, Json] = {name: value for name, value in parts.items() if value}
    reveals: dict[str, Json] = {special: list(values) for special, values in field.reveals.items()}
    told: dict[str, Json] = {"reveals": reveals} if reveals else {}
    return {**known, **told, **_rounding(None if field.identity else field.rounding)}


def _aggregate(name: str, aggregate: Aggregate, dataset: Dataset) -> Json:
    known: dict[str, Json] = {"take": aggregate.take, "category": dataset.category_of(name)}
    if aggregate.field:
        known["field"] = aggregate.field
    # The latest order is as telling as the orders themselves: it is rounded like its field unless it says otherwise.
    inherited = (
        dataset.fields[aggregate.field].rounding if aggregate.field and aggregate.take in ("min", "max") else None
    )
    return {**known, **_rounding(aggregate.coarse or inherited)}


def _rounding(coarse: Coarse | None) -> dict[str, Json]:
    return {"coarse": coarse.model_dump(exclude_none=True)} if coarse else {}

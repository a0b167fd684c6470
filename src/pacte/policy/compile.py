"""From the policy that people wrote to the rule table that machines read."""

from __future__ import annotations

from dataclasses import dataclass

from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.policy.categories import covered
from pacte.policy.house import house_purposes
from pacte.policy.model import Aggregate, Coarse, DataField, Dataset, Notice, PolicyFile, Purpose
from pacte.policy.requirements import DEFAULT_GRADE, requirements_of
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
    declared = {name: _purpose(name, purpose, document) for name, purpose in document.purposes.items()}
    table = RuleTable(
        controller=_controller(document),
        purposes={**declared, **house_purposes(fields)},
        notices={notice.digest: _notice(notice) for notice in document.notices.values()},
        datasets={name: _dataset(dataset) for name, dataset in document.datasets.items()},
        recipients={name: recipient.model_dump(exclude_none=True) for name, recipient in document.recipients.items()},
    )
    return Compiled(document.digest, table, document)


MOST_CATEGORIES = 60
"""Distinct categories of one purpose: what a person was told of is one 64-bit mask when populations are decided."""


def _purpose(name: str, purpose: Purpose, document: PolicyFile) -> PurposeRules:
    categories = tuple(sorted({_category(path, document) for path in purpose.uses}))
    if len(categories) > MOST_CATEGORIES:
        raise BadInput(
            f"purpose `{name}` uses {len(categories)} categories of data; expected at most {MOST_CATEGORIES}: split it"
        )
    return PurposeRules(
        basis=purpose.basis,
        kind=purpose.kind,
        title=purpose.title,
        requirements=requirements_of(purpose),
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
        ground=purpose.ground or "",
    )


def _category(path: str, document: PolicyFile) -> str:
    dataset, _, name = path.partition(".")
    return document.datasets[dataset].category_of(name)


def _notice(notice: Notice) -> NoticeRules:
    told = {purpose: tuple(sorted(covered(named))) for purpose, named in notice.tells.items()}
    return NoticeRules(notice.locale, notice.version, told)


def _controller(document: PolicyFile) -> dict[str, Json]:
    return dict(document.controller.model_dump(exclude_none=True))


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
    return {**known, **_rounding(None if field.identity else field.rounding)}


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

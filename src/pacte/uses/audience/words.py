"""A condition in words, French and English: what a file says, and what a person reads before they send anything."""

from __future__ import annotations

from pacte.gate.measures import Measure
from pacte.kernel.i18n import number, text, typeset
from pacte.policy.categories import categories
from pacte.policy.model import Aggregate, PolicyFile
from pacte.uses.audience.condition import Aged, Any, Condition, Every, Is, Lately, Not


def say(condition: Condition, policy: PolicyFile, lang: str) -> str:
    """A condition in a sentence without its end."""
    return typeset(_say(condition, policy, lang, inside=False), lang)


def title(policy: PolicyFile, path: str, lang: str) -> str:
    """What a field, an aggregate or (without a point) a dataset is called."""
    dataset, _, name = path.partition(".")
    found = policy.datasets.get(dataset)
    if found is None:
        return path
    part = found.fields.get(name) if name else found
    titled = getattr(part, "title", None)
    if titled:
        return str(titled.get(lang) or next(iter(titled.values())))
    if not name:
        return dataset
    if name in found.aggregates:
        return _computed(policy, dataset, found.aggregates[name], lang)
    category = categories().get(found.fields[name].category) if name in found.fields else None
    return getattr(category, lang, path) if category else path


def _computed(policy: PolicyFile, dataset: str, aggregate: Aggregate, lang: str) -> str:
    """What a figure computed over events is called, by its field and its dataset."""
    of, by = title(policy, dataset, lang), aggregate.field
    if by is None or aggregate.take == "count":
        return text("uses", "segment.rows", lang, dataset=of)
    dated = policy.datasets[dataset].fields[by].type in ("date", "instant")
    kind = f"{aggregate.take}_day" if dated else aggregate.take
    return text("uses", f"segment.computed.{kind}", lang, what=title(policy, f"{dataset}.{by}", lang), dataset=of)


def _say(condition: Condition, policy: PolicyFile, lang: str, *, inside: bool) -> str:
    match condition:
        case Every(of) | Any(of):
            word = text("uses", "segment.and" if isinstance(condition, Every) else "segment.or", lang)
            joined = f" {word} ".join(_say(one, policy, lang, inside=True) for one in of)
            return f"({joined})" if inside else joined
        case Not(of):
            return text("uses", "segment.not", lang, what=f"({_say(of, policy, lang, inside=False)})")
        case Is(measure, values):
            return _of(_named(measure, policy, lang), _listed(values, lang), lang)
        case Lately(measure, months):
            since = text("uses", "segment.within", lang, months=months)
            return _of(_named(measure, policy, lang), since, lang)
    key = "age" if isinstance(condition, Aged) else "number"
    bounds = [
        text("uses", f"segment.{key}.{side}", lang, bound=number(bound, lang))
        for side, bound in (("at_least", condition.at_least), ("below", condition.below))
        if bound is not None
    ]
    return _of(_named(condition.measure, policy, lang), ", ".join(bounds), lang)


def _of(what: str, which: str, lang: str) -> str:
    return text("uses", "segment.says", lang, what=what, which=which)


def _named(measure: Measure, policy: PolicyFile, lang: str) -> str:
    if measure.name:
        return title(policy, f"{measure.dataset}.{measure.name}", lang)
    said = text("uses", "segment.rows", lang, dataset=title(policy, measure.dataset, lang))
    if measure.where:
        where = title(policy, f"{measure.dataset}.{measure.where}", lang)
        said += f" ({_of(where, _listed(measure.values, lang), lang)})"
    return said + (", " + text("uses", "segment.within", lang, months=measure.months) if measure.months else "")


def _listed(values: tuple[str, ...], lang: str) -> str:
    *first, last = values
    return f"{', '.join(first)} {text('uses', 'segment.or', lang)} {last}" if first else last

"""Two policies side by side, key by key: the one walk that `tighter` judges and `diff` tells.

A key is written with `*` for each name: `purposes.*.uses`. Single values and lists are leaves; parts that only one of
the policies has are told as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pacte.kernel.i18n import LANGUAGES
from pacte.policy.declared import DEFAULT_GRADE
from pacte.policy.model import EVERY, Aggregate, Coarse, DataField, Dataset, Part, PolicyFile, Purpose
from pacte.policy.tree import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """One key in both policies. `whole`: a part that only one of them has, the other side is `None`.

    `owners` are the parts that hold a leaf; `written` its two values as they are written, `old` and `new` what they
    mean.
    """

    key: str
    path: Path
    old: Any
    new: Any
    whole: bool = False
    owners: tuple[Any, Any] = (None, None)
    written: tuple[Any, Any] = (None, None)


def pairs(old: PolicyFile, new: PolicyFile) -> Iterator[Pair]:
    """Every key of two policies, in the order of the model."""
    yield from _parts(old, new, (), "", (old, new))


def keys_of(model: type[Part], prefix: str = "") -> Iterator[str]:
    """Every key of a model: `purposes.*`, `purposes.*.uses`, `datasets.*.fields.*.coarse`."""
    for name, info in model.model_fields.items():
        key = f"{prefix}{info.alias or name}"
        inner, several = _inner(info.annotation)
        if inner is None:
            yield key
            continue
        star = f"{key}.*" if several else key
        if several or not info.is_required():
            yield star
        yield from keys_of(inner, f"{star}.")


def grade_of(purpose: Purpose) -> str:
    """The weakest proof of consent that counts; none is asked where nothing rests on consent."""
    return purpose.minimum_grade or (DEFAULT_GRADE if purpose.basis == "consent" else "none")


def rounding_of(aggregate: Aggregate, dataset: Dataset) -> Coarse | None:
    """How a figure is rounded: as it says, or as the field whose smallest or largest value it is."""
    source: DataField | None = dataset.fields.get(aggregate.field or "")
    return aggregate.coarse or (source.rounding if source and aggregate.take in ("min", "max") else None)


def _parts(old: Part, new: Part, path: Path, prefix: str, policies: tuple[PolicyFile, PolicyFile]) -> Iterator[Pair]:
    for name, info in type(old).model_fields.items():
        word = info.alias or name
        before, after, key, here = getattr(old, name), getattr(new, name), f"{prefix}{word}", (*path, word)
        inner, several = _inner(info.annotation)
        if inner is None:
            yield _leaf(key, here, (old, new), (before, after), policies)
        elif several:
            yield from _named(before, after, here, f"{key}.*", policies)
        else:
            yield from _named(_single(word, before), _single(word, after), path, key, policies)


def _named(
    old: Mapping[str, Part], new: Mapping[str, Part], path: Path, key: str, policies: tuple[PolicyFile, PolicyFile]
) -> Iterator[Pair]:
    for name in [*old, *(name for name in new if name not in old)]:
        here = (*path, name)
        if name in old and name in new:
            yield from _parts(old[name], new[name], here, f"{key}.", policies)
        else:
            yield Pair(key, here, old.get(name), new.get(name), whole=True)


def _leaf(
    key: str, path: Path, owners: tuple[Part, Part], written: tuple[Any, Any], policies: tuple[PolicyFile, PolicyFile]
) -> Pair:
    meaning = _MEANING.get(key)
    old, new = [
        meaning(policy, path, owner) if meaning else value
        for policy, owner, value in zip(policies, owners, written, strict=True)
    ]
    return Pair(key, path, old, new, owners=owners, written=written)


def _single(word: str, part: Part | None) -> dict[str, Part]:
    return {} if part is None else {word: part}


def _inner(annotation: Any) -> tuple[type[Part] | None, bool]:
    """The part that a key holds, and whether it holds several by name; a rounding is one value."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return (None if annotation is Coarse else annotation), False
    if get_origin(annotation) is tuple:
        return None, False  # a list is one value
    for argument in get_args(annotation):
        found, several = _inner(argument)
        if found is not None:
            return found, several or get_origin(annotation) is dict
    return None, False


def in_every_language(words: Mapping[str, str] | None) -> dict[str, str] | None:
    """What a text says in each language, whether it was written once or for each."""
    if words is None:
        return None
    otherwise = words.get(EVERY) or next(iter(words.values()))
    return {lang: words.get(lang, otherwise) for lang in LANGUAGES}


# What a key means where it is not written, or together with others: from the policy, the key's path and its part.
_MEANING: dict[str, Callable[[PolicyFile, Path, Any], Any]] = {
    "purposes.*.ground": lambda _policy, _path, purpose: in_every_language(purpose.ground),
    "purposes.*.balancing.reference": lambda _policy, _path, balancing: in_every_language(balancing.reference),
    "purposes.*.minimum_grade": lambda _policy, _path, purpose: grade_of(purpose),
    "purposes.*.processing_domain": lambda _policy, path, purpose: purpose.processing_domain or path[1],
    "datasets.*.fields.*.coarse": lambda _policy, _path, field: field.rounding,
    "datasets.*.aggregates.*.coarse": lambda policy, path, item: rounding_of(item, policy.datasets[str(path[1])]),
}

"""Open who somebody is: a use of one person, permitted and recorded first, then the sealed fields that it names.

The one way from a verb or a page to a name or an address. Values come back redacted: they do not print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pacte.app.ask import refused_since
from pacte.app.policies import document
from pacte.gate.values import Decision
from pacte.intake.people import identity_groups
from pacte.kernel.canonical import Json
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.redacted import Redacted
from pacte.policy.model import Dataset
from pacte.vault import sealed

if TYPE_CHECKING:
    from pacte.app.house import House


def identified(
    house: House, subject: SubjectId, purpose: str, kinds: Sequence[str], *, by: str
) -> Mapping[str, Redacted[Json]]:
    """What is sealed of one person, by `dataset.field`, of these kinds of identity (`email`, `name`, …; none: all).

    Raises `Denied` when the gate does not permit it for this purpose; `KeyGone` when they were erased meanwhile.
    """
    datasets = document(house).datasets
    fields = {
        path: group
        for path, group in identity_groups(datasets).items()
        if not kinds or _identity(datasets, path) in kinds
    }
    permit = house.permit(subject, purpose, fields=tuple(sorted(fields)), by=by)
    if isinstance(permit, Decision):
        raise Denied(permit.reason.code, "the gate does not permit this use of this person's data")
    with house.reading() as conn:
        now = house.present(conn)
        opened = sealed.get(conn, house.keys, permit, subject, set(fields.values()), now, set(fields))
    if (refusal := refused_since(house, permit)) is not None:
        raise Denied(refusal.reason.code, "the gate permits this use of this person's data no more")
    return opened


def email_of(house: House, subject: SubjectId, purpose: str, *, by: str) -> Redacted[str] | None:
    """Somebody's e-mail address for one purpose, or `None` where the house has none. Raises as `identified` does."""
    found = identified(house, subject, purpose, ("email",), by=by)
    values = [one.reveal() for _, one in sorted(found.items())]
    return next((Redacted(value) for value in values if isinstance(value, str) and value), None)


def _identity(datasets: Mapping[str, Dataset], path: str) -> str | None:
    name, _, column = path.partition(".")
    return datasets[name].fields[column].identity

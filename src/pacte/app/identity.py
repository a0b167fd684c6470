"""Open who somebody is: a use of one person, permitted and recorded first, then the sealed fields that it names.

The one way from a verb or a page to a name or an address. Values come back redacted: they do not print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pacte.app.policies import published
from pacte.gate.values import Decision
from pacte.intake.people import group_of
from pacte.kernel.canonical import Json
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.redacted import Redacted
from pacte.vault import sealed

if TYPE_CHECKING:
    from pacte.app.house import House


def identified(
    house: House, subject: SubjectId, purpose: str, kinds: Sequence[str], *, by: str
) -> Mapping[str, Redacted[Json]]:
    """What is sealed of one person, by `dataset.field`, of these kinds of identity (`email`, `name`, …; none: all).

    Raises `Denied` when the gate does not permit it for this purpose; `KeyGone` when they were erased meanwhile.
    """
    with house.reading() as conn:
        datasets = published(conn, house.present(conn)).document.datasets
    fields = {
        f"{name}.{column}": group_of(dataset, column)
        for name, dataset in datasets.items()
        for column, declared in dataset.fields.items()
        if declared.identity and (not kinds or declared.identity in kinds)
    }
    permit = house.permit(subject, purpose, fields=tuple(sorted(fields)), by=by)
    if isinstance(permit, Decision):
        raise Denied(permit.reason.code, "the gate does not permit this use of this person's data")
    with house.reading() as conn:
        return sealed.get(conn, house.keys, permit, subject, set(fields.values()), house.present(conn), set(fields))


def email_of(house: House, subject: SubjectId, purpose: str, *, by: str) -> Redacted[str] | None:
    """Somebody's e-mail address for one purpose, or `None` where the house has none. Raises as `identified` does."""
    found = identified(house, subject, purpose, ("email",), by=by)
    values = [one.reveal() for _, one in sorted(found.items())]
    return next((Redacted(value) for value in values if isinstance(value, str) and value), None)

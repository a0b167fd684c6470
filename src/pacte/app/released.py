"""Use one person's data from another system: the gate is asked, the use is recorded, and only then is anything opened.

The same way that `House.permit` and `app.identity` go, with fields that the caller names. What was opened leaves only
while the gate still says yes. Figures are not opened for one person: they come out of the lake for populations only;
what that person did is opened by `app.events`, for the company's own site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pacte.app.ask import UseOfOne, refused_since
from pacte.app.policies import published
from pacte.gate.permit import Permit
from pacte.gate.values import Decision
from pacte.intake.people import identity_groups
from pacte.kernel import given
from pacte.kernel.canonical import Json
from pacte.kernel.redacted import Redacted
from pacte.vault import sealed

if TYPE_CHECKING:
    from pacte.app.house import House


@dataclass(frozen=True, slots=True)
class Released:
    """A recorded use of one person, and what it opened: the values that say who they are, by `dataset.field`."""

    permit: Permit
    values: Mapping[str, Redacted[Json]] = field(repr=False)


def release_one(
    house: House,
    person: str,
    purpose: str,
    *,
    fields: tuple[str, ...] = (),
    channel: str = "",
    recipient: str = "",
    by: str = "python",
    key: str = "",
    said: str = "",
) -> Released | Decision:
    """Use one person's data for a purpose; a refusal gives the `Decision`. `fields` are all of the purpose's if empty.

    With a `key`, the same call again (by the digest `said`) opens the same under the permit that the first one gave,
    until it ends, or the gate says no. What was recorded stays, though the gate says no before the values leave.
    Raises `NotFound` for somebody unknown, `Denied` for what the policy does not declare.
    """
    for name, value in (("person", person), ("purpose", purpose), ("channel", channel), ("recipient", recipient)):
        given.word(value, name)
    fields = given.names(fields, "fields")
    permit = house.commit(UseOfOne(person, purpose, fields, channel, recipient, by, key, said))
    if isinstance(permit, Decision):
        return permit
    with house.reading() as conn:
        now = house.present(conn)
        every = identity_groups(published(conn, now).document.datasets)
        groups = {path: group for path, group in every.items() if path in permit.fields}
        permit.check(now)
        opened = sealed.get(conn, house.keys, permit, permit.subject, set(groups.values()), now, set(groups))
    return refused_since(house, permit) or Released(permit, opened)

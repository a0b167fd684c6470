"""The data map: which data there are, what reads them and what nothing has read, a purpose and what it reads.

No value of anybody is in it.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request, Response

from pacte.app.datamap import DataMap, Field, data_map
from pacte.app.valued import MONTHS, Unread, proposal, valued
from pacte.consent.notice.words import category, length, of_policy
from pacte.intake.report import reason_text
from pacte.kernel.errors import Denied
from pacte.policy.diff import rounding
from pacte.policy.model import Coarse
from pacte.web.auth.staff import member
from pacte.web.pages import language, page, words
from pacte.web.security import throttle

router = APIRouter()

SPANS = (6, MONTHS, 24)
"""For how many months a field may be asked not to have been read."""


@router.get("/{lang}/staff/data")
def data(request: Request) -> Response:
    """The page; `dataset` and `purpose` choose what is shown, `months` how long nothing must have read a field."""
    throttle(request, "data", 120, 600, who=member(request, "data").id)
    try:
        found = data_map(request.app.state.house)
    except Denied:  # before a policy is in force there are no purposes
        return page(request, "console/data.html", found=None)
    asked, lang = request.query_params, language(request)
    dataset, purpose = asked.get("dataset", ""), asked.get("purpose", "")
    dataset = dataset if dataset in found.fields else ""
    purpose = purpose if purpose in found.policy.purposes else ""
    months = next((one for one in SPANS if str(one) == asked.get("months")), MONTHS)
    silent = valued(request.app.state.house, found, months)
    fields = {name: _chosen(there, purpose) for name, there in found.fields.items() if dataset in ("", name)}
    return page(
        request,
        "console/data.html",
        found=found,
        dataset=dataset,
        purpose=purpose,
        fields={name: there for name, there in fields.items() if there},
        purposes=[name for name in found.policy.purposes if _reads(found, name, dataset) and purpose in ("", name)],
        origins=[one for one in found.origins if dataset in ("", one.dataset)],
        valued=silent,
        unread=[one for one in silent.unread if _named(one, dataset, purpose)],
        spans=SPANS,
        words_of=_Words(found, lang),
    )


def _chosen(fields: Iterable[Field], purpose: str) -> list[Field]:
    return [one for one in fields if not purpose or any(read.purpose == purpose for read in one.readings)]


def _named(one: Unread, dataset: str, purpose: str) -> bool:
    return dataset in ("", one.path.partition(".")[0]) and (not purpose or purpose in one.purposes)


def _reads(found: DataMap, purpose: str, dataset: str) -> bool:
    return not dataset or any(one.path.partition(".")[0] == dataset for one in found.read_by(purpose))


class _Words:
    """What the map says, in one language."""

    def __init__(self, found: DataMap, lang: str) -> None:
        self._policy, self._lang = found.policy, lang

    def title(self, purpose: str) -> str:
        """A purpose as people know it."""
        return of_policy(self._policy.purposes[purpose].title, self._lang)

    def basis(self, purpose: str) -> str:
        """The legal basis of a purpose."""
        return words("console", self._lang, f"data.basis.{self._policy.purposes[purpose].basis}")

    def kept(self, purpose: str) -> str:
        """Until when data are kept for a purpose."""
        kept = self._policy.purposes[purpose].retention
        return words("console", self._lang, f"data.until.{kept.event}", length=length(kept.keep, self._lang))

    def until(self, field: Field) -> list[str]:
        """Until when a field is kept, for each time that a purpose gives."""
        return list(dict.fromkeys(self.kept(one.purpose) for one in field.readings))

    def category(self, name: str) -> str:
        """A category of data."""
        return category(name, self._lang)

    def rounding(self, coarse: Coarse) -> str:
        """How a value is rounded where it is read."""
        return rounding(coarse, self._lang)

    def proposal(self, one: Unread) -> str:
        """What to do about a field that nothing has read."""
        return proposal(one, self._policy, self._lang)

    def reason(self, code: str) -> str:
        """Why rows were set aside."""
        return reason_text(code, self._lang)

    def given(self, purpose: str) -> list[str]:
        """Who receives the data of a purpose."""
        return [self._policy.recipients[name].name for name in self._policy.purposes[purpose].recipients]

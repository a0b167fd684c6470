"""Results over time: people written to, left out, lost on the way and gone, by purpose and month; nobody shows."""

from __future__ import annotations

import csv
import io
from functools import partial

from fastapi import APIRouter, Request, Response

from pacte.app.outcomes import NOTHING, Outcomes, outcomes
from pacte.app.policies import published
from pacte.app.segments import smallest
from pacte.consent.notice.words import of_policy
from pacte.kernel.errors import Denied
from pacte.kernel.instant import to_iso
from pacte.web.auth.staff import member
from pacte.web.console import chart
from pacte.web.console.campaign_words import why
from pacte.web.pages import language, page
from pacte.web.security import throttle

router = APIRouter()

MONTHS = (12, 24, 36)
"""How many months may be shown; the first unless another is asked for."""


@router.get("/{lang}/staff/outcomes")
def shown(request: Request) -> Response:
    """The page; `months` is how many."""
    months, found = _asked(request)
    lang = language(request)
    return page(
        request,
        "console/outcomes.html",
        found=found,
        months=months,
        choices=MONTHS,
        titles=_titles(request),
        line=partial(chart.line, instants=found.months, lang=lang, named="MMM y"),
        why=partial(why, lang=lang),
        smallest=smallest(request.app.state.house) if found != NOTHING else 0,
    )


@router.get("/{lang}/staff/outcomes.csv")
def download(request: Request) -> Response:
    """The same numbers: a row for each purpose, month, outcome and reason; empty where they are too few, or nobody."""
    _, found = _asked(request)
    rows = io.StringIO(newline="")
    writer = csv.writer(rows)
    writer.writerow(["month", "purpose", "outcome", "reason", "people"])
    for purpose, lines in found.purposes.items():
        for line in lines:
            for month, people in zip(found.months, line.people, strict=True):
                writer.writerow(
                    [to_iso(month)[:7], purpose, line.outcome, line.reason, "" if people is None else people]
                )
    named = {"Content-Disposition": 'attachment; filename="pacte-results.csv"'}
    return Response(rows.getvalue(), media_type="text/csv", headers=named)


def _asked(request: Request) -> tuple[int, Outcomes]:
    """How many months, and what became of their messages; raises as `member` does, and `TooFast`."""
    throttle(request, "outcomes", 120, 600, who=member(request, "figures").id)
    typed = request.query_params.get("months", "")
    months = next((one for one in MONTHS if str(one) == typed), MONTHS[0])
    return months, outcomes(request.app.state.house, months)


def _titles(request: Request) -> dict[str, str]:
    """The purposes of the policy in force, by what people are told that they are; none before there is one."""
    house = request.app.state.house
    try:
        with house.reading() as conn:
            found = published(conn, house.present(conn)).document.purposes
    except Denied:
        return {}
    return {name: of_policy(one.title, language(request)) for name, one in found.items()}

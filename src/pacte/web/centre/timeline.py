"""What I said: every choice since the beginning, the latest first, in words, with its receipt."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pacte.app.timeline import timeline
from pacte.kernel.ids import SubjectId
from pacte.web.centre.words import known, reasons
from pacte.web.pages import language, page
from pacte.web.session import person

router = APIRouter()


@router.get("/{lang}/me/timeline")
def said(request: Request) -> Response:
    """A page of it; `?before=812` goes on below an entry."""
    signed_in = person(request)
    asked = request.query_params.get("before", "")
    before = int(asked) if asked.isdecimal() and len(asked) < 16 else None
    found, more = timeline(request.app.state.house, SubjectId(signed_in.who), before)
    return page(
        request,
        "centre/timeline.html",
        said=found,
        more=more,
        before=before,
        methods=known("method"),
        why=reasons(language(request)),
    )

"""My page: for every purpose, on one page, what is held, for what, by which right, for whom, until when, and my word.

Source: GDPR Art. 12(1), 13(1)-(2), 7(3), 21.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pacte.web.centre import choices
from pacte.web.session import person

router = APIRouter()


@router.get("/{lang}/me")
def home(request: Request) -> Response:
    """The page. It shows what the policy says and what the person said, and no value of theirs."""
    return choices.shown(request, person(request), home=True)

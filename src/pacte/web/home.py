"""The front page of the privacy centre, and whether the server is well."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pacte.web.pages import page
from pacte.web.shop import is_open

router = APIRouter()


@router.get("/{lang}/")
def front(request: Request) -> Response:
    """What one can do here, before anybody has signed in."""
    return page(request, "home.html", shop=is_open(request))


@router.get("/health")
def health(request: Request) -> Response:
    """Whether the records can be read: for whoever watches the server."""
    with request.app.state.house.reading():
        return JSONResponse({"status": "ok"})

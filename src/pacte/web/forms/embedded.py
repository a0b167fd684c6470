"""A form within a page of the company's own site: a frame, so that its words stay ours and no cookie is needed.

Only the origins of `[web] embedded_by` may frame it. Inside, nobody is signed in and no cookie is set or read: browsers
keep none for a stranger's frame, and an answer has no more power than its ticket, since a message must confirm it. The
page around can neither read what is typed nor tick a box. Source: CSP Level 3 § 6.4.2 (`frame-ancestors`).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import FormData

from pacte.app import forms
from pacte.app.forms import Changed, Shown
from pacte.app.links import Expired
from pacte.consent.form.fragment import Again
from pacte.consent.form.values import STRANGER
from pacte.web.forms import showing
from pacte.web.pages import language, page
from pacte.web.security import CSP, LARGEST, refuse_foreign, refuse_large, throttle

router = APIRouter()

SCRIPT = "embed.js"


async def _sent(request: Request) -> FormData:
    """The fields of an embedded form; what proves that it was shown is its ticket."""
    refuse_large(request)
    refuse_foreign(request)
    return await request.form(max_files=0, max_fields=500, max_part_size=LARGEST)


@router.get("/{lang}/forms/embed.js")
def script() -> Response:
    """The script that puts a form into a page: `<script src=".../fr/forms/embed.js" data-form="newsletter">`."""
    content = files("pacte.web").joinpath("static", SCRIPT).read_bytes()
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "public, max-age=3600"}
    return Response(content, media_type="text/javascript; charset=utf-8", headers=headers)


@router.get("/{lang}/forms/{form}/embed")
def embed(request: Request, form: str) -> Response:
    """The form, for a frame."""
    throttle(request, "forms", 300, 600)
    return _page(request, forms.shown(request.app.state.house, form, language(request)))


@router.post("/{lang}/forms/{form}/embed")
def answer(request: Request, form: str, posted: Annotated[FormData, Depends(_sent)]) -> Response:
    """Take an answer from a frame."""
    throttle(request, "form-answers", 60, 600)
    house, said = request.app.state.house, showing.read(posted)
    try:
        seen, found = forms.answered(house, form, said.ticket, said.yes, (STRANGER,))
    except Expired:
        return _page(request, forms.shown(house, form, language(request)), late=True, status=410)
    except Changed as changed:
        return _page(request, changed.shown, changed=changed, status=409)
    return framed(request, showing.take(request, seen, found, said, _again, embedded=True))


def framed(request: Request, response: Response) -> Response:
    """Let our own pages and the listed origins show this answer in a frame, and nobody else."""
    listed = " ".join(("'self'", *request.app.state.house.settings.web.embedded_by))
    response.headers["Content-Security-Policy"] = CSP.replace("frame-ancestors 'none'", f"frame-ancestors {listed}")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _page(request: Request, found: Shown, *, status: int = 200, **said: Any) -> Response:
    shown = showing.parts(request, found, ours=False, **said)
    return framed(request, page(request, "forms/embed.html", status=status, embedded=True, **shown))


def _again(request: Request, found: Shown, again: Again, ticket: str) -> Response:
    return _page(request, found, again=again, ticket=ticket, status=422)

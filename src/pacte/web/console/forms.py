"""What forms have shown, as proof of what people were asked: each version as it was, its picture, its information.

A recorded form is shown in a frame that may do nothing: no script, no sending, no cookie of this site. Nobody shows
here, so no look is recorded. Source: GDPR Art. 7(1); CNIL délibération 2020-092 (proof of consent).
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response

from pacte.app import form_versions, forms, pictures
from pacte.app.figures import SMALLEST
from pacte.app.form_versions import FormVersion
from pacte.consent.form.values import PROGRAM
from pacte.kernel.errors import NotFound
from pacte.web.auth.staff import member
from pacte.web.pages import address, language, page, static, to
from pacte.web.security import CSP, Posted, throttle

router = APIRouter()

WITHIN = CSP.replace("default-src 'none'", "default-src 'none'; frame-src 'self'")
"""The page of a version shows it in a frame."""
INERT = (
    "sandbox allow-same-origin; default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
"""What was recorded is shown and does nothing: no script, nothing sent, nothing loaded but our style. Source: CSP 3."""


@router.get("/{lang}/staff/forms")
def listed(request: Request) -> Response:
    """Every form and its versions, and how it stands with their pictures."""
    found, house = member(request, "inspect"), request.app.state.house
    throttle(request, "console-forms", 120, 600, who=found.id)
    values: dict[str, Any] = {"forms": form_versions.versions(house), "titles": _titles(request)}
    values |= {"pictures": pictures.state(house), "tries": found.may("jobs"), "days": pictures.DAYS}
    return page(request, "console/forms.html", smallest=SMALLEST, done="done" in request.query_params, **values)


@router.post("/{lang}/staff/forms/pictures")
def again(request: Request, form: Posted) -> Response:
    """Have the worker try at once to take the pictures that are missing."""
    del form
    throttle(request, "pictures", 6, 600, who=member(request, "jobs").id)
    pictures.try_now(request.app.state.house)
    return to(request, "staff/forms?done")


@router.get("/{lang}/staff/forms/{digest}")
def one(request: Request, digest: str) -> Response:
    """One version: as it was shown, its picture, its information, the line that embeds the form."""
    member(request, "inspect")
    house = request.app.state.house
    version = form_versions.version(house, digest)
    shown = page(
        request,
        "console/form.html",
        version=version,
        title=_titles(request).get(version.kept.name, version.kept.name),
        drawn=_drawn(request, version),
        snippet=_snippet(request, version),
        smallest=SMALLEST,
    )
    shown.headers["Content-Security-Policy"] = WITHIN
    return shown


@router.get("/{lang}/staff/forms/{digest}/shown")
def shown(request: Request, digest: str) -> Response:
    """What was shown, word by word, in the style that forms have; inert."""
    member(request, "inspect")
    kept = form_versions.version(request.app.state.house, digest).kept
    if kept.reader == PROGRAM:
        raise NotFound("an application drew this form by itself")
    styles = "".join(f'<link rel="stylesheet" href="{static(name)}">' for name in ("app.css", "forms.css"))
    body = (
        f'<!doctype html><html lang="{kept.lang}"><head><meta charset="utf-8"><meta name="color-scheme" '
        f'content="light dark"><title>{kept.digest[:12]}</title>{styles}</head><body class="framed"><main>'
        f"{forms.body(request.app.state.house, digest)}</main></body></html>"
    )
    return Response(body, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": INERT})


@router.get("/{lang}/staff/forms/{digest}/picture")
def picture(request: Request, digest: str) -> Response:
    """The picture of what was shown, with its time in it."""
    member(request, "inspect")
    png = forms.picture(request.app.state.house, digest)
    if png is None:
        raise NotFound("no picture of this form was taken")
    return Response(png, media_type="image/png")


def _titles(request: Request) -> dict[str, str]:
    house, lang = request.app.state.house, language(request)
    return form_versions.titles(house, lang)


def _drawn(request: Request, version: FormVersion) -> list[tuple[str, str]]:
    """What an application was told to show, part by part; empty for what was shown here."""
    if version.kept.reader != PROGRAM:
        return []
    return list(_parts("", json.loads(forms.body(request.app.state.house, version.kept.digest))))


def _parts(name: str, said: Any) -> Iterator[tuple[str, str]]:
    """Every value of a structure, with the way to it."""
    if not isinstance(said, dict | list):
        yield name, str(said)
        return
    for key, value in said.items() if isinstance(said, dict) else enumerate(said, 1):
        yield from _parts(f"{name} · {key}" if name else str(key), value)


def _snippet(request: Request, version: FormVersion) -> str:
    """The line that puts the form, as it is by now, into a page of the company's own site."""
    kept, home = version.kept, request.app.state.house.settings.web.url
    title = form_versions.titles(request.app.state.house, kept.lang).get(kept.name)
    if title is None or kept.reader == PROGRAM:
        return ""
    script = home + address(kept.lang, "forms/embed.js")
    return f'<script src="{script}" data-form="{kept.name}" data-title="{html.escape(title)}" defer></script>'

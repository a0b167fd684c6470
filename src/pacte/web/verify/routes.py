"""The page that verifies in the browser, the same as one file to keep, and the log's public checkpoint.

What a visitor chooses on the page never leaves it. The checkpoint and the paths to it are hashes and a signature: they
show nobody, and everybody may have them. Source: c2sp.org/tlog-checkpoint; RFC 9162 §2.1.4.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from pacte import verifier
from pacte.app import receipts
from pacte.app.reading import published
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.web.pages import language, page, words
from pacte.web.security import throttle
from pacte.web.session import fresh_person, person

router = APIRouter()

SAYS = ("choose", "details", "foreign", "is_export", "no_crypto", "no_ed25519", "no_present", "unable", "unreadable")
"""What the script says beside the words of the verifier."""
OPTIONS = ("--key", "--anchors", "--checkpoint")
"""Options of the verifier's command line, which are fields of the page."""
MOST = 16
"""How many sizes one question names."""


@router.get("/{lang}/verify")
def verify(request: Request) -> HTMLResponse:
    """Check a proof or a receipt here, without sending it anywhere."""
    vkey = request.app.state.house.vkey
    return page(request, "verify/page.html", catalogue=_catalogue(language(request), vkey), vkey=vkey)


@router.get("/{lang}/verify/download")
def download(request: Request) -> Response:
    """The same page as one file, which needs no network and no house."""
    lang = language(request)
    script, style = _static("verify.js"), _static("app.css")
    answer = page(
        request,
        "verify/saved.html",
        catalogue=_catalogue(lang, request.app.state.house.vkey),
        script=script,
        style=style,
        policy=f"default-src 'none'; script-src {_allowed(script)}; style-src {_allowed(style)}; "
        "base-uri 'none'; form-action 'none'",
    )
    answer.headers["Content-Disposition"] = f'attachment; filename="pacte-verify-{lang}.html"'
    return answer


@router.get("/{lang}/me/receipt/{entry}")
def receipt(request: Request, entry: int) -> Response:
    """The receipt of a choice of the person who is signed in, as a file.

    An earlier one asks for a fresh sign-in, as all data does; what was said since they signed in does not.
    """
    signed_in, house = person(request), request.app.state.house
    throttle(request, "receipt", 60, 600, who=signed_in.who)
    own = receipts.choices_of(house, SubjectId(signed_in.who))
    if not any(index == entry and said["at"] >= signed_in.made for index, said in own):
        fresh_person(request)
    found = receipts.receipt(house, signed_in.who, entry=entry, lang=language(request), by="person")
    named = {"Content-Disposition": f'attachment; filename="{found.name}"'}
    return Response(found.data, media_type="application/json", headers=named)


@router.get("/{lang}/verify/verifier.py")
def program() -> Response:
    """The verifier for the command line: one Python file that needs nothing of pacte."""
    content = files("pacte").joinpath("verifier.py").read_bytes()
    named = {"Content-Disposition": 'attachment; filename="verifier.py"'}
    return Response(content, media_type="text/x-python; charset=utf-8", headers=named)


@router.get("/checkpoint")
def checkpoint(request: Request) -> PlainTextResponse:
    """The log's signed checkpoint of the last full hour."""
    throttle(request, "checkpoint", 120, 60)
    return PlainTextResponse(published(request.app.state.house).checkpoint)


@router.get("/checkpoint/since/{sizes}")
def since(request: Request, sizes: str) -> Response:
    """The checkpoint of the last full hour, with the paths to it from those of earlier sizes (`12` or `12,340`)."""
    throttle(request, "checkpoint", 120, 60)
    asked = sizes.split(",")
    if len(asked) > MOST or not all(one.isascii() and one.isdecimal() and len(one) < 16 for one in asked):
        raise BadInput("expected sizes of earlier checkpoints, such as `12` or `12,340`")
    found = receipts.continuation(request.app.state.house, map(int, asked), public=True)
    return Response(found, media_type="application/json")


def _catalogue(lang: str, vkey: str) -> str:
    """The words of the verifier and of the page, as the script reads them; nothing in it can end the element.

    What the verifier calls by an option of its command line is called by its field here.
    """
    said: dict[str, object] = {key: words("verify", lang, f"script.{key}") for key in SAYS}
    mark = "« {} »" if lang == "fr" else "`{}`"
    said["options"] = {mark.format(name): words("verify", lang, f"option.{name[2:]}") for name in OPTIONS}
    found = verifier.catalogue(lang) | {"page": {**said, "vkey": vkey}}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _static(name: str) -> str:
    return files("pacte.web").joinpath("static", name).read_text(encoding="utf-8")


def _allowed(content: str) -> str:
    """The source expression that allows exactly this script or style. Source: CSP Level 3 § 2.3.1."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

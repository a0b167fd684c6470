"""The texts of the policy in all its languages side by side: every one of the draft, changed where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from pacte.app import drafts
from pacte.app.drafts import Saved, Words
from pacte.app.staff import Member
from pacte.policy.readability import FEWEST_WORDS
from pacte.web.auth.staff import member
from pacte.web.console import text_rows
from pacte.web.pages import language, page, to
from pacte.web.security import Posted, throttle

router = APIRouter()

SHOW = ("", "missing", "changed")
"""Which texts are shown: all of them, or those."""


@router.get("/{lang}/staff/texts")
def texts(request: Request) -> Response:
    """Every text of the draft; `show` and `q` choose which."""
    allowed(request)
    asked = request.query_params
    return _page(request, asked.get("show", ""), asked.get("q", ""), done=asked.get("done", ""))


@router.post("/{lang}/staff/texts")
def save(request: Request, form: Posted) -> Response:
    """Write the texts of one part into the draft."""
    allowed(request)
    said, seen = _fields(form, "text"), _fields(form, "was")
    saved = drafts.save(request.app.state.house, said, seen)
    show, anchor = str(form.get("show", "")), str(form.get("part", ""))
    if saved.overtaken or saved.wrong:
        return _page(request, show, "", typed=said, saved=saved)
    done = f"done={'saved' if saved.changed else 'same'}"
    kept = f"&show={show}" if show in SHOW and show else ""
    return to(request, f"staff/texts?{done}{kept}#{anchor if anchor.isascii() and anchor.isprintable() else ''}")


def allowed(request: Request) -> Member:
    """Who may write texts; raises `SignInNeeded`, `Denied` for a role that may not, `TooFast`."""
    found = member(request, "texts")
    throttle(request, "texts", 300, 600, who=found.id)
    return found


def _fields(form: Mapping[str, Any], kind: str) -> Words:
    """What the fields of a kind hold, by place and language."""
    named = {text_rows.place_of(name.removeprefix(f"{kind}/")): value for name, value in form.items()
             if name.startswith(f"{kind}/")}  # fmt: skip
    return {place: str(value) for place, value in named.items() if place}


def _page(
    request: Request, show: str, q: str, *, done: str = "", typed: Words | None = None, saved: Saved | None = None
) -> Response:
    lang, show = language(request), show if show in SHOW else ""
    draft = drafts.draft(request.app.state.house)
    every = text_rows.parts(draft, lang, typed or {}, saved or Saved())
    parts = list(every if saved else text_rows.wanted(every, show, q))
    wrong = [(part, row, cell) for part in parts for row in part.rows for cell in row.cells if cell.problem]
    return page(
        request,
        "console/texts.html",
        status=(409 if saved.overtaken else 422) if saved else 200,
        parts=[part for part in parts if not saved or any(one is part for one, _, _ in wrong)],
        draft=draft,
        show=show,
        q=q,
        done=done,
        problems={f"text/{cell.name}": f"{row.about} ({cell.lang}): {cell.problem}" for _, row, cell in wrong},
        fewest=FEWEST_WORDS,
        strays=text_rows.strays(draft, typed or {}, saved or Saved()),
        fixed=[] if saved or show or q else list(text_rows.same_everywhere(draft, lang)),
    )

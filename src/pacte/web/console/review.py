"""What publishing the draft would change, for people and for the house, and the button that puts it in force."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from pacte.app import drafts
from pacte.app.drafts import Draft
from pacte.app.publish import ADVICE, UNASKED, Advice, publish
from pacte.consent.notice.redline import Piece, redline
from pacte.kernel import i18n
from pacte.kernel.errors import BadInput, Conflict, NotFound, PolicyError
from pacte.policy.diff import EFFECTS, Change
from pacte.policy.texts import part_of
from pacte.policy.tree import Path
from pacte.web import session
from pacte.web.auth.staff import fresh_member
from pacte.web.console import text_rows
from pacte.web.console.texts import allowed
from pacte.web.pages import LANGUAGES, language, page, to, words
from pacte.web.security import Posted

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """One text whose words change: of what, in which language, word by word; `name` leads to its field."""

    part: str
    about: str
    lang: str
    name: str
    pieces: tuple[Piece, ...]


@router.get("/{lang}/staff/texts/review")
def review(request: Request) -> Response:
    """What would change, what it asks for, and what stands in the way."""
    return _page(request, done=request.query_params.get("done", ""))


@router.post("/{lang}/staff/texts/notice")
def notice(request: Request, form: Posted) -> Response:
    """Write the notice that the draft makes into it."""
    del form
    allowed(request)
    try:
        drafts.write_notice(request.app.state.house)
    except (BadInput, NotFound) as error:
        return _page(request, refused=str(error))
    return to(request, "staff/texts/review?done=notice")


@router.post("/{lang}/staff/texts/publish")
def put_in_force(request: Request, form: Posted) -> Response:
    """Publish the draft that was looked at, and no other."""
    found, word = fresh_member(request, "publish"), str(form.get("advice", ""))
    advice = Advice(word) if word in ADVICE else UNASKED
    reviewed = str(form.get("version", ""))
    if not reviewed:
        return _page(request, overtaken=True)
    try:
        done = publish(request.app.state.house, found.actor, advice, reviewed=reviewed)
    except Conflict:
        return _page(request, overtaken=True)
    except (PolicyError, NotFound):  # the page says what is wrong
        return _page(request, overtaken=True)
    return to(request, f"staff/texts/review?done={done.index}")


def _page(request: Request, *, done: str = "", overtaken: bool = False, refused: str = "") -> Response:
    found, house, lang = allowed(request), request.app.state.house, language(request)
    signed_in = session.current(request, "staff")
    draft = drafts.draft(house)
    told = drafts.review(house, draft) if draft.compiled else None
    return page(
        request,
        "console/review.html",
        status=409 if overtaken else 422 if refused else 200,
        draft=draft,
        told=told,
        refusals=told.refused if told else (),
        changes=_by_effect(told.words if told else ()),
        more=_by_effect(told.more if told else ()),
        rewritten=_rewritten(draft, lang),
        missing=[(text_rows.name_of(*place), text_rows.label(place[0], lang), place) for place in draft.missing],
        titles=_titles(draft, lang),
        named={one: i18n.text("policy", f"diff.word.{one}", lang) for one in LANGUAGES},
        again=_quoted(draft, told.again if told else (), lang),
        advices=ADVICE,
        publishes=found.may("publish"),
        fresh=bool(signed_in and signed_in.fresh(house.clock())),
        overtaken=overtaken,
        refused=refused,
        done=done,
    )


def _by_effect(changes: tuple[Change, ...]) -> dict[str, list[Change]]:
    """Changes by what they ask for, the most important first."""
    found = {effect: [one for one in changes if one.effect == effect] for effect in EFFECTS}
    return {effect: there for effect, there in found.items() if there}


def _rewritten(draft: Draft, lang: str) -> list[Rewritten]:
    now = {(text.path, one): said for text in draft.texts for one, said in text.words.items()}
    titles = _titles(draft, lang)
    return [
        Rewritten(
            titles.get(part_of(path), ""),
            text_rows.label(path, lang),
            one,
            text_rows.name_of(path, one),
            tuple(redline(draft.before.get((path, one), ""), now[path, one])),
        )
        for path, one in draft.changed
    ]


def _quoted(draft: Draft, purposes: tuple[str, ...], lang: str) -> str:
    titles = _titles(draft, lang)
    return ", ".join(words("console", lang, "review.quoted", title=titles[("purposes", name)]) for name in purposes)


def _titles(draft: Draft, lang: str) -> dict[Path, str]:
    """What the purposes and forms are called."""
    found = [text for text in draft.texts if text.path[2:] == ("title",)]
    return {text.part: text.words.get(lang) or next(filter(None, text.words.values()), "") for text in found}

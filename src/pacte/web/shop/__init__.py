"""A sample shop, which nobody can buy from: what a company's own site looks like with our form, badge and boxes in it.

It is there for a house whose company is fictional (an address under `.example`, RFC 2606), and wherever `pacte serve
--with-shop` asks for it. What it chooses for somebody is in `ideas`; what it sells, in `goods`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from pacte.app import forms, levels
from pacte.kernel.errors import NotFound, PacteError
from pacte.kernel.ids import SubjectId
from pacte.web.pages import language, page, to
from pacte.web.security import CSP, Posted, throttle
from pacte.web.session import current, person
from pacte.web.shop.goods import BASKET, BESTSELLERS, CARRIAGE
from pacte.web.shop.ideas import ideas

router = APIRouter()

WITHIN = CSP.replace("default-src 'none'", "default-src 'none'; frame-src 'self'")
"""The pages of the shop show our form in a frame, as a company's site does."""


@router.get("/{lang}/shop")
def shop(request: Request) -> Response:
    """What sells most, what is chosen for whoever asked for it, with its badge, and the newsletter."""
    _refuse_closed(request)
    throttle(request, "shop", 240, 600)
    chosen = ideas(request.app.state.house, current(request, "person"), language(request))
    done = request.query_params.get("done") == "less"
    return _page(request, "shop/home.html", form="letter", goods=BESTSELLERS, chosen=chosen, done=done)


@router.post("/{lang}/shop/less")
def less(request: Request, form: Posted) -> Response:
    """Switch off what an idea comes from, and all that looks at more; what looks at less stays."""
    _refuse_closed(request)
    signed_in, house, lang = person(request), request.app.state.house, language(request)
    subject, said = SubjectId(signed_in.who), str(form.get("level", ""))
    wanted = int(said) if said.isdecimal() and len(said) < 3 else 0
    standing = levels.steps(house, subject, lang)
    held = standing.level
    levels.choose_level(house, subject, wanted if held is None else min(wanted, held), standing, seen=standing.seen)
    return to(request, "shop?done=less#ideas")


@router.get("/{lang}/shop/checkout")
def checkout(request: Request) -> Response:
    """The basket, and the boxes that a checkout asks, none of them ticked."""
    _refuse_closed(request)
    total = sum(one.cents * count for one, count in BASKET) + CARRIAGE
    return _page(request, "shop/checkout.html", form="account", basket=BASKET, carriage=CARRIAGE, total=total)


def is_open(request: Request) -> bool:
    """Whether this house shows the sample shop."""
    if getattr(request.app.state, "with_shop", False):
        return True
    company: Mapping[str, str] = request.app.state.controller(language(request))
    return company["contact"].strip().endswith(".example")


def _refuse_closed(request: Request) -> None:
    if not is_open(request):
        raise NotFound("this house has no sample shop")


def _page(request: Request, template: str, *, form: str, **values: Any) -> Response:
    there = form in _forms(request)
    shown = page(request, template, form=form if there else "", price=_price(language(request)), **values)
    shown.headers["Content-Security-Policy"] = WITHIN
    return shown


def _forms(request: Request) -> tuple[str, ...]:
    try:
        return forms.listed(request.app.state.house)
    except PacteError:  # before a policy is in force
        return ()


def _price(lang: str) -> Any:
    from babel.numbers import format_currency

    return lambda cents: format_currency(cents / 100, "EUR", locale={"en": "en_IE", "fr": "fr_FR"}[lang])

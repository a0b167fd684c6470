"""A sample shop, which nobody can buy from: what a company's own site looks like with our form, badge and boxes in it.

It is there for a house whose company is fictional (an address under `.example`, RFC 2606), and wherever `pacte serve
--with-shop` asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from pacte.app import forms
from pacte.kernel.errors import NotFound, PacteError
from pacte.web.pages import language, page
from pacte.web.security import POLICY

router = APIRouter()

WITHIN = POLICY.replace("default-src 'none'", "default-src 'none'; frame-src 'self'")
"""The pages of the shop show our form in a frame, as a company's site does."""


@dataclass(frozen=True, slots=True)
class Goods:
    """Something on the shelf; the price in cents of a euro."""

    name: str
    cents: int


GOODS = (Goods("flour", 490), Goods("honey", 890), Goods("tea", 650), Goods("caramel", 720))
BASKET = (Goods("flour", 980), Goods("honey", 890))
CARRIAGE = 450


@router.get("/{lang}/shop")
def shop(request: Request) -> Response:
    """The shelves, a suggestion with its badge, the newsletter."""
    return _page(request, "shop/home.html", form="letter", goods=GOODS)


@router.get("/{lang}/shop/checkout")
def checkout(request: Request) -> Response:
    """The basket, and the boxes that a checkout asks, none of them ticked."""
    total = sum(one.cents for one in BASKET) + CARRIAGE
    return _page(request, "shop/checkout.html", form="account", basket=BASKET, carriage=CARRIAGE, total=total)


def is_open(request: Request) -> bool:
    """Whether this house shows the sample shop."""
    if getattr(request.app.state, "with_shop", False):
        return True
    company: Mapping[str, str] = request.app.state.controller(language(request))
    return company["contact"].strip().endswith(".example")


def _page(request: Request, template: str, *, form: str, **values: Any) -> Response:
    if not is_open(request):
        raise NotFound("this house has no sample shop")
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

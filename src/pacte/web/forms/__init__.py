"""Forms that ask for consent: their pages, within other sites' pages, for applications; and the links that confirm."""

from fastapi import APIRouter

from pacte.web.forms import api, confirm, embedded, routes

router = APIRouter()
for _part in (embedded, routes, confirm, api):
    router.include_router(_part.router)

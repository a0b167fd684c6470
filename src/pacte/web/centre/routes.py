"""The doors of the privacy centre: everything that a person who is signed in can open, in the order of its tabs."""

from __future__ import annotations

from fastapi import APIRouter

from pacte.web.centre import choices, data, home, onday, preferences, timeline, uses, why

router = APIRouter()
for _page in (home, choices, uses, timeline, onday, preferences, data, why):
    router.include_router(_page.router)

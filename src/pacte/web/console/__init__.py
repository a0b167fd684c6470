"""The console: what the company's own staff see and do, each by their role, every look at a person recorded."""

from __future__ import annotations

from fastapi import APIRouter

from pacte.web.console import (
    campaigns,
    figures,
    forms,
    home,
    jobs,
    ledger,
    lists,
    looks,
    members,
    messages,
    outcomes,
    people,
    review,
    segments,
    setup,
    sources,
    stops,
    suppression,
    texts,
)

router = APIRouter()
parts = (
    home,
    figures,
    people,
    forms,
    ledger,
    looks,
    sources,
    texts,
    review,
    segments,
    messages,
    campaigns,
    outcomes,
    stops,
    lists,
    suppression,
    jobs,
    members,
    setup,
)
for part in parts:
    router.include_router(part.router)

"""The console: what the company's own staff see and do, each by their role, every look at a person recorded."""

from __future__ import annotations

from fastapi import APIRouter

from pacte.web.console import figures, forms, home, jobs, ledger, looks, members, people, review, setup, sources, texts

router = APIRouter()
for part in (home, figures, people, forms, ledger, looks, sources, texts, review, jobs, members, setup):
    router.include_router(part.router)

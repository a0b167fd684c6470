"""The console: what the company's own staff see and do, each by their role, every look at a person recorded."""

from __future__ import annotations

from fastapi import APIRouter

from pacte.web.console import figures, home, jobs, ledger, looks, members, people

router = APIRouter()
for part in (home, figures, people, ledger, looks, jobs, members):
    router.include_router(part.router)

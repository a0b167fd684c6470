"""The public notice: what is in force, every version under its permanent address, what changes, print, JSON."""

from pacte.web.notice.routes import router

__all__ = ["router"]

"""The trust badge: a small element for the company's own pages, and what it asks of the house."""

from pacte.web.badge.routes import router

__all__ = ["router"]

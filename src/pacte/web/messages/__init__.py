"""Doors that messages lead to: the end of them in one click."""

from pacte.web.messages.unsubscribe import router

__all__ = ["router"]

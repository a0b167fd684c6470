"""The API: what other systems ask and say, and its documentation."""

from pacte.web.api.routes import router

__all__ = ["router"]

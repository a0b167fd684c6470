"""Verification by anybody: a page that checks proofs and receipts in the browser, and the log's public face."""

from pacte.web.verify.routes import router

__all__ = ["router"]

"""Consent: what people said, were told, and are, as it was true and as it was known."""

from pacte.consent.facts import Facts, facts_at, told_notices

__all__ = ["Facts", "facts_at", "told_notices"]

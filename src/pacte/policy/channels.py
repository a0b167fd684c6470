"""The channels in plain words, the same wherever pacte speaks of them: the way itself, and by which way."""

from __future__ import annotations

from pacte.kernel.i18n import catalogue, text


def named(channel: str, lang: str) -> str:
    """The channel, as within a sentence: e-mail, telephone."""
    return text("policy", f"channel.{channel}", lang)


def by(channel: str, lang: str) -> str:
    """By which way: by e-mail, in the app. A channel that only another version of pacte knows keeps its own name."""
    known = f"by.{channel}" in catalogue("policy")
    return text("policy", f"by.{channel}", lang) if known else text("policy", "by.other", lang, channel=channel)


def titled(words: str) -> str:
    """Words as a heading begins."""
    return words[:1].upper() + words[1:]

"""A preview in words: one headline per purpose, then why people drop out and which uses stop."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pacte.cli.output import counted, tell, words
from pacte.kernel.i18n import day, text, typeset
from pacte.kernel.instant import DAY

if TYPE_CHECKING:
    from pacte.app.preview import Change, Preview

NAMED = 5
"""As many stopped uses are named by their entry; of more, the first."""


def show_preview(preview: Preview, lang: str) -> None:
    """Print a preview."""
    tell(words("preview.title", lang, policy=preview.policy[:12], day=day(preview.effective, lang)), style="bold")
    if not preview.uses:
        tell(counted("preview.nothing", lang, preview.days))
        if preview.last is not None:
            # Counted from the day of the preview, and one more, so that the use's own hour is within.
            ago = max(preview.days, (preview.at - preview.last) // DAY + 1)
            tell(words("preview.last", lang, day=day(preview.last, lang), days=ago))
        return
    tell(counted("preview.replayed", lang, preview.uses, days=preview.days))
    for change in preview.changes:
        tell("")
        _show(change, lang)
    if preview.unused:
        tell("")
        tell(words("preview.unused", lang, purposes=", ".join(f"`{name}`" for name in preview.unused)), style="dim")
    tell("")
    tell(words("preview.rounded", lang), style="dim")
    tell(words("preview.nothing_published", lang), style="dim")


def headline(change: Change, lang: str) -> str:
    """What would change for one purpose, such as `newsletter: −4,210 people; 3 uses stop; 812 must be asked again`."""
    if change.same:
        return words("preview.line", lang, purpose=change.purpose, words=words("preview.same", lang))
    from pacte.app.preview import FEWEST

    moved = [("leave", change.leave), ("join", change.join)]
    needed = [("ask", change.ask_again), ("tell", change.tell_first)]
    parts = [counted(f"preview.{key}", lang, count) for key, count in moved if count]
    parts = parts or [words("preview.little", lang, fewest=FEWEST)]
    if change.stopped:
        parts.append(counted("preview.stop", lang, len(change.stopped)))
    parts += [counted(f"preview.{key}", lang, count) for key, count in needed if count]
    between = typeset("; " if lang == "en" else " ; ", lang)
    return words("preview.line", lang, purpose=change.purpose, words=between.join(parts))


def _show(change: Change, lang: str) -> None:
    mark, color = ("✓", "green") if change.same else ("!", "yellow")
    tell(headline(change, lang), mark=mark, color=color, style="bold")
    held = {"before": _number(change.before, lang), "after": _number(change.after, lang)}
    tell(counted("preview.held", lang, change.uses, **held), indent=2)
    for code, count in change.reasons.items():
        stopped = any(one.why == code for one in change.stopped)
        reason = words(f"preview.why.{code}", lang) if stopped else text("policy", f"reason.{code}", lang)
        tell(words("preview.reason", lang, count=_number(count, lang), reason=reason), indent=2)
    for why, count in Counter(one.why for one in change.stopped).items():
        entries = [str(one.index) for one in change.stopped if one.why == why]
        shown = ", ".join(entries[:NAMED]) + ("…" if count > NAMED else "")
        reason = words(f"preview.why.{why}", lang)
        tell(counted("preview.stopped", lang, count, reason=reason, entries=shown), indent=2)


def _number(count: int | None, lang: str) -> str:
    from pacte.app.preview import FEWEST
    from pacte.kernel.i18n import number

    return words("preview.few", lang, fewest=FEWEST) if count is None else number(count, lang)

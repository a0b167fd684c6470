"""`compact`: tidy a large house while it goes on working."""

from __future__ import annotations

from dataclasses import asdict

import typer

from pacte.cli.output import HERE, HouseOption, JsonOption, LangOption, language, opened, say, tell, words
from pacte.cli.progress import bar


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("compact", short_help="Put small files together, so that a large house stays quick.")(compact)


def compact(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Put small files of the lake together and write the columnar copy of the facts anew, where either is worth it.

    Nobody waits for it: uses, choices and loads go on meanwhile. The worker does the same once a day.
    """
    from pacte.app.compaction import compact as tidy

    tongue = language(lang, house)
    with opened(house) as home, bar(words("compact.title", tongue), silent=as_json) as progress:
        done = asdict(tidy(home, progress))
    facts = words("compact.folded" if done["folded"] else "compact.kept", tongue)
    say(done, as_json, lambda: tell(words("compact.done", tongue, **done) + " " + facts))

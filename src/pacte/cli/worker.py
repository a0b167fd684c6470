"""`worker`: do what must follow from what was recorded, such as telling recipients of a withdrawal."""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict
from typing import Annotated

import typer

from pacte.cli.output import HERE, HouseOption, JsonOption, LangOption, language, opened, say, tell, words


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("worker", short_help="Do the jobs that follow from what was recorded.")(worker)


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what is due, then end.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="End after so many jobs; 0: no end.")] = 0,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="The clock is right, though it stands far ahead of what was recorded.")
    ] = False,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Do jobs as they fall due, until it is told to stop (SIGTERM, Ctrl-C). Any number of workers may run at once."""
    from pacte.app.sending import beside
    from pacte.app.worker import work

    tongue = language(lang, house)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with opened(house) as home, beside(home, stop, once=once):
        done = asdict(work(home, stop, once=once, limit=limit or None, trust_clock=trust_clock))
    say(done, as_json, lambda: tell(words("worker.done", tongue, **done)))

"""Pictures of forms: what a form looked like when it was published, taken by a browser without a window.

Chromium is driven by its command line, shown one file and nothing of any network, and ended after a while. Without it
there is no picture, and the digest of what was shown stands alone; the worker tries again daily for two weeks, and
afterwards whenever a form is published or somebody asks. Source: CNIL délibération 2020-092, « preuve du
consentement » (a time-stamped screenshot for each version).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pacte.app import forms
from pacte.app.publish import KEEP
from pacte.consent.form.values import PROGRAM
from pacte.kernel import db, jobs
from pacte.kernel.errors import NotFound, Unsafe
from pacte.kernel.i18n import moment, text
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.jobs import Job

if TYPE_CHECKING:
    from pacte.app.house import House

SECONDS = 30
"""How long the browser may take."""
WIDTH = 800
"""Pixels."""
DAYS = 14
"""How often a missing picture is tried: once a day."""
NONE = "none"
"""What the setting says where nobody wants pictures."""
NO_BROWSER, NO_PICTURE = "no_browser", "no_picture"
"""Why a picture is missing: there is no Chromium, or it took none."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""What Chromium is called where it is not named by `[web] chromium`."""
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-dev-shm-usage",
)


def browser(house: House) -> str:
    """The path of Chromium, `""` where there is none, or none is wanted."""
    if named := _named(house):
        return "" if named == NONE else shutil.which(named) or ""
    return next((path for name in NAMES if (path := shutil.which(name))), "")


def wanted(house: House) -> bool:
    """Whether pictures are taken here at all: not where `[web] chromium` or `PACTE_CHROMIUM` says `none`."""
    return _named(house) != NONE


def _named(house: House) -> str:
    return os.environ.get("PACTE_CHROMIUM") or house.settings.web.chromium


@dataclass(frozen=True, slots=True)
class Taken:
    """How many pictures were taken, and how many are still missing; `why` is a code, empty where none is missing."""

    count: int
    missing: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What is known of missing pictures: whether they are wanted, whether there is a browser, how often it was tried.

    `again` is when it is tried again, `None` where the worker has given up, or has nothing to do.
    """

    missing: int
    wanted: bool
    browser: bool
    tries: int
    again: Instant | None


def complete(house: House) -> Taken:
    """Take every picture that is missing, where there is a browser; what fails leaves the others alone.

    What an application draws by itself has none.
    """
    program, missing = browser(house), _missing(house)
    if not missing or not program:
        return Taken(0, len(missing), NO_BROWSER if missing and wanted(house) else "")
    failed = sum(not _took(house, program, digest) for digest in missing)
    return Taken(len(missing) - failed, failed, NO_PICTURE if failed else "")


def next_try(job: Job, now: Instant, why: str) -> Instant | None:
    """When the worker tries again what is missing: a day later, `None` once it has tried for `DAYS` days."""
    return Instant(now + DAY) if why and job.attempts < DAYS else None


def try_now(house: House) -> None:
    """Have the worker try again at once, and for `DAYS` days if need be."""
    with db.write(house.engine) as conn:
        now = house.clock()
        jobs.add(conn, [Job(KEEP, now, target=f"asked-{now}")])


def state(house: House) -> State:
    """How it stands with the pictures of what forms have shown."""
    with house.reading() as conn:
        tries = [job for job in jobs.listed(conn) if job.kind == KEEP]
    last = max(tries, key=lambda job: job.attempts, default=None)
    again = min((max(job.due, house.clock()) for job in tries), default=None)
    there = bool(browser(house))
    return State(len(_missing(house)), wanted(house), there, last.attempts if last else 0, again)


def _missing(house: House) -> list[str]:
    return [one.digest for one in forms.kept(house) if one.taken is None and one.reader != PROGRAM]


def _took(house: House, program: str, digest: str) -> bool:
    """Whether a picture could be taken."""
    try:
        png = photograph(program, _page(house, digest, house.clock()))
    except (Unsafe, OSError):
        return False
    forms.keep_picture(house, digest, png)
    return True


def photograph(program: str, page: str) -> bytes:
    """A picture of a page, as PNG; raises `Unsafe` when the browser makes none in time."""
    with tempfile.TemporaryDirectory(prefix="pacte-picture-") as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(page, encoding="utf-8")
        # A browser run by root has no sandbox to run in; it is shown one file of ours, without any script.
        alone = ("--no-sandbox",) if os.geteuid() == 0 else ()
        command = [
            program, *_OPTIONS, *alone, f"--user-data-dir={folder}/profile",
            f"--window-size={WIDTH},{_height(page)}", f"--screenshot={target}", source.as_uri(),
        ]  # fmt: skip
        _run(command, folder)
        if not target.exists():
            raise Unsafe("the browser took no picture; see `[web] chromium` in settings.toml")
        return target.read_bytes()


def _run(command: list[str], folder: str) -> None:
    """Run the browser; when its time is over, it and all that it started are ended."""
    surroundings = {"HOME": folder, "PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"}
    with subprocess.Popen(  # noqa: S603 # the browser of this machine or of the settings, with options of ours
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=surroundings
    ) as running:
        try:
            running.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            raise Unsafe(f"the browser did not end within {SECONDS} seconds") from None


def _height(page: str) -> int:
    """Pixels that hold the page: each line of words, each field, each heading, with room to spare."""
    words = re.sub(r"<[^>]*>", "\n", page.split("<body>", 1)[-1])
    lines = sum(1 + len(line) // 80 for line in words.splitlines() if line.strip())
    tall = page.count('class="field') + page.count('class="box"') + page.count("<h2") + page.count("<fieldset")
    return min(500 + 28 * lines + 50 * tall, 12_000)


def _page(house: House, digest: str, now: Instant) -> str:
    """What was shown with the style that it has, all its parts open, and below it what it is and when it was taken."""
    with house.reading() as conn:
        rows = db.fetch(conn, "SELECT name, lang FROM form_shown WHERE form = ?", (digest,))
    if not rows:
        raise NotFound("no form with this digest was shown here")
    name, lang = rows[0]
    shown = forms.body(house, digest).replace("<details>", "<details open>")
    style = "".join(_style(one) for one in ("app.css", "forms.css"))
    said = text("app", "picture.said", lang, name=name, moment=moment(now, lang), digest=digest)
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><style>{style}</style></head><body>'
        f'<main>{shown}<hr><p class="soft">{escape(said)}</p></main></body></html>'
    )


def _style(name: str) -> str:
    return files("pacte").joinpath("web", "static", name).read_text(encoding="utf-8")

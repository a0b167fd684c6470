"""Pictures of forms: what a form looked like when it was published, taken by a browser without a window.

Chromium is driven by its command line, shown one file and nothing of any network, and ended after a while. Without it
there is no picture, and the digest of what was shown stands alone. Source: CNIL délibération 2020-092, « preuve du
consentement » (a time-stamped screenshot for each version).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pacte.app import forms
from pacte.consent.form.values import PROGRAM
from pacte.kernel import db
from pacte.kernel.errors import NotFound, Unsafe
from pacte.kernel.i18n import moment, text
from pacte.kernel.instant import Instant

if TYPE_CHECKING:
    from pacte.app.house import House

SECONDS = 30
"""How long the browser may take."""
WIDTH = 800
"""Pixels."""
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
    """The path of Chromium, `""` where there is none, or where `PACTE_CHROMIUM` says `none`."""
    named = os.environ.get("PACTE_CHROMIUM") or house.settings.web.chromium
    if named:
        return "" if named == "none" else shutil.which(named) or ""
    return next((path for name in NAMES if (path := shutil.which(name))), "")


def complete(house: House) -> int:
    """Take every picture that is missing, where there is a browser; answers how many.

    Raises `Unsafe` when the browser takes none. What an application draws by itself has none.
    """
    program = browser(house)
    missing = [one.digest for one in forms.kept(house) if one.taken is None and one.reader != PROGRAM]
    if not program:
        return 0
    for digest in missing:
        forms.keep_picture(house, digest, photograph(program, _page(house, digest, house.clock())))
    return len(missing)


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
    lines = len(page.split("<body>", 1)[-1]) // 70
    tall = page.count('class="field') + page.count('class="box"') + page.count("<h2") + page.count("<fieldset")
    return min(600 + 28 * lines + 60 * tall, 12_000)


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

"""`serve`: open the doors of a house on the web, with its worker beside."""

from __future__ import annotations

import sys
import threading
from typing import Annotated

import typer

from pacte.cli.output import HERE, HouseOption, JsonOption, LangOption, language, opened, say, tell, words


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("serve", short_help="Serve the privacy centre, the notice, the console and the API.")(serve)


def serve(
    address: Annotated[
        str, typer.Option("--address", metavar="ADDRESS", help="Where to listen; this machine only if absent.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8080,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Whether to do jobs too, or leave them to `pacte worker`.")
    ] = True,
    with_shop: Annotated[
        bool, typer.Option("--with-shop", help="Show the sample shop too; a fictional company's house always does.")
    ] = False,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Serve this house on the web: what its people see and say, its staff's console, its API. Ends with Ctrl-C."""
    import signal

    from pacte.kernel.errors import BadInput

    try:
        from pacte.web.server import serving
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("pacte"):
            raise
        raise BadInput("needs the web extra; install it with `pip install pacte[web]`") from None
    from pacte.app.held import held
    from pacte.app.staff import first_owner

    tongue = language(lang, house)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    doors = {"worker": worker, "with_shop": with_shop}
    with opened(house) as home, held(home.path), serving(home, address, port, **doors) as url:
        invitation = first_owner(home)
        owner = f"{url}/{tongue}/staff/join/{invitation}" if invitation else ""

        def show() -> None:
            tell(words("serve.open", tongue, url=url), whole=True)
            if not (home.settings.mail.host or home.settings.mail.folder):
                tell(words("serve.no_mail", tongue), whole=True)
            if owner:
                tell(words("serve.owner", tongue), whole=True)
                tell(owner, whole=True)

        say({"url": url, "owner": owner or None}, as_json, show)
        sys.stdout.flush()  # whoever started this may wait for the address
        stop.wait()

"""`ledger stamp|stamps|witness|serve`: the ledger in other people's eyes, so that it cannot be rewritten unnoticed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pacte.cli.output import HERE, HouseOption, JsonOption, LangOption, counted, language, opened, say, tell, words


def register(group: typer.Typer) -> None:
    """Add these commands to the group `ledger`."""
    group.command("stamp", short_help="Have the newest checkpoint time-stamped.")(stamp)
    group.command("stamps", short_help="List the time-stamps and check them again.")(stamps)
    group.command("witness", short_help="Have witnesses cosign the newest checkpoint.")(witness)
    group.command("serve", short_help="Serve the checkpoint and the tree to those who watch.")(serve)


def stamp(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Have the newest checkpoint time-stamped by the authority of the settings (RFC 3161), and keep its token.

    A checkpoint that is stamped already is not stamped again.
    """
    from pacte.app import outside
    from pacte.kernel.i18n import moment

    tongue = language(lang, house)
    with opened(house) as home:
        found, before = outside.stamp(home)
    key = "ledger.stamp.before" if before else "ledger.stamp.done"
    when = moment(found.time or 0, tongue)
    say(
        _stamping(found) | {"before": before},
        as_json,
        lambda: tell(
            counted(key, tongue, found.size, time=when, path=str(found.path)), mark="✓", color="green", whole=True
        ),
    )


def stamps(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """List the time-stamps and check them again, against the ledger too. Exit code 7 if one does not hold."""
    from pacte.app import outside
    from pacte.kernel.i18n import moment

    tongue = language(lang, house)
    with opened(house) as home:
        found = outside.stamps(home)

    def show() -> None:
        for one in found:
            if one.problem:
                tell(f"{one.path.name}: {one.problem}", mark="✗", color="red")
            else:
                key = "ledger.stamps.ended" if one.expired_since else "ledger.stamps.line"
                tell(counted(key, tongue, one.size, time=moment(one.time or 0, tongue)), mark="✓", color="green")
        if not found:
            tell(words("ledger.no_stamps", tongue))

    say([_stamping(one) for one in found], as_json, show)
    raise typer.Exit(7 if any(one.problem for one in found) else 0)


def witness(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Address of a witness; those of the settings if absent.")
    ] = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="The witness's public key.")] = "",
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Have witnesses cosign the newest checkpoint. Each first checks that the ledger has only grown since the last one.

    Exit code 1 if one of the witnesses of the settings could not be asked; the others' cosignatures are kept.
    """
    from pacte.app import outside
    from pacte.kernel.errors import BadInput, PacteError
    from pacte.kernel.i18n import moment

    if bool(url) != bool(key):
        raise BadInput("name the witness's address and its key together: `pacte ledger witness URL --key KEY`")
    tongue = language(lang, house)
    with opened(house) as home:
        found = [outside.ask_witness(home, url, key)] if url else outside.ask_witnesses(home)

    def show() -> None:
        for one in found:
            if isinstance(one, PacteError):
                tell(str(one), mark="✗", color="red")
            else:
                when = moment(one.time, tongue)
                tell(counted("ledger.witness", tongue, one.size, name=one.name, time=when), mark="✓", color="green")

    data = [
        {"error": str(one)}
        if isinstance(one, PacteError)
        else {"entries": one.size, "witness": one.name, "time": one.time, "checkpoint": str(one.path)}
        for one in found
    ]
    say(data, as_json, show)
    raise typer.Exit(1 if any(isinstance(one, PacteError) for one in found) else 0)


def serve(
    address: Annotated[
        str, typer.Option("--address", metavar="ADDRESS", help="Where to listen; this machine only if absent.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8962,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Serve the newest checkpoint and the hashes of the tree over HTTP, for witnesses and monitors. Ends with Ctrl-C.

    Only commitments are served, never an entry: /checkpoint and /tile/… as c2sp.org/tlog-tiles describes them.
    """
    from pacte.app.serving import server

    tongue = language(lang, house)
    with opened(house) as home, server(home, address, port) as serving:
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{serving.server_address[1]}/"
        say({"url": url}, as_json, lambda: tell(words("ledger.serve", tongue, url=url), whole=True))
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            return


def _stamping(found: Any) -> dict[str, Any]:
    return {
        "entries": found.size,
        "time": found.time,
        "token": str(found.path),
        "certificate_ended": found.expired_since,
        "problem": found.problem,
    }

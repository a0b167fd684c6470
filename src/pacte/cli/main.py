"""`pacte`: the commands of a house, in the order in which a house meets them.

pacte init · policy · publish · rules · pack · notice · forms · message · segment · campaign · export ·
partner · load · rejected · choice · may · audience · sql · explain · replay · prove · receipt · verify · ledger ·
erase · stop · doctor · status · jobs · worker · serve · staff · apikey · webhooks · bounce · suppression · compact ·
keys · migrate · move · restore · demo
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from pacte.cli import (
    apikey,
    bounces,
    campaign,
    choices,
    compact,
    data,
    duties,
    export,
    forms,
    keys,
    ledger,
    message,
    move,
    notice,
    packs,
    partner,
    policy,
    questions,
    receipt,
    restore,
    segments,
    serve,
    sql,
    staff,
    status,
    suppression,
    webhooks,
    witness,
    worker,
)
from pacte.cli.output import fail, misused, unusable

app = typer.Typer(
    name="pacte",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def pacte(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
) -> None:
    """Use customers' data with their agreement, through one gate that proves it had the right."""
    if version:
        typer.echo(f"pacte {metadata.version('pacte')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


data.register(app)
policy.register(app)
packs.register(app)
notice.register(app)
forms.register(app)
message.register(app)
segments.register(app)
campaign.register(app)
export.register(app)
partner.register(app)
choices.register(app)
questions.register(app)
sql.register(app)
ledger.register(app)
receipt.register(app)
witness.register(ledger.ledger)
duties.register(app)
status.register(app)
worker.register(app)
serve.register(app)
staff.register(app)
apikey.register(app)
webhooks.register(app)
bounces.register(app)
suppression.register(app)
compact.register(app)
keys.register(app)
move.register(app)
restore.register(app)


ClickException: type[Exception] = typer.BadParameter.__mro__[2]
"""What the parser of the command line raises; typer brings its own copy of click and does not name this class."""


@cache
def program() -> Callable[..., Any]:
    """All commands, put together; the function takes the command line."""
    from typer.main import get_command

    return get_command(app)


def run() -> None:
    """The entry point: errors become one message and an exit code, and no message repeats a personal value."""
    from pacte.kernel.core import forbid_dumps
    from pacte.kernel.errors import BadInput, PacteError

    forbid_dumps()
    as_json = "--json" in sys.argv
    try:
        sys.exit(program()(prog_name="pacte", standalone_mode=False) or 0)
    except PacteError as error:
        sys.exit(fail(error, as_json))
    except ClickException as error:
        sys.exit(misused(error, sys.argv[1:], as_json))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it ends
        sys.exit(0)
    except UnicodeEncodeError:  # its message repeats what was typed
        sys.exit(fail(BadInput("what was typed holds characters that no text has; it is not UTF-8"), as_json))
    except OSError as error:
        sys.exit(fail(unusable(error), as_json))
    except Exception as error:  # a traceback could show what was in hand; the place is enough to report it
        sys.exit(fail(PacteError(f"an error that nobody foresaw, at {_place(error)}; please report it"), as_json))


def _place(error: Exception) -> str:
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"

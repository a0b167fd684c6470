"""A progress bar for work that takes seconds; silent for programs and where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pacte.cli.output import console

Progress = Callable[[int, int], None]
"""Called with what is done and what there is, in the same unit; 0 for an unknown total."""


@contextmanager
def bar(title: str, *, silent: bool = False) -> Iterator[Progress]:
    """Show how far a piece of work is, with the time left."""
    if silent or not console().is_terminal:
        yield lambda _done, _total: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)

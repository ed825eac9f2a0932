"""Progress of long work, on a terminal only: a bar where its length is known, a pulse where it is not.

Both go to stderr and leave no trace. Rich is loaded when somebody watches.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.engine.passes import Progress as Report


@contextmanager
def progress() -> Iterator[Report | None]:
    """What work reports its progress to, by (what, done, due); None when nobody is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def report(link: str, done: int, due: int) -> None:
            if link not in tasks:
                tasks[link] = bar.add_task(link, total=due)
            bar.update(tasks[link], completed=done, total=max(due, done))

        yield report


@contextmanager
def working(what: str) -> Iterator[None]:
    """A pulse for as long as this lasts, with the time that it has taken."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task(what, total=None)
        yield

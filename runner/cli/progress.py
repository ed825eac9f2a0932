"""A progress bar for long passes, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from runner.engine.passes import Progress as Report


@contextmanager
def progress() -> Iterator[Report | None]:
    """What a pass reports its progress to; None when nobody is watching. The bar goes to stderr and leaves no trace."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def report(link: str, done: int, due: int) -> None:
            if link not in tasks:
                tasks[link] = bar.add_task(link, total=due)
            bar.update(tasks[link], completed=done, total=max(due, done))

        yield report

"""Progress of long work, on a terminal only: a bar where its length is known, a pulse where it is not.

Both go to stderr and leave no trace. Rich is loaded when somebody watches.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from runner.engine.passes import Progress as Report

Answer = TypeVar("Answer")
READING = "reading both sides"
"""What a pass does before it can say how much there is to do."""
_LOOK = 0.5
"""Seconds between two looks at work that somebody else does."""


@contextmanager
def progress(pulse: str | None = None) -> Iterator[Report | None]:
    """What work reports its progress to, by (what, done, due); None when nobody is watching. ``pulse``: what is shown until
    the first report."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {}
        waiting = None if pulse is None else bar.add_task(pulse, total=None)

        def report(what: str, done: int, due: int) -> None:
            if waiting is not None:
                bar.update(waiting, visible=False)
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=due)
            bar.update(tasks[what], completed=done, total=max(due, done))

        yield report


@contextmanager
def working(what: str) -> Iterator[None]:
    """A pulse for as long as this lasts, with the time that it has taken."""
    with progress(what):
        yield


def followed(what: str, work: Callable[[], Answer], seen: Callable[[], Iterable[tuple[str, int, int]]]) -> Answer:
    """What ``work`` gives back. When somebody is watching, a thread shows meanwhile what is ``seen`` of it."""
    with progress(what) as bar:
        if bar is None:
            return work()
        done = Event()

        def show() -> None:
            while not done.wait(_LOOK):
                for one in seen():
                    bar(*one)

        Thread(target=show, daemon=True).start()
        try:
            return work()
        finally:
            done.set()

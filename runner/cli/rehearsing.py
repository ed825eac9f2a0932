"""What the next pass would do, found out with a bar that shows how far it has come. Writes nothing."""

from __future__ import annotations

from runner.cli.context import SystemRng
from runner.cli.progress import READING, progress
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import Runner
from runner.engine.selection import select_links


def rehearsed(runner: Runner, names: tuple[str, ...]) -> list[PassReport]:
    """A rehearsal over the links that names select (none: all)."""
    with progress(READING) as shown:
        return runner.run(select_links(runner.plan, names), Orders(SystemRng().token(), rehearse=True, progress=shown))

"""Looking at things on a copy of the state: nobody is held up by it, and nothing of it stays."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.config.plan import SyncPlan
from runner.engine.runs import Runner
from runner.service.service import REHEARSALS, Service
from runner.store import open_store

FORGOTTEN = 6 * 3600.0
"""Seconds after which nobody looks at a copy any more."""


@contextmanager
def on_a_copy(service: Service, plan: SyncPlan | None = None) -> Iterator[Runner]:
    """A runner of the current generation (or of another plan over its connectors) on a copy that lives as long as this."""
    generation = service.generations.current
    with tempfile.TemporaryDirectory(dir=service.settings.state.parent, prefix=REHEARSALS) as home:
        copy = Path(home) / "state.duckdb"
        service.store.copy_to(copy)
        with open_store(copy, clock=service.clock) as store:
            runner = generation.runner
            yield Runner(plan or generation.plan, store, runner.crm, runner.targets, service.clock, service.rng)


def copy_for_others(service: Service) -> Path:
    """A copy that a command looks at and drops; what one left behind is dropped here."""
    beside = service.settings.state.parent
    for left in beside.glob(f"{REHEARSALS}*"):
        if time.time() - left.stat().st_mtime > FORGOTTEN:
            shutil.rmtree(left, ignore_errors=True)
    copy = Path(tempfile.mkdtemp(dir=beside, prefix=REHEARSALS)) / "state.duckdb"
    service.store.copy_to(copy)
    return copy

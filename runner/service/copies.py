"""Looking at things on a copy of the state: nobody is held up by it, and nothing of it stays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.config.plan import SyncPlan
from runner.engine.runs import Runner
from runner.service.service import REHEARSALS, Service
from runner.store import open_store


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

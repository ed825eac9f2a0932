"""The embedded queue keeps the contract, with its journal in a state file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner.model.ports import Queue
from runner.queue import EmbeddedQueue
from runner.store import DuckStore, Journal, open_store
from runner.testing.clock import FakeClock
from runner.testing.contract.queue import QUEUE_CHECKS, QueueBench


@dataclass
class EmbeddedBench:
    """A queue over a state file; killing it opens a copy of the files as they lie on the disk at that moment."""

    home: Path
    clock: FakeClock = field(default_factory=FakeClock)
    stores: list[DuckStore] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue: Queue = self._open(self.home / "state-0")

    def _open(self, path: Path) -> EmbeddedQueue:
        self.stores.append(open_store(path, clock=self.clock))
        return EmbeddedQueue(Journal(self.stores[-1]), self.clock, most_attempts=3)

    def killed(self) -> Queue:
        number = len(self.stores)
        for file in self.home.glob(f"state-{number - 1}*"):
            shutil.copy(file, file.with_name(file.name.replace(f"state-{number - 1}", f"state-{number}")))
        return self._open(self.home / f"state-{number}")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[EmbeddedBench]:
    made = EmbeddedBench(tmp_path)
    yield made
    for store in made.stores:
        store.close()


@pytest.mark.parametrize("check", QUEUE_CHECKS, ids=lambda check: check.__name__)
def test_embedded(check: Callable[[QueueBench], None], bench: EmbeddedBench) -> None:
    """B-20, B-21, B-22, B-23: each check names the rule that it is about."""
    check(bench)

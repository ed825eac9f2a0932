"""Stores to test: the contract runs against each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.model.ports import Store
from runner.store import open_store
from runner.testing.store import MemoryStore
from tests.store.samples import StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a state file may be made."""
    return tmp_path / "state" / "state.duckdb"


@pytest.fixture(params=["memory", "file", "dictionaries"])
def store(request: pytest.FixtureRequest, path: Path, clock: StillClock) -> Iterator[Store]:
    """An empty state of each kind."""
    opened: Store
    if request.param == "dictionaries":
        opened = MemoryStore()
    else:
        opened = open_store(path if request.param == "file" else None, clock=clock)
    yield opened
    opened.close()

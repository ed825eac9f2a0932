"""Stores to test: the contract runs against each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.store import DuckStore, open_store
from tests.store.samples import StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a state file may be made."""
    return tmp_path / "state" / "state.duckdb"


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, path: Path, clock: StillClock) -> Iterator[DuckStore]:
    """An empty state of each kind."""
    with open_store(path if request.param == "file" else None, clock=clock) as opened:
        yield opened

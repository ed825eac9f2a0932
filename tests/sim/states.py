"""The states that seeds run on: dictionaries, DuckDB in memory, and DuckDB files that are opened anew after every crash."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from runner.model.ports import Store
from runner.store import DuckStore
from runner.store.fleeting import Host
from runner.store.opening import open_file
from runner.testing.store import MemoryStore
from tests.engine.world import World


class FileStore(DuckStore):
    """A state file whose process may die at any moment."""

    def reopened(self) -> FileStore:
        """Let go of the file as a dead process does, and open it as the next one does."""
        path = self._session.opened.path
        assert path is not None
        self._session.opened.close(checkpoint=False)
        return FileStore(open_file(path), self._clock)


class Files:
    """Makes state files in a directory, a new one each time."""

    def __init__(self, home: Path) -> None:
        self._home, self._count = home, 0

    def __call__(self, world: World) -> Store:
        self._count += 1
        return FileStore(open_file(self._home / f"{self._count}.duckdb"), world.clock)


def in_duckdb(world: World) -> Store:
    """DuckDB in memory, without its optimizer: over tables of a dozen rows that costs more than what it plans. The answers
    are the same ones; files (:class:`Files`) keep it."""
    return DuckStore(_plain(os.getpid()).open(), world.clock)


@lru_cache(maxsize=1)
def _plain(process: int) -> Host:
    host = Host()
    names = [name for (name,) in host.con.execute("SELECT name FROM duckdb_optimizers()").fetchall()]
    host.con.execute(f"SET disabled_optimizers = '{','.join(names)}'")
    return host


def commits_of(store: Store) -> int:
    """How many commits were made; on DuckDB how many rows were, since it writes heartbeats too."""
    if isinstance(store, MemoryStore):
        return store.commits
    assert isinstance(store, DuckStore)
    return store._session.last_id


def text_of(store: Store) -> str:
    """Everything that a state holds, in small letters."""
    if isinstance(store, MemoryStore):
        return repr([getattr(store._state, name) for name in store._state.__slots__]).lower()
    assert isinstance(store, DuckStore)
    with store.querying() as con:
        known = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
        tables = [name for (name,) in con.execute(known).fetchall()]
        rows = [con.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608
    return repr(rows).lower()

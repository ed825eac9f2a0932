"""States in memory: each is a database of its own, side by side in one DuckDB of this process.

A DuckDB of its own with every migration run over it takes a tenth of a second, a copy of an empty state a hundredth; tests
and the cases of a mapping open thousands of them.
"""

from __future__ import annotations

import itertools
import os
import threading
import uuid
import weakref
from functools import lru_cache

import duckdb

from runner.store.connection import Connection
from runner.store.migration import migrate, migrations
from runner.store.opening import SETTINGS, Opened

_EMPTY = "memory"
"""DuckDB's name for the database that it begins with: here the one that the others are copied from."""


class Host:
    """One DuckDB in memory that holds an empty state, copies of it, and nothing else."""

    def __init__(self) -> None:
        self.con = Connection(duckdb.connect(":memory:", config=dict(SETTINGS)))
        migrate(self.con, migrations(), state="in memory")
        self._numbers = itertools.count(1)
        self._left: list[str] = []
        self._lock = threading.Lock()

    def open(self) -> Opened:
        """A fresh state. It lasts as long as somebody has it."""
        with self._lock:
            while self._left:
                self.con.execute(f"DETACH {self._left.pop()}").fetchall()
            name = f"state_{next(self._numbers)}"
            self.con.execute(f"ATTACH ':memory:' AS {name}").fetchall()
            self.con.execute(f"COPY FROM DATABASE {_EMPTY} TO {name}").fetchall()
            con = self.con.cursor()
        opened = Opened(con, "in memory", catalog=name)
        # Not dropped there and then: whoever collects garbage may be in the middle of a statement.
        weakref.finalize(opened, self._left.append, name).atexit = False
        con.execute(f"USE {name}").fetchall()
        con.execute(
            "INSERT INTO state (id, identity, commits, last_id) VALUES (1, ?, 0, 0)", [uuid.uuid4().hex]
        ).fetchall()
        return opened


@lru_cache(maxsize=1)
def _host(process: int) -> Host:
    return Host()


def open_memory() -> Opened:
    """A fresh state that lives in memory only."""
    return _host(os.getpid()).open()

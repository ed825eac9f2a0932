"""Hearing of a commit in the CRM's database at once, without reading anything (design: triggers are hints).

PostgreSQL: the printed DDL's trigger on the outbox sends NOTIFY, which arrives at the commit. SQLite: ``PRAGMA
data_version`` moves when another connection has committed; asking costs microseconds. Either way a look at the feed
follows by itself from time to time, so a hint that never comes costs that time and nothing else.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.faults import classed, translated
from runner.connectors.crm.tables import OUTBOX

GLANCE = 0.05
"""Seconds between two glances at SQLite's data version."""
HEARD = 5.0
"""Seconds after which PostgreSQL's feed is looked at although nothing was heard (an outbox from before the trigger)."""
UNHEARD = 2.0
"""The same for a feed that nothing tells of (version_column)."""

Stopping = Callable[[], bool]


class Watch:
    """Waits for the next commit. Used by one thread; :meth:`wait` answers early when ``stopping`` says so."""

    def __init__(self, engine: sa.Engine, *, outbox: bool, stopping: Stopping) -> None:
        self._engine, self._outbox, self._stopping = engine, outbox, stopping
        self._connection: sa.Connection | None = None
        self._version: Any = None

    def __enter__(self) -> Watch:
        """Begin to listen: what is committed from now on is heard. Raises classed errors."""
        if self._outbox:
            with self._classed():
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                if self._engine.dialect.name == "postgresql":
                    self._raw().execute(f"LISTEN {OUTBOX}")
                else:
                    self._version = self._data_version()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                self._connection.invalidate()  # a connection that listens must not go back into the pool
                self._connection.close()
            self._connection = None

    def wait(self) -> None:
        """Return when something may have been committed since the last call. Raises classed errors."""
        if self._connection is None:
            self._sleep(UNHEARD)
        elif self._engine.dialect.name == "postgresql":
            self._hear()
        else:
            self._glance()

    def _hear(self) -> None:
        deadline = time.monotonic() + HEARD
        with self._classed():
            raw = self._raw()
            while not self._stopping() and (left := deadline - time.monotonic()) > 0:
                with closing(raw.notifies(timeout=min(left, 0.5), stop_after=1)) as heard:
                    if any(True for _ in heard):
                        return

    def _glance(self) -> None:
        deadline = time.monotonic() + HEARD * 12
        while not self._stopping() and time.monotonic() < deadline:
            with self._classed():
                version = self._data_version()
            if version != self._version:
                self._version = version
                return
            time.sleep(GLANCE)

    def _data_version(self) -> int:
        raw: sqlite3.Connection = self._raw()
        return int(raw.execute("PRAGMA data_version").fetchone()[0])

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopping() and time.monotonic() < deadline:
            time.sleep(GLANCE)

    @contextmanager
    def _classed(self) -> Iterator[None]:
        try:
            with translated():
                yield
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise classed(error) from None

    def _raw(self) -> Any:
        if self._connection is None:
            raise RuntimeError("the watch is used outside its with block")
        return self._connection.connection.driver_connection

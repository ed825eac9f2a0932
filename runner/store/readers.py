"""Connections for looking beside the writing one: a long look holds up no pass, and closing the state ends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

PATIENCE = 5.0
"""Seconds that a look which was broken off gets to end."""


class Readers:
    """The connections that are lent out. A cursor of DuckDB is a connection of its own to the same open file."""

    def __init__(self) -> None:
        self._lent: set[duckdb.DuckDBPyConnection] = set()
        self._back = threading.Condition()

    def lend(self, con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """A connection that :meth:`returned` takes back. Called under the store's lock, so not while it is closed."""
        with self._back:
            reader = con.cursor()
            self._lent.add(reader)
            return reader

    @contextmanager
    def returned(self, reader: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
        """Use it inside; then it is closed."""
        try:
            yield reader
        finally:
            reader.close()
            with self._back:
                self._lent.discard(reader)
                self._back.notify_all()

    def end(self) -> None:
        """Break looks off that still run: an open connection would keep the file."""
        with self._back:
            for reader in self._lent:
                reader.interrupt()
            self._back.wait_for(lambda: not self._lent, timeout=PATIENCE)

"""Connections for looking beside the writing one: a long look holds up no pass, and closing the state ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from runner.model.errors import StateError
from runner.store.connection import Connection

PATIENCE = 5.0
"""Seconds that a look which was broken off gets to end."""


class Readers:
    """The connections that are lent out. A cursor of DuckDB is a connection of its own to the same open file."""

    def __init__(self) -> None:
        self._lent: set[Connection] = set()
        self._back = threading.Condition()

    def lend(self, con: Connection) -> Connection:
        """A connection that :meth:`returned` takes back. Called under the store's lock, so not while it is closed."""
        with self._back:
            reader = con.cursor()
            self._lent.add(reader)
            return reader

    @property
    def only_one(self) -> bool:
        """Whether a single one is lent out."""
        with self._back:
            return len(self._lent) == 1

    @contextmanager
    def returned(self, reader: Connection) -> Iterator[Connection]:
        """Use it inside; then it is closed. Raises ``StateError`` when it was broken off."""
        try:
            yield reader
        except duckdb.InterruptException:
            raise StateError("the state was closed while it was looked at") from None
        finally:
            reader.close()
            with self._back:
                self._lent.discard(reader)
                self._back.notify_all()

    def end(self) -> None:
        """Break looks off that still run: an open connection would keep the file."""
        deadline = time.monotonic() + PATIENCE
        with self._back:
            while self._lent and time.monotonic() < deadline:
                for reader in self._lent:
                    reader.interrupt()  # again and again: one that has not begun yet is not broken off
                self._back.wait(0.05)

"""One open state: who may work on its connection, what a transaction is, and how it is rehearsed, checkpointed and closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import duckdb

from runner.model.errors import StateError
from runner.model.state import Commit
from runner.store.connection import Connection
from runner.store.faults import explained
from runner.store.opening import Opened, copy_file, limit_memory, private_files, wal_path
from runner.store.readers import Readers
from runner.store.rewriting import mark
from runner.store.rows import Texts
from runner.store.weight import is_heavy

IDLE_CHECKPOINT = 16 << 20
BUSY_CHECKPOINT = 128 << 20
"""Bytes of write-ahead log at which an idle moment, or even a commit, is used for a checkpoint."""


Timed = Callable[[float], object]


def untimed(seconds: float) -> None:
    """Nobody wants to know how long commits take."""


class Session:
    """The connection of one state, one thread at a time. ``recall`` reads anew what is kept in memory: it is called at the
    start, and after anything was undone. ``timed`` is told the seconds of each commit, from its first statement until it is
    durable."""

    def __init__(self, opened: Opened, recall: Callable[[], None], timed: Timed = untimed) -> None:
        self.opened = opened
        self.con = opened.con
        self.name = opened.name
        self.rehearsing = False
        self.commits = self.last_id = 0
        self.ledger_head = ""
        """The last link of the ledger's chain (see :mod:`runner.store.chain`)."""
        self._recall_more, self._timed = recall, timed
        self._lock = threading.RLock()
        self._closed = self._broken = self._roomy = False
        self._readers = Readers()

    def recall(self) -> None:
        """Read anew where the state stands."""
        [(self.commits, self.last_id, self.ledger_head, roomy)] = self.con.execute(
            "SELECT commits, last_id, ledger_head, roomy FROM state"
        ).fetchall()
        if roomy and not self._roomy:
            self._roomy = True
            self._limit_memory(rehearsing=self.rehearsing)
        self._recall_more()

    @contextmanager
    def work(self) -> Iterator[Connection]:
        """The connection, for this thread alone. Raises ``StateError`` when the state is closed or could not be written."""
        with self._lock:
            if self._closed:
                raise StateError(f"the state {self.name} is closed")
            if self._broken:
                raise StateError(
                    f"the state {self.name} could not be written before and is not used any further",
                    remedy="see the first error; then start again",
                )
            with explained(self.name):
                yield self.con

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection beside it that sees what is committed; nobody waits for whoever uses it."""
        with self.work() as con:
            # The limit is the whole file's: a look has room of its own, so that no pass runs short of it.
            self._limit_memory(rehearsing=True)
            reader = self._readers.lend(con)
            if self.opened.catalog is not None:
                reader.execute(f"USE {self.opened.catalog}").fetchall()
        with explained(self.name), self._readers.returned(reader):
            try:
                yield reader
            finally:
                if self._readers.only_one and self.opened.path is not None:
                    limit_memory(reader, rehearsing=self.rehearsing, roomy=self._roomy)

    def new_id(self) -> int:
        """A fresh id for a row of any table."""
        self.last_id += 1
        return self.last_id

    def count_commit(self) -> None:
        """Note in the open transaction that it is one more commit, and how far ids and ledger have come."""
        self.commits += 1
        self.con.execute(
            "UPDATE state SET commits = ?, last_id = ?, ledger_head = ?, roomy = ?",
            [self.commits, self.last_id, self.ledger_head, self._roomy],
        ).fetchall()

    @contextmanager
    def transaction(self, commit: Commit | None = None, texts: Texts | None = None) -> Iterator[None]:
        """One durable transaction that also counts as a commit; within a rehearsal, a part of its transaction. Of the
        ``commit`` that it shall write (``texts``: of its fields) it looks at two things: whether it takes private values
        out, so that whoever opens the file next writes it anew, and whether it is so heavy that the state needs more memory
        from now on."""
        if commit is not None and not self._roomy and is_heavy(commit, texts or Texts()):
            self._roomy = True
            self._limit_memory(rehearsing=self.rehearsing)
        if self.rehearsing:
            yield
            return
        if commit is not None and commit.purged and self.opened.path is not None:
            mark(self.opened.path)
        begun = monotonic()
        try:
            with private_files():
                self.con.begin()
                yield
                self._make_durable()
        except BaseException:  # an interrupt, or a simulated crash, must not leave a transaction open; it goes on up
            self._undo()
            raise
        if self.opened.counter is not None:
            try:
                self.opened.counter.write(self.commits)
            except OSError as error:
                self._broken = True
                raise StateError(
                    f"the commit counter of {self.name} cannot be written: {error.strerror}",
                    remedy="check the disk and the rights of the .counter file, then start again",
                ) from error
        self._timed(monotonic() - begun)

    def _make_durable(self) -> None:
        try:
            self.con.commit()
        except duckdb.Error:
            self._broken = True  # the log may end in a part of this commit: opening it anew drops that part
            raise

    def _undo(self) -> None:
        if self._broken:
            return
        with explained(self.name):
            with suppress(duckdb.TransactionException):  # a failed COMMIT has already ended it
                self.con.rollback()
            self.recall()

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Inside, transactions are visible to reads; at the end all of them are undone and nothing on disk has changed."""
        if self.rehearsing:
            raise RuntimeError("a rehearsal cannot be held inside another one")
        self._limit_memory(rehearsing=True)
        self.con.begin()
        self.rehearsing = True
        try:
            yield
        finally:
            self.rehearsing = False
            self._undo()
            self._limit_memory(rehearsing=False)

    def _limit_memory(self, *, rehearsing: bool) -> None:
        if self.opened.path is not None and not self._broken:
            limit_memory(self.con, rehearsing=rehearsing, roomy=self._roomy)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file."""
        with private_files():
            if not self.rehearsing:
                self.con.execute("CHECKPOINT").fetchall()

    def checkpoint_beyond(self, size: int) -> None:
        """Checkpoint when the log has more bytes than this."""
        path = self.opened.path
        if path is None or self.rehearsing:
            return
        try:
            pending = wal_path(path).stat().st_size
        except FileNotFoundError:
            return
        if pending > size:
            self.checkpoint()

    def copy_to(self, path: Path) -> None:
        """A copy of the file as it is now, without a commit counter (not of a state in memory, nor within a rehearsal)."""
        with private_files():
            if self.opened.path is None or self.rehearsing:
                raise RuntimeError("only a state in a file can be copied, and not within a rehearsal")
            self.con.execute("CHECKPOINT").fetchall()
            copy_file(self.opened.path, path)

    def close(self, flush: Callable[[], None]) -> None:
        """Give the state file back after a last ``flush``. Closing twice is allowed."""
        with self._lock:
            if self._closed:
                return
            try:
                if not self._broken:
                    with explained(self.name):
                        flush()
            finally:
                self._closed = True
                self._readers.end()
                self.opened.close(checkpoint=not self._broken)

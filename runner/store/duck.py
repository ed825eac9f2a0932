"""``DuckStore``: the ``Store`` port over one DuckDB file that this process owns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runner.model.ports import Clock
from runner.model.state import (
    Commit,
    LinkState,
)
from runner.store import ledger
from runner.store.answers import Answers
from runner.store.chain import Chain
from runner.store.connection import Connection
from runner.store.faults import explained
from runner.store.fleeting import open_memory
from runner.store.heartbeats import Heartbeats
from runner.store.intents import Batch
from runner.store.memory import Remembered
from runner.store.opening import Opened, open_file
from runner.store.rows import Texts
from runner.store.session import BUSY_CHECKPOINT, IDLE_CHECKPOINT, Session, Timed, untimed
from runner.store.tables import insert, overwrite
from runner.store.writing import Writing, link_row


@dataclass(frozen=True, slots=True)
class Change:
    """An open transaction: the connection, and ids for new rows."""

    con: Connection
    new_id: Callable[[], int]


FORGETTABLE = (
    *(
        "mark",
        "pairing",
        "candidate",
        "intent_batch",
        "conflict",
        "resolution",
        "quarantine",
        "master",
        "mail",
        "proof",
        "headway",
        "approval",
    ),
)
"""The tables that hold what is known of a link and is of no use without it; the ledger is proof of what happened."""


def open_store(path: Path | None, *, clock: Clock, timed: Timed = untimed) -> DuckStore:
    """Open a state file, creating it (mode 0600) when there has never been one; None gives a state in memory. ``timed`` is
    told how long each commit takes.

    Raises ``StateLocked``, ``StateDamaged``, ``StateTooNew`` or another ``StateError``; nothing is changed then.
    """
    opened = open_memory() if path is None else open_file(path)
    try:
        with explained(opened.name, opening=True):
            return DuckStore(opened, clock, timed)
    except BaseException:  # an interrupt, too, must let go of the file's lock; it goes on up
        opened.close(checkpoint=False)
        raise


class DuckStore(Answers):
    """The state in DuckDB. Safe to share between threads: one at a time works on the connection."""

    def __init__(self, opened: Opened, clock: Clock, timed: Timed = untimed) -> None:
        self._clock = clock
        self._beats = Heartbeats(clock.monotonic())
        self._texts = Texts()
        self._noted: list[Batch] = []
        self._session = Session(opened, self._recall, timed)
        self._session.recall()

    def __enter__(self) -> DuckStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _recall(self) -> None:
        con = self._session.con
        self._noted.clear()
        self._known = Remembered(
            links=con.execute("SELECT id, name, quiet_passes FROM link").fetchall(),
            crms=con.execute("SELECT id, name, watermark FROM crm").fetchall(),
        )

    def forget(self, link: str) -> None:
        """Drop everything that is known of a link, but for its ledger and runs, and let it be new. Its name stays known."""
        with self._work():
            link_id = self._known.link_ids.get(link)
            if link_id is None:
                return
            self._flush()
            with self.changing() as change:
                for table in FORGETTABLE:
                    change.con.execute(f"DELETE FROM {table} WHERE link_id = ?", [link_id]).fetchall()  # noqa: S608
                overwrite(change.con, "link", [link_row(link_id, LinkState(link), 0)])
            self._recall()

    def prune_ledger(self, before: datetime) -> int:
        """Drop entries written before an instant; the chain goes on from there. Returns how many."""
        with self.changing() as change:
            return ledger.prune(change.con, before)

    def commit(self, commit: Commit) -> None:
        """Apply one commit: all of it or nothing, durable on return. Raises ``StateError`` when it cannot be written."""
        with self._work():
            if not commit:
                return
            with self._session.transaction(commit, self._texts):
                self._write(commit)
            self._beats.written(self._clock.monotonic())
            self._session.checkpoint_beyond(BUSY_CHECKPOINT)

    def _write(self, commit: Commit) -> None:
        known, session = self._known, self._session
        states = {state.name: state for state in commit.links}
        fresh: list[str] = []

        def link_id(name: str) -> int:
            number = known.link_ids.get(name)
            if number is None:
                number = session.new_id()
                known.add_new(number, name)
                fresh.append(name)
            return number

        chain = Chain(session.ledger_head)
        writing = Writing(
            *(session.con, session.new_id, link_id, known.link_names.__getitem__, chain),
            *(self._texts, self._noted),
        )
        if not commit.intents:  # what a step intends is written once more when it is done: that text is kept until then
            self._texts = Texts()
        writing.apply(commit)
        session.ledger_head = chain.head
        for name in (*states, *self._beats):
            link_id(name)
        rows = {
            name: link_row(known.link_ids[name], states.get(name) or LinkState(name), known.quiet_passes[name])
            for name in (*states, *fresh)
        }
        insert(session.con, "link", [rows.pop(name) for name in fresh])
        overwrite(session.con, "link", list(rows.values()))
        self._beats.write(session.con, known)
        marks = commit.crm_watermarks
        old = {name: (known.crms[name][0], mark) for name, mark in marks.items() if name in known.crms}
        new = {name: (session.new_id(), mark) for name, mark in marks.items() if name not in known.crms}
        overwrite(session.con, "crm", [(number, name, mark) for name, (number, mark) in old.items()])
        insert(session.con, "crm", [(number, name, mark) for name, (number, mark) in new.items()])
        session.count_commit()
        known.crms.update({**old, **new})
        known.forget(writing.touched)
        if commit.suspended or commit.resumed:
            known.suspensions = None
        for state in states.values():
            known.keep_state(self._beats.seen_in(state))

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """One durable transaction on a table that no :class:`Commit` speaks of; undone whole when anything raises."""
        with self._work() as con, self._session.transaction():
            yield Change(con, self._session.new_id)
            self._session.count_commit()

    @contextmanager
    def querying(self) -> Iterator[Connection]:
        """The connection for reading such a table, for as long as the answer is fetched."""
        with self._work() as con:
            yield con

    @property
    def commits(self) -> int:
        """The number of the last commit: when it is the same, nothing that is durable has changed."""
        return self._session.commits

    def heartbeat(self, link: str, now: datetime) -> None:
        """Note a pass without effect; written with the next commit, on close, or after a minute."""
        with self._work():
            self._beats.note(link, now)
            if not self._session.rehearsing and self._beats.are_due(self._clock.monotonic()):
                self._flush()
                self._session.checkpoint_beyond(IDLE_CHECKPOINT)

    def _flush(self) -> None:
        if self._beats:
            with self._session.transaction():
                self._write(Commit())
        self._beats.written(self._clock.monotonic())

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Inside, commits are visible to reads; at the end all of them are undone and nothing on disk has changed."""
        with self._work():
            beats = self._beats.copy()
            try:
                with self._session.rehearsal():
                    yield
            finally:
                self._beats.beats = dict(beats)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file; for idle moments."""
        with self._work():
            self._session.checkpoint()

    def copy_to(self, path: Path) -> None:
        """A copy of the whole state as it is now, for looking at things without holding anybody up (not of a state in
        memory). It has no commit counter."""
        with self._work():
            self._session.copy_to(path)

    def close(self) -> None:
        """Flush heartbeats, checkpoint, and give the state file back. Closing twice is allowed."""
        self._session.close(self._flush)

"""The queue's messages and samples in the state: the port ``QueueJournal`` through the store's single writer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from runner.model.queueing import Cause, Message, MessageState, Sample
from runner.store.duck import DuckStore
from runner.store.rows import Row, aware, stored
from runner.store.tables import columns_of, insert, listed, unnest

KEEP = timedelta(days=30)
"""How long samples are kept."""


class Journal:
    """What an embedded queue keeps between processes. Orders are not kept: who gave them is gone with the process, and
    a guard lifted for once is not lifted again by a restart."""

    def __init__(self, store: DuckStore) -> None:
        self._store = store

    def messages(self) -> Sequence[Message]:
        """Every message that was saved and not removed, in order of id."""
        with self._store.querying() as con:
            rows = con.execute(f"SELECT {columns_of('message')} FROM message ORDER BY id").fetchall()  # noqa: S608
        return [_message(row) for row in rows]

    def save(self, changed: Sequence[Message], touched: Sequence[int]) -> None:
        """Replace the messages with the ids in ``touched`` by those in ``changed``."""
        with self._store.changing() as change:
            change.con.execute(
                f"DELETE FROM message WHERE id IN (SELECT {unnest('BIGINT')})",  # noqa: S608
                [listed(touched)],
            ).fetchall()
            insert(change.con, "message", [_row(message) for message in changed])

    def note(self, samples: Sequence[Sample]) -> None:
        """Keep samples, and forget those that are older than :data:`KEEP`."""
        if not samples:
            return
        with self._store.changing() as change:
            change.con.execute(
                "DELETE FROM queue_sample WHERE sampled_at < ?", [stored(max(one.at for one in samples) - KEEP)]
            ).fetchall()
            insert(
                change.con,
                "queue_sample",
                [
                    (
                        change.new_id(),
                        one.target,
                        stored(one.at),
                        one.sent,
                        one.received,
                        one.backlog,
                        one.blocked,
                        one.oldest,
                        one.mean,
                    )
                    for one in samples
                ],
            )

    def samples(self, since: datetime) -> Sequence[Sample]:
        """Samples since an instant, oldest first."""
        with self._store.querying() as con:
            rows = con.execute(
                "SELECT target, sampled_at, sent, received, backlog, blocked, oldest, mean FROM queue_sample "
                "WHERE sampled_at >= ? ORDER BY sampled_at, id",
                [stored(since)],
            ).fetchall()
        return [Sample(row[0], row[1].replace(tzinfo=since.tzinfo), *row[2:]) for row in rows]


def _row(message: Message) -> Row:
    return (
        message.id,
        message.link,
        message.target,
        message.state.value,
        message.priority,
        message.cause.value,
        stored(message.put_at),
        message.hints,
        message.attempts,
        stored(message.due),
        stored(message.held_since),
        message.reason,
    )


def _message(row: Row) -> Message:
    number, link, target, state, priority, cause, put_at, hints, attempts, due, held_since, reason = row
    return Message(
        id=number,
        link=link,
        target=target,
        state=MessageState(state),
        priority=priority,
        cause=Cause(cause),
        put_at=aware(put_at) or put_at,
        hints=hints,
        attempts=attempts,
        due=aware(due),
        held_since=aware(held_since),
        reason=reason,
    )

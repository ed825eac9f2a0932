"""Open intents in batches: a few rows for those of one commit that share link, side, operation, fields, run and moment.

They become durable together, and nearly always end together with the step that they belong to. What stays open of a batch
(an unknown outcome, writes that were never sent) stays in its row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from operator import attrgetter

import orjson

from runner.model.record import Fields
from runner.model.state import Intent
from runner.model.terms import Operation, Side
from runner.store.connection import Connection
from runner.store.rows import Row, Texts, record_of, stored, text_of
from runner.store.tables import columns_of, delete, insert, listed

_SHARED = attrgetter("link", "side", "operation", "fields", "run", "at")
_MOST_TEXT = 3500
"""Characters of one text, about. DuckDB keeps texts of more than 4,096 bytes in blocks of their own, and a scan holds all
of those that it passes at once, deleted rows' too: a hundred steps' worth of them is more than its memory limit."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A row as it was noted."""

    number: int
    link_id: int
    tokens: frozenset[str]


def note(
    con: Connection,
    intents: Sequence[Intent],
    texts: Texts,
    new_id: Callable[[], int],
    link_id: Callable[[str], int],
) -> list[Batch]:
    """Make intents durable; answers the rows that hold them."""
    rows: list[Row] = []
    noted: list[Batch] = []
    for _, together in groupby(sorted(intents, key=attrgetter("side", "operation")), _SHARED):
        group = list(together)
        first = group[0]
        shared = (
            link_id(first.link),
            first.side.value,
            first.operation.value,
            text_of(sorted(first.fields)),
            first.run,
            stored(first.at),
        )
        at = 0
        for number_of, writes, records in _batches(group, texts):
            rows.append((new_id(), *shared, number_of, writes, records))
            tokens = frozenset([one.token for one in group[at : at + number_of]])
            noted.append(Batch(rows[-1][0], shared[0], tokens))
            at += number_of
    insert(con, "intent_batch", rows)
    return noted


def _batches(group: Sequence[Intent], texts: Texts) -> Iterator[tuple[int, str, str]]:
    writes = [(one.token, one.key, one.source_key, one.native) for one in group]
    records = [texts.of(one.record) or "{}" for one in group]
    start, held, said = 0, 0, 0
    for at, (write, record) in enumerate(zip(writes, records, strict=True)):
        held, said = held + len(record), said + sum([len(word) + 3 if word else 5 for word in write])
        if at > start and (held > _MOST_TEXT or said > _MOST_TEXT):
            yield at - start, listed(writes[start:at]), f"[{','.join(records[start:at])}]"
            start, held, said = at, len(record), 0
    if group:
        yield len(group) - start, listed(writes[start:]), f"[{','.join(records[start:])}]"


def close(con: Connection, tokens: Sequence[str], noted: Sequence[Batch]) -> set[int]:
    """End the intents of these tokens; answers the links that lost some. ``noted``: rows that nobody has changed since.
    They are mostly the ones, and need not be read again."""
    if not tokens:
        return set()
    closed = set(tokens)
    whole = [batch for batch in noted if batch.tokens <= closed]
    if sum(len(batch.tokens) for batch in whole) == len(closed):
        delete(con, "intent_batch", "id", [batch.number for batch in whole])
        return {batch.link_id for batch in whole}
    touched, over = set(), []
    for number, link_id, writes in con.execute("SELECT id, link_id, writes FROM intent_batch").fetchall():
        known = orjson.loads(writes)  # words and nothing else
        left = [at for at, (token, *_) in enumerate(known) if token not in closed]
        if len(left) == len(known):
            continue
        touched.add(link_id)
        if left:
            _keep(con, number, [known[at] for at in left], left)
        else:
            over.append(number)
    delete(con, "intent_batch", "id", over)
    return touched


def _keep(con: Connection, number: int, writes: Sequence[object], left: Sequence[int]) -> None:
    [(text,)] = con.execute("SELECT records FROM intent_batch WHERE id = ?", [number]).fetchall()
    records = json.loads(text)
    con.execute(
        "UPDATE intent_batch SET open = ?, writes = ?, records = ? WHERE id = ?",
        [len(left), listed(writes), listed(records[at] for at in left), number],
    ).fetchall()


def of_link(con: Connection, link: str, link_id: int) -> list[Intent]:
    """The link's open intents, oldest first."""
    found: list[Intent] = []
    for _, _, side, operation, fields, run, noted_at, _, writes, records in con.execute(
        f"SELECT {columns_of('intent_batch')} FROM intent_batch WHERE link_id = ? ORDER BY id",  # noqa: S608
        [link_id],
    ).fetchall():
        names, at = frozenset(json.loads(fields)), noted_at.replace(tzinfo=UTC)
        payloads: list[Fields] = [record_of(record) for record in json.loads(records)]
        found += [
            Intent(token, link, Side(side), Operation(operation), key, source, record, names, native, run, at)
            for (token, key, source, native), record in zip(json.loads(writes), payloads, strict=True)
        ]
    return found

"""What operators ask of the past beside the ledger itself: runs by their names, pairings by whatever an item is known by.

Nothing here is on the way of a pass: these queries may look at a whole table, and run when a person asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from runner.store.connection import Connection
from runner.store.reading import HASHES
from runner.store.rows import Row, hash_of
from runner.store.tables import columns_of


def runs_called(con: Connection, names: Mapping[int, str], beginning: str) -> dict[str, tuple[str, ...]]:
    """Runs that wrote something and whose names begin so, each with its links."""
    rows = con.execute(
        "SELECT run, list(DISTINCT link_id) FROM ledger WHERE starts_with(run, ?) GROUP BY run ORDER BY run",
        [beginning],
    ).fetchall()
    return {run: tuple(sorted(names[number] for number in ids)) for run, ids in rows}


def holders(con: Connection, word: str) -> list[Row]:
    """Pairing rows of any link one of whose keys, stamp or native identity has this word's hash."""
    where = " OR ".join(f"{column} = $1" for column in HASHES.values())
    return con.execute(
        f"SELECT {columns_of('pairing')} FROM pairing WHERE {where} ORDER BY id",  # noqa: S608
        [hash_of(word)],
    ).fetchall()


def titled(con: Connection, words: str, limit: int) -> list[Row]:
    """Pairing rows of any link whose agreed content holds these words, newest first."""
    text = json.dumps(words, ensure_ascii=False)[1:-1]
    return con.execute(
        f"SELECT {columns_of('pairing')} FROM pairing WHERE contains(lower(base_crm), lower($1)) "  # noqa: S608
        "OR contains(lower(base_target), lower($1)) ORDER BY id DESC LIMIT $2",
        [text, limit],
    ).fetchall()

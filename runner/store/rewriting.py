"""A state file written anew after something was purged from it: taken out of a table, bytes stay in the file's free blocks.

What was purged is private (B-35), so it must not lie in the file either. A purge leaves a mark beside the state before it
is committed; whoever opens the state next copies what is in its tables to a new file, which takes the old one's place when it
is whole and on the disk. A crash at any moment leaves the old file or the new one, and the mark until the new one stands.
"""

from __future__ import annotations

import os
from pathlib import Path

from runner.model.errors import StateError
from runner.store.connection import Connection


def mark_path(state: Path) -> Path:
    """The mark's place: ``<state>.purged``."""
    return state.with_name(state.name + ".purged")


def mark(state: Path) -> None:
    """Note durably that something is about to be purged. Raises ``StateError``."""
    place = mark_path(state)
    if place.exists():
        return
    try:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync(state.parent)
    except OSError as error:
        raise StateError(
            f"{place} cannot be made: {error.strerror or error}",
            remedy="check the disk and the directory's permissions",
        ) from error


def copy_tables(con: Connection, to: Path, storage_version: str) -> None:
    """Copy everything that is in the tables of an open state to a new file, and make that durable.

    Raises ``duckdb.Error`` or ``OSError``; ``ValueError`` when the copy does not hold what the state holds.
    """
    con.execute("CHECKPOINT").fetchall()
    [(name,)] = con.execute("SELECT current_database()").fetchall()
    place = str(to).replace("'", "''")
    con.execute(f"ATTACH '{place}' AS rewritten (STORAGE_VERSION '{storage_version}')").fetchall()
    try:
        con.execute(f'COPY FROM DATABASE "{name}" TO rewritten').fetchall()
        if _held(con, str(name)) != _held(con, "rewritten"):
            raise ValueError("the copy does not hold what the state holds")
        con.execute("CHECKPOINT rewritten").fetchall()
    finally:
        con.execute("DETACH rewritten").fetchall()
    if to.with_name(to.name + ".wal").exists():
        raise ValueError("the copy is not whole")
    sync(to)


def take_place(draft: Path, state: Path) -> None:
    """Put the new file where the old one is, which nobody has open any more, and take the mark away."""
    os.replace(draft, state)  # noqa: PTH105 - the tests crash between these calls
    sync(state.parent)
    mark_path(state).unlink()
    sync(state.parent)


def sync(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _held(con: Connection, database: str) -> tuple[object, ...]:
    """Every table with its definition and its number of rows, every index."""
    tables = con.execute(
        "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = ? ORDER BY table_name", [database]
    ).fetchall()
    indexes = con.execute(
        "SELECT index_name, sql FROM duckdb_indexes() WHERE database_name = ? ORDER BY index_name", [database]
    ).fetchall()
    counts = [
        con.execute(f'SELECT count(*) FROM "{database}"."{table}"').fetchall()  # noqa: S608 - names from the catalogue
        for table, _ in tables
    ]
    return tables, indexes, counts

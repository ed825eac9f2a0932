"""Numbered migrations: each ``NNNN_name.sql`` runs once, in one transaction with the note that it ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from runner.model.errors import StateTooNew
from runner.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: its number (from 1, without gaps), its name, its SQL."""

    number: int
    name: str
    sql: str


def migrations() -> tuple[Migration, ...]:
    """The migrations that this version knows, in order."""
    found = []
    for file in files("runner.store").joinpath("migrations").iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, file.read_text("utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.number))


def schema_of(con: Connection) -> int | None:
    """The number of the newest migration that ran on this file; None when the file is not a state of ours."""
    # information_schema's views are bound anew in every process, which costs twenty times as much as asking this.
    known = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'migration' AND database_name = current_database()"
    if not con.execute(known).fetchall():
        return None
    [(number,)] = con.execute("SELECT coalesce(max(id), 0) FROM migration").fetchall()
    return int(number)


def migrate(con: Connection, steps: Sequence[Migration], *, state: str) -> None:
    """Bring a file up to the newest step. Raises ``StateTooNew`` when it is beyond; a failing step is undone whole."""
    con.execute("CREATE TABLE IF NOT EXISTS migration (id BIGINT PRIMARY KEY, name VARCHAR NOT NULL)").fetchall()
    done = schema_of(con) or 0
    if done > steps[-1].number:
        raise StateTooNew(
            f"the state {state} has schema {done}, and this version knows schemas up to {steps[-1].number}",
            remedy="run the version that wrote it, or a later one; nothing was changed",
        )
    todo = [step for step in steps if step.number > done]
    for part in [[step] for step in todo] if done else [todo]:  # a new state takes all of them at once
        con.begin()
        try:
            for step in part:
                con.execute(step.sql).fetchall()
                con.execute("INSERT INTO migration VALUES (?, ?)", [step.number, step.name]).fetchall()
            con.commit()
        except BaseException:  # an interrupted step must leave no half of a schema; it goes on up
            con.rollback()
            raise

"""Many rows of one shape into one table: compiled once by SQLAlchemy, then given to the driver as they are.

SQLAlchemy looks at every parameter of every row, and has nothing to do for any of them where the columns are left to the
driver, as on SQLite: that was most of the time that the insert of a row took. PostgreSQL's types want its care.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from runner.model.errors import Invalid


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows that all fill the same columns; returns the driver's count of them. Raises what ``connection.execute``
    does."""
    if len(rows) == 1 or not connection.dialect.positional:
        return connection.execute(sa.insert(table), rows).rowcount
    text, names = _compiled(connection.dialect, table, tuple(rows[0]))
    if names is None:
        return connection.execute(sa.insert(table), rows).rowcount
    return connection.exec_driver_sql(text, list(map(itemgetter(*names), rows))).rowcount


def is_row_number(key: sa.Column[Any]) -> bool:
    """Whether a key that SQLite makes is the number under which it keeps the row (``INTEGER PRIMARY KEY``), as far as its
    description says. A default of its own makes it another (there is none for a row's number), and so may ``INT``."""
    return isinstance(key.type, sa.Integer) and key.server_default is None


def insert_keyed(connection: sa.Connection, table: sa.Table, key: sa.Column[Any], row: Mapping[str, Any]) -> Any:
    """Insert one row on SQLite and answer the key that it has got. A row's number is not asked for in the insert, whose text
    is that of the rows that follow. Raises what ``connection.execute`` does, and ``Invalid`` where no row was made."""
    if is_row_number(key):
        text, names = _compiled(connection.dialect, table, tuple(row))
        if names is not None:
            done = connection.exec_driver_sql(text, itemgetter(*names)(row))
            if done.rowcount != 1:  # the last number is another row's then
                raise passed_over(table)
            number = done.lastrowid
            held = connection.execute(sa.select(key).where(sa.column("_rowid_") == number)).first()
            if held is not None and held[0] != number:
                raise ValueError(f"{table.name}.{key.name} does not get its number from the database")
            return number  # also of a row that a trigger has deleted by now
    made = connection.execute(sa.insert(table).returning(key), [row]).first()
    if made is None:
        raise passed_over(table)
    return made[0]


def passed_over(table: sa.Table) -> Invalid:
    """What a trigger or a constraint of the CRM answers that ignores a row, without a word."""
    return Invalid(f"the CRM passed over a new row of table {table.name}", code="constraint")


@lru_cache(maxsize=64)
def _compiled(dialect: sa.Dialect, table: sa.Table, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...] | None]:
    """The text of an insert into these columns and their order in it; no order where a row may not go as it is."""
    compiled = sa.insert(table).compile(dialect=dialect, column_keys=list(columns))
    names = tuple(compiled.positiontup or ())
    converted = any(table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in columns)
    return str(compiled), names if len(names) > 1 and set(names) == set(columns) and not converted else None

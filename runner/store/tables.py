"""The state's tables as the writing side sees them: columns with types, and set-based statements over them.

Rows go in as one list per column, unnested by DuckDB: a row at a time costs a hundredfold. A list travels as one JSON
text, since DuckDB 1.5 takes 50 microseconds for every element of a bound list; ``from_json_strict`` raises where the
plain form would turn what it cannot convert into NULL. Two traps are closed here: lists of unequal length would be padded
with NULL, and a key that comes twice in one upsert would silently keep the first row; callers hand over rows of one shape
and distinct ids.

Columns of JSON texts travel joined by a control character instead, which JSON itself never holds unescaped: writing and
parsing JSON inside JSON would cost more than the rest of the row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import chain

from runner.store.connection import Connection
from runner.store.rows import PAIRING_COLUMNS, Row, encoded

_JSON = "JSON"
"""The type of columns that hold JSON texts, here; to DuckDB they are VARCHAR."""
_BETWEEN = "\x1f"
_LINK = (("id", "BIGINT"), ("link_id", "BIGINT"))
_ITEM = (*_LINK, ("side", "VARCHAR"), ("key", "VARCHAR"))

TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "link": (
        ("id", "BIGINT"),
        ("name", "VARCHAR"),
        ("condition", "VARCHAR"),
        ("target_watermark", "VARCHAR"),
        ("target_complete", "BOOLEAN"),
        ("listed", "BOOLEAN"),
        ("matched", "BOOLEAN"),
        ("mapping_digest", "VARCHAR"),
        ("reason", "VARCHAR"),
        ("last_pass", "TIMESTAMP"),
        ("quiet_passes", "BIGINT"),
        ("step", "BIGINT"),
        ("step_until", "TIMESTAMP"),
        ("snapshot_at", "TIMESTAMP"),
    ),
    "crm": (("id", "BIGINT"), ("name", "VARCHAR"), ("watermark", "VARCHAR")),
    "mark": (*_ITEM, ("key_hash", "BIGINT"), ("deleted", "BOOLEAN"), ("due", "TIMESTAMP"), ("tries", "BIGINT")),
    "pairing": PAIRING_COLUMNS,
    "candidate": (*_ITEM, ("rule", "BIGINT"), ("digest", "VARCHAR")),
    "intent_batch": (
        *_LINK,
        ("side", "VARCHAR"),
        ("operation", "VARCHAR"),
        ("fields", "VARCHAR"),
        ("run", "VARCHAR"),
        ("noted_at", "TIMESTAMP"),
        ("open", "BIGINT"),
        ("writes", _JSON),
        ("records", _JSON),
    ),
    "ledger": (
        *_LINK,
        ("run", "VARCHAR"),
        ("side", "VARCHAR"),
        ("operation", "VARCHAR"),
        ("key", "VARCHAR"),
        ("counterpart", "VARCHAR"),
        ("before_fields", _JSON),
        ("after_fields", _JSON),
        ("reason", "VARCHAR"),
        ("rule", "VARCHAR"),
        ("written_at", "TIMESTAMP"),
        ("salt", "VARCHAR"),
        ("content", "VARCHAR"),
        ("chain", "VARCHAR"),
    ),
    "conflict": (
        *_LINK,
        ("name", "VARCHAR"),
        ("crm_key", "VARCHAR"),
        ("target_key", "VARCHAR"),
        ("field", "VARCHAR"),
        ("base", _JSON),
        ("crm", _JSON),
        ("target", _JSON),
        ("policy", "VARCHAR"),
        ("winner", "VARCHAR"),
        ("rule", "VARCHAR"),
        ("run", "VARCHAR"),
        ("found_at", "TIMESTAMP"),
        ("crm_modified", "TIMESTAMP"),
        ("target_modified", "TIMESTAMP"),
        ("resolved_at", "TIMESTAMP"),
        ("resolution", "VARCHAR"),
    ),
    "resolution": (
        *_LINK,
        ("conflict", "VARCHAR"),
        ("crm_key", "VARCHAR"),
        ("target_key", "VARCHAR"),
        ("field", "VARCHAR"),
        ("take", "VARCHAR"),
        ("taken_values", _JSON),
        ("decided_at", "TIMESTAMP"),
    ),
    "quarantine": (
        *_ITEM,
        ("code", "VARCHAR"),
        ("reason", "VARCHAR"),
        ("first_at", "TIMESTAMP"),
        ("last_at", "TIMESTAMP"),
        ("tries", "BIGINT"),
        ("next_try", "TIMESTAMP"),
    ),
    "run": (
        *_LINK,
        ("run", "VARCHAR"),
        ("started", "TIMESTAMP"),
        ("finished", "TIMESTAMP"),
        ("outcome", "VARCHAR"),
        ("counts", _JSON),
        ("message", "VARCHAR"),
        ("code", "VARCHAR"),
        ("waited", "DOUBLE"),
    ),
    "suspension": (
        ("id", "BIGINT"),
        ("scope", "VARCHAR"),
        ("name", "VARCHAR"),
        ("by_whom", "VARCHAR"),
        ("since", "TIMESTAMP"),
        ("reason", "VARCHAR"),
    ),
    "place": (
        ("id", "BIGINT"),
        ("target", "VARCHAR"),
        ("address", "VARCHAR"),
        ("endpoint", "VARCHAR"),
        ("affinity", "VARCHAR"),
        ("found_at", "TIMESTAMP"),
    ),
    "act": (
        ("id", "BIGINT"),
        ("done_at", "TIMESTAMP"),
        ("who", "VARCHAR"),
        ("what", "VARCHAR"),
        ("subject", "VARCHAR"),
        ("detail", "VARCHAR"),
    ),
    "message": (
        ("id", "BIGINT"),
        ("link", "VARCHAR"),
        ("target", "VARCHAR"),
        ("state", "VARCHAR"),
        ("priority", "BIGINT"),
        ("cause", "VARCHAR"),
        ("put_at", "TIMESTAMP"),
        ("hints", "BIGINT"),
        ("attempts", "BIGINT"),
        ("due", "TIMESTAMP"),
        ("held_since", "TIMESTAMP"),
        ("reason", "VARCHAR"),
    ),
    "queue_sample": (
        ("id", "BIGINT"),
        ("target", "VARCHAR"),
        ("sampled_at", "TIMESTAMP"),
        ("sent", "BIGINT"),
        ("received", "BIGINT"),
        ("backlog", "BIGINT"),
        ("blocked", "BIGINT"),
        ("oldest", "DOUBLE"),
        ("mean", "DOUBLE"),
    ),
    "proof": (
        *_LINK,
        ("started", "TIMESTAMP"),
        ("phase", "VARCHAR"),
        ("cursor", "VARCHAR"),
        ("counts", _JSON),
        ("found", _JSON),
        ("finished", "TIMESTAMP"),
        ("proven", "TIMESTAMP"),
    ),
    "headway": (
        *_LINK,
        ("run", "VARCHAR"),
        ("errand", _JSON),
        ("started", "TIMESTAMP"),
        ("go_on", "TIMESTAMP"),
        ("stage", "VARCHAR"),
        ("cursor", _JSON),
        ("done", "BIGINT"),
        ("due", "BIGINT"),
        ("rounds", "BIGINT"),
        ("again", "BIGINT"),
        ("wanted", _JSON),
        ("counts", _JSON),
        ("finished", "TIMESTAMP"),
        ("reason", "VARCHAR"),
    ),
    "approval": (*_LINK, ("prints", _JSON)),
    "master": (*_LINK, ("native", "VARCHAR"), ("native_hash", "BIGINT"), ("rank", "VARCHAR")),
    "mail": (
        *_LINK,
        ("name", "VARCHAR"),
        ("mailbox", "VARCHAR"),
        ("crm_key", "VARCHAR"),
        ("kind", "VARCHAR"),
        ("addressees", "BIGINT"),
        ("status", "VARCHAR"),
        ("reason", "VARCHAR"),
        ("title", "VARCHAR"),
        ("rule", "VARCHAR"),
        ("run", "VARCHAR"),
        ("noted_at", "TIMESTAMP"),
    ),
}


_FEW = 8
"""Values of a condition, or rows, that are written out one by one: DuckDB plans that in a third of the time that a list to be
unnested takes, and most statements of a quiet deployment are about one item."""
_FEW_UPDATES = 4
_MOST_ROWS = 2000
"""Rows of one statement, so that a large commit needs no large texts."""


def unnest(kind: str, given: str = "?") -> str:
    """The SQL of a parameter that holds a list (see :func:`listed`) and stands for one row per element; ``given`` is the name
    of a column that holds the parameter."""
    return f"unnest(from_json_strict({given}, '[\"{kind}\"]'))"


def listed(values: Iterable[object]) -> str:
    """A list as the parameter of :func:`unnest`."""
    return encoded(list(values))


def among(column: str, kind: str, values: Collection[object]) -> tuple[str, list[object]]:
    """The SQL behind a table's name that leaves the rows whose column holds one of these distinct values, as a ``WHERE`` to
    go on from with ``AND``, and its parameters."""
    if len(values) <= _FEW:
        return f" WHERE {holds(column, len(values))}", list(values)
    return f" JOIN (SELECT {unnest(kind)} AS wanted) ON {column} = wanted WHERE true", [listed(values)]


def holds(column: str, number: int) -> str:
    """The condition that a column holds one of so many values; never true for none."""
    return f"{column} IN ({', '.join('?' * number)})" if number else "false"


@lru_cache(maxsize=64)
def columns_of(table: str) -> str:
    """The table's columns as a select list."""
    return ", ".join(name for name, _ in TABLES[table])


@lru_cache(maxsize=512)
def _insert_sql(table: str, constant: tuple[bool, ...], replacing: bool) -> str:
    columns = TABLES[table]
    values = ", ".join(_value(name, kind, same) for same, (name, kind) in zip(constant, columns, strict=True))
    # Of parameters themselves DuckDB would fold the expressions while it plans, with an object for every element: six
    # times the work and three times the memory for rows of long texts.
    given = ", ".join(f"? AS {name}" for name, _ in columns)
    return (
        f"INSERT INTO {table} ({columns_of(table)}) SELECT {values} FROM (SELECT {given})"  # noqa: S608 - names are ours
        f"{_over(table) if replacing else ''}"
    )


@lru_cache(maxsize=512)
def _insert_rows_sql(table: str, rows: int, replacing: bool) -> str:
    row = f"({', '.join('?' for _ in TABLES[table])})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO {table} ({columns_of(table)}) VALUES {values}{_over(table) if replacing else ''}"  # noqa: S608 - names are ours


def _over(table: str) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name, _ in TABLES[table] if name != "id")
    return f" ON CONFLICT (id) DO UPDATE SET {changes}"


def _value(name: str, kind: str, same: bool) -> str:
    if kind == _JSON:
        return f"CAST({name} AS VARCHAR)" if same else f"nullif(unnest(string_split({name}, '{_BETWEEN}')), '')"
    return f"CAST({name} AS {kind})" if same else unnest(kind, name)


def _travelling(kind: str, values: Sequence[object]) -> str:
    return _BETWEEN.join([str(value or "") for value in values]) if kind == _JSON else listed(values)


def insert(con: Connection, table: str, rows: Sequence[Row], *, replacing: bool = False) -> None:
    """Insert rows set by set; with ``replacing``, rows whose id is there already are overwritten.

    A column that holds one value in all rows of a set (a run's name, a reason) travels once. A few rows travel value by
    value: to plan the unnesting of lists takes longer than to bind so few.
    """
    if 0 < len(rows) <= _FEW:
        kinds = [kind for _, kind in TABLES[table]]
        few = [
            value or None if kind == _JSON else value for row in rows for value, kind in zip(row, kinds, strict=True)
        ]
        con.execute(_insert_rows_sql(table, len(rows), replacing), few).fetchall()
        return
    for start in range(0, len(rows), _MOST_ROWS):
        columns = list(zip(*rows[start : start + _MOST_ROWS], strict=True))
        # The first column, the id, is never constant: it gives the set its number of rows.
        constant = (False, *(column.count(column[0]) == len(column) for column in columns[1:]))
        values = [
            column[0] if same else _travelling(kind, column)
            for same, column, (_, kind) in zip(constant, columns, TABLES[table], strict=True)
        ]
        con.execute(_insert_sql(table, constant, replacing), values).fetchall()


def overwrite(con: Connection, table: str, rows: Sequence[Row]) -> None:
    """Overwrite rows that are there, by their ids. DuckDB takes a quarter of the time over the update of a single row that
    it takes over an upsert, most of which is planning."""
    if len(rows) > _FEW_UPDATES:
        insert(con, table, rows, replacing=True)
        return
    for number, *values in rows:
        con.execute(_update_sql(table), [*values, number]).fetchall()


@lru_cache(maxsize=64)
def _update_sql(table: str) -> str:
    changes = ", ".join(f"{name} = ?" for name, _ in TABLES[table] if name != "id")
    return f"UPDATE {table} SET {changes} WHERE id = ?"  # noqa: S608 - names are ours


def delete(con: Connection, table: str, column: str, values: Sequence[int] | Sequence[str]) -> set[int]:
    """Delete the rows with one of these values in one statement; answers the links that lost rows."""
    if not values:
        return set()
    kind = dict(TABLES[table])[column]
    parameters: list[object]
    if len(values) <= _FEW:
        where, parameters = holds(column, len(values)), list(values)
    elif run := _run_of(values):
        where, parameters = f"{column} BETWEEN ? AND ?", list(run)
    else:
        where, parameters = f"{column} IN (SELECT {unnest(kind)})", [listed(values)]
    found = con.execute(f"DELETE FROM {table} WHERE {where} RETURNING link_id", parameters).fetchall()  # noqa: S608
    return set(chain.from_iterable(found))


def _run_of(values: Sequence[int] | Sequence[str]) -> tuple[int, int] | None:
    """First and last of distinct numbers without a gap, as the marks of one step are; None for anything else."""
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) != len(values):
        return None
    first, last = min(numbers), max(numbers)
    return (first, last) if last - first + 1 == len(numbers) == len(set(numbers)) else None

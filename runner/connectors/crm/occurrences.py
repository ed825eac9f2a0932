"""Rows of customised occurrences ↔ the CRM field of type ``overrides`` (B-36).

One row stands for one occurrence that differs from its series. In a patch, a field that is not there follows the series
(NULL in its column), and the empty text says that the occurrence has none (empty text in its column).

*Choices where the rule book is silent*

- Two rows for one day, or one without a day, set the series aside: nobody can tell which of them holds.
- A row that says nothing (all NULL, not left out) is no override, and stays.
- The row of an occurrence that is left out keeps its columns, so that it is what it was should somebody take it back.
- An occurrence that follows its series again loses its row, unless the row says something that the link does not carry.
- Rows of days on which the series has no occurrence say nothing to a mapping, and go when the series is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from runner.config.plan import OCCURRENCES
from runner.connectors.crm.columns import Family, key_text, moment_in, now_in, stored
from runner.connectors.crm.schema import OccurrenceTable, raw
from runner.model.errors import Invalid
from runner.model.items import Write
from runner.model.overrides import LEFT_OUT, is_excluded
from runner.model.record import Fields, FieldType, Value

CHUNK = 512
"""Series per SELECT, days per DELETE."""
_EMPTY_IS_A_VALUE = frozenset({FieldType.TEXT, FieldType.KEYWORDS})


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the driver gave it. ``identity`` is what it is found by: its own key, or its day."""

    series: Any
    day: Any
    excluded: Any
    modified: Any
    identity: Any
    held: Mapping[str, Any]
    """Field name → value, of every described column."""


def columns_of(table: OccurrenceTable) -> sa.Select[Any]:
    """Every column that is ever read."""
    roles = [table.series, table.day, table.excluded, table.modified, table.day if table.key is None else table.key]
    columns = [sa.null() if column is None else raw(column) for column in (*roles, *table.columns.values())]
    return sa.select(*(column.label(f"o{index}") for index, column in enumerate(columns)))


def rows_of(connection: sa.Connection, table: OccurrenceTable, keys: Sequence[Any]) -> dict[str, list[Row]]:
    """Key of a series → its rows, in the order of their days."""
    found: dict[str, list[Row]] = {}
    statement = columns_of(table).where(table.series.in_(sa.bindparam("keys", expanding=True))).order_by(table.day)
    for start in range(0, len(keys), CHUNK):
        for series, day, excluded, modified, identity, *held in connection.execute(
            statement, {"keys": list(keys[start : start + CHUNK])}
        ):
            row = Row(series, day, excluded, modified, identity, dict(zip(table.columns, held, strict=True)))
            found.setdefault(key_text(series), []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class Occurrences:
    """How one link reads the customised occurrences of its series: ``names`` are the fields that it carries."""

    table: OccurrenceTable
    names: frozenset[str]
    zone: str

    def rows(self, connection: sa.Connection, keys: Sequence[Any]) -> dict[str, list[Row]]:
        """The rows of these series, by key, inside the transaction that read the series."""
        return rows_of(connection, self.table, keys) if keys else {}

    def joined(
        self, key: str, rows: Sequence[Row], modified: datetime | None
    ) -> tuple[Mapping[str, Fields] | None, datetime | None]:
        """The occurrences of a record, and when it was changed last, they included. Raises ``Invalid`` naming the first row
        and field that cannot be carried."""
        if not rows:
            return None, modified
        patches: dict[str, Fields] = {}
        for day, row in by_day(self.table, key, rows).items():
            patch = self.patch(key, day, row)
            if patch:
                patches[day] = patch
        moments = [moment for row in rows if (moment := self._moment(row)) is not None]
        modified = max([*moments, modified]) if moments and modified is not None else modified
        return patches or None, modified

    def patch(self, key: str, day: str, row: Row) -> Fields:
        """What one row says. Raises ``Invalid`` naming the field."""
        if row.excluded == self.table.left_out:
            return LEFT_OUT
        patch: dict[str, Value] = {}
        for name in sorted(self.names):
            held = row.held[name]
            if held is None:
                continue
            plan = self.table.plan.fields[name]
            try:
                value = self.table.codecs[name].read(held)
            except (ValueError, OverflowError, TypeError) as error:
                raise Invalid(
                    f"CRM record {key}: occurrence of {day}: {name} (column {plan.column}): {error}", code="value"
                ) from None
            if value is not None:
                patch[name] = value
            elif plan.type in _EMPTY_IS_A_VALUE:
                patch[name] = ""
        return patch

    def _moment(self, row: Row) -> datetime | None:
        if row.modified is None:
            return None
        try:
            return moment_in(row.modified, self.zone)
        except ValueError:
            return None  # only `newest_wins` asks for it, and it copes without


def by_day(table: OccurrenceTable, key: str, rows: Iterable[Row]) -> dict[str, Row]:
    """A series' rows by day. Raises ``Invalid`` where a day has two rows, or a row has none."""
    found: dict[str, Row] = {}
    for row in rows:
        try:
            day = table.day_codec.read(row.day) if row.day is not None else None
        except (ValueError, OverflowError, TypeError) as error:
            raise Invalid(
                f"CRM record {key}: a row of {table.table.name}: column {table.day.name}: {error}", code="value"
            ) from None
        if not isinstance(day, str):
            raise Invalid(
                f"CRM record {key}: a row of {table.table.name} has no {table.day.name}: it belongs to no occurrence",
                code="occurrence-without-day",
                remedy=f"fill or delete it in {table.table.name}",
            )
        if found.setdefault(day, row) is not row:
            raise Invalid(
                f"CRM record {key}: two rows of {table.table.name} for the occurrence of {day}",
                code="occurrence-twice",
                remedy=f"delete one of them, and make ({table.series.name}, {table.day.name}) unique",
            )
    return found


@dataclass(frozen=True, slots=True)
class _Work:
    """What a group of writes does to the table."""

    inserts: list[dict[str, Any]]
    left_out: list[dict[str, Any]]
    updates: dict[tuple[str, ...], list[dict[str, Any]]]
    """Fields that are written → parameters."""
    deletes: list[tuple[Any, list[Any]]]
    """(key of a series, identities)."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Brings the rows of some series to what writes say, inside the transaction that holds the series' rows."""

    table: OccurrenceTable
    zone: str
    now: datetime

    def carry_out(self, connection: sa.Connection, wanted: Sequence[tuple[Any, Write]]) -> None:
        """Insert, update and delete what differs, one statement per kind where the database allows.

        Only columns of fields that the mapping writes are touched: those of ``write.values``, the whole desired item.
        Raises ``Invalid`` when a value does not fit its column, or the rows that are there contradict each other.
        """
        held = rows_of(connection, self.table, [key for key, _ in wanted])
        work = _Work([], [], {}, [])
        for key, write in wanted:
            self._plan(work, key, write, by_day(self.table, key_text(key), held.get(key_text(key), ())))
        self._delete(connection, work.deletes)
        self._update(connection, work)
        self._insert(connection, work.inserts)

    def _plan(self, work: _Work, key: Any, write: Write, held: Mapping[str, Row]) -> None:
        desired = _patches(write)
        names = frozenset(write.values).union(*desired.values()) & self.table.columns.keys()
        reader = Occurrences(self.table, names, self.zone)
        gone: list[Any] = []
        for day, row in held.items():
            patch = desired.get(day)
            if patch is None and self._says(row, self.table.columns.keys() - names):
                patch = {}  # it says something that this link does not carry: the row stays for that
            if patch is None:
                if row.excluded == self.table.left_out or self._says(row, names):
                    gone.append(row.identity)
            elif is_excluded(patch):
                if row.excluded != self.table.left_out:
                    work.left_out.append(self._found(row))
            elif _read(reader, key, day, row) != patch:
                work.updates.setdefault(tuple(sorted(names)), []).append(self._found(row) | self._set(patch, names))
        if gone:
            work.deletes.append((key, gone))
        work.inserts.extend(self._new(key, day, desired[day]) for day in sorted(desired.keys() - held.keys()))

    def _says(self, row: Row, names: Iterable[str]) -> bool:
        return any(row.held[name] is not None for name in names)

    def _set(self, patch: Fields, names: Iterable[str]) -> dict[str, Any]:
        """Parameter → value of every touched column."""
        unknown = patch.keys() - self.table.columns.keys()
        if unknown:
            raise Invalid(f"an occurrence has no CRM field {', '.join(sorted(unknown))}", code="unknown-field")
        return {f"exsync_{name}": self._stored(name, patch.get(name)) for name in names}

    def _stored(self, name: str, value: Value) -> Any:
        plan = self.table.plan.fields[name]
        if value == "" and plan.type in _EMPTY_IS_A_VALUE:
            return ""
        try:
            return stored(plan, self.table.codecs[name], value)
        except Invalid as error:
            raise Invalid(f"an occurrence: {error}", code=error.code, remedy=error.remedy) from None

    def _found(self, row: Row) -> dict[str, Any]:
        return {"exsync_series": row.series, "exsync_identity": row.identity}

    def _new(self, key: Any, day: str, patch: Fields) -> dict[str, Any]:
        table = self.table
        row = dict(table.defaults)
        row[table.series.name], row[table.day.name] = key, table.day_codec.write(day)
        own = {} if is_excluded(patch) else self._set(patch, table.columns)
        row |= {column.name: own.get(f"exsync_{name}") for name, column in table.columns.items()}
        row[table.excluded.name] = table.left_out if is_excluded(patch) else table.kept
        if table.key is not None and not table.makes_keys and table.key.name not in (table.series.name, table.day.name):
            made = uuid.uuid5(uuid.NAMESPACE_OID, f"{key_text(key)}/{day}")
            row[table.key.name] = made if table.families[table.key.name] is Family.UUID else str(made)
        return row | self._marked()

    def _marked(self) -> dict[str, Any]:
        column = self.table.modified
        return {} if column is None else {column.name: now_in(self.now, self.table.families[column.name], self.zone)}

    # -- statements --------------------------------------------------------------------------------------------------------

    def _identity(self) -> sa.Column[Any]:
        return self.table.day if self.table.key is None else self.table.key

    def _delete(self, connection: sa.Connection, deletes: Sequence[tuple[Any, list[Any]]]) -> None:
        for key, identities in deletes:
            for start in range(0, len(identities), CHUNK):
                chosen = self._identity().in_(identities[start : start + CHUNK])
                connection.execute(sa.delete(self.table.table).where(self.table.series == key, chosen))

    def _update(self, connection: sa.Connection, work: _Work) -> None:
        table = self.table
        found = (
            table.series == sa.bindparam("exsync_series", type_=table.series.type),
            self._identity() == sa.bindparam("exsync_identity", type_=self._identity().type),
        )
        statement = sa.update(table.table).where(*found)
        if work.left_out:
            connection.execute(statement.values({table.excluded.name: table.left_out, **self._marked()}), work.left_out)
        for names, rows in work.updates.items():
            setting: dict[str, Any] = {table.excluded.name: table.kept, **self._marked()}
            for name in names:
                column = table.columns[name]
                setting[column.name] = sa.bindparam(f"exsync_{name}", type_=column.type)
            connection.execute(statement.values(setting), rows)

    def _insert(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        insert = sa.insert(self.table.table)
        if connection.dialect.name != "sqlite":
            # With RETURNING many rows share one statement, and so its one touch of the series.
            insert = insert.returning(raw(self.table.series))
        connection.execute(insert, rows)


def _patches(write: Write) -> Mapping[str, Fields]:
    wanted = write.values.get(OCCURRENCES)
    if not isinstance(wanted, Mapping):
        return {}
    return {day: patch for day, patch in wanted.items() if isinstance(patch, Mapping) and patch}


def _read(reader: Occurrences, key: Any, day: str, row: Row) -> Fields | None:
    try:
        return reader.patch(key_text(key), day, row)
    except Invalid:
        return None  # whatever it says, it is overwritten

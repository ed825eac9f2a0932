"""Occurrences of series as rows, up to a horizon, for the CRM's own lists and reports (B-38).

What it is: a table derived from series and their customised occurrences. What it is not: input; nothing is ever read from
it but to compare it. The printed triggers note every series that changes in ``exsync_series``; who was not noted is not
looked at, except to add the days that the horizon has reached meanwhile.

*Choices where the rule book is silent*

- Every series has rows, endless or not, from its first occurrence on; single items have none.
- A row is named by the date on which the series has the occurrence; start and end are the occurrence's own. One that is
  left out has no row.
- Moments come from the same function as the mapping's (codec ``interval``), so a clock change moves nothing that was made.
- A series that cannot be carried keeps the rows that it had, until it changes again.
- Whoever changes a series while its rows are made is never overwritten: it is noted again, and done in the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from runner.config.plan import OCCURRENCES
from runner.connectors.crm.columns import Family, key_text, key_value
from runner.connectors.crm.database import reading
from runner.connectors.crm.faults import translated
from runner.connectors.crm.schema import EntityTable, MaterialisedTable, raw
from runner.mapping.codecs import INTERVAL, Options
from runner.model.errors import ConnectorError
from runner.model.items import Item
from runner.model.overrides import is_excluded
from runner.model.record import Fields, Value
from runner.model.recurrence import days_of

BATCH = 100
"""Series per transaction."""
NEVER = "9999-12-31"
"""Where the rows of a series end that has no more occurrences to come."""

Read = Callable[[EntityTable, frozenset[str], Sequence[str]], Mapping[str, Item | ConnectorError]]
Span = tuple[str, str]
"""Start and end as instants."""


@dataclass(frozen=True, slots=True)
class _Due:
    """One series to look at. ``until`` None: it changed, or is new."""

    key: str
    until: str | None
    changes: int


@dataclass(frozen=True, slots=True)
class _Made:
    """What the rows of one series shall be. ``spans`` None: it is no series any more."""

    due: _Due
    spans: Mapping[str, Span] | None
    until: str
    refused: bool = False
    """It cannot be carried: the rows that it has stay."""


@dataclass(frozen=True, slots=True)
class Materialising:
    """The work on one entity's table."""

    engine: sa.Engine
    entity: EntityTable
    table: MaterialisedTable
    noted: sa.Table
    zone: str

    def carry_out(self, now: datetime, read: Read) -> int:
        """Everything that is due at ``now``; returns the number of series. Raises what concerns the whole database."""
        horizon = (now + self.table.plan.horizon).date()
        names = frozenset(self.table.plan.source.values())
        if self.entity.occurrences is not None:
            names |= {OCCURRENCES}
        after, count = "", 0
        while due := self._due(str(horizon), after):
            after, count = due[-1].key, count + len(due)
            items = read(self.entity, names, [one.key for one in due])
            self._write([self._made(one, items.get(one.key), horizon) for one in due])
        return count

    def _due(self, horizon: str, after: str) -> list[_Due]:
        c = self.noted.c
        statement = (
            sa.select(c.crm_key, c.until, c.changes)
            .where(
                c.entity == str(self.entity.plan.entity),
                sa.or_(c.until.is_(None), c.until < horizon),
                c.crm_key > after,
            )
            .order_by(c.crm_key)
            .limit(BATCH)
        )
        with reading(self.engine) as connection:
            return [_Due(*row) for row in connection.execute(statement)]

    # -- what there shall be -----------------------------------------------------------------------------------------------

    def _made(self, due: _Due, item: Item | ConnectorError | None, horizon: date) -> _Made:
        if isinstance(item, ConnectorError):
            return _Made(due, {}, NEVER, refused=True)
        if item is None or not item.values.get(self.table.plan.source["rule"]):
            return _Made(due, None, NEVER)
        try:
            spans, until = self._spans(item.values, due.until, horizon)
        except (ValueError, OverflowError):
            return _Made(due, {}, NEVER, refused=True)
        return _Made(due, spans, until)

    def _spans(self, values: Fields, after: str | None, horizon: date) -> tuple[dict[str, Span], str]:
        """Day → start and end of the occurrences behind ``after`` (None: all of them), and up to where they reach."""
        source = self.table.plan.source
        outbound, inbound = INTERVAL.bind(Options(slots=frozenset(source)))
        slots = [slot.name for slot in INTERVAL.slots]
        start, zone, length, whole, rule = outbound(tuple(values.get(source.get(slot, "")) for slot in slots))
        if not isinstance(start, str) or not isinstance(rule, str):
            raise ValueError("no series")
        own = values.get(OCCURRENCES)
        patches: Mapping[str, Value] = own if isinstance(own, Mapping) else {}
        spans: dict[str, Span] = {}
        until = NEVER
        for day in days_of(rule, start):
            if day > horizon:
                until = str(horizon)
                break
            name = day.isoformat()
            patch = patches.get(name)
            if (after is not None and name <= after) or (isinstance(patch, Mapping) and is_excluded(patch)):
                continue
            begin, end, *_ = inbound((name + start[10:], zone, length, whole, rule))
            if isinstance(patch, Mapping):
                begin, end = patch.get(source["start"], begin), patch.get(source["end"], end)
            spans[name] = (str(begin), str(end))
        return spans, until

    # -- what is written ---------------------------------------------------------------------------------------------------

    def _write(self, made: Sequence[_Made]) -> None:
        with (
            translated(),
            self.engine.connect().execution_options(exsync_writing=True) as connection,
            connection.begin(),
        ):
            # The note first: it is the lock, and tells whether the series changed again since it was read.
            kept = [one for one in made if self._note(connection, one) and not one.refused]
            changed = [one for one in kept if one.due.until is None or one.spans is None]
            held = self._held(connection, [self._key(one.due.key) for one in changed])
            inserts: list[dict[str, Any]] = []
            for one in kept:
                inserts += self._settle(connection, one, held.get(one.due.key, {}))
            if inserts:
                insert = sa.insert(self.table.table)
                if connection.dialect.name != "sqlite":
                    insert = insert.returning(raw(self.table.series))
                connection.execute(insert, inserts)

    def _note(self, connection: sa.Connection, one: _Made) -> bool:
        c = self.noted.c
        same = (
            c.entity == str(self.entity.plan.entity),
            c.crm_key == one.due.key,
            c.changes == one.due.changes,
        )
        if one.spans is None:
            return connection.execute(sa.delete(self.noted).where(*same)).rowcount == 1
        return connection.execute(sa.update(self.noted).where(*same).values(until=one.until)).rowcount == 1

    def _held(self, connection: sa.Connection, keys: Sequence[Any]) -> dict[str, dict[str, tuple[Any, Span | None]]]:
        """Key → day → (the day as its column holds it, start and end). None: what is there cannot be read."""
        if not keys:
            return {}
        table = self.table
        statement = sa.select(raw(table.series), raw(table.day), raw(table.start), raw(table.end)).where(
            table.series.in_(keys)
        )
        found: dict[str, dict[str, tuple[Any, Span | None]]] = {}
        for series, day, start, end in connection.execute(statement):
            span = None
            try:
                name = str(table.day_codec.read(day))
                span = (str(table.start_codec.read(start)), str(table.end_codec.read(end)))
            except (ValueError, OverflowError, TypeError):
                name = str(day)
            found.setdefault(key_text(series), {})[name] = (day, span)
        return found

    def _settle(
        self, connection: sa.Connection, one: _Made, there: Mapping[str, tuple[Any, Span | None]]
    ) -> list[dict[str, Any]]:
        """Delete and update what differs; returns the rows to insert."""
        table, key, spans = self.table, self._key(one.due.key), one.spans or {}
        gone = [held for day, (held, _) in there.items() if day not in spans]
        for start in range(0, len(gone), BATCH):
            chosen = table.day.in_(gone[start : start + BATCH])
            connection.execute(sa.delete(table.table).where(table.series == key, chosen))
        moved = [
            {
                "exsync_day": there[day][0],
                "exsync_start": self._stored(span[0]),
                "exsync_end": self._stored_end(span[1]),
            }
            for day, span in spans.items()
            if day in there and there[day][1] != span
        ]
        if moved:
            statement = (
                sa.update(table.table)
                .where(table.series == key, table.day == sa.bindparam("exsync_day", type_=table.day.type))
                .values(
                    {
                        table.start.name: sa.bindparam("exsync_start", type_=table.start.type),
                        table.end.name: sa.bindparam("exsync_end", type_=table.end.type),
                    }
                )
            )
            connection.execute(statement, moved)
        return [
            {
                table.series.name: key,
                table.day.name: table.day_codec.write(day),
                table.start.name: self._stored(span[0]),
                table.end.name: self._stored_end(span[1]),
            }
            for day, span in spans.items()
            if day not in there
        ]

    def _stored(self, instant: str) -> Any:
        return self.table.start_codec.write(instant)

    def _stored_end(self, instant: str) -> Any:
        return self.table.end_codec.write(instant)

    def _key(self, text: str) -> Any:
        family: Family = self.entity.family(self.entity.key)
        return key_value(text, family)

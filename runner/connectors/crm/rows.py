"""Rows ↔ items: which columns a link needs, how a row becomes an item, how a write becomes parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from runner.config.plan import EMAILS, OCCURRENCES, PEOPLE, CrmField
from runner.connectors.crm import attachments
from runner.connectors.crm.columns import Codec, Family, key_text, key_value, moment_in, stored
from runner.connectors.crm.emails import emails_of
from runner.connectors.crm.occurrences import Occurrences, Row
from runner.connectors.crm.owners import held
from runner.connectors.crm.participants import People, Taking
from runner.connectors.crm.schema import EmailTables, EntityTable, raw
from runner.model.errors import NOT_OWNED, ConnectorError, Invalid
from runner.model.files import ATTACHMENTS, FileRules
from runner.model.items import Item, Write
from runner.model.record import Fields, FieldType, Value

KEYS_PARAMETER = "keys"
Sent = tuple[Mapping[str, Any], Fields]
"""What one write was bound to, by column, and the canonical values that it stands for."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside the rows of some records, by key: rows of occurrences, participants, attachments."""

    occurrences: Mapping[str, Sequence[Row]]
    people: Mapping[str, Sequence[Taking]]
    files: Mapping[str, Sequence[attachments.Row]]
    emails: Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns that one link reads of one entity, with the SELECT for a batch of keys."""

    entity: EntityTable
    zone: str
    fields: tuple[tuple[str, CrmField, Codec], ...]
    select: sa.Select[Any]
    select_run: sa.Select[Any]
    """The same for keys that are a run of numbers (:func:`~runner.connectors.crm.columns.run_of`)."""
    occurrences: Occurrences | None = None
    """How customised occurrences are read, when the link carries them."""
    rules: tuple[int, ...] = ()
    """Where recurrence rules stand in a row."""
    bound: Callable[[Mapping[str, Any]], Any] | None = None
    """Picks a row's fields out of the columns that a write was bound to."""
    names: tuple[str, ...] = ()
    """The names of a row's fields."""
    people: People | None = None
    """How participants are read, when the link carries them."""
    files: attachments.Files | None = None
    """How attachments are read, when the link keeps them in step."""
    emails: EmailTables | None = None
    """Where addresses are read, when the link carries them."""

    @property
    def lone(self) -> bool:
        """Whether a record is its row alone, with nothing beside it."""
        return self.occurrences is None and self.people is None and self.files is None and self.emails is None

    def held(self, connection: sa.Connection, rows: Sequence[Sequence[Any]]) -> Beside:
        """What lies beside these rows. Occurrences only of those that have a recurrence rule: others are no series."""
        occurrences: Mapping[str, Sequence[Row]] = {}
        if self.occurrences is not None:
            series = [row[0] for row in rows if not self.rules or any(row[index] for index in self.rules)]
            occurrences = self.occurrences.rows(connection, series)
        keys = [row[0] for row in rows]
        return Beside(
            occurrences,
            self.people.rows(connection, keys) if self.people else {},
            self.files.rows(connection, keys) if self.files else {},
            emails_of(connection, self.emails, keys) if self.emails else {},
        )

    def items(
        self,
        rows: Sequence[Sequence[Any]],
        held: Beside,
        owner: str | None,
        noted: Mapping[str, tuple[str, str | None]],
        sent: Mapping[str, Sent] | None = None,
    ) -> dict[str, Item | ConnectorError]:
        """The items of some rows with what lies beside them, by key, ``Invalid`` in place of one that cannot be carried.
        ``noted`` is what the key table knows of them (token and native identity), ``sent`` what was just written."""
        items: dict[str, Item | ConnectorError] = {}
        for row in rows:
            key = key_text(row[0])
            try:
                stamp, native = noted.get(key, (None, None))
                values, modified = self._own(key, row, owner, sent.get(key) if sent else None)
                if self.occurrences is not None:
                    values[OCCURRENCES], modified = self.occurrences.joined(
                        key, held.occurrences.get(key, ()), modified
                    )
                if self.people is not None:
                    values |= self.people.values(held.people.get(key, ()))
                if self.emails is not None:
                    values[EMAILS] = held.emails.get(key)
                item = Item(key, key_text(row[1]), values, stamp=stamp, native=native, modified=modified)
                items[key] = self.files.joined(item, held.files.get(key, ())) if self.files else item
            except Invalid as error:
                items[key] = error
        return items

    def _own(
        self, key: str, row: Sequence[Any], owner: str | None, sent: Sent | None
    ) -> tuple[dict[str, Value], datetime | None]:
        """What one row says by itself, and when it was changed last. Raises ``Invalid`` naming the first field whose value
        cannot be carried, or with code ``not-owned`` when the record belongs to somebody other than ``owner`` (None: not
        asked)."""
        if owner is not None and (row[3] is None or key_text(row[3]) != owner):
            raise Invalid(f"CRM record {key} belongs to another user", code=NOT_OWNED)
        values = self._as_sent(row, sent) if sent else None
        if values is None:
            values = self._read(key, row)
        modified = None
        if row[2] is not None:
            try:
                modified = moment_in(row[2], self.zone)
            except ValueError:
                modified = None  # only `newest_wins` asks for it, and it copes without
        return values, modified

    def _as_sent(self, row: Sequence[Any], sent: Sent) -> dict[str, Value] | None:
        """The values that were sent, when every column holds what it was bound to: reading gives back what was written."""
        columns, values = sent
        try:
            if self.bound is None or self.bound(columns) != row[4:]:
                return None
        except KeyError:  # a column that the write left to the database
            return None
        return {name: values.get(name) for name in self.names}

    def _read(self, key: str, row: Sequence[Any]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for (name, plan, codec), given in zip(self.fields, row[4:], strict=True):
            if given is None:
                value = None
            else:
                try:
                    value = codec.read(given)
                except (ValueError, OverflowError, TypeError) as error:
                    raise self.invalid(key, plan, str(error), "value") from None
            if value is None and not plan.nullable:
                raise self.invalid(key, plan, "is empty, though described as never empty", "required")
            values[name] = value
        return values

    def invalid(self, key: str, plan: CrmField, reason: str, code: str) -> Invalid:
        """The error of one field of one record."""
        return Invalid(f"CRM record {key}: {plan.name} (column {plan.column}): {reason}", code=code)


def shape(entity: EntityTable, fields: frozenset[str], zone: str, rules: FileRules | None = None) -> Shape:
    """The shape of one link's reads; attachments are read by ``rules`` only (B-45). Raises ``Invalid`` for a field that the
    entity does not have."""
    occurrences = None
    if entity.occurrences is not None and OCCURRENCES in fields:
        occurrences = Occurrences(entity.occurrences, fields & entity.occurrences.columns.keys(), zone)
        fields -= {OCCURRENCES}
    people = None
    if entity.people is not None and fields & PEOPLE:
        people = People(entity, entity.people, fields & PEOPLE)
        fields -= PEOPLE
    files = None
    if entity.files is not None and ATTACHMENTS in fields:
        files = attachments.Files(entity.files, rules) if rules else None
        fields -= {ATTACHMENTS}
    emails = entity.emails if EMAILS in fields else None
    if emails is not None:
        fields -= {EMAILS}
    unknown = fields - entity.columns.keys()
    if unknown:
        raise Invalid(f"{entity.plan.entity} has no CRM field {', '.join(sorted(unknown))}", code="unknown-field")
    names = sorted(fields)
    modified: sa.ColumnElement[Any] = sa.null() if entity.modified is None else raw(entity.modified)
    columns = [raw(entity.key), raw(entity.version), modified, held(entity)]
    columns += [raw(entity.columns[name]) for name in names]
    labelled = [column.label(f"c{index}") for index, column in enumerate(columns)]
    keys: sa.BindParameter[Any] = sa.bindparam(KEYS_PARAMETER, expanding=True)
    select = sa.select(*labelled).where(entity.key.in_(keys), entity.live())
    ends = entity.key.between(sa.bindparam("first"), sa.bindparam("last"))
    select_run = sa.select(*labelled).where(ends, entity.live())
    described = tuple((name, entity.plan.fields[name], entity.codecs[name]) for name in names)
    with_rules = tuple(n for n, (_, plan, _) in enumerate(described, 4) if plan.type is FieldType.RECURRENCE)
    bound = itemgetter(*(entity.columns[name].name for name in names)) if len(names) > 1 else None
    return Shape(
        *(entity, zone, described, select, select_run, occurrences, with_rules),
        *(bound, tuple(names), people, files, emails),
    )


def key_values(keys: Sequence[str], family: Family) -> dict[str, Any]:
    """Key → the column's value, without those that the column could never hold (so that no such record exists)."""
    held = {}
    for key in keys:
        try:
            held[key] = key_value(key, family)
        except (ValueError, OverflowError):
            continue
    return held


class Filling:
    """Writes → columns for one entity: which fields may be written, with their codecs, looked up once for each set."""

    def __init__(self, entity: EntityTable) -> None:
        self._entity = entity
        self._known: dict[frozenset[str], tuple[tuple[str, str, CrmField, Codec], ...]] = {}

    def parameters(self, write: Write, *, creating: bool) -> dict[str, Any]:
        """Column name → value for the fields that a write changes; fields that may only be read are left out, and so are
        occurrences, participants and attachments, which have tables of their own.

        Raises ``Invalid`` for a value that its column cannot hold, with nothing cut (B-23): ``too-long``, ``required``,
        ``value`` or ``unknown-field``. A new record without a value for a required field gets the database's default.
        """
        made: dict[str, Any] = {}
        given = write.values.get
        for name, column, plan, codec in self._known.get(write.fields) or self._look_up(write.fields):
            value = given(name)
            if value is not None:
                value = stored(plan, codec, value)
            if value is None and not plan.nullable:
                if creating:
                    continue
                raise Invalid(f"{name} (column {column}) must not be empty", code="required")
            made[column] = value
        return made

    def _look_up(self, names: frozenset[str]) -> tuple[tuple[str, str, CrmField, Codec], ...]:
        entity, plans = self._entity, self._entity.plan.fields
        own = names - {OCCURRENCES} if entity.occurrences is not None else names
        own = own - PEOPLE if entity.people is not None else own
        own = own - {ATTACHMENTS} if entity.files is not None else own
        own = own - {EMAILS} if entity.emails is not None else own
        for name in sorted(own - plans.keys()):
            raise Invalid(f"{entity.plan.entity} has no CRM field {name}", code="unknown-field")
        found = tuple(
            (name, plans[name].column, plans[name], entity.codecs[name]) for name in sorted(own) if plans[name].writable
        )
        self._known[names] = found
        return found

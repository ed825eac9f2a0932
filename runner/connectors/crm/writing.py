"""Conditional writes, exactly-once creates, and many of them in one transaction.

A group of writes shares one transaction (``transaction``), with a savepoint for each kind of write (``creating``,
``changing``). The group's outcome is one of: committed with a result per write, nothing written (``Transient`` for all),
or unknown for all, when the COMMIT itself got no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from runner.connectors.crm.changing import Changing
from runner.connectors.crm.columns import key_text, key_value, run_of
from runner.connectors.crm.creating import Creating
from runner.connectors.crm.faults import classed, translated
from runner.connectors.crm.keys import KeyTable
from runner.connectors.crm.owners import OWNER_PARAMETER
from runner.connectors.crm.rows import KEYS_PARAMETER, Filling, Shape
from runner.connectors.crm.schema import EntityTable
from runner.connectors.crm.transaction import REFUSED, Ready, Transaction, stop_unless_invalid
from runner.model.errors import ConnectorError, Gone, Invalid, OutcomeUnknown, Transient, VersionMoved
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.terms import Operation

GROUP = 512
"""Writes per transaction: long enough to be fast, short enough not to hold locks that users wait for."""


class _Retry(Exception):
    """The group's COMMIT was refused (a deferred constraint): each write needs its own transaction."""


@dataclass
class Group:
    """One group of writes of one link, carried out by :meth:`results`."""

    engine: sa.Engine
    shape: Shape
    keys: KeyTable
    link: LinkRef
    now: datetime

    @property
    def entity(self) -> EntityTable:
        """Where the link's records are."""
        return self.shape.entity

    def results(self, writes: Sequence[Write]) -> Iterator[WriteResult]:
        """One result per write, in order. Raises what concerns all of them: unreachable, refused, denied, schema gone.

        The whole group is one transaction. When the database refuses that, each write gets its own as soon as its result
        is asked for: what a consumer who stops has not seen was not written.
        """
        try:
            made = self._transact(list(enumerate(writes)))
        except _Retry:
            yield from self._one_by_one(writes)
        else:
            yield from (made[index] for index in range(len(writes)))

    def _one_by_one(self, writes: Sequence[Write]) -> Iterator[WriteResult]:
        for index, write in enumerate(writes):
            try:
                yield self._transact([(index, write)])[index]
            except _Retry as refused:
                yield WriteResult(key=write.key, error=Invalid(str(refused), code="constraint"))

    def _transact(self, writes: Sequence[tuple[int, Write]]) -> dict[int, WriteResult]:
        with translated():
            connection = self.engine.connect().execution_options(exsync_writing=True)
        try:
            try:
                transaction = connection.begin()
                results = self._carry_out(connection, writes)
            except exc.SQLAlchemyError as error:
                fault = classed(error)
                if isinstance(fault, Transient):
                    return {index: WriteResult(key=write.key, error=fault) for index, write in writes}
                raise fault from None
            try:
                transaction.commit()
            except exc.SQLAlchemyError as error:
                # A refused COMMIT leaves SQLite's transaction open: were the connection used again, it could still happen.
                connection.invalidate()
                return self._refused(error, writes)
        finally:
            connection.close()
        return results

    def _refused(self, error: exc.SQLAlchemyError, writes: Sequence[tuple[int, Write]]) -> dict[int, WriteResult]:
        """COMMIT failed. With the server's own word for it nothing was written; without, nobody knows."""
        fault = classed(error)
        state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
        locked = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF in {5, 6}
        if isinstance(fault, Invalid):
            raise _Retry(str(fault)) from None
        if state[:2] != "40" and not locked:
            fault = OutcomeUnknown(
                "the CRM database did not confirm the COMMIT: the writes may or may not have happened", code=fault.code
            )
        return {index: WriteResult(key=write.key, error=fault) for index, write in writes}

    def _carry_out(self, connection: sa.Connection, writes: Sequence[tuple[int, Write]]) -> dict[int, WriteResult]:
        under = Transaction(connection, self.shape, self.keys, self.link, self.now)
        creating, changing = Creating(under, self._filling), Changing(under)
        batches: dict[tuple[Operation, tuple[str, ...], bool], list[Ready]] = {}
        for index, write in writes:
            try:
                ready = self._ready(creating, index, write)
            except ConnectorError as error:
                under.results[index] = WriteResult(key=write.key, error=error)
                continue
            batches.setdefault((write.operation, tuple(ready.columns), ready.rewrites), []).append(ready)
        for (operation, _, rewrites), batch in batches.items():
            if operation is Operation.CREATE:
                creating.creates(batch)
            elif operation is Operation.DELETE and self.entity.relations:
                under.batch(batch, changing.leave)
            elif operation is Operation.DELETE or batch[0].columns or rewrites:
                under.batch(batch, changing.change)
            else:
                changing.unchanged(batch)
        _read_back(under)
        return under.results

    @cached_property
    def _filling(self) -> Filling:
        return Filling(self.entity)

    def _ready(self, creating: Creating, index: int, write: Write) -> Ready:
        if write.operation is Operation.CREATE:
            return Ready(index, write, creating.new_row(write))
        if write.key is None or write.version is None:
            raise VersionMoved("a write without its precondition is never sent")
        family = self.entity.family(self.entity.key)
        try:
            key = key_value(write.key, family)
        except (ValueError, OverflowError):
            raise Gone(f"no CRM record {write.key}") from None
        try:
            version = key_value(write.version, self.entity.family(self.entity.version))
        except (ValueError, OverflowError):
            raise VersionMoved(f"CRM record {write.key} never had this version") from None
        # A row that a soft delete leaves behind loses the fields that the delete names.
        gone = write.operation is Operation.DELETE and (self.entity.deleted is None or not write.fields)
        columns = {} if gone else self._filling.parameters(write, creating=False)
        return Ready(index, write, columns, key, version)


def _read_back(under: Transaction) -> None:
    """What each written record is now, read in the writing transaction: its version, and the record if it can be
    carried."""
    if not under.changed:
        return
    versions, items = _written(under, list(dict.fromkeys(under.changed.values())))
    removed: dict[str, Any] = {}
    for index, key in under.changed.items():
        text = key_text(key)
        if text in versions:
            under.results[index] = WriteResult(key=text, version=versions[text], item=items.get(text))
        else:  # a trigger of the CRM deleted it at once
            under.results[index] = WriteResult(key=text, error=Gone(f"CRM record {text} was removed as it was written"))
            if text in under.made:
                removed[text] = key
    if removed:
        # Our trigger took its key from nobody: it was not noted yet. SQLite gives such a key to the next row.
        under.keys.bury(under.connection, under.entity, removed, under.now)


def _written(under: Transaction, keys: list[Any]) -> tuple[dict[str, str], dict[str, Item]]:
    """Key → version, and key → item without those that cannot be carried."""
    try:
        ends = run_of(keys)
        asked: dict[str, Any] = {**ends} if ends else {KEYS_PARAMETER: keys}
        if under.entity.relations:
            asked[OWNER_PARAMETER] = under.link.owner
        rows = under.connection.execute(under.shape.select_run if ends else under.shape.select, asked).all()
        held = under.shape.held(under.connection, rows)
    except REFUSED as error:  # the driver cannot read one of them
        stop_unless_invalid(error)
        return under.versions(set(keys)), {}
    updated = [text for key in keys if (text := key_text(key)) not in under.made]
    noted = under.made | under.keys.of_records(under.connection, under.entity, updated) if updated else under.made
    items = under.shape.items(rows, held, under.link.owner, noted, under.sent)
    versions = {key_text(row[0]): key_text(row[1]) for row in rows}
    return versions, {key: item for key, item in items.items() if isinstance(item, Item)}

"""Conditional writes, exactly-once creates, and many of them in one transaction.

A group of writes shares one transaction. Writes of one kind go together, first all at once (one multi-row statement under
one savepoint); when that fails, again one by one, a savepoint each, so that a bad row fails alone. The group's outcome is
one of: committed with a result per write, nothing written (``Transient`` for all), or unknown for all, when the COMMIT
itself got no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from runner.config.plan import OCCURRENCES, PEOPLE
from runner.connectors.crm.assigning import assign, bound_by, join, let_go
from runner.connectors.crm.columns import key_text, key_value, now_in
from runner.connectors.crm.faults import classed, translated
from runner.connectors.crm.inviting import Inviting, stay_invited
from runner.connectors.crm.keys import KeyTable, Noted
from runner.connectors.crm.occurrences import Rewriting
from runner.connectors.crm.owners import OWNER_PARAMETER, holders, others
from runner.connectors.crm.rows import KEYS_PARAMETER, Filling, Sent, Shape
from runner.connectors.crm.schema import EntityTable, raw
from runner.model.errors import (
    STILL_OWNED,
    ConnectorError,
    Gone,
    Invalid,
    OutcomeUnknown,
    Transient,
    UsageError,
    VersionMoved,
)
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.quick import quick
from runner.model.terms import Operation

GROUP = 500
"""Writes per transaction: long enough to be fast, short enough not to hold locks that users wait for."""

_REFUSED = (exc.StatementError, ValueError, OverflowError, TypeError)


class _Retry(Exception):
    """The group's COMMIT was refused (a deferred constraint): each write needs its own transaction."""


class _OneByOne(Exception):
    """A multi-row statement did not touch as many rows as it should."""


@quick
@dataclass(frozen=True, slots=True)
class _Ready:
    """One write with its parameters. ``key`` and ``version`` are column values (None for creates)."""

    index: int
    write: Write
    columns: Mapping[str, Any]
    key: Any = None
    version: Any = None

    @property
    def rewrites(self) -> bool:
        """Whether the write says something that lies beside the record's row: occurrences, participants."""
        return OCCURRENCES in self.write.fields or not PEOPLE.isdisjoint(self.write.fields)


@dataclass
class Group:
    """One group of writes of one link, carried out by :meth:`results`."""

    engine: sa.Engine
    shape: Shape
    keys: KeyTable
    link: LinkRef
    now: datetime
    _results: dict[int, WriteResult] = field(default_factory=dict)
    _changed: dict[int, Any] = field(default_factory=dict)
    """Index → key of what was inserted or updated: it is read back before the COMMIT."""
    _made: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Key of each new record → token and native identity that the key table noted for it."""
    _sent: dict[str, Sent] = field(default_factory=dict)
    """Key of each new record → what was written into it."""

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

    # -- one transaction -------------------------------------------------------------------------------------------------

    def _transact(self, writes: Sequence[tuple[int, Write]]) -> dict[int, WriteResult]:
        self._results, self._changed, self._made, self._sent = {}, {}, {}, {}
        with translated():
            connection = self.engine.connect().execution_options(exsync_writing=True)
        try:
            try:
                transaction = connection.begin()
                self._carry_out(connection, writes)
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
        return self._results

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

    def _carry_out(self, connection: sa.Connection, writes: Sequence[tuple[int, Write]]) -> None:
        batches: dict[tuple[Operation, tuple[str, ...], bool], list[_Ready]] = {}
        for index, write in writes:
            try:
                ready = self._ready(index, write)
            except ConnectorError as error:
                self._results[index] = WriteResult(key=write.key, error=error)
                continue
            batches.setdefault((write.operation, tuple(ready.columns), ready.rewrites), []).append(ready)
        for (operation, _, rewrites), batch in batches.items():
            if operation is Operation.CREATE:
                self._creates(connection, batch)
            elif operation is Operation.DELETE and self.entity.relations:
                self._batch(connection, batch, self._leave)
            elif operation is Operation.DELETE or batch[0].columns or rewrites:
                self._batch(connection, batch, self._change)
            else:
                self._unchanged(connection, batch)
        self._read_back(connection)

    def _ready(self, index: int, write: Write) -> _Ready:
        if write.operation is Operation.CREATE:
            return _Ready(index, write, self._new_row(write))
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
        return _Ready(index, write, columns, key, version)

    def _batch(
        self,
        connection: sa.Connection,
        batch: Sequence[_Ready],
        effect: Callable[[sa.Connection, Sequence[_Ready]], None],
    ) -> None:
        """All at once, and one by one when that is refused."""
        try:
            with connection.begin_nested():
                effect(connection, batch)
            return
        except (_OneByOne, Invalid):
            pass
        except _REFUSED as error:
            _stop_unless_invalid(error)
        for ready in batch:
            self._changed.pop(ready.index, None)
            try:
                with connection.begin_nested():
                    effect(connection, [ready])
            except _OneByOne:
                self._results[ready.index] = self._missed(connection, ready)
            except Invalid as error:
                self._results[ready.index] = WriteResult(key=ready.write.key, error=error)
            except _REFUSED as error:
                self._results[ready.index] = WriteResult(key=ready.write.key, error=_stop_unless_invalid(error))

    # -- updates and deletes ---------------------------------------------------------------------------------------------

    def _change(self, connection: sa.Connection, batch: Sequence[_Ready]) -> None:
        entity, first = self.entity, batch[0]
        deleting = first.write.operation is Operation.DELETE
        if deleting and entity.deleted is None and entity.occurrences is not None:
            batch = self._with_occurrences_gone(connection, batch)
            if not batch:
                return
        columns = list(first.columns)
        setting: dict[str, Any] = {
            name: sa.bindparam(f"exsync_f{i}", type_=entity.table.c[name].type) for i, name in enumerate(columns)
        }
        where = (
            entity.key == sa.bindparam("exsync_key", type_=entity.key.type),
            entity.version == sa.bindparam("exsync_version", type_=entity.version.type),
            entity.live(),
        )
        statement: sa.Update | sa.Delete
        if deleting and entity.deleted is None:
            statement = sa.delete(entity.table).where(*where)
        else:
            if deleting and entity.deleted is not None:
                setting[entity.deleted[0].name] = entity.deleted[1]
            setting = self._marked(setting)
            if first.rewrites:  # what lies beside may be all that changes: the row is the lock and the precondition
                setting.setdefault(entity.version.name, entity.version)
            statement = sa.update(entity.table).where(*where).values(setting)
        rows = [
            {"exsync_key": ready.key, "exsync_version": ready.version}
            | {f"exsync_f{i}": ready.columns[name] for i, name in enumerate(columns)}
            for ready in batch
        ]
        if connection.execute(statement, rows).rowcount != len(batch):
            raise _OneByOne
        self._rewrite_beside(connection, [(ready.key, ready) for ready in batch])
        for ready in batch:
            if deleting:
                self._results[ready.index] = WriteResult(key=ready.write.key)
            else:
                self._changed[ready.index] = ready.key

    def _rewrite_beside(self, connection: sa.Connection, written: Sequence[tuple[Any, _Ready]]) -> None:
        """Bring the rows of occurrences and participants to what the writes say, in the transaction of their records."""
        table = self.entity.occurrences
        wanted = [(key, ready.write) for key, ready in written if OCCURRENCES in ready.write.fields]
        if table is not None and wanted:
            Rewriting(table, self.shape.zone, self.now).carry_out(connection, wanted)
        people = self.entity.people
        if people is None:
            return
        invited = [(key, ready.write) for key, ready in written if not PEOPLE.isdisjoint(ready.write.fields)]
        if invited:
            Inviting(self.entity, people, self.link.owner).carry_out(connection, invited)

    def _with_occurrences_gone(self, connection: sa.Connection, batch: Sequence[_Ready]) -> list[_Ready]:
        """Delete those that have rows of occurrences, which may refer to them; returns the others.

        The rows' own triggers move the version on, so it is asked for first, under a lock.
        """
        entity, table = self.entity, self.entity.occurrences
        if table is None:
            return list(batch)
        held = sa.select(raw(table.series)).where(table.series.in_([ready.key for ready in batch])).distinct()
        having = {key_text(key) for (key,) in connection.execute(held)}
        for ready in batch:
            if key_text(ready.key) not in having:
                continue
            same = (entity.key == ready.key, entity.version == ready.version)
            if connection.execute(sa.select(raw(entity.key)).where(*same).with_for_update()).first() is None:
                raise _OneByOne
            connection.execute(sa.delete(table.table).where(table.series == ready.key))
            connection.execute(sa.delete(entity.table).where(entity.key == ready.key))
            self._results[ready.index] = WriteResult(key=ready.write.key)
        return [ready for ready in batch if key_text(ready.key) not in having]

    def _leave(self, connection: sa.Connection, batch: Sequence[_Ready]) -> None:
        """Deletes of records that several users may hold: the last one's delete is the record's, any other's takes only
        himself out (B-50). The rows are locked first, or two users who delete at a time would each leave it to the other.
        """
        entity, owner = self.entity, self.link.owner or ""
        keys = {ready.key for ready in batch}
        versions = self._versions(connection, keys, locking=True)
        holding = holders(connection, entity, list(keys))
        last: list[_Ready] = []
        for ready in batch:
            key = ready.write.key or ""
            if versions.get(key_text(ready.key)) != ready.write.version:
                raise _OneByOne
            if owner not in holding.get(key_text(ready.key), frozenset()):
                error: ConnectorError = VersionMoved(f"CRM record {key} is not {self.link.user}'s any more")
                self._results[ready.index] = WriteResult(key=key, error=error)
            elif ready.write.whole or not others(holding, ready.key, owner):
                last.append(ready)
            elif (reason := bound_by(connection, entity, ready.key, owner)) is not None:
                error = Invalid(f"CRM record {key} stays {self.link.user}'s: {reason}", code=STILL_OWNED)
                self._results[ready.index] = WriteResult(key=key, error=error)
            else:
                stay_invited(connection, entity, ready.key, owner)
                let_go(connection, entity, ready.key, owner)
                self._disown(connection, ready.key, owner)
                self._results[ready.index] = WriteResult(key=key, released=True)
        if last:
            self._change(connection, last)

    def _disown(self, connection: sa.Connection, key: Any, owner: str) -> None:
        """Empty the owner column where it names the user."""
        column = self.entity.owner
        if column is not None:
            mine = (self.entity.key == key, column == key_value(owner, self.entity.family(column)))
            connection.execute(sa.update(self.entity.table).where(*mine).values(self._marked({column.name: sa.null()})))

    def _marked(self, setting: dict[str, Any]) -> dict[str, Any]:
        """With the columns that every write of ours moves: when it was, and the version where nobody else does."""
        entity = self.entity
        if entity.plan.version_by == "writer":
            setting[entity.version.name] = entity.version + 1
        if entity.modified is not None:
            setting.setdefault(entity.modified.name, self._now())
        return setting

    def _now(self) -> Any:
        modified = self.entity.modified
        return None if modified is None else now_in(self.now, self.entity.family(modified), self.shape.zone)

    def _missed(self, connection: sa.Connection, ready: _Ready) -> WriteResult:
        """Why a conditional write touched no row."""
        key = ready.write.key or ""
        if self._versions(connection, {ready.key}):
            return WriteResult(key=key, error=VersionMoved(f"CRM record {key} was changed since it was read"))
        return WriteResult(key=key, error=Gone(f"no CRM record {key}"))

    def _unchanged(self, connection: sa.Connection, batch: Sequence[_Ready]) -> None:
        """Updates without a column to write (all of their fields may only be read): only the precondition is checked."""
        versions = self._versions(connection, {ready.key for ready in batch})
        for ready in batch:
            if versions.get(key_text(ready.key)) == ready.write.version:
                self._note_identity(connection, ready.write)
                self._results[ready.index] = WriteResult(key=ready.write.key, version=ready.write.version)
            else:
                self._results[ready.index] = self._missed(connection, ready)

    def _note_identity(self, connection: sa.Connection, write: Write) -> None:
        """A record of the CRM's becomes a meeting in a mailbox: its copies elsewhere will be known by this identity."""
        if write.native is None or write.stamp is None or write.key is None:
            return
        noted = self.keys.noted(connection, self.entity, [write.stamp], [write.native])
        if not noted.by_token and not noted.by_identity:
            self.keys.note(connection, self.entity, [(write.stamp, write.native, write.key)], self.now)

    # -- creates ---------------------------------------------------------------------------------------------------------

    def _new_row(self, write: Write) -> Mapping[str, Any]:
        entity = self.entity
        if write.stamp is None:
            raise Invalid("a create without a stamp is never sent", code="no-stamp")
        if self.link.owner is None:
            raise UsageError(f"link {self.link.name}: {self.link.user} is no CRM user", remedy="check the link's user")
        row = {**self._blank, **self._filling.parameters(write, creating=True), **self._owned}
        if not entity.makes_keys and entity.key.name not in row:
            row[entity.key.name] = self.keys.key_of(write.stamp, entity)
        return row

    @cached_property
    def _filling(self) -> Filling:
        return Filling(self.entity)

    @cached_property
    def _owned(self) -> Mapping[str, Any]:
        """The owner column of a new record, where there is one."""
        column = self.entity.owner
        return {} if column is None else {column.name: key_value(self.link.owner or "", self.entity.family(column))}

    @cached_property
    def _blank(self) -> Mapping[str, Any]:
        """What a new record holds where its write says nothing."""
        entity = self.entity
        row = dict(entity.defaults)
        if entity.counts_versions and (entity.plan.version_by == "writer" or entity.version.server_default is None):
            row.setdefault(entity.version.name, 1)
        if entity.modified is not None:
            row.setdefault(entity.modified.name, self._now())
        if (
            entity.deleted is not None
            and entity.deleted[0].server_default is None
            and isinstance(entity.deleted[1], int)
        ):
            row.setdefault(entity.deleted[0].name, type(entity.deleted[1])(not entity.deleted[1]))
        return row

    def _creates(self, connection: sa.Connection, batch: Sequence[_Ready]) -> None:
        """New records; those that the key table knows already are adopted, or stay gone (L5).

        The key table refuses what it knows. So all of them are tried at once, and only when that is refused are they
        looked up, and then made one by one.
        """
        stamps = [ready.write.stamp for ready in batch]
        natives = [ready.write.native for ready in batch if ready.write.native is not None]
        if len(set(stamps)) == len(stamps) and len(set(natives)) == len(natives):
            try:
                with connection.begin_nested():
                    self._insert(connection, batch)
                return
            except Invalid:
                pass
            except _REFUSED as error:
                _stop_unless_invalid(error)
        for ready in self._not_noted(connection, batch):
            self._create(connection, ready)

    def _create(self, connection: sa.Connection, ready: _Ready) -> None:
        self._changed.pop(ready.index, None)
        if not self._not_noted(connection, [ready]):
            return
        try:
            with connection.begin_nested():
                self._insert(connection, [ready])
        except Invalid as error:
            self._results[ready.index] = WriteResult(error=error)
        except _REFUSED as error:
            fault = _stop_unless_invalid(error)
            # Another pass may have made the same record since we looked: then its row in the key table stopped us.
            if self._not_noted(connection, [ready]):
                self._results[ready.index] = WriteResult(error=fault)

    def _not_noted(self, connection: sa.Connection, batch: Sequence[_Ready]) -> list[_Ready]:
        """Those that the key table does not know; the others get their results here."""
        noted = self.keys.noted(
            connection,
            self.entity,
            [ready.write.stamp for ready in batch if ready.write.stamp],
            [ready.write.native for ready in batch if ready.write.native],
        )
        fresh = []
        for ready in batch:
            known = noted.by_token.get(ready.write.stamp or "")
            if known is None:
                known = noted.by_identity.get(ready.write.native or "")
                if known is not None and known.version is None:
                    # The item's former record was deleted, and it is created anew (B-63): its identity moves on.
                    self.keys.release(connection, self.entity, known)
                    known = None
                elif known is not None and self.entity.relations and not self._joined(connection, ready, known.key):
                    continue
            if known is None:
                fresh.append(ready)
            else:
                self._results[ready.index] = _adopted(known)
        return fresh

    def _joined(self, connection: sa.Connection, ready: _Ready, key: str) -> bool:
        """Another user's item of the same identity is there: the link's user holds it from now on, too (B-41). A create
        that is only sent again takes no part in this: its user may have been taken out since."""
        try:
            with connection.begin_nested():
                value = key_value(key, self.entity.family(self.entity.key))
                join(connection, self.entity, value, self.link.owner or "")
        except _REFUSED as error:
            self._results[ready.index] = WriteResult(error=_stop_unless_invalid(error))
            return False
        return True

    def _insert(self, connection: sa.Connection, batch: Sequence[_Ready]) -> None:
        keys = self._insert_rows(connection, [ready.columns for ready in batch])
        assign(connection, self.entity, keys, self.link.owner or "")
        made = [
            (ready.write.stamp or "", ready.write.native, key_text(key)) for ready, key in zip(batch, keys, strict=True)
        ]
        self.keys.note(connection, self.entity, made, self.now)
        self._rewrite_beside(connection, list(zip(keys, batch, strict=True)))
        self._changed.update((ready.index, key) for ready, key in zip(batch, keys, strict=True))
        self._made.update((key, (stamp, native)) for stamp, native, key in made)
        self._sent.update((key, (one.columns, one.write.values)) for one, (_, _, key) in zip(batch, made, strict=True))

    def _insert_rows(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        entity, name = self.entity, self.entity.key.name
        insert = sa.insert(entity.table)
        if name in rows[0]:
            connection.execute(insert, rows)
            return [row[name] for row in rows]
        if connection.dialect.name != "sqlite":
            made = connection.execute(insert.returning(raw(entity.key), sort_by_parameter_order=len(rows) > 1), rows)
            return list(made.scalars())
        # We hold SQLite's only write lock: the keys after the first are the numbers that follow. (Its RETURNING does not
        # keep the order of rows, so the alternative is a statement for each.)
        first = connection.execute(insert.returning(raw(entity.key)), rows[:1]).scalar_one()
        keys = list(range(first, first + len(rows)))
        if len(rows) > 1:
            connection.execute(insert, [{**row, name: key} for row, key in zip(rows[1:], keys[1:], strict=True)])
        return keys

    # -- what is there now -----------------------------------------------------------------------------------------------

    def _read_back(self, connection: sa.Connection) -> None:
        """What each written record is now, read in the writing transaction: its version, and the record if it can be
        carried."""
        if not self._changed:
            return
        versions, items = self._written(connection, list(dict.fromkeys(self._changed.values())))
        for index, key in self._changed.items():
            text = key_text(key)
            if text in versions:
                self._results[index] = WriteResult(key=text, version=versions[text], item=items.get(text))
            else:  # a trigger of the CRM deleted it at once
                self._results[index] = WriteResult(
                    key=text, error=Gone(f"CRM record {text} was removed as it was written")
                )

    def _written(self, connection: sa.Connection, keys: list[Any]) -> tuple[dict[str, str], dict[str, Item]]:
        """Key → version, and key → item without those that cannot be carried."""
        try:
            asked: dict[str, Any] = {KEYS_PARAMETER: keys}
            if self.entity.relations:
                asked[OWNER_PARAMETER] = self.link.owner
            rows = connection.execute(self.shape.select, asked).all()
            held = self.shape.held(connection, rows)
        except _REFUSED as error:  # the driver cannot read one of them
            _stop_unless_invalid(error)
            return self._versions(connection, set(keys)), {}
        updated = [text for key in keys if (text := key_text(key)) not in self._made]
        noted = self._made | self.keys.of_records(connection, self.entity, updated) if updated else self._made
        items = self.shape.items(rows, held, self.link.owner, noted, self._sent)
        versions = {key_text(row[0]): key_text(row[1]) for row in rows}
        return versions, {key: item for key, item in items.items() if isinstance(item, Item)}

    def _versions(self, connection: sa.Connection, keys: set[Any], *, locking: bool = False) -> dict[str, str]:
        entity = self.entity
        statement = sa.select(raw(entity.key), raw(entity.version)).where(
            entity.key.in_(sa.bindparam("keys", expanding=True)), entity.live()
        )
        if locking:
            statement = statement.order_by(entity.key).with_for_update()
        rows = connection.execute(statement, {"keys": list(keys)})
        return {key_text(key): key_text(version) for key, version in rows}


def _adopted(known: Noted) -> WriteResult:
    if known.version is None:
        return WriteResult(
            key=known.key,
            error=Gone(f"CRM record {known.key} was created and has been deleted since", code="tombstone"),
        )
    return WriteResult(key=known.key, version=known.version, adopted=True)


def _stop_unless_invalid(error: BaseException) -> Invalid:
    """The item's own fault; anything that concerns the whole transaction goes on up."""
    fault = classed(error)
    if isinstance(fault, Invalid):
        return fault
    raise error

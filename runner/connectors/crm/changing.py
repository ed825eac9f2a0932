"""Updates and deletes of records, each on the condition that its row is what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.assigning import bound_by, let_go
from runner.connectors.crm.columns import key_text, key_value
from runner.connectors.crm.inviting import stay_invited
from runner.connectors.crm.owners import holders, others
from runner.connectors.crm.schema import EntityTable, raw
from runner.connectors.crm.transaction import OneByOne, Ready, Transaction
from runner.model.errors import STILL_OWNED, ConnectorError, Invalid, VersionMoved
from runner.model.items import Write, WriteResult
from runner.model.terms import Operation


@dataclass(frozen=True, slots=True)
class Changing:
    """Changes rows within one transaction."""

    transaction: Transaction

    def change(self, batch: Sequence[Ready]) -> None:
        """Updates, or deletes, of one set of columns in one statement. Raises ``OneByOne`` where a row moved."""
        entity, first = self.transaction.entity, batch[0]
        deleting = first.write.operation is Operation.DELETE
        if deleting and entity.deleted is None and _children(entity):
            batch = self._with_children_gone(batch)
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
            setting = self.transaction.marked(setting)
            if first.rewrites:  # what lies beside may be all that changes: the row is the lock and the precondition
                setting.setdefault(entity.version.name, entity.version)
            statement = sa.update(entity.table).where(*where).values(setting)
        rows = [
            {"exsync_key": ready.key, "exsync_version": ready.version}
            | {f"exsync_f{i}": ready.columns[name] for i, name in enumerate(columns)}
            for ready in batch
        ]
        if self.transaction.connection.execute(statement, rows).rowcount != len(batch):
            raise OneByOne
        self.transaction.rewrite_beside([(ready.key, ready) for ready in batch])
        for ready in batch:
            if deleting:
                self.transaction.results[ready.index] = WriteResult(key=ready.write.key)
            else:
                self.transaction.changed[ready.index] = ready.key

    def _with_children_gone(self, batch: Sequence[Ready]) -> list[Ready]:
        """Delete those that have rows of occurrences or attachments, which may refer to them; returns the others.

        The rows' own triggers move the version on, so it is asked for first, under a lock.
        """
        entity, connection = self.transaction.entity, self.transaction.connection
        having: set[str] = set()
        for column in _children(entity):
            held = sa.select(raw(column)).where(column.in_([ready.key for ready in batch])).distinct()
            having |= {key_text(key) for (key,) in connection.execute(held)}
        for ready in batch:
            if key_text(ready.key) not in having:
                continue
            same = (entity.key == ready.key, entity.version == ready.version)
            if connection.execute(sa.select(raw(entity.key)).where(*same).with_for_update()).first() is None:
                raise OneByOne
            for column in _children(entity):
                connection.execute(sa.delete(column.table).where(column == ready.key))
            connection.execute(sa.delete(entity.table).where(entity.key == ready.key))
            self.transaction.results[ready.index] = WriteResult(key=ready.write.key)
        return [ready for ready in batch if key_text(ready.key) not in having]

    def leave(self, batch: Sequence[Ready]) -> None:
        """Deletes of records that several users may hold: the last one's delete is the record's, any other's takes only
        himself out (B-50). The rows are locked first, or two users who delete at a time would each leave it to the other.
        """
        entity, owner = self.transaction.entity, self.transaction.link.owner or ""
        keys = {ready.key for ready in batch}
        versions = self.transaction.versions(keys, locking=True)
        holding = holders(self.transaction.connection, entity, list(keys))
        last: list[Ready] = []
        for ready in batch:
            key = ready.write.key or ""
            if versions.get(key_text(ready.key)) != ready.write.version:
                raise OneByOne
            if owner not in holding.get(key_text(ready.key), frozenset()):
                error: ConnectorError = VersionMoved(f"CRM record {key} is not {self.transaction.link.user}'s any more")
                self.transaction.results[ready.index] = WriteResult(key=key, error=error)
            elif ready.write.whole or not others(holding, ready.key, owner):
                last.append(ready)
            elif (reason := bound_by(self.transaction.connection, entity, ready.key, owner)) is not None:
                error = Invalid(f"CRM record {key} stays {self.transaction.link.user}'s: {reason}", code=STILL_OWNED)
                self.transaction.results[ready.index] = WriteResult(key=key, error=error)
            else:
                stay_invited(self.transaction.connection, entity, ready.key, owner)
                let_go(self.transaction.connection, entity, ready.key, owner)
                self._disown(ready.key, owner)
                self.transaction.results[ready.index] = WriteResult(key=key, released=True)
        if last:
            self.change(last)

    def _disown(self, key: Any, owner: str) -> None:
        """Empty the owner column where it names the user."""
        column = self.transaction.entity.owner
        if column is not None:
            mine = (
                self.transaction.entity.key == key,
                column == key_value(owner, self.transaction.entity.family(column)),
            )
            self.transaction.connection.execute(
                sa.update(self.transaction.entity.table)
                .where(*mine)
                .values(self.transaction.marked({column.name: sa.null()}))
            )

    def unchanged(self, batch: Sequence[Ready]) -> None:
        """Updates without a column to write (all of their fields may only be read): only the precondition is checked."""
        versions = self.transaction.versions({ready.key for ready in batch})
        for ready in batch:
            if versions.get(key_text(ready.key)) == ready.write.version:
                self._note_identity(ready.write)
                self.transaction.results[ready.index] = WriteResult(key=ready.write.key, version=ready.write.version)
            else:
                self.transaction.results[ready.index] = self.transaction.missed(ready)

    def _note_identity(self, write: Write) -> None:
        """A record of the CRM's becomes a meeting in a mailbox: its copies elsewhere will be known by this identity."""
        if write.native is None or write.stamp is None or write.key is None:
            return
        noted = self.transaction.keys.noted(
            self.transaction.connection, self.transaction.entity, [write.stamp], [write.native]
        )
        if not noted.by_token and not noted.by_identity:
            self.transaction.keys.note(
                self.transaction.connection,
                self.transaction.entity,
                [(write.stamp, write.native, write.key)],
                self.transaction.now,
            )


def _children(entity: EntityTable) -> tuple[sa.Column[Any], ...]:
    """Columns by which rows of other tables that we write belong to a record alone."""
    series = (entity.occurrences.series,) if entity.occurrences else ()
    return series + ((entity.files.item,) if entity.files else ())

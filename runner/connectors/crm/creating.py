"""Creates, exactly once: what the key table knows already is adopted, or stays gone (L5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.assigning import assign, join
from runner.connectors.crm.bulk import insert_keyed, insert_rows, is_row_number, passed_over
from runner.connectors.crm.columns import key_text, key_value
from runner.connectors.crm.emails import filled
from runner.connectors.crm.keys import Noted, NotedKeys
from runner.connectors.crm.rows import Filling
from runner.connectors.crm.schema import raw
from runner.connectors.crm.taking_up import TEMPLATE, TakingUp
from runner.connectors.crm.transaction import REFUSED, Ready, Transaction, stop_unless_invalid
from runner.model.errors import Gone, Invalid, UsageError, VersionMoved
from runner.model.items import Write, WriteResult


@dataclass
class Creating:
    """Makes records within one transaction."""

    transaction: Transaction
    filling: Filling

    def new_row(self, write: Write) -> Mapping[str, Any]:
        """The columns of a new record. Raises ``Invalid`` or ``UsageError`` where there can be none."""
        entity = self.transaction.entity
        if write.stamp is None:
            raise Invalid("a create without a stamp is never sent", code="no-stamp")
        if self.transaction.link.owner is None and not entity.unowned:
            raise UsageError(
                f"link {self.transaction.link.name}: {self.transaction.link.user} is no CRM user",
                remedy="check the link's user",
            )
        row = {**self._blank, **self.filling.parameters(write, creating=True), **self._owned}
        if entity.templates:
            row = {**entity.templates.get(str(write.values.get(TEMPLATE)), {}), **row}
        if entity.emails is not None:
            row = filled(entity.emails, write, row)
        if not entity.makes_keys and entity.key.name not in row:
            row[entity.key.name] = self.transaction.keys.key_of(write.stamp, entity)
        return row

    @cached_property
    def _owned(self) -> Mapping[str, Any]:
        """The owner column of a new record, where there is one."""
        column = self.transaction.entity.owner
        return (
            {}
            if column is None
            else {column.name: key_value(self.transaction.link.owner or "", self.transaction.entity.family(column))}
        )

    @cached_property
    def _blank(self) -> Mapping[str, Any]:
        """What a new record holds where its write says nothing."""
        entity = self.transaction.entity
        row = dict(entity.defaults)
        if entity.counts_versions and (entity.plan.version_by == "writer" or entity.version.server_default is None):
            row.setdefault(entity.version.name, 1)
        if entity.modified is not None:
            row.setdefault(entity.modified.name, self.transaction.moment())
        if (
            entity.deleted is not None
            and entity.deleted[0].server_default is None
            and isinstance(entity.deleted[1], int)
        ):
            row.setdefault(entity.deleted[0].name, type(entity.deleted[1])(not entity.deleted[1]))
        return row

    @cached_property
    def _says_all(self) -> bool:
        """Whether a field's column holds what the write says of that field, and nothing that we put there besides."""
        entity = self.transaction.entity
        ours = {*self._blank, *self._owned, entity.key.name}.union(*entity.templates.values())
        if entity.emails is not None:
            ours.add(entity.emails.main.name)
        return ours.isdisjoint(column.name for column in entity.columns.values())

    def creates(self, batch: Sequence[Ready]) -> None:
        """New records; those that the key table knows already are adopted, or stay gone (L5).

        The key table refuses what it knows. So all of them are tried at once, and only when that is refused are they
        looked up, and then made one by one.
        """
        if self.transaction.entity.plan.unique is not None:
            batch = TakingUp(self.transaction, self.filling).fresh(batch)
            if not batch:
                return
        stamps = [ready.write.stamp for ready in batch]
        natives = [ready.write.native for ready in batch if ready.write.native is not None]
        if len(set(stamps)) == len(stamps) and len(set(natives)) == len(natives):
            try:
                with self.transaction.connection.begin_nested():
                    self._insert(batch)
                return
            except (Invalid, VersionMoved):
                pass
            except REFUSED as error:
                stop_unless_invalid(error)
        for ready in self._not_noted(batch):
            self._create(ready)

    def _create(self, ready: Ready) -> None:
        self.transaction.changed.pop(ready.index, None)
        if not self._not_noted([ready]):
            return
        try:
            with self.transaction.connection.begin_nested():
                self._insert([ready])
        except (Invalid, VersionMoved) as error:
            self.transaction.results[ready.index] = WriteResult(error=error)
        except REFUSED as error:
            fault = stop_unless_invalid(error)
            # Another pass may have made the same record since we looked: then its row in the key table stopped us.
            if self._not_noted([ready]):
                self.transaction.results[ready.index] = WriteResult(error=fault)

    def _not_noted(self, batch: Sequence[Ready]) -> list[Ready]:
        """Those that the key table does not know; the others get their results here."""
        noted = self._noted(batch)
        fresh = []
        for ready in batch:
            known = noted.by_token.get(ready.write.stamp or "")
            if known is None:
                known = noted.by_identity.get(ready.write.native or "")
                if known is not None and known.version is None:
                    # The item's former record was deleted, and it is created anew (B-63): its identity moves on.
                    self.transaction.keys.release(self.transaction.connection, self.transaction.entity, known)
                    known = None
                elif known is not None and self.transaction.entity.relations:
                    if not self._joined(ready, known.key):
                        continue
                    # Where a relation is a part of the record, its version moves on with it.
                    known = self._noted([ready]).by_identity[ready.write.native or ""]
            if known is None:
                fresh.append(ready)
            else:
                self.transaction.results[ready.index] = _adopted(known)
        return fresh

    def _noted(self, batch: Sequence[Ready]) -> NotedKeys:
        return self.transaction.keys.noted(
            self.transaction.connection,
            self.transaction.entity,
            [ready.write.stamp for ready in batch if ready.write.stamp],
            [ready.write.native for ready in batch if ready.write.native],
        )

    def _joined(self, ready: Ready, key: str) -> bool:
        """Another user's item of the same identity is there: the link's user holds it from now on, too (B-41). A create
        that is only sent again takes no part in this: its user may have been taken out since."""
        try:
            with self.transaction.connection.begin_nested():
                value = key_value(key, self.transaction.entity.family(self.transaction.entity.key))
                join(self.transaction.connection, self.transaction.entity, value, self.transaction.link.owner or "")
        except REFUSED as error:
            self.transaction.results[ready.index] = WriteResult(error=stop_unless_invalid(error))
            return False
        return True

    def _insert(self, batch: Sequence[Ready]) -> None:
        keys = self._insert_rows([ready.columns for ready in batch])
        assign(self.transaction.connection, self.transaction.entity, keys, self.transaction.link.owner or "")
        made = [
            (ready.write.stamp or "", ready.write.native, key_text(key)) for ready, key in zip(batch, keys, strict=True)
        ]
        self.transaction.keys.note(self.transaction.connection, self.transaction.entity, made, self.transaction.now)
        self.transaction.rewrite_beside(list(zip(keys, batch, strict=True)), fresh=True)
        self.transaction.changed.update((ready.index, key) for ready, key in zip(batch, keys, strict=True))
        self.transaction.made.update((key, (stamp, native)) for stamp, native, key in made)
        if self._says_all:
            self.transaction.sent.update(
                (key, (one.columns, one.write.values)) for one, (_, _, key) in zip(batch, made, strict=True)
            )

    def _insert_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        entity, name = self.transaction.entity, self.transaction.entity.key.name
        if name in rows[0]:
            insert_rows(self.transaction.connection, entity.table, rows)
            return [row[name] for row in rows]
        insert = sa.insert(entity.table)
        if self.transaction.connection.dialect.name != "sqlite":
            made = self.transaction.connection.execute(
                insert.returning(raw(entity.key), sort_by_parameter_order=len(rows) > 1), rows
            )
            return list(made.scalars())
        connection, key = self.transaction.connection, entity.key
        if not is_row_number(key):  # SQLite's RETURNING does not keep the order of rows
            return [insert_keyed(connection, entity.table, key, row) for row in rows]
        # We hold SQLite's only write lock: the keys after the first are the numbers that follow.
        first = insert_keyed(connection, entity.table, key, rows[0])
        keys = list(range(first, first + len(rows)))
        if len(rows) > 1:
            numbered = [{**row, name: key} for row, key in zip(rows[1:], keys[1:], strict=True)]
            if insert_rows(connection, entity.table, numbered) != len(numbered):
                raise passed_over(entity.table)
        return keys


def _adopted(known: Noted) -> WriteResult:
    if known.version is None:
        return WriteResult(
            key=known.key,
            error=Gone(f"CRM record {known.key} was created and has been deleted since", code="tombstone"),
        )
    return WriteResult(key=known.key, version=known.version, adopted=True)

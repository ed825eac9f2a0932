"""Creates that find their record there already: by the field that no two records share, or by the key table (B-81).

A directory's new user may be a CRM user of the same log-on name whom somebody made by hand: he is *adopted*. Or he was here
before and is deleted: then his record is *revived* with all that hangs on it, because a second one would be a stranger.
Only records that are marked deleted can come back; a row that was deleted is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.columns import key_text
from runner.connectors.crm.emails import lacking
from runner.connectors.crm.keys import NotedKeys
from runner.connectors.crm.rows import Filling
from runner.connectors.crm.schema import EntityTable, raw
from runner.connectors.crm.transaction import REFUSED, Ready, Transaction, stop_unless_invalid
from runner.model.errors import Invalid, Transient, VersionMoved
from runner.model.items import Write, WriteResult

TEMPLATE = "template"
"""The CRM field that says which user template a new record gets (B-82)."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A record that has what a new one shall have. ``version`` is None when it is marked deleted."""

    key: Any
    version: str | None


@dataclass(frozen=True, slots=True)
class Holders:
    """Records that new ones would double: by the unique field's value (any case), and by the key of a former record."""

    by_value: Mapping[str, Holder]
    by_key: Mapping[str, Holder]

    def of(self, entity: EntityTable, write: Write, noted: NotedKeys) -> Holder | None:
        """The record that a create has to take up: the one of its own identity, or else the one with its value."""
        former = noted.by_identity.get(write.native or "")
        own = self.by_key.get(former.key) if former is not None else None
        return own or self.by_value.get(value_of(entity, write) or "")


def value_of(entity: EntityTable, write: Write) -> str | None:
    """What a write says in the unique field, as it is compared."""
    name = entity.plan.unique
    value = write.values.get(name) if name else None
    return value.casefold() if isinstance(value, str) else None


def holders_of(connection: sa.Connection, entity: EntityTable, writes: Sequence[Write], noted: NotedKeys) -> Holders:
    """Look up what the creates of one batch would double. Of several records with one value a live one counts, and the
    oldest of those."""
    column = entity.columns[entity.plan.unique or ""]
    values = sorted({value for write in writes if (value := value_of(entity, write))})
    live = entity.live()
    columns = (raw(entity.key), raw(entity.version), raw(column), sa.case((live, 1), else_=0))
    by_value: dict[str, Holder] = {}
    if values:
        asked = sa.func.lower(column).in_(sa.bindparam("values", expanding=True))
        statement = sa.select(*columns).where(asked).order_by(sa.case((live, 0), else_=1), entity.key)
        for key, version, value, alive in connection.execute(statement, {"values": [v.lower() for v in values]}):
            by_value.setdefault(str(value).casefold(), Holder(key, key_text(version) if alive else None))
    former = [known.key for known in noted.by_identity.values() if known.version is None]
    by_key: dict[str, Holder] = {}
    if former:
        text = sa.cast(entity.key, sa.Text)
        statement = sa.select(*columns).where(text.in_(sa.bindparam("former", expanding=True)))
        for key, version, _, alive in connection.execute(statement, {"former": former}):
            by_key[key_text(key)] = Holder(key, key_text(version) if alive else None)
    return Holders(by_value, by_key)


@dataclass(frozen=True, slots=True)
class TakingUp:
    """Sorts the creates of one batch: what has to be made, and what is there already (its result is noted here)."""

    transaction: Transaction
    filling: Filling

    def fresh(self, batch: Sequence[Ready]) -> list[Ready]:
        """Those for which there is no record yet, neither by the unique field nor marked deleted (B-81)."""
        transaction, entity = self.transaction, self.transaction.entity
        noted = transaction.keys.noted(
            transaction.connection,
            entity,
            [ready.write.stamp for ready in batch if ready.write.stamp],
            [ready.write.native for ready in batch if ready.write.native],
        )
        held = holders_of(transaction.connection, entity, [ready.write for ready in batch], noted)
        fresh: list[Ready] = []
        values: set[str] = set()
        for ready in batch:
            value = value_of(entity, ready.write)
            holder = held.of(entity, ready.write, noted)
            if ready.write.stamp in noted.by_token:
                fresh.append(ready)  # a create that is only sent again: the key table answers it
            elif value in values:
                error = Invalid(f"two new records have the {entity.plan.unique} {value!r}", code="duplicate")
                transaction.results[ready.index] = WriteResult(error=error)
            elif holder is None:
                lacks = lacking(entity.emails, ready.write, ready.columns) if entity.emails else None
                if lacks is None:
                    fresh.append(ready)
                else:
                    transaction.results[ready.index] = WriteResult(error=lacks)
            elif holder.version is not None:
                self._adopt(ready, holder, noted)
            else:
                self._revive(ready, holder, noted)
            values |= {value} if value else set()
        return fresh

    def _adopt(self, ready: Ready, holder: Holder, noted: NotedKeys) -> None:
        """The record is there and live: the create is that record, and its identity is known from now on."""
        write, key = ready.write, key_text(holder.key)
        transaction = self.transaction
        if write.native not in noted.by_identity:
            made = [(write.stamp or "", write.native, key)]
            transaction.keys.note(transaction.connection, transaction.entity, made, transaction.now)
        transaction.results[ready.index] = WriteResult(key=key, version=holder.version, adopted=True)

    def _revive(self, ready: Ready, holder: Holder, noted: NotedKeys) -> None:
        """The record is marked deleted: it comes back as the write says, but for what a template gave it."""
        transaction, entity, write = self.transaction, self.transaction.entity, ready.write
        if entity.deleted is None:
            raise Transient(f"CRM record {key_text(holder.key)} is gone", code="gone")
        template = entity.plan.fields.get(TEMPLATE)
        columns = self.filling.parameters(write, creating=True)
        columns = {name: value for name, value in columns.items() if template is None or name != template.column}
        flag, deleted = entity.deleted
        back: Any = type(deleted)(not deleted) if isinstance(deleted, int) else sa.null()
        setting = transaction.marked({**columns, flag.name: back})
        try:
            with transaction.connection.begin_nested():
                where = entity.key == holder.key
                transaction.connection.execute(sa.update(entity.table).where(where).values(setting))
                former = noted.by_identity.get(write.native or "")
                if former is not None:
                    transaction.keys.release(transaction.connection, entity, former)
                made = [(write.stamp or "", write.native, key_text(holder.key))]
                transaction.keys.note(transaction.connection, entity, made, transaction.now)
                transaction.rewrite_beside([(holder.key, ready)])
        except (Invalid, VersionMoved) as error:
            transaction.results[ready.index] = WriteResult(error=error)
            return
        except REFUSED as error:
            transaction.results[ready.index] = WriteResult(error=stop_unless_invalid(error))
            return
        transaction.changed[ready.index] = holder.key

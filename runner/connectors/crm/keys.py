"""The key table ``exsync_keys``: what makes creates exactly-once, and remembers records that are gone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.bulk import insert_rows
from runner.connectors.crm.columns import Family, key_text
from runner.connectors.crm.rows import key_values
from runner.connectors.crm.schema import EntityTable, raw
from runner.model.moments import instant_of


@dataclass(frozen=True, slots=True)
class Noted:
    """One row of the key table; ``version`` is None when its record is gone or deleted."""

    token: str
    identity: str | None
    key: str
    version: str | None


@dataclass(frozen=True, slots=True)
class NotedKeys:
    """What the key table knows of some tokens and identities."""

    by_token: Mapping[str, Noted]
    by_identity: Mapping[str, Noted]


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The key table, inside whatever transaction the caller has open."""

    table: sa.Table

    def noted(
        self, connection: sa.Connection, entity: EntityTable, tokens: Sequence[str], identities: Sequence[str]
    ) -> NotedKeys:
        """Rows of these tokens and native identities, each with its live record's version."""
        rows = [
            *self._rows(connection, entity, "token", tokens),
            *self._rows(connection, entity, "identity", identities),
        ]
        live = self._live(connection, entity, {row[2] for row in rows if row[3] is None})
        noted = [Noted(row[0], row[1], row[2], live.get(row[2]) if row[3] is None else None) for row in rows]
        return NotedKeys({n.token: n for n in noted}, {n.identity: n for n in noted if n.identity is not None})

    def _rows(
        self, connection: sa.Connection, entity: EntityTable, column: str, wanted: Sequence[str]
    ) -> Sequence[Any]:
        if not wanted:
            return ()
        c = self.table.c
        statement = sa.select(c.token, c.identity, c.crm_key, raw(c.gone_at)).where(
            c.entity == sa.bindparam("entity"), c[column].in_(sa.bindparam("wanted", expanding=True))
        )
        return connection.execute(statement, {"entity": str(entity.plan.entity), "wanted": list(wanted)}).all()

    def _live(self, connection: sa.Connection, entity: EntityTable, keys: set[str]) -> dict[str, str]:
        values = list(key_values(sorted(keys), entity.family(entity.key)).values())
        if not values:
            return {}
        statement = sa.select(raw(entity.key), raw(entity.version)).where(
            entity.key.in_(sa.bindparam("keys", expanding=True)), entity.live()
        )
        return {key_text(key): key_text(version) for key, version in connection.execute(statement, {"keys": values})}

    def of_records(
        self, connection: sa.Connection, entity: EntityTable, keys: Sequence[str]
    ) -> dict[str, tuple[str, str | None]]:
        """Record key → (token, native identity), the row with an identity first."""
        c = self.table.c
        statement = (
            sa.select(c.crm_key, c.token, c.identity)
            .where(
                c.entity == sa.bindparam("entity"),
                c.crm_key.in_(sa.bindparam("keys", expanding=True)),
                c.gone_at.is_(None),
            )
            .order_by(c.identity.is_(None).desc(), c.token.desc())
        )
        rows = connection.execute(statement, {"entity": str(entity.plan.entity), "keys": list(keys)})
        return {key: (token, identity) for key, token, identity in rows}

    def note(
        self, connection: sa.Connection, entity: EntityTable, made: Sequence[tuple[str, str | None, str]], now: datetime
    ) -> None:
        """Note (token, native identity, record key) of new records."""
        at = _moment(connection, now)
        name = str(entity.plan.entity)
        rows = [
            {"token": token, "entity": name, "identity": identity, "crm_key": key, "created_at": at}
            for token, identity, key in made
        ]
        insert_rows(connection, self.table, rows)

    def bury(self, connection: sa.Connection, entity: EntityTable, removed: Mapping[str, Any], now: datetime) -> None:
        """Make tombstones of the rows of those of these records (text → key) that are no more, not even as deleted ones."""
        c = self.table.c
        statement = sa.select(raw(entity.key)).where(entity.key.in_(sa.bindparam("keys", expanding=True)))
        left = {key_text(key) for key in connection.execute(statement, {"keys": list(removed.values())}).scalars()}
        connection.execute(
            sa.update(self.table)
            .where(c.entity == str(entity.plan.entity), c.crm_key.in_(removed.keys() - left), c.gone_at.is_(None))
            .values(gone_at=_moment(connection, now))
        )

    def release(self, connection: sa.Connection, entity: EntityTable, noted: Noted) -> None:
        """Take the identity from a row whose record is gone; the row stays as its token's tombstone."""
        c = self.table.c
        connection.execute(
            sa.update(self.table)
            .where(c.entity == str(entity.plan.entity), c.token == noted.token)
            .values(identity=None)
        )

    def key_of(self, stamp: str, entity: EntityTable) -> Any:
        """The key of a new record where the database makes none: made of the write's token, so the same on a retry."""
        return uuid.uuid5(uuid.NAMESPACE_OID, stamp) if entity.family(entity.key) is Family.UUID else stamp


def _moment(connection: sa.Connection, now: datetime) -> Any:
    """An instant as the key table keeps it."""
    return instant_of(now) if connection.dialect.name == "sqlite" else now

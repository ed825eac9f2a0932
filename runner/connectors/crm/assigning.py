"""Giving records to users and taking them back, in the transaction of the write that asks for it.

A new record is given to the link's user in every way that speaks of it alone: the owner column (part of its row) and
each relation without ``via``. A user whose copy was deleted lets go of the record in all of those ways.

*Choice where the rule book is silent*: where the row names its owner, the table of those who take part is left out. He holds
the record already, and a row there would show him among the participants, and keep the record his after it was given away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.bulk import insert_rows
from runner.connectors.crm.columns import key_value
from runner.connectors.crm.owners import own_relations
from runner.connectors.crm.schema import EntityTable, RelationTable, raw


def assign(connection: sa.Connection, entity: EntityTable, keys: Sequence[Any], owner: str) -> None:
    """Relate new records to their owner. Raises the database's error when a relation has further columns to fill."""
    for relation in own_relations(entity):
        if (
            entity.owner is not None
            and entity.people is not None
            and relation.table.name == entity.people.users.table.name
        ):
            continue
        user = key_value(owner, relation.user_family)
        rows = [{**_new_row(relation), relation.item.name: key, relation.user.name: user} for key in keys]
        insert_rows(connection, relation.table, rows)


def join(connection: sa.Connection, entity: EntityTable, key: Any, owner: str) -> None:
    """Relate a record that is there already to one more user, where it is not yet his."""
    if _is_owner(connection, entity, key, owner):
        return
    for relation in own_relations(entity):
        mine = _mine(relation, key, owner)
        if connection.execute(sa.select(raw(relation.item)).where(*mine, relation.live()).limit(1)).first():
            continue
        if relation.deleted is not None:
            column, value = relation.deleted
            back = sa.update(relation.table).where(*mine).values({column.name: _opposite(value)})
            if connection.execute(back).rowcount:
                continue
        user = key_value(owner, relation.user_family)
        row = {**_new_row(relation), relation.item.name: key, relation.user.name: user}
        connection.execute(sa.insert(relation.table), [row])


def let_go(connection: sa.Connection, entity: EntityTable, key: Any, owner: str) -> None:
    """Take the user out of the record's relations; its row is not touched."""
    for relation in own_relations(entity):
        mine = _mine(relation, key, owner)
        if relation.deleted is None:
            connection.execute(sa.delete(relation.table).where(*mine))
        else:
            column, value = relation.deleted
            connection.execute(sa.update(relation.table).where(*mine).values({column.name: value}))


def bound_by(connection: sa.Connection, entity: EntityTable, key: Any, owner: str) -> str | None:
    """The way in which a user holds a record that cannot be taken from him here, in words: a column that must not be
    empty, or a relation that speaks of more than this record. None when there is none."""
    if entity.owner is not None and not entity.owner.nullable and _is_owner(connection, entity, key, owner):
        return f"column {entity.owner.name} must name somebody"
    for relation in entity.relations:
        if relation.plan.via is None:
            continue
        related = sa.select(raw(relation.item)).where(
            relation.user == key_value(owner, relation.user_family),
            relation.live(),
            relation.item.in_(sa.select(relation.refers).where(entity.key == key)),
        )
        if connection.execute(related.limit(1)).first():
            return f"table {relation.table.name} gives it to him by {relation.plan.via}"
    return None


def _is_owner(connection: sa.Connection, entity: EntityTable, key: Any, owner: str) -> bool:
    if entity.owner is None:
        return False
    named = entity.key == key, entity.owner == key_value(owner, entity.family(entity.owner))
    return connection.execute(sa.select(raw(entity.key)).where(*named)).first() is not None


def _mine(relation: RelationTable, key: Any, owner: str) -> tuple[sa.ColumnElement[bool], ...]:
    return relation.item == key, relation.user == key_value(owner, relation.user_family)


def _new_row(relation: RelationTable) -> Mapping[str, Any]:
    row = dict(relation.defaults)
    if relation.deleted is not None and relation.deleted[0].server_default is None:
        row.setdefault(relation.deleted[0].name, _opposite(relation.deleted[1]))
    return row


def _opposite(value: Any) -> Any:
    """What a soft-delete column holds in a row that is not deleted, where it says yes or no; else nothing."""
    return type(value)(not value) if isinstance(value, int) else None

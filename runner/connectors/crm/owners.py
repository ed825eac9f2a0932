"""Who holds which records: a column of the row, and relation tables that lie beside it.

A user *holds* a record when any of the entity's ways says so. Conditions and look-ups are here; ``assigning`` writes. A
relation may refer to another column of the record than its key (``via``): who covers a contact's company covers the
contact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.columns import key_text, key_value
from runner.connectors.crm.schema import EntityTable, RelationTable, raw

OWNER_PARAMETER = "exsync_owner"
_KEYS = "exsync_keys_asked"


def held_by(entity: EntityTable, owner: str) -> sa.ColumnElement[bool]:
    """The condition of records that a user holds. False for a key that no user could have; users and groups are nobody's."""
    if entity.unowned:
        return sa.true()
    ways: list[sa.ColumnElement[bool]] = []
    if entity.owner is not None and (known := _value(owner, entity.family(entity.owner))) is not None:
        ways.append(entity.owner == known)
    for relation in entity.relations:
        if (known := _value(owner, relation.user_family)) is not None:
            asked = sa.select(raw(relation.item)).where(relation.user == known, relation.live())
            ways.append(relation.refers.in_(asked))
    return sa.or_(*ways) if ways else sa.false()


def held(entity: EntityTable) -> sa.ColumnElement[Any]:
    """For one SELECT of many users' links: the owner's key when the user ``exsync_owner`` (text) holds the row, else the
    owner column's or NULL. Where there are no relations it is the bare column, so that nothing is joined."""
    if entity.unowned:
        return sa.null()
    if not entity.relations:
        assert entity.owner is not None  # noqa: S101 - by construction: a record is held in some way
        return raw(entity.owner)
    asked = sa.bindparam(OWNER_PARAMETER, type_=sa.Text)
    ways = [
        sa.exists().where(relation.item == relation.refers, sa.cast(relation.user, sa.Text) == asked, relation.live())
        for relation in entity.relations
    ]
    rest = sa.null() if entity.owner is None else sa.cast(entity.owner, sa.Text)
    return sa.case((sa.or_(*ways), asked), else_=rest)


def holders(connection: sa.Connection, entity: EntityTable, keys: Sequence[Any]) -> dict[str, frozenset[str]]:
    """Record key (text) → every user who holds it, for column values of keys. Records that nobody holds are absent."""
    found: dict[str, set[str]] = {}
    for statement in _holding(entity):
        for key, user in connection.execute(statement, {_KEYS: list(keys)}) if keys else ():
            found.setdefault(key_text(key), set()).add(key_text(user))
    return {key: frozenset(users) for key, users in found.items()}


def _holding(entity: EntityTable) -> Iterable[sa.Select[Any]]:
    asked = entity.key.in_(sa.bindparam(_KEYS, expanding=True))
    if entity.owner is not None:
        yield sa.select(raw(entity.key), raw(entity.owner)).where(asked, entity.owner.is_not(None))
    for relation in entity.relations:
        joined = entity.table.join(relation.table, relation.item == relation.refers)
        yield (
            sa.select(raw(entity.key), raw(relation.user))
            .select_from(joined)
            .where(asked, relation.user.is_not(None), relation.live())
        )


def referring(connection: sa.Connection, entity: EntityTable, column: str, values: Sequence[str]) -> list[Any]:
    """Keys of the records whose column (a relation's ``via``) has one of these values."""
    place = entity.table.c[column]
    known = [value for text in values if (value := _value(text, entity.family(place))) is not None]
    if not known:
        return []
    statement = sa.select(raw(entity.key)).where(place.in_(sa.bindparam(_KEYS, expanding=True)))
    return list(connection.execute(statement, {_KEYS: known}).scalars())


def own_relations(entity: EntityTable) -> tuple[RelationTable, ...]:
    """The relations that speak of this record alone; what is said by ``via`` speaks of others too, and is not ours to
    change."""
    return tuple(relation for relation in entity.relations if relation.plan.via is None)


def is_user(entity: EntityTable, owner: str) -> bool:
    """Whether any of the entity's ways could hold this user's key at all."""
    families = [] if entity.owner is None else [entity.family(entity.owner)]
    return any(_value(owner, family) is not None for family in (*families, *(r.user_family for r in entity.relations)))


def others(found: Mapping[str, frozenset[str]], key: Any, owner: str) -> frozenset[str]:
    """Who else holds a record."""
    return found.get(key_text(key), frozenset()) - {owner}


def _value(text: str, family: Any) -> Any:
    try:
        return key_value(text, family)
    except (ValueError, OverflowError):
        return None

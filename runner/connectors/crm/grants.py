"""Whether the account may do in the CRM's database what links ask of it; nothing is tried, the database is asked.

PostgreSQL tells of rights by ``has_any_column_privilege`` (a right on some columns is enough for a CRM that grants by column)
and ``has_sequence_privilege``; with SQLite the file and its directory must be writable.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import sqlalchemy as sa

from runner.connectors.crm.inspection import RegClass
from runner.connectors.crm.schema import CrmSchema, EntityTable
from runner.connectors.crm.triggers import quoted
from runner.model.terms import Entity

Right = tuple[sa.Table, str]
_ALL = ("INSERT", "UPDATE", "DELETE")


def lacking(connection: sa.Connection, schema: CrmSchema, written: Collection[Entity], *, outbox: bool) -> list[str]:
    """Missing rights in words; ``written`` are the entities that links write. Reading was tried by ``check`` already."""
    if connection.dialect.name == "sqlite":
        return _of_files(connection)
    missing = []
    for table, right in dict.fromkeys(_wanted(schema, written, outbox=outbox)):
        if not _granted(connection, table, right):
            missing.append(f"{right} on {table.name}")
    return missing + [f"USAGE on {name}" for name in _sequences(connection, schema, written)]


def is_shut(connection: sa.Connection, schema: CrmSchema) -> bool:
    """Whether accounts that have no right of their own may not insert into the outbox."""
    if connection.dialect.name == "sqlite":
        return False
    asked = sa.func.has_table_privilege("public", _name(schema.own.outbox), "INSERT")
    return not connection.execute(sa.select(asked)).scalar()


def is_mighty(connection: sa.Connection) -> bool:
    """Whether the account is a superuser."""
    if connection.dialect.name == "sqlite":
        return False
    roles = sa.table("pg_roles", sa.column("rolname"), sa.column("rolsuper"))
    statement = sa.select(roles.c.rolsuper).where(roles.c.rolname == sa.func.current_user())
    return bool(connection.execute(statement).scalar())


def _wanted(schema: CrmSchema, written: Collection[Entity], *, outbox: bool) -> Iterator[Right]:
    for right in ("INSERT", "UPDATE"):
        yield schema.own.keys, right
    if outbox:
        yield from ((schema.own.outbox, right) for right in _ALL)  # its mark is moved, what was read is forgotten
    for name, entity in schema.entities.items():
        if entity.materialised is not None:
            yield from ((schema.own.series, right) for right in ("INSERT", "UPDATE"))
            yield from ((entity.materialised.table, right) for right in _ALL)
        if name in written:
            yield from _of_entity(entity, schema)


def _of_entity(entity: EntityTable, schema: CrmSchema) -> Iterator[Right]:
    """What writing an entity's records takes, in its table and in those beside it."""
    yield entity.table, "INSERT"
    yield entity.table, "UPDATE"
    if entity.deleted is None:
        yield entity.table, "DELETE"
    beside = [part.table for part in (entity.occurrences, entity.files) if part is not None]
    if entity.people is not None:
        people = (entity.people.users, entity.people.contacts, entity.people.external)
        beside += [part.table for part in people if part is not None]
    for table in beside:
        yield from ((table, right) for right in _ALL)
    for relation in entity.relations:
        yield relation.table, "INSERT"
        yield relation.table, "DELETE" if relation.deleted is None else "UPDATE"
    if entity.emails is not None:
        yield from ((entity.emails.own, right) for right in _ALL)
        if entity.emails.alias_user is not None:
            yield from ((entity.emails.alias_user.table, right) for right in ("INSERT", "DELETE"))


def _granted(connection: sa.Connection, table: sa.Table, right: str) -> bool:
    by_column = right in ("INSERT", "UPDATE")
    asked = sa.func.has_any_column_privilege if by_column else sa.func.has_table_privilege
    return bool(connection.execute(sa.select(asked(_name(table), right))).scalar())


def _sequences(connection: sa.Connection, schema: CrmSchema, written: Collection[Entity]) -> Iterator[str]:
    """Sequences that make keys of new rows and that the account may not use. Those of identity columns need no right."""
    attribute = sa.table("pg_attribute", *(sa.column(name) for name in ("attrelid", "attname", "attidentity")))
    for name in written:
        entity = schema.entities.get(name)
        if entity is None or not entity.makes_keys:
            continue
        own, key = _name(entity.table), entity.key.name
        sequence = connection.execute(sa.select(sa.func.pg_get_serial_sequence(own, key))).scalar()
        here = attribute.c.attrelid == sa.cast(sa.cast(own, sa.Text), RegClass())
        identity = sa.select(attribute.c.attidentity).where(here, attribute.c.attname == key)
        if sequence is None or connection.execute(identity).scalar() not in ("", None):
            continue
        if not connection.execute(sa.select(sa.func.has_sequence_privilege(sequence, "USAGE"))).scalar():
            yield str(sequence)


def _name(table: sa.Table) -> str:
    return ".".join(quoted(part) for part in (table.schema, table.name) if part)


def _of_files(connection: sa.Connection) -> list[str]:
    """SQLite writes its journal beside the file."""
    path = connection.engine.url.database
    if not path or path == ":memory:" or path.startswith("file:"):
        return []
    file = Path(path)
    return [f"the right to write {one}" for one in (file, file.parent.absolute()) if not os.access(one, os.W_OK)]

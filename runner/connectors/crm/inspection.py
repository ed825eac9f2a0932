"""Whether what ``exsync target ddl`` prints is in the database: our tables with their columns, the triggers, switched on."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from runner.config.plan import CrmPlan
from runner.connectors.crm.faults import classed
from runner.connectors.crm.schema import CrmSchema, raw
from runner.connectors.crm.tables import MARK_ID
from runner.connectors.crm.triggers import (
    file_triggers,
    occurrence_triggers,
    outbox_triggers,
    people_triggers,
    quoted,
    relation_triggers,
    series_triggers,
    version_trigger,
)
from runner.model.errors import ContainerGone
from runner.model.terms import Entity


def inspect_own(connection: sa.Connection, plan: CrmPlan, schema: CrmSchema) -> None:
    """Raises ``ContainerGone`` (code ``ddl-missing``) naming everything that is missing, ``AccessDenied`` for tables that
    the account may not read."""
    outbox = plan.feed == "outbox"
    missing = [
        f"table {table.name}{detail}"
        for table in _own(schema, outbox=outbox)
        if (detail := _lacks(connection, table)) is not None
    ]
    for entity in schema.entities.values():
        present = _triggers(connection, entity.table)
        wanted = (
            [version_trigger(entity.plan)] if entity.plan.version_by == "trigger" and entity.counts_versions else []
        )
        wanted += outbox_triggers(entity.plan, schema.dialect) if outbox else ()
        missing += [f"trigger {name} on {entity.table.name}" for name in wanted if name not in present]
        if entity.occurrences is not None:
            table = entity.occurrences.table
            present = _triggers(connection, table)
            wanted = [*occurrence_triggers(entity.plan)]
            missing += [f"trigger {name} on {table.name}" for name in wanted if name not in present]
        if entity.files is not None:
            table = entity.files.table
            present = _triggers(connection, table)
            wanted = [*file_triggers(entity.plan)]
            missing += [f"trigger {name} on {table.name}" for name in wanted if name not in present]
        if entity.materialised is not None:
            wanted = [*series_triggers(entity.plan, schema.dialect)]
            present = _triggers(connection, entity.table)
            missing += [f"trigger {name} on {entity.table.name}" for name in wanted if name not in present]
        for people in (entity.people.users, entity.people.contacts, entity.people.external) if entity.people else ():
            if people is not None:
                present = _triggers(connection, people.table)
                wanted = [*people_triggers(entity.plan, people.plan)]
                missing += [f"trigger {name} on {people.table.name}" for name in wanted if name not in present]
        for relation in entity.relations if outbox else ():
            present = _triggers(connection, relation.table)
            wanted = [*relation_triggers(entity.plan, relation.plan, schema.dialect)]
            missing += [f"trigger {name} on {relation.table.name}" for name in wanted if name not in present]
    if not missing and outbox:
        c = schema.own.outbox.c
        if connection.execute(sa.select(raw(c.id)).where(c.id == MARK_ID)).first() is None:
            missing.append(f"row {MARK_ID} of table {schema.own.outbox.name}")
    if missing:
        raise ContainerGone(
            f"{plan.rule}: the database of CRM {plan.name} lacks {', '.join(missing)}",
            code="ddl-missing",
            remedy=f"run `exsync target ddl {plan.name}` to see the SQL, and again with --apply (or give it to your DBA)",
        )


def _own(schema: CrmSchema, *, outbox: bool) -> list[sa.Table]:
    """Those of our tables that this configuration needs."""
    tables = [schema.own.keys]
    if outbox:
        tables.append(schema.own.outbox)
    if any(entity.materialised for entity in schema.entities.values()):
        tables.append(schema.own.series)
    if Entity.USER in schema.entities:
        tables.append(schema.own.emails)
    return tables


def _lacks(connection: sa.Connection, table: sa.Table) -> str | None:
    """None when the table is complete, else what is wrong with it (empty: all of it is missing)."""
    if not sa.inspect(connection).has_table(table.name, table.schema):
        return ""
    try:
        with connection.begin_nested():
            connection.execute(sa.select(*(raw(column) for column in table.c)).where(sa.false()))
    except exc.DBAPIError as error:
        if isinstance(classed(error), ContainerGone):
            return f" (with the columns {', '.join(table.c.keys())})"
        raise
    return None


def _triggers(connection: sa.Connection, table: sa.Table) -> frozenset[str]:
    """Names of the table's triggers that are switched on."""
    statement: sa.Select[Any]
    if connection.dialect.name == "sqlite":
        master = sa.table("sqlite_master", sa.column("name"), sa.column("tbl_name"), sa.column("type"))
        statement = sa.select(master.c.name).where(
            master.c.type == "trigger", sa.func.lower(master.c.tbl_name) == table.name.lower()
        )
    else:
        trigger = sa.table("pg_trigger", *(sa.column(name) for name in ("tgname", "tgrelid", "tgenabled")))
        name = ".".join(quoted(part) for part in (table.schema, table.name) if part)
        statement = sa.select(trigger.c.tgname).where(
            trigger.c.tgrelid == sa.cast(sa.cast(name, sa.Text), RegClass()), trigger.c.tgenabled != "D"
        )
    return frozenset(str(name) for name in connection.execute(statement).scalars())


class RegClass(sa.types.UserDefinedType[Any]):
    """PostgreSQL's name of a relation, resolved as a statement would resolve it."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        """Its name in SQL."""
        return "regclass"

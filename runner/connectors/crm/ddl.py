"""The SQL that the CRM's database needs from us: the key table, the outbox, the triggers. Idempotent, and only printed
unless asked (``exsync target ddl CRM --apply``).

The triggers only ever add a row to the outbox (and move the version on where ``version_by: trigger``); those on tables
of occurrences, participants and attachments only touch the row of the record, so that its version moves on and its own
triggers fire.
They take NULL owners and keys, read no other table (which records a change of a parent's relation concerns is looked up by
the feed), and on PostgreSQL run with the rights of whoever writes: plain plpgsql, no SECURITY DEFINER.
So INSERT on the outbox is granted to PUBLIC, or the CRM's own writes would fail. A row there is a hint and reveals
nothing: nobody but its owner may read it.

Needs SQLite 3.24 or PostgreSQL 14.
"""

from __future__ import annotations

from collections.abc import Collection

from runner.config.plan import CrmPlan
from runner.connectors.crm.postgres_ddl import Postgres
from runner.connectors.crm.sqlite_ddl import Sqlite
from runner.connectors.crm.triggers import file_triggers, occurrence_triggers, people_tables, people_triggers
from runner.model.errors import UsageError
from runner.model.terms import Entity


def ddl(plan: CrmPlan, dialect: str, *, schema: str | None = None, untouched: Collection[Entity] = ()) -> str:
    """The SQL for one CRM as text, ready for ``psql`` or ``sqlite3``.

    ``schema`` is where PostgreSQL keeps the tables (default: the plan's, or ``public``). It is written into the triggers,
    because the CRM's own sessions may look elsewhere. ``untouched`` entities get no version trigger: their version is no
    number, so a trigger of the CRM's own must move it.
    """
    head = f"-- exsync: key table, outbox and triggers for CRM {plan.name} ({dialect}). Safe to run again."
    body = ";\n\n".join(statements(plan, dialect, schema=schema, untouched=untouched))
    return f"{head}\nBEGIN;\n\n{body};\n\nCOMMIT;\n"


def statements(
    plan: CrmPlan, dialect: str, *, schema: str | None = None, untouched: Collection[Entity] = ()
) -> tuple[str, ...]:
    """The same, statement by statement, without BEGIN and COMMIT."""
    if dialect == "sqlite":
        return _written(Sqlite(), plan, untouched)
    if dialect == "postgresql":
        return _written(Postgres(schema or plan.schema or "public", plan.rule), plan, untouched)
    raise UsageError(
        f"{plan.rule}: no triggers for {dialect}", remedy="use PostgreSQL or SQLite, or feed: version_column"
    )


def _written(words: Sqlite | Postgres, plan: CrmPlan, untouched: Collection[Entity]) -> tuple[str, ...]:
    made = [*words.keys()]
    if plan.feed == "outbox":
        made += words.outbox()
    for entity in plan.entities.values():
        counts = entity.entity not in untouched
        if entity.version_by == "trigger" and counts:
            made += words.version(entity)
        if plan.feed == "outbox":
            made += words.triggers(entity, counts=entity.version_by == "trigger" and counts)
            for relation in entity.relations:
                made += words.related(entity, relation)
        if (table := entity.occurrences) is not None:
            made += words.touching(entity, occurrence_triggers(entity), table.table, table.series, counts=counts)
        for people in people_tables(entity):
            made += words.touching(entity, people_triggers(entity, people), people.table, people.item, counts=counts)
        if (files := entity.attachments) is not None:
            made += words.touching(entity, file_triggers(entity), files.table, files.item, counts=counts)
        if entity.materialised is not None:
            made += words.materialised(entity, entity.materialised)
        if entity.entity is Entity.USER:
            made.append(words.emails())
    return tuple(made)

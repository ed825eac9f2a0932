"""Whether the triggers in the database are the printed ones: their text, not only their names.

Somebody may have edited one, and a later version of exsync may print another; either way changes may be missed in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from runner.connectors.crm.tables import OUTBOX
from runner.connectors.crm.triggers import quoted

_LITE = re.compile(r'CREATE TRIGGER "((?:[^"]|"")+)"')
_FUNCTION = re.compile(r'CREATE OR REPLACE FUNCTION \S*?"((?:[^"]|"")+)"\(\).*?AS (\$\w+\$)(.*)\2', re.DOTALL)
_TRIGGER = re.compile(r'CREATE OR REPLACE TRIGGER "((?:[^"]|"")+)"')
_SHAPE = re.compile(r"\b(BEFORE|AFTER)\s+(.+?)\s+ON\s.*?FOR EACH (ROW|STATEMENT)", re.DOTALL)
_NOTIFY = f"{OUTBOX}_notify"


def altered(connection: sa.Connection, schema: str, statements: Iterable[str]) -> tuple[list[str], list[str]]:
    """(what differs from the printed statements, what is missing and may be). What is missing and may not be, the
    connector's ``check`` says."""
    statements = list(statements)
    if connection.dialect.name == "sqlite":
        return _sqlite(connection, statements), []
    return _postgres(connection, schema, statements)


def _sqlite(connection: sa.Connection, statements: list[str]) -> list[str]:
    wanted = {match[1]: text for text in statements if (match := _LITE.match(text))}
    master = sa.table("sqlite_master", sa.column("name"), sa.column("sql"), sa.column("type"))
    rows = connection.execute(sa.select(master.c.name, master.c.sql).where(master.c.type == "trigger"))
    held = {str(name): str(text) for name, text in rows}
    return [f"trigger {name}" for name, text in wanted.items() if name in held and _bare(held[name]) != _bare(text)]


def _postgres(connection: sa.Connection, schema: str, statements: list[str]) -> tuple[list[str], list[str]]:
    functions = {match[1]: match[3] for text in statements if (match := _FUNCTION.search(text))}
    shapes = {match[1]: _shape(text) for text in statements if (match := _TRIGGER.search(text))}
    held = _bodies(connection, schema, functions)
    fired = _shapes(connection, schema, shapes)
    differing = [f"function {name}" for name, body in functions.items() if _bare(held.get(name, body)) != _bare(body)]
    differing += [f"trigger {name}" for name, shape in shapes.items() if fired.get(name, shape) != shape]
    optional = [f"trigger {_NOTIFY}"] if _NOTIFY in shapes and _NOTIFY not in fired else []
    return differing, optional


def _bodies(connection: sa.Connection, schema: str, names: Mapping[str, object]) -> dict[str, str]:
    proc = sa.table("pg_proc", *(sa.column(name) for name in ("proname", "prosrc", "pronamespace")))
    here = proc.c.pronamespace == sa.func.to_regnamespace(quoted(schema))
    statement = sa.select(proc.c.proname, proc.c.prosrc).where(proc.c.proname.in_(list(names)), here)
    return {str(name): str(body) for name, body in connection.execute(statement)}


def _shapes(connection: sa.Connection, schema: str, names: Mapping[str, object]) -> dict[str, object]:
    trigger = sa.table("pg_trigger", *(sa.column(name) for name in ("oid", "tgname", "tgenabled", "tgrelid")))
    table = sa.table("pg_class", sa.column("oid"), sa.column("relnamespace"))
    statement = (
        sa.select(trigger.c.tgname, sa.func.pg_get_triggerdef(trigger.c.oid))
        .join_from(trigger, table, trigger.c.tgrelid == table.c.oid)
        .where(
            trigger.c.tgname.in_(list(names)),
            trigger.c.tgenabled != "D",
            table.c.relnamespace == sa.func.to_regnamespace(quoted(schema)),
        )
    )
    return {str(name): _shape(str(definition)) for name, definition in connection.execute(statement)}


def _shape(definition: str) -> tuple[str, frozenset[str], str] | None:
    """When a trigger fires; PostgreSQL writes the events in an order of its own."""
    match = _SHAPE.search(definition)
    return None if match is None else (match[1], frozenset(match[2].split(" OR ")), match[3])


def _bare(text: str) -> str:
    return " ".join(text.split())

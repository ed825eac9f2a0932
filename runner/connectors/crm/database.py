"""The way into the CRM's database: one SQLAlchemy engine per CRM, with the same manners on SQLite and PostgreSQL.

Reads run in short transactions; a write takes SQLite's lock at its start, so that "database is locked" is known before
anything is sent. Waiting for locks is bounded on both. Parameters never appear in errors or logs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from runner.config.plan import CrmPlan
from runner.connectors.crm.faults import translated
from runner.model.errors import Unreachable, UsageError

DIALECTS = ("sqlite", "postgresql")
UNLIMITED = -1
"""Connections beyond the pool's five: one for each thread that needs one. Who runs passes limits their number; a pass that
waited in vain for a connection would look like a CRM that is down."""
SHA256 = "exsync_sha256"
"""The function that SQLite gets from us for what PostgreSQL's ``sha256`` does (B-45)."""
CONNECT_TIMEOUT = 10
"""Seconds to wait for PostgreSQL to accept a connection."""


def open_engine(plan: CrmPlan, url: str, patience: timedelta) -> sa.Engine:
    """An engine for a CRM url (already revealed). Connects to nothing yet.

    ``patience`` bounds the wait for locks. Raises ``UsageError`` for a url that is none, for another dialect than
    PostgreSQL or SQLite, and for a driver that is not installed.
    """
    parsed = _parsed(plan, url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, patience)
    return _postgres(plan, parsed, patience)


def _parsed(plan: CrmPlan, url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError:
        # The text is not repeated: what cannot be parsed may still hold a password.
        raise UsageError(
            f"{plan.rule}: the url of CRM {plan.name} is not a database url",
            remedy="write it as postgresql://user@host/database or sqlite:///path/to/file",
        ) from None
    backend = "postgresql" if parsed.get_backend_name() == "postgres" else parsed.get_backend_name()
    if backend not in DIALECTS:
        raise UsageError(
            f"{plan.rule}: CRM {plan.name}: no support for {backend} databases", remedy="use PostgreSQL or SQLite"
        )
    return parsed.set(drivername="sqlite+pysqlite" if backend == "sqlite" else "postgresql+psycopg")


def _sqlite(url: sa.URL, patience: timedelta) -> sa.Engine:
    settings = {} if "timeout" in url.query else {"timeout": patience.total_seconds()}
    path = url.database
    in_file = bool(path) and path != ":memory:"
    pool: dict[str, Any] = {"max_overflow": UNLIMITED} if in_file else {}
    engine = sa.create_engine(url, connect_args=settings, hide_parameters=True, **pool)

    @event.listens_for(engine, "do_connect")
    def demand_file(dialect: Any, record: Any, args: Any, kwargs: Any) -> None:
        # SQLite would make an empty database of a misspelt path.
        if path and path != ":memory:" and not path.startswith("file:") and not Path(path).is_file():
            raise Unreachable(
                f"the CRM database cannot be reached: no file {path}",
                code="connection",
                remedy="check the CRM url's path",
            )

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        # What we delete or blank is overwritten with zeros: an item may have become private (B-35).
        connection.execute("PRAGMA secure_delete = ON")
        connection.create_function(SHA256, 1, _sha256, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("exsync_writing", False):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # takes no lock, so there is no fault to be classed: straight to the driver, since every look begins so
            connection.connection.cursor().execute("BEGIN")

    return engine


def _postgres(plan: CrmPlan, url: sa.URL, patience: timedelta) -> sa.Engine:
    settings = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT}
    try:
        engine = sa.create_engine(
            url, connect_args=settings, hide_parameters=True, pool_pre_ping=True, max_overflow=UNLIMITED
        )
    except ModuleNotFoundError:
        raise UsageError(
            f"{plan.rule}: CRM {plan.name} is a PostgreSQL database, and its driver is not installed",
            remedy="pip install 'exsync[postgres]'",
        ) from None
    milliseconds = int(patience.total_seconds() * 1000)

    @event.listens_for(engine, "connect")
    def settle(connection: Any, record: Any) -> None:
        connection.autocommit = True
        connection.execute(f"SET lock_timeout = {milliseconds}")
        connection.execute("SET TimeZone = 'UTC'")
        connection.autocommit = False

    return engine


def _sha256(content: bytes | str | None) -> str | None:
    if content is None:
        return None
    return hashlib.sha256(
        content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    ).hexdigest()


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A short transaction for reading; faults leave classed."""
    with translated(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """The same, in which every statement sees one state of the database (SQLite always; REPEATABLE READ otherwise)."""
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with translated(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection

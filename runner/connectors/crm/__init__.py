"""The CRM connector: an existing SQL schema, described in YAML, through SQLAlchemy Core.

What it is: conditional, exactly-once access to the CRM's own tables on PostgreSQL and SQLite, with a change feed.
What it is not: an ORM or a schema of ours; it knows neither records nor mappings, only CRM fields.
Invariant: no statement is built from a name that was not found in the reflected schema, and no value becomes SQL text.
"""

from __future__ import annotations

from datetime import timedelta

from runner.config.plan import CrmPlan
from runner.connectors.crm.connector import SqlCrmConnector
from runner.connectors.crm.database import open_engine
from runner.connectors.crm.ddl import ddl
from runner.model.ports import Clock

__all__ = ["SqlCrmConnector", "connect", "ddl"]

PATIENCE = timedelta(seconds=10)
"""How long a statement waits for a lock that somebody else holds."""


def connect(plan: CrmPlan, url: str, *, clock: Clock, patience: timedelta = PATIENCE) -> SqlCrmConnector:
    """The connector for a CRM; ``url`` is revealed already and never shown with its password.

    Opens no connection yet. Raises ``UsageError`` when the url cannot be one of PostgreSQL or SQLite.
    """
    return SqlCrmConnector(plan, open_engine(plan, url, patience), clock)

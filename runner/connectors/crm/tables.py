"""The tables that are ours in the CRM's database: the key table and the outbox (created by the printed DDL).

``exsync_keys`` makes creates exactly-once: one row per record that we created, under the token of the write and, for an
item that came from a target, its native identity. Its rows outlive their records, as tombstones. ``exsync_outbox`` holds
one row per change of an entity's table, written by triggers. Its row 0 is no change but the outbox's own mark:
``crm_key`` is its epoch (a foreign watermark is known by it), ``owner`` the watermark up to which rows were pruned.

``exsync_series`` is there where occurrences are materialised: one row per series, with the day up to which its rows were
made (NULL: it changed since), and a count of its changes, by which work on what has changed again is known.

``exsync_emails`` is there where users come from a directory: one row per address that it gave a user, and whether we put
that address into the CRM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

KEYS = "exsync_keys"
OUTBOX = "exsync_outbox"
SERIES = "exsync_series"
EMAILS_GIVEN = "exsync_emails"
MARK_ID = 0


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        """Its name in SQL."""
        return "xid8"


class PgSnapshot(UserDefinedType[str]):
    """PostgreSQL's snapshot: ``xmin:xmax:xip,…`` as text."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        """Its name in SQL."""
        return "pg_snapshot"


@dataclass(frozen=True, slots=True)
class OwnTables:
    """Our tables for one dialect and schema."""

    keys: sa.Table
    outbox: sa.Table
    series: sa.Table
    emails: sa.Table


def own_tables(dialect: str, schema: str | None) -> OwnTables:
    """Our tables as SQLAlchemy knows them. SQLite keeps instants as ISO text."""
    lite = dialect == "sqlite"
    moment: sa.types.TypeEngine[object] = sa.Text() if lite else sa.DateTime(timezone=True)  # type: ignore[assignment]
    metadata = sa.MetaData(schema=schema)
    keys = sa.Table(
        KEYS,
        metadata,
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("identity", sa.Text),
        sa.Column("crm_key", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("gone_at", moment),
    )
    outbox = sa.Table(
        OUTBOX,
        metadata,
        sa.Column("id", sa.Integer if lite else sa.BigInteger, primary_key=True),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("crm_key", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("old_owner", sa.Text),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("txid", sa.Integer if lite else Xid8),
    )
    series = sa.Table(
        SERIES,
        metadata,
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column("crm_key", sa.Text, primary_key=True),
        sa.Column("until", sa.Text),
        sa.Column("changes", sa.Integer if lite else sa.BigInteger, nullable=False),
    )
    emails = sa.Table(
        EMAILS_GIVEN,
        metadata,
        sa.Column("crm_key", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("word", sa.Text, nullable=False),
        sa.Column("made", sa.Integer, nullable=False),
    )
    return OwnTables(keys, outbox, series, emails)

"""What the database of an in-memory CRM holds: records, the key table, the outbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runner.model.items import FeedRow
from runner.model.terms import Entity
from runner.testing.held import Held


@dataclass(slots=True)
class Row(Held):
    """A record: a held item with its entity, who holds it, and the soft-delete flag."""

    entity: Entity = Entity.SCHEDULE_ITEM
    owner: str = ""
    others: set[str] = field(default_factory=set)
    """Further users who hold it."""
    guests: dict[str, str] = field(default_factory=dict)
    """Who is invited: address → the user in whose row, or nobody's (see :mod:`runner.testing.guests`)."""
    deleted: bool = False

    @property
    def holders(self) -> set[str]:
        """Everybody who holds it."""
        return {self.owner, *self.others} - {""}


@dataclass(slots=True)
class Key:
    """One row of the key table ``exsync_keys``: it outlives its record."""

    token: str
    entity: Entity
    identity: str | None
    key: str


@dataclass(slots=True)
class Tables:
    """Everything the database holds."""

    users: dict[str, frozenset[str]] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    outbox: list[tuple[datetime, FeedRow]] = field(default_factory=list)
    pruned: int = 0
    """How many rows the outbox has forgotten: positions count on."""

    def users_by_address(self) -> dict[str, str]:
        """Address → its user."""
        return {address: key for key, addresses in self.users.items() for address in addresses}

    def noted(self) -> dict[str, Key]:
        """Record key → what the key table notes of it, a row with an identity before one without."""
        rows = self.keys.values()
        return {row.key: row for row in (*rows, *(row for row in rows if row.identity is not None))}

"""Who has an address: CRM users by their main addresses and aliases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.columns import key_text
from runner.connectors.crm.schema import ADDRESSES, EntityTable, UserColumns, raw
from runner.model.items import CrmUser

BATCH = 500
"""Keys, addresses or listed records per SELECT."""


def batches(addresses: Iterable[str]) -> Iterator[list[str]]:
    """Addresses in lower case, each once, as many at a time as one SELECT takes."""
    wanted = sorted({address.lower() for address in addresses})
    return (wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH))


def users_by_address(connection: sa.Connection, roster: UserColumns, batch: Sequence[str]) -> dict[str, CrmUser]:
    """One batch of addresses → users. A main address goes before an alias; one that two users share is absent."""
    one = len(batch) == 1
    asked = connection.execute(
        roster.by_one if one else roster.by_address, {ADDRESSES: batch[0] if one else list(batch)}
    )
    return _by_address(asked.all(), frozenset(batch))


def all_addresses(connection: sa.Connection, roster: UserColumns, users: EntityTable | None) -> list[str]:
    """The main address of every user who is not marked deleted."""
    if users is not None and users.emails is not None:
        statement = sa.select(raw(users.emails.main)).where(users.live(), users.emails.main.is_not(None))
    else:
        statement = sa.select(raw(roster.email)).where(roster.email.is_not(None))
    return [str(address) for address in connection.execute(statement).scalars()]


def main_addresses(connection: sa.Connection, roster: UserColumns, keys: Sequence[Any]) -> dict[str, str]:
    """User key → main address, lower case; users without one are absent."""
    if not keys:
        return {}
    statement = sa.select(raw(roster.key), raw(roster.email)).where(
        roster.key.in_(sa.bindparam("keys", expanding=True)), roster.email.is_not(None)
    )
    rows = connection.execute(statement, {"keys": list(keys)})
    return {key_text(key): address for key, held in rows if (address := str(held).strip().lower())}


def _by_address(rows: Sequence[Any], asked: frozenset[str]) -> dict[str, CrmUser]:
    addresses: dict[str, set[str]] = {}
    holders: dict[tuple[str, int], set[str]] = {}
    for user, address, main in rows:
        key, lower = key_text(user), str(address).strip().lower()
        addresses.setdefault(key, set()).add(lower)
        holders.setdefault((lower, main), set()).add(key)
    found = {}
    for address in asked:
        keys = holders.get((address, 1)) or holders.get((address, 0)) or set()
        if len(keys) == 1:
            (key,) = keys
            found[address] = CrmUser(key, frozenset(addresses[key]))
    return found

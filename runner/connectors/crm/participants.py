"""Rows of users, contacts and external participants → the CRM fields ``participants``, ``participant_names`` and
``responses``, by address (B-31). ``inviting`` writes them.

*Choices where the rule book is silent*

- Somebody whose row keeps no address is invited by his main one; without one he is none who could be invited.
- One address in several rows is one participant: required before optional before resource; the first answer counts.
- The organizer takes no part in his own meeting, whichever table names him. Where the record names no organizer, its owner
  is the organizer.
- An answer that is none of the CRM's words is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from runner.config.plan import PARTICIPANT_NAMES, PARTICIPANTS, RESPONSES
from runner.connectors.crm.columns import key_text, run_of
from runner.connectors.crm.schema import EntityTable, PeopleTables, PersonTable, raw
from runner.connectors.crm.users import batches, main_addresses, users_by_address
from runner.model.items import CrmUser
from runner.model.record import Value

CHUNK = 512
"""Records per SELECT."""


@dataclass(frozen=True, slots=True)
class Taking:
    """One row of one of the tables, as somebody who takes part. ``kept`` is what its address column holds."""

    table: PersonTable
    person: Any
    address: str
    kept: Any
    role: str
    response: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class _Raw:
    table: PersonTable
    person: Any
    kept: Any
    role: str
    response: Any
    name: Any

    @property
    def stated(self) -> str | None:
        """The address in the row, lower case."""
        return None if self.kept is None else str(self.kept).strip().lower() or None


@dataclass(frozen=True, slots=True)
class _Selects:
    """A table's rows of a run of records (see :func:`run_of`), and of any records."""

    of_run: sa.Select[Any]
    of_keys: sa.Select[Any]


@dataclass(frozen=True, slots=True)
class People:
    """How one link reads who takes part: ``names`` are the fields that it carries."""

    entity: EntityTable
    tables: PeopleTables
    names: frozenset[str]
    among: tuple[tuple[PersonTable, _Selects], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "among", tuple((table, _selects(table)) for table in _tables(self.tables)))

    def rows(self, connection: sa.Connection, keys: Sequence[Any]) -> dict[str, list[Taking]]:
        """Who takes part in these records, by key, inside the transaction that read them."""
        found: dict[str, list[Taking]] = {}
        for start in range(0, len(keys), CHUNK):
            found |= self._rows(connection, list(keys[start : start + CHUNK]))
        return found

    def _rows(self, connection: sa.Connection, keys: list[Any]) -> dict[str, list[Taking]]:
        held: dict[str, list[_Raw]] = {}
        roles = self._roles()
        for table, selects in self.among:
            for item, row in _raw_rows(connection, table, selects, keys, roles):
                held.setdefault(item, []).append(row)
        if not held:
            return {}
        organizers = self._organizers(connection, keys)
        mains = self._mains(connection, [row for rows in held.values() for row in rows if row.stated is None])
        return {
            key: [
                taking
                for row in rows
                if (taking := self._taking(row, mains, *organizers.get(key, (None, None, frozenset())))) is not None
            ]
            for key, rows in held.items()
        }

    def _taking(
        self,
        row: _Raw,
        mains: Mapping[tuple[str, str], str],
        owner: str | None,
        organizer: str | None,
        organizers: frozenset[str],
    ) -> Taking | None:
        table, person = row.table, None if row.person is None else key_text(row.person)
        is_user = table is self.tables.users
        address = row.stated or (None if person is None else mains.get((table.plan.table, person)))
        if address is None or address == organizer:
            return None
        if row.stated is None and is_user and (person in organizers or (organizer is None and person == owner)):
            return None
        words = {word: response for response, word in self.tables.plan.responses.items()}
        answer = None if row.response is None else words.get(str(row.response))
        return Taking(table, row.person, address, row.kept, row.role, answer, row.name)

    def _roles(self) -> dict[str | None, str]:
        return {None: "required"} | {word: role for role, word in self.tables.plan.roles.items()}

    def _organizers(
        self, connection: sa.Connection, keys: Sequence[Any]
    ) -> dict[str, tuple[str | None, str | None, frozenset[str]]]:
        """Record → its owner, its organizer's address, and the users who have that address."""
        entity = self.entity
        owner = sa.null() if entity.owner is None else raw(entity.owner)
        statement = sa.select(raw(entity.key), owner, raw(self.tables.organizer)).where(
            entity.key.in_(sa.bindparam("keys", expanding=True))
        )
        found = {
            key_text(key): (
                None if held is None else key_text(held),
                None if organizer is None else str(organizer).strip().lower() or None,
            )
            for key, held, organizer in connection.execute(statement, {"keys": list(keys)})
        }
        users: dict[str, CrmUser] = {}
        for batch in batches(address for _, address in found.values() if address):
            users |= users_by_address(connection, self.tables.roster, batch)
        return {
            key: (held, address, frozenset({users[address].key} if address in users else ()))
            for key, (held, address) in found.items()
        }

    def _mains(self, connection: sa.Connection, rows: Sequence[_Raw]) -> dict[tuple[str, str], str]:
        """(table, person) → main address, for users and contacts whose rows keep none."""
        users, contacts = self.tables.users, self.tables.contacts
        wanted = [row.person for row in rows if row.table is users and row.person is not None]
        found = {
            (users.plan.table, key): address
            for key, address in main_addresses(connection, self.tables.roster, wanted).items()
        }
        if contacts is not None and self.tables.contact is not None and self.tables.emails:
            contact = self.tables.contact
            wanted = [row.person for row in rows if row.table is contacts and row.person is not None]
            statement = sa.select(raw(contact.key), raw(self.tables.emails[0])).where(
                contact.key.in_(sa.bindparam("keys", expanding=True))
            )
            for key, email in connection.execute(statement, {"keys": wanted}) if wanted else ():
                if email is not None and str(email).strip():
                    found[contacts.plan.table, key_text(key)] = str(email).strip().lower()
        return found

    def values(self, taking: Sequence[Taking]) -> dict[str, Value]:
        """The fields of a record that say who takes part in it."""
        if not taking:
            return dict.fromkeys(self.names)
        found: dict[str, Mapping[str, Value]] = {
            PARTICIPANTS: roles_of(taking),
            RESPONSES: _first((t.address, t.response) for t in taking),
            PARTICIPANT_NAMES: _first((t.address, t.name) for t in taking),
        }
        return {
            name: dict(sorted(by_address.items())) or None for name, by_address in found.items() if name in self.names
        }


def roles_of(taking: Iterable[Taking]) -> dict[str, str]:
    """Address → role; of several rows the one that asks most."""
    order = ("required", "optional", "resource")
    found: dict[str, str] = {}
    for each in taking:
        known = found.setdefault(each.address, each.role)
        found[each.address] = min(known, each.role, key=order.index)
    return found


def check_people(connection: sa.Connection, tables: PeopleTables) -> None:
    """Ask for every column once, so that a missing right is known before the first pass."""
    for table in _tables(tables):
        columns = (table.item, table.person, table.address, table.role, table.response, table.name)
        connection.execute(sa.select(*(raw(column) for column in columns if column is not None)).where(sa.false()))


def _tables(tables: PeopleTables) -> tuple[PersonTable, ...]:
    return tuple(table for table in (tables.users, tables.contacts, tables.external) if table is not None)


def _selects(table: PersonTable) -> _Selects:
    columns = (table.item, table.person, table.address, table.role, table.response, table.name)
    statement = sa.select(*(sa.null() if column is None else raw(column) for column in columns)).order_by(
        table.item, table.address if table.person is None else table.person
    )
    return _Selects(
        statement.where(table.item.between(sa.bindparam("first"), sa.bindparam("last"))),
        statement.where(table.item.in_(sa.bindparam("keys", expanding=True))),
    )


def _raw_rows(
    connection: sa.Connection,
    table: PersonTable,
    selects: _Selects,
    keys: Sequence[Any],
    roles: Mapping[str | None, str],
) -> Iterable[tuple[str, _Raw]]:
    """Rows that stand for a role, in a fixed order."""
    ends = run_of(keys)
    found = connection.execute(selects.of_run, ends) if ends else connection.execute(selects.of_keys, {"keys": keys})
    for item, person, kept, role, response, name in found:
        meant = roles.get(None if role is None else str(role))
        if meant is not None:
            yield key_text(item), _Raw(table, person, kept, meant, response, None if name is None else str(name))


def _first(pairs: Iterable[tuple[str, str | None]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for address, word in pairs:
        if word is not None and word.strip():
            found.setdefault(address, word.strip())
    return found

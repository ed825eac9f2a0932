"""Who takes part → rows of users, contacts and external participants, inside the transaction of the record (B-31 to B-34).

Only addresses that come, go or change their role are touched: who takes part already stays in the table where he is, also
when he would be matched otherwise today. So what is read back is exactly what was written.

*Choices where the rule book is silent*

- A user who holds the record without being invited (a row whose word is no role) is invited in that row.
- A row of a person who is no longer invited goes, and with it his hold on the record, where that table gives one.
- Who lets go of a record stays invited, as an external participant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from runner.config.plan import PARTICIPANT_NAMES, PARTICIPANTS, RESPONSES
from runner.connectors.crm.columns import key_text, key_value
from runner.connectors.crm.owners import holders
from runner.connectors.crm.participants import People, Taking, roles_of
from runner.connectors.crm.schema import EntityTable, PeopleTables, PersonTable, raw
from runner.connectors.crm.users import batches, users_by_address
from runner.model.items import Write
from runner.model.record import Value
from runner.model.terms import ContactVisibility
from runner.reconcile.attendees import Directory, Placed, is_blacklisted, place


@dataclass(frozen=True, slots=True)
class Inviting:
    """Brings the participants of some records to what writes say. ``owner`` is the user whose link writes."""

    entity: EntityTable
    tables: PeopleTables
    owner: str | None

    def carry_out(self, connection: sa.Connection, wanted: Sequence[tuple[Any, Write]]) -> None:
        """Insert, update and delete what differs. Raises the database's error for what a column does not take."""
        people = People(self.entity, self.tables, frozenset())
        keys = [key for key, _ in wanted]
        held = people.rows(connection, keys)
        new: dict[str, frozenset[str]] = {}
        for key, write in wanted:
            if PARTICIPANTS in write.fields:
                known = {each.address for each in held.get(key_text(key), ())}
                new[key_text(key)] = frozenset(_words(write, PARTICIPANTS)) - known
        directory = self._directory(connection, frozenset().union(*new.values()))
        for key, write in wanted:
            if PARTICIPANTS in write.fields:
                self._invite(connection, key, write, held.get(key_text(key), ()), new[key_text(key)], directory)
        self._answers(connection, people, [(key, write) for key, write in wanted if RESPONSES in write.fields])

    # -- who ---------------------------------------------------------------------------------------------------------------

    def _directory(self, connection: sa.Connection, addresses: Iterable[str]) -> Directory:
        """What the CRM knows of these addresses."""
        rules, tables = self.tables.plan.rules, self.tables
        asked = [address for address in addresses if not is_blacklisted(address, rules)]
        users: dict[str, str] = {}
        contacts: dict[str, set[str]] = {}
        for batch in batches(asked):
            found = users_by_address(connection, tables.roster, batch)
            users |= {address: user.key for address, user in found.items()}
            if tables.contact is not None:
                for email in tables.emails:
                    lower = sa.func.lower(sa.func.trim(sa.cast(email, sa.Text)))
                    statement = sa.select(lower, raw(tables.contact.key)).where(
                        lower.in_(sa.bindparam("addresses", expanding=True)), tables.contact.live()
                    )
                    for address, key in connection.execute(statement, {"addresses": batch}):
                        contacts.setdefault(address, set()).add(key_text(key))
        viewers: Mapping[str, frozenset[str]] = {}
        if tables.contact is not None and contacts and rules.visibility is not ContactVisibility.ANY:
            known = sorted({key for keys in contacts.values() for key in keys})
            family = tables.contact.family(tables.contact.key)
            viewers = holders(connection, tables.contact, [key_value(key, family) for key in known])
        return Directory(users, {address: tuple(sorted(keys)) for address, keys in contacts.items()}, viewers)

    def _placed(self, held: Sequence[Taking], new: frozenset[str], directory: Directory) -> Placed:
        tables = self.tables

        def there(table: PersonTable | None) -> set[str]:
            return {key_text(each.person) for each in held if each.table is table and each.person is not None}

        return place(
            new,
            directory,
            tables.plan.rules,
            creator=self.owner,
            assigned=there(tables.users),
            present=there(tables.contacts),
        )

    # -- rows --------------------------------------------------------------------------------------------------------------

    def _invite(
        self,
        connection: sa.Connection,
        key: Any,
        write: Write,
        held: Sequence[Taking],
        new: frozenset[str],
        directory: Directory,
    ) -> None:
        wanted, names = _words(write, PARTICIPANTS), _words(write, PARTICIPANT_NAMES)
        known = roles_of(held)
        for each in held:
            where = self._row(each, key)
            if each.address not in wanted:
                connection.execute(sa.delete(each.table.table).where(*where))
            elif wanted[each.address] != known[each.address] or each.role != known[each.address]:
                connection.execute(
                    sa.update(each.table.table).where(*where).values(self._role(each.table, wanted[each.address]))
                )
        gone = [each for each in held if each.address not in wanted]
        placed = self._placed([each for each in held if each not in gone], new, directory)
        for user, address in placed.users.items():
            self._add(connection, self.tables.users, key, user, address, wanted, names)
        if self.tables.contacts is not None:
            for contact, address in placed.contacts.items():
                self._add(connection, self.tables.contacts, key, contact, address, wanted, names)
        for address in sorted(placed.external):
            self._add(connection, self.tables.external, key, None, address, wanted, names)

    def _add(
        self,
        connection: sa.Connection,
        table: PersonTable,
        key: Any,
        person: str | None,
        address: str,
        wanted: Mapping[str, str],
        names: Mapping[str, str],
    ) -> None:
        values = {table.address.name: address, **self._role(table, wanted[address])}
        if table.name is not None and address in names:
            values[table.name.name] = names[address]
        row = {**table.defaults, table.item.name: key, **values}
        if table.person is not None and person is not None:
            held = key_value(person, table.families[table.person.name])
            mine = sa.update(table.table).where(table.item == key, table.person == held).values(values)
            if connection.execute(mine).rowcount:
                return
            row[table.person.name] = held
        connection.execute(sa.insert(table.table), [row])

    def _row(self, each: Taking, key: Any) -> tuple[sa.ColumnElement[bool], ...]:
        table = each.table
        own = table.address == each.kept if table.person is None else table.person == each.person
        return table.item == key, own

    def _role(self, table: PersonTable, role: str) -> dict[str, Any]:
        return {table.role.name: self.tables.plan.roles.get(role, role)}

    def _answers(self, connection: sa.Connection, people: People, wanted: Sequence[tuple[Any, Write]]) -> None:
        """What participants answered, in the rows that are there now."""
        held = people.rows(connection, [key for key, _ in wanted]) if wanted else {}
        for key, write in wanted:
            answers = _words(write, RESPONSES)
            for each in held.get(key_text(key), ()):
                column = each.table.response
                answer = answers.get(each.address)
                if column is not None and answer != each.response:
                    word = None if answer is None else self.tables.plan.responses.get(answer, answer)
                    connection.execute(
                        sa.update(each.table.table).where(*self._row(each, key)).values({column.name: word})
                    )


def stay_invited(connection: sa.Connection, entity: EntityTable, key: Any, owner: str) -> None:
    """A user who lets go of a record takes part in it no less: where the same table says both, he goes on as an external
    participant. Else his delete would look like the organizer's taking him off the list."""
    tables = entity.people
    if tables is None or tables.users.table.name not in {relation.table.name for relation in entity.relations}:
        return
    external = tables.external
    for each in People(entity, tables, frozenset()).rows(connection, [key]).get(key_text(key), ()):
        if each.table is not tables.users or key_text(each.person) != owner:
            continue
        row = {**external.defaults, external.item.name: key, external.address.name: each.address}
        row[external.role.name] = tables.plan.roles.get(each.role, each.role)
        if external.response is not None and each.response is not None:
            row[external.response.name] = tables.plan.responses.get(each.response, each.response)
        connection.execute(sa.insert(external.table), [row])


def _words(write: Write, name: str) -> dict[str, str]:
    value: Value = write.values.get(name)
    return {str(address): str(word) for address, word in value.items()} if isinstance(value, Mapping) else {}

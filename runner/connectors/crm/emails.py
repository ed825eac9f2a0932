"""E-mail addresses that a directory gave a CRM user: the CRM field ``emails`` (B-81).

They lie where the CRM keeps addresses: the user's own column, which is filled when it is empty, and the table of further
addresses. Our table ``exsync_emails`` notes which of them the directory gave and which of those we put there, so that an
address that a user had before is never taken away with the directory's. What somebody removes in the CRM counts as not
there, and comes back with the next pass when ``on_drift`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from runner.config.plan import EMAILS
from runner.connectors.crm.columns import key_text
from runner.connectors.crm.schema import EmailTables, raw
from runner.model.errors import Invalid
from runner.model.items import Write
from runner.model.record import Value

MAIN = "main"


@dataclass(frozen=True, slots=True)
class _Held:
    """One row of ours: the word (``main``, ``other``), and whether we put the address into the CRM."""

    word: str
    made: bool


def emails_of(connection: sa.Connection, tables: EmailTables, keys: Sequence[Any]) -> dict[str, dict[str, Value]]:
    """User key → address → word, of addresses that a directory gave and that the CRM still has."""
    if not keys:
        return {}
    found: dict[str, dict[str, Value]] = {}
    present = _present(connection, tables, keys) if tables.alias_user is not None else None
    for key, held in _ours(connection, tables, [key_text(key) for key in keys]).items():
        mine = {a: h.word for a, h in held.items() if present is None or a in present.get(key, ())}
        if mine:
            found[key] = dict(sorted(mine.items()))
    return found


def main_of(write: Write) -> str | None:
    """The main address of a write."""
    wanted = write.values.get(EMAILS)
    if not isinstance(wanted, Mapping):
        return None
    return next((address for address, word in wanted.items() if word == MAIN), None)


def filled(tables: EmailTables, write: Write, row: Mapping[str, Any]) -> dict[str, Any]:
    """A new user's row with his address in it."""
    address = main_of(write)
    return {tables.main.name: address, **row} if address else dict(row)


def lacking(tables: EmailTables, write: Write, row: Mapping[str, Any]) -> Invalid | None:
    """What keeps a new user from being made: the CRM demands an address of everybody, and the directory gives him none."""
    column = tables.main
    if row.get(column.name) or column.nullable or column.server_default is not None or EMAILS not in write.fields:
        return None
    return Invalid(
        f"the CRM demands an e-mail address of every user (column {column.name}), and the directory gives this one none",
        code="no-mail",
        remedy="give the user one in the directory, or let the column be empty",
    )


def rewrite(
    connection: sa.Connection, tables: EmailTables, written: Sequence[tuple[Any, Write]], *, fresh: bool = False
) -> None:
    """Bring the addresses of users to what the writes say, in the transaction of their records. ``fresh``: the users have
    just been made, so that the address in their own column is the directory's."""
    keys = [key for key, _ in written]
    ours = _ours(connection, tables, [key_text(key) for key in keys])
    mains = {
        key_text(key): (str(address).strip().lower() if address is not None else "")
        for key, address in connection.execute(
            sa.select(raw(tables.key), raw(tables.main)).where(tables.key.in_(sa.bindparam("keys", expanding=True))),
            {"keys": keys},
        )
    }
    aliases = _aliases(connection, tables, keys)
    for key, write in written:
        given = write.values.get(EMAILS)
        wanted = {str(a): str(w) for a, w in given.items()} if isinstance(given, Mapping) else {}
        text = key_text(key)
        user = _User(connection, tables, key, wanted, mains.get(text, ""), aliases.get(text, set()), fresh)
        user.carry_out(ours.get(text, {}))


@dataclass(slots=True)
class _User:
    """One user's addresses: the one in his own column, the further ones, and what the directory wants."""

    connection: sa.Connection
    tables: EmailTables
    key: Any
    wanted: Mapping[str, str]
    main: str
    aliases: set[str]
    ours: bool
    """Whether the address in his own column is one that we put there just now."""

    def carry_out(self, held: Mapping[str, _Held]) -> None:
        for address, was in held.items():
            if address not in self.wanted:
                self._take(address, was)
        notes: dict[str, _Held] = {}
        for address in sorted(self.wanted, key=lambda each: (self.wanted[each] != MAIN, each)):
            known = held.get(address)
            made = self._put(address, known)
            notes[address] = _Held(self.wanted[address], made)
        self._note(held, notes)

    def _put(self, address: str, known: _Held | None) -> bool:
        """Whether the address is one that we put there."""
        before = known.made if known else False
        if address == self.main:
            return before or self.ours
        if not self.main:
            self._set_main(address)
            if address in self.aliases and before:
                self._drop_alias(address)
            return True
        user, email = self.tables.alias_user, self.tables.alias_email
        if address in self.aliases or user is None or email is None:
            return before
        self.connection.execute(sa.insert(user.table), [{user.name: self.key, email.name: address}])
        self.aliases.add(address)
        return True

    def _take(self, address: str, was: _Held) -> None:
        """What the directory gives no longer goes, when we put it there."""
        if not was.made:
            return
        if address == self.main:
            heir = next((a for a, word in self.wanted.items() if word == MAIN), None)
            if heir is not None and heir in self.aliases:
                self._drop_alias(heir)
            self._set_main(heir or "")
        elif address in self.aliases:
            self._drop_alias(address)

    def _set_main(self, address: str) -> None:
        column = self.tables.main
        value: Any = address or (sa.null() if column.nullable else "")
        statement = sa.update(column.table).where(self.tables.key == self.key).values({column.name: value})
        self.connection.execute(statement)
        self.main, self.ours = address, True

    def _drop_alias(self, address: str) -> None:
        user, email = self.tables.alias_user, self.tables.alias_email
        if user is not None and email is not None:
            self.connection.execute(sa.delete(user.table).where(user == self.key, sa.func.lower(email) == address))
        self.aliases.discard(address)

    def _note(self, held: Mapping[str, _Held], notes: Mapping[str, _Held]) -> None:
        if held == notes:
            return
        own, text = self.tables.own, key_text(self.key)
        self.connection.execute(sa.delete(own).where(own.c.crm_key == text))
        rows = [{"crm_key": text, "address": a, "word": h.word, "made": int(h.made)} for a, h in sorted(notes.items())]
        if rows:
            self.connection.execute(sa.insert(own), rows)


def _ours(connection: sa.Connection, tables: EmailTables, keys: Sequence[str]) -> dict[str, dict[str, _Held]]:
    c = tables.own.c
    statement = sa.select(c.crm_key, c.address, c.word, c.made).where(
        c.crm_key.in_(sa.bindparam("keys", expanding=True))
    )
    found: dict[str, dict[str, _Held]] = {}
    for key, address, word, made in connection.execute(statement, {"keys": list(keys)}) if keys else ():
        found.setdefault(key, {})[address] = _Held(word, bool(made))
    return found


def _aliases(connection: sa.Connection, tables: EmailTables, keys: Sequence[Any]) -> dict[str, set[str]]:
    user, email = tables.alias_user, tables.alias_email
    if user is None or email is None or not keys:
        return {}
    statement = sa.select(raw(user), raw(email)).where(
        user.in_(sa.bindparam("keys", expanding=True)), email.is_not(None)
    )
    found: dict[str, set[str]] = {}
    for key, address in connection.execute(statement, {"keys": list(keys)}):
        found.setdefault(key_text(key), set()).add(str(address).strip().lower())
    return found


def _present(connection: sa.Connection, tables: EmailTables, keys: Sequence[Any]) -> dict[str, set[str]]:
    """Every address that these users have in the CRM."""
    found = _aliases(connection, tables, keys)
    statement = sa.select(raw(tables.key), raw(tables.main)).where(
        tables.key.in_(sa.bindparam("keys", expanding=True)), tables.main.is_not(None)
    )
    for key, address in connection.execute(statement, {"keys": list(keys)}):
        found.setdefault(key_text(key), set()).add(str(address).strip().lower())
    return found

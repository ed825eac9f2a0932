"""People at work in a CRM, the same on the fake and in SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from runner.model.record import Value
from runner.testing.crm import FakeCrm
from tests.support.crm import World

PEOPLE = {"appointment_user": "invited_as", "appointment_guest": "email"}
"""The tables of who takes part, and where their addresses stand."""


class Hands(Protocol):
    """What people do in the CRM."""

    def create(self, owner: str, title: str) -> str: ...
    def edit(self, key: str, title: str) -> None: ...
    def delete(self, key: str, hard: bool) -> None: ...
    def restore(self, key: str) -> None: ...
    def assign(self, key: str, owner: str) -> None: ...
    def share(self, key: str, user: str) -> None: ...
    def unshare(self, key: str, user: str) -> None: ...
    def invite(self, key: str, address: str, user: str | None) -> None: ...
    def uninvite(self, key: str, address: str) -> None: ...
    def answer(self, key: str, address: str) -> None: ...


class FakeHands:
    def __init__(self, crm: FakeCrm) -> None:
        self._crm = crm
        self.restore, self.share, self.unshare = crm.user_restore, crm.user_share, crm.user_unshare

    def create(self, owner: str, title: str) -> str:
        return self._crm.user_create(owner, {"subject": title})

    def edit(self, key: str, title: str) -> None:
        self._crm.user_edit(key, subject=title)

    def delete(self, key: str, hard: bool) -> None:
        self._crm.user_delete(key, hard=hard)

    def invite(self, key: str, address: str, user: str | None) -> None:
        self._crm.user_edit(key, participants={**self._told(key, "participants"), address: "optional"})

    def uninvite(self, key: str, address: str) -> None:
        left = {one: role for one, role in self._told(key, "participants").items() if one != address}
        self._crm.user_edit(key, participants=left)

    def answer(self, key: str, address: str) -> None:
        self._crm.user_edit(key, responses={**self._told(key, "responses"), address: "tentative"})

    def _told(self, key: str, field: str) -> Mapping[str, Value]:
        item = self._crm.item(key)
        held = item and item.values.get(field)
        return held if isinstance(held, Mapping) else {}

    def assign(self, key: str, owner: str) -> None:
        former = self._crm.owner_of(key)
        self._crm.user_assign(key, owner)
        if former not in {owner, ""}:
            self._crm.user_unshare(key, former)


class SqlHands:
    def __init__(self, world: World) -> None:
        self._sql = world.sql

    def create(self, owner: str, title: str) -> str:
        sql = "INSERT INTO appointment (subject, owner_id) VALUES (:title, :owner) RETURNING id"
        ((key,),) = self._sql(sql, title=title, owner=int(owner))
        return str(key)

    def edit(self, key: str, title: str) -> None:
        self._sql("UPDATE appointment SET subject = :title WHERE id = :key", title=title, key=int(key))

    def delete(self, key: str, hard: bool) -> None:
        self._sql("UPDATE appointment SET deleted = true WHERE id = :key", key=int(key))
        if hard:
            for table in ("appointment_occurrence", "appointment_user", "appointment_guest"):
                self._sql(f"DELETE FROM {table} WHERE appointment_id = :key", key=int(key))  # noqa: S608
            self._sql("DELETE FROM appointment WHERE id = :key", key=int(key))

    def restore(self, key: str) -> None:
        self._sql("UPDATE appointment SET deleted = false WHERE id = :key", key=int(key))

    def assign(self, key: str, owner: str) -> None:
        ((former,),) = self._sql("SELECT owner_id FROM appointment WHERE id = :key", key=int(key))
        self._sql("UPDATE appointment SET owner_id = :owner WHERE id = :key", owner=int(owner), key=int(key))
        if former not in {int(owner), None}:
            self.unshare(key, str(former))

    def share(self, key: str, user: str) -> None:
        self._sql(
            "INSERT OR IGNORE INTO appointment_user (appointment_id, user_id, role) VALUES (:key, :user, 'holder')",
            key=int(key),
            user=int(user),
        )

    def invite(self, key: str, address: str, user: str | None) -> None:
        if user is None:
            sql = "INSERT INTO appointment_guest (appointment_id, email, role) VALUES (:key, :address, 'Optional')"
            self._sql(sql, key=int(key), address=address)
        else:
            self._sql(
                "INSERT INTO appointment_user (appointment_id, user_id, invited_as, role) "
                "VALUES (:key, :user, :address, 'Optional') "
                "ON CONFLICT DO UPDATE SET invited_as = excluded.invited_as, role = excluded.role",
                **{"key": int(key), "user": int(user), "address": address},
            )

    def uninvite(self, key: str, address: str) -> None:
        for table, column in PEOPLE.items():
            sql = f"DELETE FROM {table} WHERE appointment_id = :key AND {column} = :address"  # noqa: S608
            self._sql(sql, key=int(key), address=address)

    def answer(self, key: str, address: str) -> None:
        for table, column in PEOPLE.items():
            sql = f"UPDATE {table} SET answer = 'maybe' WHERE appointment_id = :key AND {column} = :address"  # noqa: S608
            self._sql(sql, key=int(key), address=address)

    def unshare(self, key: str, user: str) -> None:
        self._sql(
            "DELETE FROM appointment_user WHERE appointment_id = :key AND user_id = :user", key=int(key), user=int(user)
        )

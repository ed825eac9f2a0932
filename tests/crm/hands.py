"""People at work in a CRM, the same on the fake and in SQLite."""

from __future__ import annotations

from typing import Protocol

from runner.testing.crm import FakeCrm
from tests.support.crm import World


class Hands(Protocol):
    """What people do in the CRM."""

    def create(self, owner: str, title: str) -> str: ...
    def edit(self, key: str, title: str) -> None: ...
    def delete(self, key: str, hard: bool) -> None: ...
    def restore(self, key: str) -> None: ...
    def assign(self, key: str, owner: str) -> None: ...
    def share(self, key: str, user: str) -> None: ...
    def unshare(self, key: str, user: str) -> None: ...


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
            self._sql("DELETE FROM appointment_occurrence WHERE appointment_id = :key", key=int(key))
            self._sql("DELETE FROM appointment_user WHERE appointment_id = :key", key=int(key))
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
            "INSERT OR IGNORE INTO appointment_user (appointment_id, user_id) VALUES (:key, :user)",
            key=int(key),
            user=int(user),
        )

    def unshare(self, key: str, user: str) -> None:
        self._sql(
            "DELETE FROM appointment_user WHERE appointment_id = :key AND user_id = :user", key=int(key), user=int(user)
        )

"""The SQL CRM connector keeps the contract that the fake is held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.connectors.crm import SqlCrmConnector
from runner.model.record import Value
from runner.testing.contract import CRM_CHECKS, CrmBench
from runner.testing.rng import SeededRng
from tests.support.crm import ANN, BOB, MEETING, World, sqlite_world


class SqlCrmBench:
    """The demo CRM's schema on SQLite, its appointments empty, used by SQL as its own application would."""

    addresses = ("ann.lee@example.com", "ann@example.com")

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = SeededRng(3)
        self.connector = world.crm
        self.link = world.link()
        self.stranger = world.link(BOB)

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**MEETING, "subject": title, "place": place}

    def retitled(self, title: str) -> dict[str, Value]:
        return {"subject": title}

    def user_create(self, title: str) -> str:
        sql = "INSERT INTO appointment (subject, owner_id) VALUES (:title, :owner) RETURNING id"
        ((key,),) = self._world.sql(sql, title=title, owner=int(ANN))
        return str(key)

    def user_edit(self, key: str, title: str) -> None:
        self._world.sql("UPDATE appointment SET subject = :title WHERE id = :key", title=title, key=int(key))

    def user_delete(self, key: str) -> None:
        self._world.sql("UPDATE appointment SET deleted = :yes WHERE id = :key", yes=True, key=int(key))

    def user_assign(self, key: str) -> None:
        self._world.sql("UPDATE appointment SET owner_id = :bob WHERE id = :key", bob=int(BOB), key=int(key))

    def token(self) -> str:
        return self._rng.token()

    def reopened(self) -> SqlCrmConnector:
        return self._world.connector()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SqlCrmBench]:
    world = sqlite_world(tmp_path)
    yield SqlCrmBench(world)
    world.close()


@pytest.mark.parametrize("check", CRM_CHECKS, ids=lambda check: check.__name__)
def test_sql_crm(check: Callable[[CrmBench], None], bench: SqlCrmBench) -> None:
    check(bench)

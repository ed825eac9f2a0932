"""The engine over a real CRM that relates appointments to users: one record, a copy in each of two mailboxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from runner.config.plan import OwnerRelation
from runner.engine.passes import Orders
from runner.engine.runs import Runner
from runner.model.terms import Entity
from runner.store import open_store
from runner.testing.rng import SeededRng
from runner.testing.target import FakeTarget
from tests.engine.world import ANN, BOB, event, link_plan, sync_plan
from tests.mapping.yamls import entries
from tests.support.crm import APPOINTMENT, PLAN, World

TABLE = """
CREATE TABLE holder (appointment_id {0} NOT NULL, user_id {0} NOT NULL, PRIMARY KEY (appointment_id, user_id))
"""
MAPPING = entries(
    """
    - {crm: subject, record: title}
    - {crm: notes, record: description}
    - {crm: place, record: location}
    - codec: interval
      crm: {start: starts_at, end: ends_at, zone: time_zone, all_day: all_day}
    """
)
SHARED = replace(APPOINTMENT, relations=(OwnerRelation("holder", "appointment_id", "user_id"),))


class Pair:
    """Ann's and Bob's calendars over one CRM."""

    def __init__(self, world: World) -> None:
        world.sql(TABLE.format("integer" if world.dialect == "sqlite" else "bigint"))
        self.world = World(world.url, replace(PLAN, entities={Entity.SCHEDULE_ITEM: SHARED}), world.clock)
        self.world.crm.apply_ddl()
        self.world.crm.check()
        self.clock = world.clock
        self.rng = SeededRng(3)
        self.target = FakeTarget(self.clock, self.rng, page=50)
        for user in (ANN, BOB):
            self.target.add_mailbox(user)
        self.store = open_store(None, clock=self.clock)
        links = [link_plan(user, compiled=MAPPING) for user in (ANN, BOB)]
        self.links = links
        self.runner = Runner(
            sync_plan(*links), self.store, self.world.crm, lambda name: self.target, self.clock, self.rng
        )

    def settle(self) -> None:
        """Run until a run writes nothing."""
        for number in range(6):
            self.clock.advance(60)
            reports = self.runner.run(self.links, Orders(f"run-{number}"))
            assert [report.error for report in reports] == [None, None]
            if not any(report.writes for report in reports):
                return
        raise AssertionError("not settled")

    def titles(self, user: str) -> list[str]:
        """What a mailbox holds."""
        return sorted(str(item.values["title"]) for item in self.target.items(user))

    def copy(self, user: str) -> str:
        """The id of a mailbox's only item."""
        (item,) = self.target.items(user)
        return item.key

    def close(self) -> None:
        """Give everything back."""
        self.store.close()
        self.world.close()


@pytest.fixture
def pair(world: World) -> Iterator[Pair]:
    """On each database."""
    made = Pair(world)
    yield made
    made.close()


def test_one_record_with_two_holders_lives_and_ends_in_both_mailboxes(pair: Pair) -> None:
    """B-50, B-51: gained, edited on all three sides, let go by one, deleted by the last."""
    sql = pair.world.sql
    pair.target.user_create(ANN, event("Call"))
    pair.settle()
    ((key,),) = sql("SELECT id FROM appointment")
    assert sql("SELECT user_id FROM holder") == [(1,)]
    assert pair.titles(BOB) == []

    sql("INSERT INTO holder VALUES (:k, 2)", k=key)
    pair.settle()
    assert pair.titles(BOB) == ["Call"]

    pair.target.user_edit(pair.copy(BOB), title="Bob's words")
    pair.settle()
    assert (pair.titles(ANN), sql("SELECT subject FROM appointment")) == (["Bob's words"], [("Bob's words",)])

    sql("UPDATE appointment SET subject = 'The CRM''s words'")
    pair.settle()
    assert pair.titles(ANN) == pair.titles(BOB) == ["The CRM's words"]

    pair.target.user_delete(pair.copy(ANN))
    pair.settle()
    assert sql("SELECT owner_id, deleted FROM appointment") == [(None, False)]
    assert (pair.titles(ANN), pair.titles(BOB)) == ([], ["The CRM's words"])

    pair.target.user_delete(pair.copy(BOB))
    pair.settle()
    assert sql("SELECT deleted FROM appointment") == [(True,)]


def test_who_is_taken_out_keeps_his_copy_out_of_step_until_he_is_back(pair: Pair) -> None:
    sql = pair.world.sql
    pair.target.user_create(ANN, event("Call"))
    pair.settle()
    ((key,),) = sql("SELECT id FROM appointment")
    sql("INSERT INTO holder VALUES (:k, 2)", k=key)
    pair.settle()
    sql("DELETE FROM holder WHERE user_id = 2")
    sql("UPDATE appointment SET subject = 'Meanwhile'")
    pair.settle()
    assert (pair.titles(ANN), pair.titles(BOB)) == (["Meanwhile"], ["Call"])
    sql("INSERT INTO holder VALUES (:k, 2)", k=key)
    pair.settle()
    assert pair.titles(BOB) == ["Meanwhile"]


def test_one_meeting_of_two_mailboxes_is_one_record_that_both_hold(pair: Pair) -> None:
    """B-41."""
    for user in (ANN, BOB):
        pair.target.user_create(user, event("Meeting"), native="uid-1", shared=True)
    pair.settle()
    ((key,),) = pair.world.sql("SELECT id FROM appointment")
    assert pair.world.sql("SELECT user_id FROM holder ORDER BY user_id") == [(1,), (2,)]
    pair.world.sql("UPDATE appointment SET subject = 'Moved' WHERE id = :k", k=key)
    pair.settle()
    assert pair.titles(ANN) == pair.titles(BOB) == ["Moved"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_row_in_anothers_place_is_no_echo_of_it(lite: World, kept: bool) -> None:
    """B-12: ``INSERT OR REPLACE`` begins with the first version again, and so does whoever gets the key of a deleted row."""
    pair = Pair(lite)
    sql = pair.world.sql
    put = """INSERT OR REPLACE INTO appointment (id, subject, owner_id, starts_at, ends_at, time_zone)
      VALUES (99, :subject, :owner, '2026-03-29 08:00:00', '2026-03-29 09:00:00', 'Europe/Vienna')"""
    sql(put, subject="One", owner=1)
    pair.settle()
    if not kept:
        sql("DELETE FROM exsync_outbox WHERE id > 0")
    sql(put, subject="Two", owner=1)
    pair.settle()
    assert pair.titles(ANN) == ["Two"]
    sql("DELETE FROM appointment")
    sql(put, subject="Three", owner=1)
    pair.settle()
    assert (pair.titles(ANN), sql("SELECT subject FROM appointment")) == (["Three"], [("Three",)])
    sql(put, subject="Four", owner=2)
    pair.settle()
    assert pair.titles(BOB) == ["Four"]
    pair.close()

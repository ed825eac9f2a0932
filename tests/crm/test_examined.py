"""What ``exsync doctor`` asks the CRM's database: rights by its own word, triggers by their text."""

from __future__ import annotations

from dataclasses import replace

from runner.model.terms import Entity
from tests.crm.conftest import DATABASE
from tests.support.crm import PLAN, World
from tests.support.postgres import Postgres

WRITTEN = [Entity.SCHEDULE_ITEM]


def test_a_database_with_the_printed_ddl_is_as_it_should_be(world: World) -> None:
    seen = world.connector().examined(WRITTEN)
    assert (seen.lacking, seen.altered, seen.optional, seen.shut) == ((), (), (), False)
    assert seen.mighty == (seen.clock is not None)  # the tests' own account is PostgreSQL's superuser


def test_a_trigger_of_another_text_is_found(lite: World) -> None:
    """An outbox trigger that was emptied has its name still, and every change would be missed in silence."""
    lite.sql("DROP TRIGGER exsync_outbox_schedule_item_update")
    lite.sql(
        "CREATE TRIGGER exsync_outbox_schedule_item_update AFTER UPDATE ON appointment FOR EACH ROW BEGIN SELECT 1; END"
    )
    lite.connector().check()
    assert lite.connector().examined(WRITTEN).altered == ("trigger exsync_outbox_schedule_item_update",)


def test_a_function_of_another_text_and_a_trigger_for_fewer_events_are_found(pg: World, postgres: Postgres) -> None:
    with postgres.connect(DATABASE) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION exsync_version_schedule_item() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RETURN NEW; END$$"
        )
        connection.execute(
            "CREATE OR REPLACE TRIGGER exsync_outbox_schedule_item AFTER INSERT ON appointment"
            " FOR EACH ROW EXECUTE FUNCTION exsync_outbox_schedule_item()"
        )
        connection.execute("DROP TRIGGER exsync_outbox_notify ON exsync_outbox")
        connection.execute("REVOKE INSERT ON exsync_outbox FROM PUBLIC")
    seen = pg.connector().examined(WRITTEN)
    assert set(seen.altered) == {"function exsync_version_schedule_item", "trigger exsync_outbox_schedule_item"}
    assert seen.optional == ("trigger exsync_outbox_notify",)
    assert seen.shut


def test_rights_that_an_account_lacks_are_named(pg: World, postgres: Postgres) -> None:
    """A role that may only read is enough for outbound links but for our own tables; by column is a right too."""
    with postgres.connect(DATABASE) as connection:
        connection.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk-secret'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk")
    clerk = World(postgres.url(DATABASE, "clerk", "clerk-secret"))
    try:
        connector = clerk.connector(replace(PLAN, entities={Entity.SCHEDULE_ITEM: PLAN.entities[Entity.SCHEDULE_ITEM]}))
        outbound = connector.examined([])
        assert not outbound.mighty
        assert set(outbound.lacking) == {
            *("INSERT on exsync_keys", "UPDATE on exsync_keys"),
            *("UPDATE on exsync_outbox", "DELETE on exsync_outbox"),
        }
        assert "UPDATE on appointment" in connector.examined(WRITTEN).lacking
        with postgres.connect(DATABASE) as connection:
            connection.execute("GRANT UPDATE (subject) ON appointment TO clerk")
        assert "UPDATE on appointment" not in connector.examined(WRITTEN).lacking
    finally:
        clerk.close()
        with postgres.connect(DATABASE) as connection:
            connection.execute("DROP OWNED BY clerk")
            connection.execute("DROP ROLE clerk")

"""Hearing of commits in the CRM at once (B-10), on both databases."""

from __future__ import annotations

import threading
import time

import pytest

from runner.connectors.crm import watch as watch_module
from runner.model.errors import ConnectorError
from tests.support.crm import World
from tests.support.postgres import Postgres


def test_a_commit_ends_the_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that happened between looking and waiting. Without a commit the wait would take an hour here."""
    monkeypatch.setattr(watch_module, "HEARD", 3600.0)
    with world.crm.watch(lambda: False) as watch:
        world.sql("INSERT INTO appointment (subject, owner_id) VALUES ('before the wait', 1)")
        watch.wait()
        other = threading.Timer(0.1, world.sql, ["INSERT INTO appointment (subject, owner_id) VALUES ('during it', 1)"])
        other.start()
        watch.wait()
        other.join()


def test_a_wait_ends_when_it_shall_stop(world: World) -> None:
    begun = time.monotonic()
    with world.crm.watch(lambda: time.monotonic() > begun + 0.2) as watch:
        watch.wait()
    assert time.monotonic() < begun + watch_module.HEARD


def test_nothing_heard_is_looked_for_all_the_same(pg: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outbox from before the trigger tells nobody: the wait ends by itself."""
    monkeypatch.setattr(watch_module, "HEARD", 0.2)
    pg.sql("DROP TRIGGER exsync_outbox_notify ON exsync_outbox")
    with pg.crm.watch(lambda: False) as watch:
        pg.sql("INSERT INTO appointment (subject, owner_id) VALUES ('unheard', 1)")
        watch.wait()


def test_a_database_that_goes_away_is_a_classed_error(pg: World, postgres: Postgres) -> None:
    with pg.crm.watch(lambda: False) as watch:
        postgres.disconnect("crm")
        with pytest.raises(ConnectorError):
            watch.wait()

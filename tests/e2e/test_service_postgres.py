"""The service with a CRM on a real PostgreSQL: LISTEN/NOTIFY, late commits, a database that goes away (B-10, B-76)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until
from tests.support.demo import postgresql_demo
from tests.support.postgres import Postgres, running

INSERT = (
    "INSERT INTO appointment (subject, starts_at, ends_at, owner_id) "
    "VALUES (%s, now() + interval '1 day', now() + interval '25 hours', %s)"
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        server.create("crm")
        yield server


def titles(operator: Operator, user: str) -> list[str | None]:
    return [view.text("Subject") for view in operator.sandbox.mailbox(user).items()]


def test_commits_are_heard_late_ones_too_and_a_lost_database_comes_back(operator: Operator, postgres: Postgres) -> None:
    """A transaction that began before another and commits after it is not missed; nothing needs doing after an outage."""
    operator.environ["EXSYNC_CRM_URL"] = postgres.url("crm")
    with postgres.connect("crm") as crm:
        crm.execute(postgresql_demo())
    operator.ready()
    with Served(operator) as served:
        served.idle()
        with postgres.connect("crm") as late, postgres.connect("crm") as crm:
            late.autocommit = False
            late.execute(INSERT, ("Begun early", 1))
            crm.execute(INSERT, ("Committed early", 1))
            until("the first commit arrives", lambda: "Committed early" in titles(operator, ANN))
            late.commit()
            until("the late commit arrives", lambda: "Begun early" in titles(operator, ANN))
        postgres.disconnect("crm")
        with postgres.connect("crm") as crm:
            crm.execute(INSERT, ("After the outage", 2))
        until("it arrives after the outage", lambda: "After the outage" in titles(operator, BOB))
        operator.sandbox.mailbox(BOB).create(
            Subject="From Outlook", Start="2026-12-01T09:00:00Z", End="2026-12-01T10:00:00Z"
        )
        assert operator.exsync("apply", BOB).code == 0
        with postgres.connect("crm") as crm:
            assert crm.execute("SELECT owner_id FROM appointment WHERE subject = 'From Outlook'").fetchall() == [(2,)]
        served.idle()
        assert served.stop() == 0
    assert sorted(filter(None, titles(operator, ANN))) == ["Begun early", "Committed early"]

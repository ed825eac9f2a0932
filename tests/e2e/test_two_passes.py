"""Two linked users in one meeting, their passes running at the same time in threads: SQLite, and a real PostgreSQL.

B-41: one record in the CRM, one copy in each mailbox, in every order of arrival. B-42: nobody hears of it twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from runner.cli.context import Context, Session, SystemRng
from runner.connectors.crm import SqlCrmConnector
from runner.engine.drain import drain
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.model.terms import Operation
from tests.e2e.operator import ANN, BOB, Operator
from tests.support.demo import postgresql_demo
from tests.support.postgres import Postgres, running

ZOE = "zoe@customer.example"
POLICY = "  conflict: crm_wins\n  mail: {send: [invitations, updates, cancellations]}\n"
START = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
MEETINGS = 3
"""Meetings in one pair of passes: more chances to meet at a bad moment."""


class Both:
    """Ann's and Bob's calendars, the CRM's tables, and passes over both calendars at once."""

    def __init__(self, operator: Operator, session: Session, postgres: Postgres | None, first: tuple[str, ...]) -> None:
        self.operator, self.session, self.postgres, self.first = operator, session, postgres, first
        self.ann, self.bob = (operator.sandbox.mailbox(user) for user in (ANN, BOB))
        self.links = session.links(())
        for link in self.links:
            session.target(link.target)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        if self.postgres is None:
            return self.operator.sql(statement, *values)
        with self.postgres.connect("crm") as connection:
            cursor = connection.execute(statement.replace("?", "%s"), values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def passes(self, *users: str) -> list[PassReport]:
        """One pass for each of these users, all begun at the same moment."""
        runner = self.session.runner
        owners = runner.owners()
        drain(runner.store, runner.crm, runner.plan.crm.name, runner.routes(owners))
        links = [link for link in self.links if link.user in users]
        start = Barrier(len(links))

        def one(index: int) -> PassReport:
            link = links[index]
            orders = Orders(SystemRng().token(), allowed=frozenset(Operation))
            start.wait(30)
            return runner.pass_over(link, owners[link.user], orders)

        with ThreadPoolExecutor(len(links)) as pool:
            reports = list(pool.map(one, range(len(links))))
        assert [report.error for report in reports if report.error] == []
        return reports

    def settle(self) -> None:
        """Both at once, until neither writes anything; whoever lost a race has had his next turn by then."""
        for _ in range(8):
            if not sum(report.writes for report in self.passes(ANN, BOB)):
                return
        raise AssertionError("not settled")

    def records(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT subject FROM appointment WHERE NOT deleted ORDER BY subject")

    def titles(self) -> list[list[str | None]]:
        return [sorted(view.text("Subject") or "" for view in user.items()) for user in (self.ann, self.bob)]

    def addressed(self) -> list[tuple[str, str]]:
        return sorted(self.operator.sandbox.addressees)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as server:
        yield server


ORDERS = {"Ann first": (ANN,), "Bob first": (BOB,), "at once": (ANN, BOB)}


@pytest.fixture(
    params=[("sqlite", order) for order in ORDERS] + [("postgresql", "at once")], ids=lambda param: ", ".join(param)
)
def both(request: pytest.FixtureRequest, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """The shipped configuration on each database; whose pass comes first, or both at once."""
    postgres: Postgres | None = None
    operator.replace("targets.d/sandbox.yaml", "  conflict: crm_wins\n", POLICY)
    if request.param[0] == "postgresql":
        postgres = request.getfixturevalue("server")
        with postgres.connect() as connection:
            connection.execute("DROP DATABASE IF EXISTS crm WITH (FORCE)")
        postgres.create("crm")
        operator.environ["EXSYNC_CRM_URL"] = postgres.url("crm")
        with postgres.connect("crm") as connection:
            connection.execute(postgresql_demo())  # type: ignore[arg-type]
    else:
        operator.sql("DELETE FROM appointment")
    for name in ("EXSYNC_CRM_URL", "EXSYNC_SANDBOX_PASSWORD"):
        monkeypatch.setenv(name, operator.environ[name])
    with Context(operator.home, operator.state, operator.state.with_suffix(".sock")).session() as opened:
        assert isinstance(opened.crm, SqlCrmConnector)
        opened.crm.apply_ddl()
        opened.crm.check()
        made = Both(operator, opened, postgres, ORDERS[request.param[1]])
        made.settle()
        yield made


def test_meetings_called_in_outlook_are_one_record_each(both: Both) -> None:
    """B-41, B-42: with mail allowed, and all three mailboxes' worth of edits at the same time afterwards."""
    names = [f"Review {number}" for number in range(MEETINGS)]
    calls = [both.ann.invite([BOB, ZOE], Subject=n, Start=START, End=START + timedelta(hours=1)) for n in names]
    mails = both.addressed()
    both.passes(*both.first)
    both.settle()
    assert both.records() == [(name,) for name in names]
    assert both.titles() == [names, names]
    assert both.sql("SELECT count(*) FROM exsync_keys WHERE identity IS NOT NULL AND gone_at IS NULL") == [(MEETINGS,)]
    assert (
        both.sql(
            "SELECT holder FROM (SELECT id, owner_id AS holder FROM appointment WHERE NOT deleted "
            "UNION SELECT appointment_id, user_id FROM appointment_user) AS held ORDER BY holder"
        )
        == [(1,)] * MEETINGS + [(2,)] * MEETINGS
    )

    for number, meeting in enumerate(calls):
        both.ann.change(meeting, Location=f"Room {number}")
    for view in both.bob.items():
        both.bob.accept(view.id)
    both.sql("UPDATE appointment SET notes = 'from the CRM' WHERE NOT deleted")
    told = len(both.addressed())
    both.passes(*both.first)
    both.settle()
    assert sorted(both.sql("SELECT location, notes FROM appointment WHERE NOT deleted")) == [
        (f"Room {number}", "from the CRM") for number in range(MEETINGS)
    ]
    assert both.sql("SELECT answer FROM appointment_user WHERE user_id = 2") == [("accepted",)] * MEETINGS
    assert both.titles() == [names, names]
    ours = both.addressed()
    assert [pair for pair in set(ours) if ours.count(pair) > mails.count(pair) + 3 * MEETINGS] == []
    assert len(ours) - told == 2 * MEETINGS  # the CRM's notes: Bob and Zoe hear of each meeting once

    both.ann.cancel(calls[0])
    both.bob.delete(next(view.id for view in both.bob.items() if view.text("Subject") == names[1]))
    told = len(both.addressed())
    both.passes(*both.first)
    both.settle()
    assert both.records() == [(name,) for name in names[1:]]
    assert both.titles() == [names[1:], names[2:]]
    assert len(both.addressed()) == told
    people = {"request": MEETINGS, "update": MEETINGS, "response": MEETINGS, "cancellation": 1}
    both.operator.mails.update(people, update=MEETINGS)


def test_meetings_called_in_the_crm_are_told_once(both: Both) -> None:
    """B-41, B-42: made in the organizer's mailbox under an identity that the CRM knows before anybody is invited."""
    names = [f"Plan {number}" for number in range(MEETINGS)]
    for name in names:
        both.sql(
            "INSERT INTO appointment (subject, starts_at, ends_at, time_zone, owner_id) VALUES (?, ?, ?, 'UTC', 1)",
            name,
            *(moment.strftime("%Y-%m-%d %H:%M:%S+00") for moment in (START, START + timedelta(hours=1))),
        )
    both.sql("INSERT INTO appointment_user (appointment_id, user_id, role) SELECT id, 2, 'required' FROM appointment")
    both.sql(
        "INSERT INTO appointment_guest (appointment_id, email, role) SELECT id, ?, 'required' FROM appointment",
        ZOE,
    )
    both.passes(*both.first)
    both.settle()
    assert both.records() == [(name,) for name in names]
    assert both.titles() == [names, names]
    assert both.addressed() == [("request", BOB)] * MEETINGS + [("request", ZOE)] * MEETINGS

    both.sql("UPDATE appointment SET location = 'Room 5'")
    both.passes(*both.first)
    both.settle()
    assert {view.text("Location") for user in (both.ann, both.bob) for view in user.items()} == {"Room 5"}
    assert both.addressed()[2 * MEETINGS :] == [("update", BOB)] * MEETINGS + [("update", ZOE)] * MEETINGS
    assert both.records() == [(name,) for name in names]
    both.operator.mails.update(request=MEETINGS, update=MEETINGS)


def test_a_strangers_meetings_are_one_record_each(both: Both) -> None:
    """B-41: nobody who is synchronised organizes them; one of the two speaks, and an answer of both at once changes
    nobody's calendar."""
    from runner.sandbox.plain import organizer

    names = [f"Visit {number}" for number in range(MEETINGS)]
    for number, name in enumerate(names):
        for user in (both.ann, both.bob):
            user.create(
                Subject=name,
                Start=START,
                End=START + timedelta(hours=1),
                UID=f"uid-{number}",
                Organizer=organizer(ZOE),
                RequiredAttendees=[ANN, BOB],
                MyResponseType="NoResponseReceived",
            )
    both.passes(*both.first)
    both.settle()
    assert both.records() == [(name,) for name in names]
    for user in (both.ann, both.bob):
        for view in user.items():
            user.edit(view.id, MyResponseType="Accept", LegacyFreeBusyStatus="Busy")
    both.passes(*both.first)
    both.settle()
    assert both.records() == [(name,) for name in names]
    assert both.titles() == [names, names]
    masters = both.session.store.masters([f"uid-{number}" for number in range(MEETINGS)])
    assert len(masters) == MEETINGS
    assert both.addressed() == []

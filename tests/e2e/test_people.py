"""The people of a meeting from end to end: a mailbox's attendees in the CRM's own tables and back (B-31, B-41)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from runner.cli.context import Context, Session, SystemRng
from runner.connectors.crm import SqlCrmConnector
from runner.engine.passes import Orders
from runner.model.terms import Operation
from tests.e2e.operator import ANN, BOB, Operator

EVA, ZOE, DAN = "eva@example.org", "zoe@customer.example", "dan@customer.example"


@pytest.fixture
def session(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The shipped configuration over a CRM without appointments."""
    operator.sql("DELETE FROM appointment")
    for name in ("EXSYNC_CRM_URL", "EXSYNC_SANDBOX_PASSWORD"):
        monkeypatch.setenv(name, operator.environ[name])
    with Context(operator.home, operator.state, operator.state.with_suffix(".sock")).session() as opened:
        assert isinstance(opened.crm, SqlCrmConnector)
        opened.crm.apply_ddl()
        opened.crm.check()
        yield opened


def _settle(session: Session) -> None:
    for _ in range(5):
        reports = session.runner.run(session.links(()), Orders(SystemRng().token(), allowed=frozenset(Operation)))
        assert [(r.error, r.failures) for r in reports if r.error or r.failures] == []
        if not sum(report.writes for report in reports):
            return
    raise AssertionError("not settled")


def _invited(operator: Operator, meeting: str) -> str:
    return str(operator.sandbox.mailbox(ANN).item(meeting).props.get("RequiredAttendees"))


def test_a_meetings_people_lie_in_the_crms_tables_and_nobody_hears_of_it(operator: Operator, session: Session) -> None:
    """B-31: user, contact, external participant; answers come in; who is added in the CRM is added to the organizer's list.
    B-42: not one mail is ours."""
    ann, bob = operator.sandbox.mailbox(ANN), operator.sandbox.mailbox(BOB)
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    meeting = ann.invite([BOB, EVA, ZOE], Subject="Review", Start=start, End=start + timedelta(hours=1))
    _settle(session)
    [(key, organizer)] = operator.sql("SELECT id, organizer FROM appointment WHERE NOT deleted")
    assert organizer == ANN
    users = operator.sql("SELECT user_id, invited_as, role FROM appointment_user ORDER BY user_id")
    assert users == [(2, BOB, "required")]
    assert operator.sql("SELECT person_id, invited_as FROM appointment_person") == [(1, EVA)]
    assert operator.sql("SELECT email FROM appointment_guest") == [(ZOE,)]
    change_key = ann.item(meeting).change_key

    [copy] = [view for view in bob.items() if view.text("Subject") == "Review"]
    bob.accept(copy.id)
    operator.mails.update(["request", "response"])
    _settle(session)
    assert operator.sql("SELECT answer FROM appointment_user WHERE user_id = 2") == [("accepted",)]

    operator.sql("INSERT INTO appointment_guest (appointment_id, email) VALUES (?, ?)", key, DAN)
    _settle(session)
    assert DAN in _invited(operator, meeting)
    assert all(address in _invited(operator, meeting) for address in (BOB, EVA, ZOE))
    assert ann.item(meeting).change_key != change_key
    assert operator.sql("SELECT count(*) FROM appointment WHERE NOT deleted") == [(1,)]
    assert [view.text("Subject") for view in bob.items() if view.text("Subject") == "Review"] == ["Review"]

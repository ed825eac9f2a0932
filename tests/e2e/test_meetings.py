"""A meeting of two synchronised users and a customer from end to end: one record, and every mail counted (B-41, B-42)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runner.cli.context import Session
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.test_people import ZOE, _settle, session

__all__ = ["session"]
POLICY = "  conflict: crm_wins\n  mail: {send: [invitations, updates, cancellations]}\n"


@pytest.fixture(params=[False, True], ids=["off", "on"])
def mailing(request: pytest.FixtureRequest, operator: Operator) -> bool:
    """Whether the operator's YAML lets attendees be told; it stands before anything is loaded."""
    if request.param:
        operator.replace("targets.d/sandbox.yaml", "  conflict: crm_wins\n", POLICY)
    return bool(request.param)


@pytest.fixture
def start() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)


def test_edited_accepted_and_cancelled_by_people_and_never_mailed_by_us(
    operator: Operator, session: Session, start: datetime
) -> None:
    """B-41: the organizer's edits come in, the participant's answer too, and a cancelled meeting leaves the CRM."""
    ann, bob = operator.sandbox.mailbox(ANN), operator.sandbox.mailbox(BOB)
    _settle(session)
    meeting = ann.invite([BOB, ZOE], Subject="Review", Start=start, End=start + timedelta(hours=1))
    _settle(session)
    [copy] = [view for view in bob.items() if view.text("Subject") == "Review"]
    bob.accept(copy.id)
    bob.edit(copy.id, Subject="Bob's words")
    ann.change(meeting, Location="Room 9")
    _settle(session)
    assert operator.sql("SELECT subject, location FROM appointment WHERE NOT deleted") == [("Review", "Room 9")]
    assert operator.sql("SELECT answer FROM appointment_user WHERE user_id = 2") == [("accepted",)]
    ann.cancel(meeting)
    _settle(session)
    assert operator.sql("SELECT count(*) FROM appointment WHERE NOT deleted") == [(0,)]
    assert bob.items() == []
    assert [mail.kind for mail in operator.sandbox.mails_sent] == ["request", "response", "update", "cancellation"]
    operator.mails.update(["request", "response", "update", "cancellation"])


def test_the_crms_own_meeting(operator: Operator, mailing: bool, session: Session, start: datetime) -> None:
    """B-42: off, Bob's copy is written and nobody is mailed; on, each is told once, and a second pass tells nobody."""
    _settle(session)
    operator.sql(
        "INSERT INTO appointment (subject, starts_at, ends_at, time_zone, all_day, priority, sensitivity, show_as, owner_id) "
        "VALUES ('Plan', ?, ?, 'Europe/Vienna', 0, 'B', 'Normal', 'Busy', 1)",
        f"{start:%Y-%m-%d %H:%M:%S}",
        f"{start + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
    )
    [(key,)] = operator.sql("SELECT id FROM appointment WHERE NOT deleted")
    operator.sql("INSERT INTO appointment_user (appointment_id, user_id, role) VALUES (?, 2, 'required')", key)
    operator.sql("INSERT INTO appointment_guest (appointment_id, email, role) VALUES (?, ?, 'required')", key, ZOE)
    _settle(session)
    _settle(session)
    assert [view.text("Subject") for view in operator.sandbox.mailbox(ANN).items()] == ["Plan"]
    assert [view.text("Subject") for view in operator.sandbox.mailbox(BOB).items()] == ["Plan"]
    assert operator.sql("SELECT count(*) FROM appointment WHERE NOT deleted") == [(1,)]
    assert sorted(operator.sandbox.addressees) == ([("request", BOB), ("request", ZOE)] if mailing else [])
    operator.mails["request"] = int(mailing)

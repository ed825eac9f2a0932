"""Series from end to end: Outlook's user and the CRM's user each at work on single occurrences (B-36, B-37, B-46)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from runner.cli.context import Context, Session, SystemRng
from runner.connectors.crm import SqlCrmConnector
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.model.terms import Operation
from runner.sandbox.faults import Drop, Fault, ItemAnswer
from runner.sandbox.outlook import OutlookUser
from runner.sandbox.wire import Fragment
from tests.e2e.expansion import in_crm
from tests.e2e.operator import ANN, WRITES, Operator

VIENNA = ZoneInfo("Europe/Vienna")
TODAY = datetime.now(VIENNA).date()
MONDAY = TODAY - timedelta(days=TODAY.weekday() + 700)
"""A Monday about two years ago: the series began long before the window and goes on."""
DAYS = [MONDAY + timedelta(weeks=98 + week) for week in range(12)]
WHOLE = (datetime.combine(DAYS[0], time.min, UTC), datetime.combine(DAYS[-1], time.max, UTC))


def instant(day: date, hour: int) -> str:
    """Hours of Vienna as the CRM keeps them."""
    return datetime.combine(day, time(hour), VIENNA).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


class Desk:
    """One user with a mailbox and a CRM, one session, and a weekly series in both."""

    def __init__(self, operator: Operator, session: Session) -> None:
        self.operator, self.session = operator, session
        self.user: OutlookUser = operator.sandbox.mailbox(ANN)

    def sync(self) -> list[PassReport]:
        orders = Orders(SystemRng().token(), allowed=frozenset(Operation))
        return self.session.runner.run(self.session.links(()), orders)

    def settled(self) -> None:
        """Both sides show the same occurrences, and a further pass writes nothing."""
        self.sync()
        self.operator.sandbox.requests.clear()
        assert sum(report.writes for report in self.sync()) == 0
        assert {name: self.operator.sandbox.requests.count(name) for name in WRITES} == dict.fromkeys(WRITES, 0)
        assert self.in_outlook() == self.in_crm()
        assert list(self.session.store.quarantined()) == []

    def in_outlook(self) -> list[tuple[str, str | None]]:
        return [(str(v.text("Start")), v.text("Subject")) for v in self.user.calendar(*WHOLE)]

    def in_crm(self) -> list[tuple[str, str | None]]:
        """The rule and the rows of its occurrences, expanded by dateutil."""
        return in_crm(self.operator, *WHOLE)

    def customised(self) -> list[tuple[object, ...]]:
        return self.operator.sql(
            "SELECT original_day, cancelled, subject, starts_at FROM appointment_occurrence ORDER BY 1"
        )

    def crm_series(self) -> int:
        """A series made in the CRM, with a customised and a cancelled occurrence."""
        self.operator.sql(
            "INSERT INTO appointment (subject, starts_at, ends_at, time_zone, recurrence_rule, owner_id) "
            "SELECT 'Weekly', ?, ?, 'Europe/Vienna', 'FREQ=WEEKLY', id FROM crm_user WHERE email = ?",
            instant(MONDAY, 9),
            instant(MONDAY, 10),
            ANN,
        )
        [(key,)] = self.operator.sql("SELECT id FROM appointment")
        self.customise(int(str(key)), DAYS[2], subject="Own")
        self.customise(int(str(key)), DAYS[3], cancelled=1)
        self.customise(int(str(key)), DAYS[4], starts_at=instant(DAYS[4], 14), ends_at=instant(DAYS[4], 15))
        return int(str(key))

    def customise(self, key: int, day: date, **columns: object) -> None:
        self.operator.sql(
            "INSERT INTO appointment_occurrence (appointment_id, original_day, subject, cancelled, starts_at, ends_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            key,
            day.isoformat(),
            columns.get("subject"),
            columns.get("cancelled", 0),
            columns.get("starts_at"),
            columns.get("ends_at"),
        )

    def outlook_series(self) -> str:
        begin = datetime.combine(MONDAY, time(9), VIENNA)
        return self.user.create(
            Subject="Weekly",
            Start=begin,
            End=begin + timedelta(hours=1),
            StartTimeZone="W. Europe Standard Time",
            EndTimeZone="W. Europe Standard Time",
            Recurrence=Fragment(
                "<t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek></t:WeeklyRecurrence>"
                f"<t:NoEndRecurrence><t:StartDate>{MONDAY.isoformat()}</t:StartDate></t:NoEndRecurrence>"
            ),
        )


@pytest.fixture
def desk(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    operator.sql("DELETE FROM appointment")
    for name in ("EXSYNC_CRM_URL", "EXSYNC_SANDBOX_PASSWORD"):
        monkeypatch.setenv(name, operator.environ[name])
    with Context(operator.home, operator.state, operator.home / "none.sock").session() as session:
        assert isinstance(session.crm, SqlCrmConnector)
        session.crm.apply_ddl()
        yield Desk(operator, session)
    assert operator.sandbox.mails_sent == []


def test_an_occurrence_edited_in_outlook_changes_that_occurrence_only_in_the_crm(desk: Desk) -> None:
    """B-36, issue 3: a series that began before the window, edits and a deletion on single days."""
    key = desk.outlook_series()
    desk.settled()
    assert len(desk.in_crm()) == 12
    desk.user.edit_occurrence(key, DAYS[1], Subject="Own")
    moved = datetime.combine(DAYS[2], time(15), VIENNA)
    desk.user.edit_occurrence(key, DAYS[2], Start=moved, End=moved + timedelta(hours=1))
    desk.user.delete_occurrence(key, DAYS[3])
    desk.settled()
    rows = desk.customised()
    assert [(str(row[0])[:10], bool(row[1]), row[2], row[3] is not None) for row in rows] == [
        (DAYS[1].isoformat(), False, "Own", False),
        (DAYS[2].isoformat(), False, None, True),
        (DAYS[3].isoformat(), True, None, False),
    ]
    assert desk.operator.sql("SELECT count(*), min(subject) FROM appointment WHERE NOT deleted") == [(1, "Weekly")]


def test_an_occurrence_edited_in_the_crm_changes_that_occurrence_only_in_outlook(desk: Desk) -> None:
    """B-36, issue 3: the same from the other side; then an occurrence follows its series again, and one comes back."""
    key = desk.crm_series()
    desk.settled()
    [view] = desk.user.items()
    assert set(view.exceptions) == {DAYS[2], DAYS[4]}
    assert view.deleted == {DAYS[3]}
    desk.customise(key, DAYS[6], subject="Late")
    desk.settled()
    assert set(desk.user.item(view.id).exceptions) == {DAYS[2], DAYS[4], DAYS[6]}
    desk.operator.sql(
        "DELETE FROM appointment_occurrence WHERE original_day IN (?, ?)", DAYS[2].isoformat(), DAYS[3].isoformat()
    )
    desk.settled()
    assert len(desk.in_outlook()) == 12


def test_both_edit_occurrences_and_the_series_and_nothing_is_lost(desk: Desk) -> None:
    """B-60: occurrence by occurrence. The CRM moves the series to ten; Outlook's edits of the same minute survive it."""
    key = desk.crm_series()
    desk.settled()
    [view] = desk.user.items()
    desk.user.edit_occurrence(view.id, DAYS[7], Subject="By Ann")
    desk.operator.sql(
        "UPDATE appointment SET starts_at = ?, ends_at = ? WHERE id = ?", instant(MONDAY, 10), instant(MONDAY, 11), key
    )
    desk.customise(key, DAYS[8], subject="By the CRM")
    desk.settled()
    shown = dict(desk.in_outlook()).values()
    assert {"By Ann", "By the CRM", "Own"} <= set(shown)
    assert len(desk.in_outlook()) == 11


@pytest.mark.parametrize(
    "fault",
    [
        Fault(ItemAnswer("ErrorQuotaExceeded"), "UpdateItem", nth=2),
        Fault(Drop(), "UpdateItem", nth=1, after=True),
        Fault(Drop(), "UpdateItem", nth=2, after=True),
        Fault(ItemAnswer("ErrorQuotaExceeded"), "DeleteItem"),
    ],
)
def test_a_series_that_is_made_half_way_is_completed_and_never_doubled(desk: Desk, fault: Fault) -> None:
    """Decision 004, invariants 1 and 3: what is missing on the target is filled, not taken for the user's deletion."""
    desk.crm_series()
    before = desk.customised()
    desk.operator.sandbox.inject(fault)
    desk.sync()
    assert len(desk.user.items()) == 1
    desk.operator.sandbox.clear_faults()
    desk.settled()
    assert desk.customised() == before
    assert len(desk.user.items()) == 1


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("effect", ["refused", "silence"])
def test_occurrences_that_a_new_pattern_dropped_are_put_back_whatever_happens(
    desk: Desk, nth: int, effect: str
) -> None:
    """Decision 004: the server drops exceptions with the pattern; when the pass ends there, the next one puts them back."""
    key = desk.crm_series()
    desk.settled()
    before = desk.customised()
    refused = Fault(ItemAnswer("ErrorQuotaExceeded"), "UpdateItem", nth=nth)
    fault = refused if effect == "refused" else Fault(Drop(), "UpdateItem", nth=nth, after=True)
    desk.operator.sandbox.inject(fault)
    desk.operator.sql(
        "UPDATE appointment SET starts_at = ?, ends_at = ? WHERE id = ?", instant(MONDAY, 8), instant(MONDAY, 9), key
    )
    desk.sync()
    desk.operator.sandbox.clear_faults()
    desk.settled()
    assert desk.customised() == before
    [view] = desk.user.items()
    assert (set(view.exceptions), view.deleted) == ({DAYS[2], DAYS[4]}, {DAYS[3]})


def test_a_series_deleted_on_one_side_goes_on_the_other_with_all_of_its_occurrences(desk: Desk) -> None:
    """B-36, B-63."""
    desk.crm_series()
    desk.settled()
    [view] = desk.user.items()
    desk.user.delete(view.id)
    desk.settled()
    assert desk.in_crm() == []

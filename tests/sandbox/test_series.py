"""Series: stock exchangelib makes, reads, changes and deletes them and their occurrences, as the EWS pages describe."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import exchangelib
import pytest
from exchangelib import CalendarItem, EWSDate, EWSDateTime
from exchangelib.errors import (
    ErrorCalendarCannotMoveOrCopyOccurrence,
    ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange,
    ErrorCalendarOccurrenceIsDeletedFromRecurrence,
    ErrorCalendarViewRangeTooBig,
    ErrorIrresolvableConflict,
    ErrorItemNotFound,
    ErrorOccurrenceCrossingBoundary,
    ErrorOccurrenceTimeSpanTooBig,
)
from exchangelib.recurrence import (
    AbsoluteMonthlyPattern,
    AbsoluteYearlyPattern,
    DailyPattern,
    Recurrence,
    RelativeMonthlyPattern,
    RelativeYearlyPattern,
    WeeklyPattern,
)

from runner.sandbox.exchange import Sandbox
from tests.sandbox.raw import ask, create, find, get_item, set_subject, sync, update
from tests.sandbox.stock import ANN, VIENNA, account_of

ALL = "<t:BaseShape>AllProperties</t:BaseShape>"


def at(month: int, day: int, hour: int = 9, minute: int = 0, year: int = 2026) -> EWSDateTime:
    return EWSDateTime(year, month, day, hour, minute, tzinfo=VIENNA)


def series(account: exchangelib.Account, start: EWSDateTime | None = None, **how: object) -> CalendarItem:
    """A daily series of ten from 20 October 2026, nine to ten, over the clock change of the 25th, unless told otherwise."""
    start = start or at(10, 20)
    boundary = how.pop("boundary", {"number": 10})
    values: dict[str, object] = {"subject": "Standup", "location": "Room 1", "pattern": DailyPattern(interval=1), **how}
    pattern = values.pop("pattern")
    first = start.date()
    item = CalendarItem(
        account=account,
        folder=account.calendar,
        start=start,
        end=start + timedelta(hours=1),
        recurrence=Recurrence(pattern=pattern, start=first, **boundary),  # type: ignore[arg-type]
        **values,
    )
    return item.save()


def days(account: exchangelib.Account, start: EWSDateTime, end: EWSDateTime) -> list[str]:
    """Local starts in a view."""
    return [item.start.astimezone(VIENNA).isoformat()[:16] for item in account.calendar.view(start=start, end=end)]


@pytest.mark.parametrize(
    ("start", "pattern", "expected"),
    [
        (at(10, 24), DailyPattern(interval=2), ["10-24", "10-26", "10-28"]),
        (at(10, 19), WeeklyPattern(interval=1, weekdays=["Monday", "Wednesday"]), ["10-19", "10-21", "10-26"]),
        (at(8, 31), AbsoluteMonthlyPattern(interval=1, day_of_month=31), ["08-31", "09-30", "10-31"]),
        (at(9, 8), RelativeMonthlyPattern(interval=1, weekday="Tuesday", week_number="Second"), ["09-08", "10-13", "11-10"]),
        (at(11, 3, year=2024), AbsoluteYearlyPattern(day_of_month=3, month="November"), ["11-03", "11-03", "11-03"]),
        (
            at(11, 28, year=2024),
            RelativeYearlyPattern(weekday="Thursday", week_number="Last", month="November"),
            ["11-28", "11-27", "11-26"],
        ),
        (at(9, 30), RelativeMonthlyPattern(interval=1, weekday="Weekday", week_number="Last"), ["09-30", "10-30", "11-30"]),
    ],
)  # fmt: skip
def test_every_pattern_is_kept_and_expanded(
    account: exchangelib.Account, start: EWSDateTime, pattern: object, expected: list[str]
) -> None:
    """Pages Recurrence (RecurrenceType), DayOfMonth (a month without the day has its last one), CalendarView."""
    made = series(account, start, pattern=pattern, boundary={"number": 3})
    read = account.calendar.get(id=made.id)
    assert (read.type, read.recurrence.pattern, read.recurrence.boundary.number) == ("RecurringMaster", pattern, 3)
    assert (read.start, read.end) == (start, start + timedelta(hours=1))
    shown = [day for year in (2024, 2026) for day in days(account, at(1, 1, year=year), at(12, 30, year=year + 1))]
    assert [text[5:10] for text in shown if text.endswith("T09:00")] == expected
    assert read.first_occurrence.start == start


def test_a_series_ends_never_on_a_day_or_after_a_number(account: exchangelib.Account) -> None:
    """Pages NoEndRecurrence, EndDateRecurrence, NumberedRecurrence."""
    endless = series(account, boundary={})
    dated = series(account, boundary={"end": EWSDate(2026, 10, 22)})
    numbered = series(account, boundary={"number": 2})
    reads = [account.calendar.get(id=item.id) for item in (endless, dated, numbered)]
    lasts = [read.last_occurrence and read.last_occurrence.start.astimezone(VIENNA).day for read in reads]
    assert lasts == [None, 22, 21]
    assert len(days(account, at(10, 1, year=2035), at(11, 1, year=2035))) == 31


def test_a_series_keeps_its_hands_over_a_clock_change(account: exchangelib.Account) -> None:
    """B-46: nine in Vienna is seven in UTC before 25 October 2026 and eight after it."""
    series(account)
    shown = list(account.calendar.view(start=at(10, 24, 0), end=at(10, 27, 0)))
    assert [item.start.astimezone(exchangelib.UTC).hour for item in shown] == [7, 8, 8]
    assert {item.type for item in shown} == {"Occurrence"}


def test_a_changed_occurrence_becomes_an_exception_with_the_masters_change_key(account: exchangelib.Account) -> None:
    """Pages OccurrenceItemId, ModifiedOccurrences: one change key for the master and all its occurrences."""
    made = series(account)
    third = made.occurrence(3)
    third.refresh()
    assert (third.type, third.changekey, third.subject) == ("Occurrence", made.changekey, "Standup")
    third.subject = "Standup, long"
    third.start, third.end = at(10, 22, 11), at(10, 22, 13)
    third.save(update_fields=["subject", "start", "end"])
    master = account.calendar.get(id=made.id)
    assert master.changekey not in (made.changekey, None)
    assert master.changekey == third.changekey
    [changed] = master.modified_occurrences
    assert (changed.id, changed.original_start, changed.start) == (third.id, at(10, 22), at(10, 22, 11))
    read = account.calendar.get(id=third.id)
    assert (read.type, read.subject, read.location, read.original_start) == (
        "Exception", "Standup, long", "Room 1", at(10, 22)
    )  # fmt: skip
    assert (master.subject, master.start) == ("Standup", at(10, 20))
    with pytest.raises(ErrorIrresolvableConflict):
        account.bulk_update([(made, ["subject"])], conflict_resolution="NeverOverwrite")


def test_a_deleted_occurrence_is_noted_in_the_master_and_counts_on(account: exchangelib.Account) -> None:
    """Pages DeletedOccurrences, ResponseCode (ErrorCalendarOccurrenceIsDeletedFromRecurrence …OutOfRecurrenceRange)."""
    made = series(account)
    made.occurrence(1).delete()
    master = account.calendar.get(id=made.id)
    assert [gone.start for gone in master.deleted_occurrences] == [at(10, 20)]
    assert (master.start, master.first_occurrence.start) == (at(10, 20), at(10, 21))
    assert account.calendar.all().count() == 1
    assert account.trash.all().count() == 0
    made.occurrence(2).refresh()
    with pytest.raises(ErrorCalendarOccurrenceIsDeletedFromRecurrence):
        made.occurrence(1).refresh()
    with pytest.raises(ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange):
        made.occurrence(11).refresh()


def test_the_feed_and_a_plain_search_know_masters_only(sandbox: Sandbox, account: exchangelib.Account) -> None:
    """Mailbox synchronization and EWS in Exchange: changes of an occurrence are changes of its master."""
    made = series(account)
    state = ask(sandbox, sync()).text("//m:SyncState")
    user = sandbox.mailbox(ANN)
    user.edit_occurrence(made.id, date(2026, 10, 21), Subject="Moved")
    user.delete_occurrence(made.id, date(2026, 10, 22))
    answer = ask(sandbox, sync(state))
    assert [element.get("Id") for element in answer.all("//m:Changes//t:ItemId")] == [made.id]
    assert [element.get("ChangeKey") for element in answer.all("//t:Update//t:ItemId")] == [
        user.item(made.id).change_key
    ]
    assert [element.get("Id") for element in ask(sandbox, find()).all("//t:ItemId")] == [made.id]


def test_an_exception_follows_its_master_in_what_it_has_not_of_its_own(
    sandbox: Sandbox, account: exchangelib.Account
) -> None:
    """A change of text leaves exceptions alone; a new pattern or time takes them and the deletions away."""
    user, made = sandbox.mailbox(ANN), series(account)
    user.edit_occurrence(made.id, date(2026, 10, 21), Subject="Own", Location=None)
    user.delete_occurrence(made.id, date(2026, 10, 22))
    user.edit(made.id, Subject="Renamed", Body="Bring cake", Location="Room 2")
    exception = user.occurrence(made.id, date(2026, 10, 21))
    assert [exception.text(name) for name in ("Subject", "Body", "Location")] == ["Own", "Bring cake", None]
    assert user.item(made.id).deleted == {date(2026, 10, 22)}
    later = datetime(2026, 10, 20, 8, tzinfo=UTC)
    user.edit(made.id, Start=later, End=later + timedelta(hours=1))
    assert (user.item(made.id).exceptions, user.item(made.id).deleted) == ({}, frozenset())
    user.delete_occurrence(made.id, date(2026, 10, 22))
    master = account.calendar.get(id=made.id)
    master.recurrence = Recurrence(pattern=DailyPattern(interval=2), start=EWSDate(2026, 10, 20), number=3)
    master.save(update_fields=["recurrence"])
    assert days(account, at(10, 1), at(11, 1)) == ["2026-10-20T10:00", "2026-10-22T10:00", "2026-10-24T10:00"]


@pytest.mark.parametrize(
    ("start", "end", "error"),
    [
        (at(10, 21, 23), at(10, 22, 0), ErrorOccurrenceCrossingBoundary),
        (at(10, 23, 1), at(10, 23, 2), ErrorOccurrenceCrossingBoundary),
        (at(10, 22, 23), at(10, 23, 10), ErrorOccurrenceTimeSpanTooBig),
    ],
)
def test_an_occurrence_stays_between_its_neighbours(
    account: exchangelib.Account, start: EWSDateTime, end: EWSDateTime, error: type[Exception]
) -> None:
    """Page ResponseCode."""
    third = series(account).occurrence(3)
    third.start, third.end = start, end
    with pytest.raises(error):
        third.save(update_fields=["start", "end"])


def test_what_occurrences_do_not_take_part_in(sandbox: Sandbox, account: exchangelib.Account) -> None:
    """Pages OccurrenceItemId (no move, no copy) and CalendarView (two years at most)."""
    made = series(account)
    second = made.occurrence(2)
    second.refresh()
    with pytest.raises(ErrorCalendarCannotMoveOrCopyOccurrence):
        second.move(account.trash)
    with pytest.raises(ErrorCalendarViewRangeTooBig):
        list(account.calendar.view(start=at(1, 1), end=at(1, 3, year=2029)))
    assert len(list(account.calendar.view(start=at(10, 1), end=at(12, 1), max_items=4))) == 4
    made.delete()
    with pytest.raises(ErrorItemNotFound):
        second.refresh()


def test_an_occurrence_leads_to_its_master_and_ids_of_the_wrong_kind_are_refused(sandbox: Sandbox) -> None:
    """Pages OccurrenceItemId, RecurringMasterItemId; every answer is held against the schema (conftest)."""
    user = sandbox.mailbox(ANN)
    daily = (
        "<t:Subject>Daily</t:Subject><t:Start>2026-10-20T07:00:00Z</t:Start><t:End>2026-10-20T08:00:00Z</t:End>"
        "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NoEndRecurrence>"
        "<t:StartDate>2026-10-20</t:StartDate></t:NoEndRecurrence></t:Recurrence>"
    )
    master = ask(sandbox, create(daily)).all("//t:ItemId")[0].get("Id")
    single = user.create(
        Subject="Single", Start=datetime(2026, 10, 20, tzinfo=UTC), End=datetime(2026, 10, 20, 1, tzinfo=UTC)
    )
    occurrence = user.edit_occurrence(master, date(2026, 10, 22), Subject="Other")
    user.delete_occurrence(master, date(2026, 10, 23))

    def named(*ids: str) -> str:
        return f"<m:GetItem><m:ItemShape>{ALL}</m:ItemShape><m:ItemIds>{''.join(ids)}</m:ItemIds></m:GetItem>"

    answer = ask(
        sandbox,
        named(
            f'<t:RecurringMasterItemId OccurrenceId="{occurrence}"/>',
            f'<t:OccurrenceItemId RecurringMasterId="{master}" InstanceIndex="3"/>',
            f'<t:RecurringMasterItemId OccurrenceId="{master}"/>',
            f'<t:OccurrenceItemId RecurringMasterId="{single}" InstanceIndex="1"/>',
        ),
    )
    assert answer.codes == [
        "NoError",
        "NoError",
        "ErrorCalendarCannotUseIdForOccurrenceId",
        "ErrorCalendarCannotUseIdForRecurringMasterId",
    ]
    assert [element.get("Id") for element in answer.all("//t:CalendarItem/t:ItemId")] == [master, occurrence]
    assert answer.text("//t:ModifiedOccurrences/t:Occurrence/t:OriginalStart") == "2026-10-22T07:00:00Z"
    key = user.item(master).change_key
    stale = ask(sandbox, update(occurrence, "DwAAABYAAAA=", set_subject("x")))
    fresh = ask(sandbox, update(occurrence, key, set_subject("Again")))
    assert (stale.codes, fresh.codes) == (["ErrorIrresolvableConflict"], ["NoError"])
    assert fresh.all("//t:ItemId")[0].get("ChangeKey") == user.item(master).change_key != key
    assert ask(sandbox, get_item(single, shape=ALL)).text("//t:CalendarItemType") == "Single"


def test_a_series_is_copied_and_moved_with_its_exceptions(sandbox: Sandbox) -> None:
    user = sandbox.mailbox(ANN)
    made = series(account_of(sandbox))
    user.edit_occurrence(made.id, date(2026, 10, 21), Subject="Own")
    user.delete_occurrence(made.id, date(2026, 10, 22))
    copy = user.item(user.copy(made.id))
    assert (copy.exceptions, copy.deleted) == (user.item(made.id).exceptions, user.item(made.id).deleted)
    assert user.occurrence(copy.id, date(2026, 10, 21)).id != user.occurrence(made.id, date(2026, 10, 21)).id

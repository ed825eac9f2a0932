"""Tasks, held to the pages of the EWS reference (B-50)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import exchangelib
import pytest
from exchangelib import EWSDate, Task
from exchangelib.errors import ErrorCannotDeleteTaskOccurrence, ErrorIrresolvableConflict
from exchangelib.recurrence import DailyRegeneration, TaskRecurrence

from runner.sandbox.exchange import Sandbox
from runner.sandbox.wire import Fragment
from tests.sandbox.raw import Answer, ask, envelope, equals, find, get_item, send, sync
from tests.sandbox.stock import ANN, Ticking

TASKS = '<t:DistinguishedFolderId Id="tasks"/>'
ALL = "<t:BaseShape>AllProperties</t:BaseShape>"
STAMP = '<t:ExtendedFieldURI PropertySetId="5D0A2C7E-43C1-4C35-9D35-7C8C9F4B3A11" PropertyName="Key" PropertyType="String"/>'


def create(properties: str) -> str:
    return (
        f'<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Task>{properties}</t:Task></m:Items></m:CreateItem>'
    )


def change(item: str, key: str, *updates: tuple[str, str], mode: str = "NeverOverwrite") -> str:
    rows = "".join(
        f'<t:SetItemField><t:FieldURI FieldURI="task:{name}"/><t:Task><t:{name}>{value}</t:{name}></t:Task></t:SetItemField>'
        for name, value in updates
    )
    return (
        f'<m:UpdateItem ConflictResolution="{mode}" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{item}" ChangeKey="{key}"/><t:Updates>{rows}</t:Updates></t:ItemChange>'
        "</m:ItemChanges></m:UpdateItem>"
    )


def delete(item: str, affected: str) -> str:
    return (
        f'<m:DeleteItem DeleteType="MoveToDeletedItems" AffectedTaskOccurrences="{affected}"><m:ItemIds>'
        f'<t:ItemId Id="{item}"/></m:ItemIds></m:DeleteItem>'
    )


def made(sandbox: Sandbox, properties: str) -> tuple[str, str]:
    answer = ask(sandbox, create(properties))
    assert answer.codes == ["NoError"]
    [found] = answer.all("//t:ItemId")
    return found.get("Id"), found.get("ChangeKey")


def read(sandbox: Sandbox, item: str) -> Answer:
    return ask(sandbox, get_item(item, shape=ALL))


def progress(answer: Answer) -> tuple[str | None, ...]:
    return tuple(answer.text(f"//t:{name}") for name in ("Status", "PercentComplete", "CompleteDate", "IsComplete"))


def weekly(start: str, ending: str = "") -> Fragment:
    span = ending or f"<t:NoEndRecurrence><t:StartDate>{start}</t:StartDate></t:NoEndRecurrence>"
    return Fragment(
        "<t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek>"
        f"<t:FirstDayOfWeek>Sunday</t:FirstDayOfWeek></t:WeeklyRecurrence>{span}"
    )


def numbered(start: str, count: int) -> str:
    return (
        f"<t:NumberedRecurrence><t:StartDate>{start}</t:StartDate><t:NumberOfOccurrences>{count}</t:NumberOfOccurrences>"
        "</t:NumberedRecurrence>"
    )


# --- forms


def test_all_properties_of_a_task_come_in_the_order_of_the_page(sandbox: Sandbox) -> None:
    """Page Task."""
    item, _ = made(sandbox, "<t:Subject>x</t:Subject><t:DueDate>2026-12-03T00:00:00Z</t:DueDate>")
    answer = read(sandbox, item)
    expected = """
        ItemId ParentFolderId ItemClass Subject Sensitivity Body Importance ReminderIsSet HasAttachments ChangeCount
        DelegationState DueDate IsComplete IsRecurring IsTeamTask Owner PercentComplete Status StatusDescription
    """.split()  # noqa: SIM905
    found = answer.children("//t:Task")
    assert [name for name in found if name in expected] == [name for name in expected if name in found]
    assert set(expected) - set(found) <= {"ReminderIsSet"}
    assert answer.text("//t:ItemClass") == "IPM.Task"
    assert answer.text("//t:Owner") == "Ann Lee"


def test_tasks_are_synchronised_and_found_by_their_stamp(sandbox: Sandbox) -> None:
    stamped = f"<t:ExtendedProperty>{STAMP}<t:Value>T-1</t:Value></t:ExtendedProperty>"
    item, _ = made(sandbox, f"<t:Subject>x</t:Subject>{stamped}")
    made(sandbox, "<t:Subject>y</t:Subject>")
    changes = ask(sandbox, sync(folder=TASKS))
    assert len(changes.all("//t:Create/t:Task/t:ItemId")) == 2
    found = ask(sandbox, find(equals(STAMP, "T-1"), folder=TASKS))
    assert [element.get("Id") for element in found.all("//t:Task/t:ItemId")] == [item]


def test_each_change_counts(sandbox: Sandbox) -> None:
    """Page ChangeCount: the version of the task."""
    item, key = made(sandbox, "<t:Subject>x</t:Subject>")
    before = int(read(sandbox, item).text("//t:ChangeCount") or 0)
    assert ask(sandbox, change(item, key, ("TotalWork", "5"))).codes == ["NoError"]
    assert int(read(sandbox, item).text("//t:ChangeCount") or 0) == before + 1


# --- status, percentage, completion (page Status)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ("", ("NotStarted", "0", None, "false")),
        ("<t:PercentComplete>40</t:PercentComplete>", ("InProgress", "40", None, "false")),
        (
            "<t:PercentComplete>50</t:PercentComplete><t:Status>NotStarted</t:Status>",
            ("NotStarted", "0", None, "false"),
        ),
        ("<t:PercentComplete>100</t:PercentComplete>", ("Completed", "100", "2026-11-23T00:00:00Z", "true")),
        ("<t:Status>Completed</t:Status>", ("Completed", "100", "2026-11-23T00:00:00Z", "true")),
        (
            "<t:CompleteDate>2026-11-20T10:00:00Z</t:CompleteDate>",
            ("Completed", "100", "2026-11-20T00:00:00Z", "true"),
        ),
        (
            "<t:PercentComplete>30</t:PercentComplete><t:Status>WaitingOnOthers</t:Status>",
            ("WaitingOnOthers", "30", None, "false"),
        ),
    ],
)
def test_status_percentage_and_day_of_completion_say_one_thing(
    sandbox: Sandbox, properties: str, expected: tuple[str | None, ...]
) -> None:
    item, _ = made(sandbox, properties)
    assert progress(read(sandbox, item)) == expected


def test_the_last_of_them_that_is_processed_decides(sandbox: Sandbox) -> None:
    """Page Status: 100 percent, a day of completion and NotStarted, in this order, leave it not started."""
    item, key = made(sandbox, "<t:Subject>x</t:Subject>")
    first = change(
        item, key, ("PercentComplete", "100"), ("CompleteDate", "2007-01-01T00:00:00Z"), ("Status", "NotStarted")
    )
    answer = ask(sandbox, first)
    assert answer.codes == ["NoError"]
    assert progress(read(sandbox, item)) == ("NotStarted", "0", None, "false")
    key = answer.all("//t:ItemId")[0].get("ChangeKey")
    ask(sandbox, change(item, key, ("Status", "NotStarted"), ("PercentComplete", "100")))
    assert progress(read(sandbox, item))[:2] == ("Completed", "100")


def test_a_task_that_is_taken_up_again_is_no_longer_complete(sandbox: Sandbox) -> None:
    user = sandbox.mailbox(ANN)
    item = user.create("tasks", Subject="x", Status="Completed")
    user.edit(item, Status="InProgress")
    assert progress(read(sandbox, item)) == ("InProgress", "0", None, "false")


def test_a_percentage_beyond_100_is_refused(sandbox: Sandbox) -> None:
    """Page PercentComplete: from 0 to 100."""
    assert ask(sandbox, create("<t:PercentComplete>101</t:PercentComplete>")).codes == ["ErrorInvalidPropertySet"]


# --- days


@pytest.mark.parametrize("sent", ["2026-12-01T00:00:00Z", "2026-12-01T11:59:00Z", "2026-12-01T21:32:52Z"])
def test_a_due_date_is_a_day_and_comes_back_as_midnight_utc(sandbox: Sandbox, sent: str) -> None:
    """Page CreateItem operation (task); MS-OXOTASK PidLidTaskDueDate."""
    item, _ = made(sandbox, f"<t:DueDate>{sent}</t:DueDate>")
    assert read(sandbox, item).text("//t:DueDate") == "2026-12-01T00:00:00Z"


@pytest.mark.parametrize(
    ("zone", "sent", "day"),
    [
        ("New Zealand Standard Time", "2026-11-30T11:00:00Z", "2026-12-01"),
        ("New Zealand Standard Time", "2026-12-01T11:59:00Z", "2026-12-02"),
        ("Pacific Standard Time", "2026-12-01T00:00:00Z", "2026-11-30"),
        ("Pacific Standard Time", "2026-12-01T21:32:52", "2026-12-01"),
    ],
)
def test_an_instant_is_a_day_of_the_requests_zone(sandbox: Sandbox, zone: str, sent: str, day: str) -> None:
    """Page TimeZoneContext: the dates of tasks that are created or updated belong to its zone."""
    header = f'<t:TimeZoneContext><t:TimeZoneDefinition Id="{zone}"/></t:TimeZoneContext>'
    answer = send(sandbox, envelope(create(f"<t:DueDate>{sent}</t:DueDate>"), header=header))
    item = answer.all("//t:ItemId")[0].get("Id")
    assert read(sandbox, item).text("//t:DueDate") == f"{day}T00:00:00Z"


@pytest.mark.parametrize(("due", "expected"), [("", "05"), ("<t:DueDate>2026-12-01T00:00:00Z</t:DueDate>", "05")])
def test_a_start_brings_a_due_date_that_is_not_before_it(sandbox: Sandbox, due: str, expected: str) -> None:
    """MS-OXOTASK PidLidTaskStartDate, PidLidTaskDueDate."""
    item, _ = made(sandbox, f"{due}<t:StartDate>2026-12-05T00:00:00Z</t:StartDate>")
    assert read(sandbox, item).text("//t:DueDate") == f"2026-12-{expected}T00:00:00Z"


def test_an_older_store_shows_local_midnight(sandbox: Sandbox) -> None:
    """What Outlook wrote as an instant comes back as that instant."""
    local = datetime(2026, 12, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    item = sandbox.mailbox(ANN).create("tasks", DueDate=local, StartDate=local)
    assert read(sandbox, item).text("//t:DueDate") == "2026-11-30T23:00:00Z"


# --- recurring tasks


def test_the_range_begins_on_a_day_of_the_pattern_and_the_tasks_days_follow(sandbox: Sandbox) -> None:
    """Page CreateItem operation (task): its example moves Thursday 26 October 2006 to Monday the 30th."""
    item, _ = made(
        sandbox,
        "<t:DueDate>2006-10-27T00:00:00Z</t:DueDate>"
        f"<t:Recurrence>{weekly('2006-10-26')}</t:Recurrence><t:StartDate>2006-10-26T00:00:00Z</t:StartDate>",
    )
    answer = read(sandbox, item)
    assert answer.text("//t:NoEndRecurrence/t:StartDate") == "2006-10-30"
    assert answer.text("//t:Task/t:StartDate") == "2006-10-30T00:00:00Z"
    assert answer.text("//t:DueDate") == "2006-10-31T00:00:00Z"
    assert answer.text("//t:IsRecurring") == "true"


def test_completing_a_recurring_task_answers_with_a_one_off_and_moves_the_series_on(sandbox: Sandbox) -> None:
    """Page UpdateItem operation (task)."""
    stamped = f"<t:ExtendedProperty>{STAMP}<t:Value>T-1</t:Value></t:ExtendedProperty>"
    item, key = made(
        sandbox, f"<t:Subject>Report</t:Subject>{stamped}<t:Recurrence>{weekly('2026-11-23')}</t:Recurrence>"
    )
    state = ask(sandbox, sync(folder=TASKS)).text("//m:SyncState")
    answer = ask(sandbox, change(item, key, ("Status", "Completed")))
    assert answer.codes == ["NoError"]
    one_off = answer.all("//t:ItemId")[0].get("Id")
    assert one_off != item
    done, going_on = read(sandbox, one_off), read(sandbox, item)
    assert progress(done)[0] == "Completed"
    assert (done.text("//t:IsRecurring"), done.text("//t:DueDate")) == ("false", "2026-11-23T00:00:00Z")
    assert progress(going_on) == ("NotStarted", "0", None, "false")
    assert (going_on.text("//t:IsRecurring"), going_on.text("//t:DueDate")) == ("true", "2026-11-30T00:00:00Z")
    assert ask(sandbox, change(item, key, ("TotalWork", "5"))).codes == ["ErrorIrresolvableConflict"]
    changes = ask(sandbox, sync(state, folder=TASKS))
    assert [element.get("Id") for element in changes.all("//t:Create/t:Task/t:ItemId")] == [one_off]
    assert [element.get("Id") for element in changes.all("//t:Update/t:Task/t:ItemId")] == [item]


@pytest.mark.parametrize("updates", [(("DueDate", "2026-11-25T00:00:00Z"),), (("StartDate", "2026-11-24T00:00:00Z"),)])
def test_moving_an_occurrence_of_a_fixed_pattern_takes_it_out_of_the_series(
    sandbox: Sandbox, updates: tuple[tuple[str, str], ...]
) -> None:
    """Page UpdateItem operation (task)."""
    item, key = made(sandbox, f"<t:Recurrence>{weekly('2026-11-23')}</t:Recurrence>")
    answer = ask(sandbox, change(item, key, *updates))
    assert answer.all("//t:ItemId")[0].get("Id") != item
    assert read(sandbox, item).text("//t:DueDate") == "2026-11-30T00:00:00Z"


def test_completing_the_last_occurrence_answers_with_the_same_id(sandbox: Sandbox) -> None:
    """Page UpdateItem operation (task)."""
    item, key = made(sandbox, f"<t:Recurrence>{weekly('2026-11-23', numbered('2026-11-23', 1))}</t:Recurrence>")
    answer = ask(sandbox, change(item, key, ("Status", "Completed")))
    assert answer.all("//t:ItemId")[0].get("Id") == item
    assert progress(read(sandbox, item))[0] == "Completed"


@pytest.mark.parametrize(
    ("unit", "following"),
    [("Daily", "2026-12-02"), ("Weekly", "2026-12-14"), ("Monthly", "2027-02-28"), ("Yearly", "2028-11-30")],
)
def test_a_regenerating_task_counts_from_its_completion(
    sandbox: Sandbox, clock: Ticking, unit: str, following: str
) -> None:
    """Pages DailyRegeneration, WeeklyRegeneration, MonthlyRegeneration, YearlyRegeneration."""
    interval = 3 if unit == "Monthly" else 2
    pattern = f"<t:{unit}Regeneration><t:Interval>{interval}</t:Interval></t:{unit}Regeneration>"
    item, key = made(
        sandbox,
        f"<t:DueDate>2026-11-20T00:00:00Z</t:DueDate><t:Recurrence>{pattern}{numbered('2026-11-20', 2)}</t:Recurrence>",
    )
    clock.now = datetime(2026, 11, 30, 15, tzinfo=UTC)
    ask(sandbox, change(item, key, ("PercentComplete", "100")))
    after = read(sandbox, item)
    assert after.text("//t:DueDate") == f"{following}T00:00:00Z"
    assert after.text("//t:NumberOfOccurrences") == "1"
    assert sandbox.mailbox(ANN).complete(item) == item


@pytest.mark.parametrize(
    ("pattern", "days"),
    [
        (
            "<t:DailyRecurrence><t:Interval>3</t:Interval></t:DailyRecurrence>",
            ["2026-01-31", "2026-02-03", "2026-02-06"],
        ),
        (
            "<t:WeeklyRecurrence><t:Interval>2</t:Interval><t:DaysOfWeek>Monday Friday</t:DaysOfWeek>"
            "<t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence>",
            ["2026-02-09", "2026-02-13", "2026-02-23"],
        ),
        (
            "<t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>31</t:DayOfMonth>"
            "</t:AbsoluteMonthlyRecurrence>",
            ["2026-01-31", "2026-02-28", "2026-03-31"],
        ),
        (
            "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Weekday</t:DaysOfWeek>"
            "<t:DayOfWeekIndex>Last</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>",
            ["2026-02-27", "2026-03-31", "2026-04-30"],
        ),
        (
            "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>29</t:DayOfMonth><t:Month>February</t:Month>"
            "</t:AbsoluteYearlyRecurrence>",
            ["2026-02-28", "2027-02-28", "2028-02-29"],
        ),
        (
            "<t:RelativeYearlyRecurrence><t:DaysOfWeek>Thursday</t:DaysOfWeek><t:DayOfWeekIndex>Fourth</t:DayOfWeekIndex>"
            "<t:Month>November</t:Month></t:RelativeYearlyRecurrence>",
            ["2026-11-26", "2027-11-25", "2028-11-23"],
        ),
    ],
)
def test_every_fixed_pattern_brings_its_days(sandbox: Sandbox, pattern: str, days: list[str]) -> None:
    """Page Recurrence (TaskRecurrenceType)."""
    item, _ = made(sandbox, f"<t:Recurrence>{pattern}{numbered('2026-01-31', 3)}</t:Recurrence>")
    user, seen = sandbox.mailbox(ANN), []
    for _ in days[1:]:
        seen.append(str(user.item(item).text("DueDate"))[:10])
        user.skip(item)
    seen.append(str(user.item(item).text("DueDate"))[:10])
    assert seen == days
    assert ask(sandbox, delete(item, "SpecifiedOccurrenceOnly")).codes == ["ErrorCannotDeleteTaskOccurrence"]


# --- deleting


def test_deleting_the_outstanding_occurrence_generates_the_next_one(sandbox: Sandbox) -> None:
    """B-50; page DeleteItem (AffectedTaskOccurrences)."""
    item, _ = made(sandbox, f"<t:Recurrence>{weekly('2026-11-23')}</t:Recurrence>")
    assert ask(sandbox, delete(item, "SpecifiedOccurrenceOnly")).codes == ["NoError"]
    assert read(sandbox, item).text("//t:DueDate") == "2026-11-30T00:00:00Z"
    assert ask(sandbox, delete(item, "AllOccurrences")).codes == ["NoError"]
    assert read(sandbox, item).codes == ["ErrorItemNotFound"]


def test_a_single_task_has_no_occurrence_to_delete(sandbox: Sandbox) -> None:
    """Page Handling deletion-related errors in EWS in Exchange."""
    item, _ = made(sandbox, "<t:Subject>x</t:Subject>")
    assert ask(sandbox, delete(item, "SpecifiedOccurrenceOnly")).codes == ["ErrorCannotDeleteTaskOccurrence"]
    assert sandbox.mailbox(ANN).items("tasks")[0].id == item


def test_a_pattern_without_any_day_in_its_range_is_refused(sandbox: Sandbox) -> None:
    days = "<t:StartDate>2026-11-24</t:StartDate><t:EndDate>2026-11-25</t:EndDate>"
    ending = f"<t:EndDateRecurrence>{days}</t:EndDateRecurrence>"
    request = create(f"<t:Recurrence>{weekly('', ending)}</t:Recurrence>")
    assert ask(sandbox, request).codes == ["ErrorRecurrenceHasNoOccurrence"]


# --- as stock exchangelib and a user in Outlook see them


def test_exchangelib_completes_a_regenerating_task(account: exchangelib.Account, sandbox: Sandbox) -> None:
    task = Task(
        account=account,
        folder=account.tasks,
        subject="Oil",
        due_date=EWSDate(2026, 11, 20),
        recurrence=TaskRecurrence(pattern=DailyRegeneration(interval=5), start=EWSDate(2026, 11, 20)),
    ).save()
    series = task.id
    task.status, task.percent_complete = "Completed", Decimal(100)
    task.save(update_fields=["status", "percent_complete"])
    following = account.tasks.get(id=series)
    [done] = [found for found in account.tasks.all() if found.status == "Completed"]
    assert done.id != series
    assert (done.due_date, following.due_date) == (EWSDate(2026, 11, 20), EWSDate(2026, 11, 28))
    assert following.recurrence.pattern.interval == 5
    following.delete(affected_task_occurrences="SpecifiedOccurrenceOnly")
    assert account.tasks.get(id=series).due_date == EWSDate(2026, 11, 28)
    with pytest.raises(ErrorCannotDeleteTaskOccurrence):
        done.delete(affected_task_occurrences="SpecifiedOccurrenceOnly")


def test_exchangelib_meets_conflicts_of_tasks(account: exchangelib.Account, sandbox: Sandbox) -> None:
    task = Task(account=account, folder=account.tasks, subject="x", due_date=EWSDate(2026, 12, 3)).save()
    sandbox.mailbox(ANN).edit(task.id, DueDate=date(2026, 12, 4))
    task.due_date = EWSDate(2026, 12, 5)
    with pytest.raises(ErrorIrresolvableConflict):
        task.save(update_fields=["due_date"])
    assert account.tasks.get(id=task.id).due_date == EWSDate(2026, 12, 4)

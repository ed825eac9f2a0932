"""iCalendar into a mailbox: what RFC 5545 says becomes what EWS says, and what does not fit is refused by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from runner.sandbox.exchange import Sandbox
from runner.sandbox.icsload import IcsInvalid, LoadResult, load_ics
from tests.sandbox.raw import ask, get_item
from tests.sandbox.stock import ANN, BOB

CORPUS = Path(__file__).with_name("icalendar_corpus.txt")


def ics(*lines: str) -> bytes:
    """A calendar with one event."""
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//", "BEGIN:VEVENT", "DTSTAMP:20260101T000000Z"]
    return "\r\n".join([*head, *lines, "END:VEVENT", "END:VCALENDAR", ""]).encode()


def one(*lines: str) -> dict[str, object]:
    result = load_ics(ics(*lines))
    assert result.refused == []
    [item] = result.items
    return dict(item.properties)


def refused(*lines: str) -> str:
    result = load_ics(ics(*lines))
    assert result.items == []
    [(_, reason)] = result.refused
    return reason


def test_an_event_becomes_an_appointment() -> None:
    found = one(
        "UID:u1",
        "SUMMARY:Budget\\, part 2",
        "DESCRIPTION:line one\\nline two",
        "LOCATION:Room 1",
        "DTSTART;TZID=Europe/Vienna:20260701T100000",
        "DTEND;TZID=Europe/Vienna:20260701T113000",
        "CLASS:PRIVATE",
        "PRIORITY:1",
        "CATEGORIES:A,B",
        "CATEGORIES:C",
    )
    assert found["Subject"] == "Budget, part 2"
    assert found["Body"] == "line one\nline two"
    assert found["Location"] == "Room 1"
    assert found["Start"] == datetime(2026, 7, 1, 8, tzinfo=UTC)
    assert found["End"] == datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
    assert found["StartTimeZone"] == found["EndTimeZone"] == "W. Europe Standard Time"
    assert (found["Sensitivity"], found["Importance"], found["Categories"]) == ("Private", "High", ["A", "B", "C"])
    assert (found["UID"], found["LegacyFreeBusyStatus"]) == ("u1", "Busy")
    assert "IsAllDayEvent" not in found


@pytest.mark.parametrize(
    ("lines", "start", "end"),
    [
        (["DTSTART;VALUE=DATE:20260701"], "2026-07-01", "2026-07-02"),
        (["DTSTART;VALUE=DATE:20260701", "DTEND;VALUE=DATE:20260703"], "2026-07-01", "2026-07-03"),
        (["DTSTART;VALUE=DATE:20260701", "DURATION:P3D"], "2026-07-01", "2026-07-04"),
    ],
)
def test_dates_become_all_day_events(lines: list[str], start: str, end: str) -> None:
    found = one(*lines)
    assert found["IsAllDayEvent"] is True
    assert (found["Start"], found["End"]) == (
        datetime.fromisoformat(start + "T00:00:00Z"),
        datetime.fromisoformat(end + "T00:00:00Z"),
    )


def test_an_all_day_event_lies_in_the_zone_it_is_loaded_for() -> None:
    [item] = load_ics(ics("DTSTART;VALUE=DATE:20260701"), floating="W. Europe Standard Time").items
    assert item.properties["Start"] == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert item.properties["StartTimeZone"] == "W. Europe Standard Time"


def test_without_an_end_a_time_has_no_length_and_a_duration_gives_one() -> None:
    """RFC 5545, 3.6.1."""
    found = one("DTSTART:20260701T100000Z")
    assert found["Start"] == found["End"]
    assert one("DTSTART:20260701T100000Z", "DURATION:PT45M")["End"] == datetime(2026, 7, 1, 10, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["TRANSP:TRANSPARENT"], "Free"),
        (["TRANSP:OPAQUE"], "Busy"),
        (["STATUS:TENTATIVE"], "Tentative"),
        (["X-MICROSOFT-CDO-BUSYSTATUS:OOF"], "OOF"),
        (["TRANSP:TRANSPARENT", "X-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE"], "WorkingElsewhere"),
    ],
)
def test_transparency_becomes_free_busy(lines: list[str], status: str) -> None:
    assert one("DTSTART:20260701T100000Z", *lines)["LegacyFreeBusyStatus"] == status


@pytest.mark.parametrize(
    ("tzid", "windows"),
    [
        ("Europe/Vienna", "W. Europe Standard Time"),
        ("America/New_York", "Eastern Standard Time"),
        ("Eastern Standard Time", "Eastern Standard Time"),
        ("Asia/Calcutta", "India Standard Time"),
        ("Europe/Zurich", "W. Europe Standard Time"),
    ],
)
def test_zones_become_windows_zones(tzid: str, windows: str) -> None:
    assert one(f"DTSTART;TZID={tzid}:20260701T100000")["StartTimeZone"] == windows


def test_people_become_attendees_and_an_organizer() -> None:
    result = load_ics(
        ics(
            "DTSTART:20260701T100000Z",
            f"ORGANIZER;CN=Bob Ray:mailto:{BOB}",
            f'ATTENDEE;CN="Lee, Ann";PARTSTAT=ACCEPTED:MAILTO:{ANN}',
            "ATTENDEE;ROLE=OPT-PARTICIPANT:mailto:c@example.com",
            "ATTENDEE;CUTYPE=ROOM:mailto:room1@example.com",
            "ATTENDEE:urn:uuid:4f1c",
        )
    )
    [item] = result.items
    assert "Lee, Ann" in str(item.properties["RequiredAttendees"])
    assert "<t:ResponseType>Accept</t:ResponseType>" in str(item.properties["RequiredAttendees"])
    assert "c@example.com" in str(item.properties["OptionalAttendees"])
    assert "room1@example.com" in str(item.properties["Resources"])
    assert BOB in str(item.properties["Organizer"])
    assert item.notes == ("attendee urn:uuid:4f1c has no e-mail address",)


@pytest.mark.parametrize(
    ("day", "rule", "element"),
    [
        ("20260701", "FREQ=DAILY;INTERVAL=2;COUNT=5", "DailyRecurrence"),
        ("20260701", "FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20261231T000000Z", "WeeklyRecurrence"),
        ("20260703", "FREQ=MONTHLY;BYMONTHDAY=3", "AbsoluteMonthlyRecurrence"),
        ("20260731", "FREQ=MONTHLY;BYMONTHDAY=-1", "AbsoluteMonthlyRecurrence"),
        ("20260731", "FREQ=MONTHLY;BYDAY=-1FR", "RelativeMonthlyRecurrence"),
        ("20260701", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "RelativeMonthlyRecurrence"),
        ("20260701", "FREQ=YEARLY", "AbsoluteYearlyRecurrence"),
        ("20261126", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "RelativeYearlyRecurrence"),
    ],
)
def test_a_series_is_a_series(sandbox: Sandbox, day: str, rule: str, element: str) -> None:
    [item] = load_ics(ics(f"DTSTART:{day}T100000Z", f"RRULE:{rule}", f"EXDATE:{day}T100000Z")).items
    assert item.recurring
    stored = sandbox.mailbox(ANN).add(item.properties, deleted=item.deleted)
    answer = ask(sandbox, get_item(stored, shape="<t:BaseShape>AllProperties</t:BaseShape>"))
    assert answer.children("//t:Recurrence")[0] == element
    assert answer.text("//t:CalendarItemType") == "RecurringMaster"
    assert answer.text("//t:DeletedOccurrence/t:Start") == f"{day[:4]}-{day[4:6]}-{day[6:]}T10:00:00Z"


def vevent(*lines: str) -> list[str]:
    """One more event of a calendar."""
    return ["END:VEVENT", "BEGIN:VEVENT", "DTSTAMP:20260101T000000Z", *lines]


def test_a_changed_occurrence_is_an_exception_of_its_series_wherever_it_stands(sandbox: Sandbox) -> None:
    """RFC 5545, 3.8.4.4 and 3.8.5.1. The clocks change between the first and the second occurrence."""
    zone = "TZID=Europe/Vienna"
    changed = [f"RECURRENCE-ID;{zone}:20261027T100000", f"DTSTART;{zone}:20261027T140000", "SUMMARY:Moved", "UID:u1"]
    series = [
        "UID:u1",
        "SUMMARY:Standup",
        "LOCATION:Room 1",
        f"DTSTART;{zone}:20261020T100000",
        "RRULE:FREQ=WEEKLY;COUNT=4",
        f"EXDATE;{zone}:20261103T100000",
    ]
    for lines in ([*changed, *vevent(*series)], [*series, *vevent(*changed)]):
        [item] = load_ics(ics(*lines)).items
        stored = sandbox.mailbox(ANN).add(item.properties, exceptions=item.exceptions, deleted=item.deleted)
        shown = sandbox.mailbox(ANN).calendar(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
        assert [(view.text("Start"), view.text("Subject"), view.text("Location")) for view in shown] == [
            ("2026-10-20T08:00:00Z", "Standup", "Room 1"),
            ("2026-10-27T13:00:00Z", "Moved", None),
            ("2026-11-10T09:00:00Z", "Standup", "Room 1"),
        ]
        sandbox.mailbox(ANN).delete(stored)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["SUMMARY:x"], "has no DTSTART"),
        (["DTSTART:INVALID"], "broken DTSTART"),
        (["DTSTART:20260702T100000Z", "DTEND:20260701T100000Z"], "ends before it starts"),
        (["DTSTART:20260702T100000Z", "DTEND;VALUE=DATE:20260703"], "different kinds"),
        (["DTSTART;VALUE=DATE:20260701", "DURATION:P2000D"], "longer than five years"),
        (["DTSTART:10000101T000000Z"], "year 1000"),
        (["DTSTART;TZID=Atlantis/Sunken:20260701T100000"], "time zone Atlantis/Sunken is not known"),
        (["DTSTART:20260701T100000Z", "SUMMARY:" + "x" * 256], "SUMMARY has 256 characters"),
        (["DTSTART:20260701T100000Z", "RDATE:20260801T100000Z"], "RDATE"),
        (["DTSTART:20260701T100000Z", "RRULE:FREQ=HOURLY"], "FREQ=HOURLY"),
        (["DTSTART:20260701T100000Z", "RRULE:FREQ=MONTHLY;BYMONTHDAY=1,15"], "several days of a month"),
        (["DTSTART:20260701T100000Z", "RECURRENCE-ID:20260701T100000Z"], "a series that this file has not"),
        (["DTSTART:20260731T100000Z", "RRULE:FREQ=MONTHLY"], "day 31 of every month, left out"),
        (["DTSTART:20260730T100000Z", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-2"], "from the end of a month"),
        (["DTSTART:20260702T100000Z", "RRULE:FREQ=WEEKLY;BYDAY=WE"], "starts on a day which its own rule does not"),
    ],
)
def test_what_ews_cannot_carry_is_refused_with_the_reason(lines: list[str], reason: str) -> None:
    assert reason in refused(*lines)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["RECURRENCE-ID:20260702T100000Z", "DTSTART:20260702T110000Z"], "that the series does not have"),
        (["RECURRENCE-ID:20260708T110000Z", "DTSTART:20260708T110000Z"], "that the series does not have"),
        (["RECURRENCE-ID;RANGE=THISANDFUTURE:20260708T100000Z", "DTSTART:20260708T110000Z"], "THISANDFUTURE"),
        (["RECURRENCE-ID:20260708T100000Z", "DTSTART:20260715T080000Z"], "to or past the day of the one"),
        (["RECURRENCE-ID:20260708T100000Z", "DTSTART:20260701T230000Z"], "to or past the day of the one"),
    ],
)
def test_an_exception_that_ews_cannot_carry_is_refused_and_its_series_stays(lines: list[str], reason: str) -> None:
    """ErrorOccurrenceCrossingBoundary, among others."""
    series = ["UID:u1", "DTSTART:20260701T100000Z", "RRULE:FREQ=WEEKLY;BYDAY=WE"]
    result = load_ics(ics(*series, *vevent("UID:u1", *lines)))
    assert [(item.uid, item.exceptions) for item in result.items] == [("u1", {})]
    assert [(uid, reason in why) for uid, why in result.refused] == [("u1", True)]


def test_a_second_event_with_the_same_uid_is_refused() -> None:
    data = ics("UID:u1", "DTSTART:20260701T100000Z")
    result = load_ics(data + data)
    assert len(result.items) == 1
    assert result.refused == [("u1", "its UID occurs before in this file")]


def test_a_file_that_is_not_icalendar_is_named_so() -> None:
    with pytest.raises(IcsInvalid, match="not iCalendar"):
        load_ics(b"PK\x03\x04 not a calendar")


def _verdicts() -> tuple[list[str], list[LoadResult]]:
    home = Path(str(files("icalendar")))
    lines, results = [], []
    for file in sorted(home.rglob("*.ics"), key=lambda path: path.relative_to(home).as_posix()):
        name = file.relative_to(home).as_posix()
        try:
            result = load_ics(file.read_bytes())
        except IcsInvalid as error:
            lines.append(f"{name}: INVALID {error}")
            continue
        results.append(result)
        single = sum(not item.recurring for item in result.items)
        if result.items:
            lines.append(f"{name}: {single} single, {len(result.items) - single} series")
        lines.extend(f"{name}: REFUSED {uid}: {reason}" for uid, reason in result.refused)
    return [re.sub(r"\s+", " ", line)[:160].rstrip() for line in lines], results


def test_the_sample_calendars_of_the_icalendar_package_are_carried_or_refused_as_written_down(sandbox: Sandbox) -> None:
    """Outlook, Google, Apple and RFC samples. The checked-in list says what becomes of each and why not."""
    lines, results = _verdicts()
    assert lines == CORPUS.read_text(encoding="utf-8").splitlines()
    items = [item for result in results for item in result.items]
    assert sum(not item.recurring for item in items) >= 60
    user = sandbox.mailbox(ANN)
    ids = [user.add(item.properties, exceptions=item.exceptions, deleted=item.deleted) for item in items]
    for at in range(0, len(ids), 20):
        answer = ask(sandbox, get_item(*ids[at : at + 20], shape="<t:BaseShape>AllProperties</t:BaseShape>"))
        assert set(answer.codes) == {"NoError"}

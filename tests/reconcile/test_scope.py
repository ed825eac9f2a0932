"""The window (B-47, B-46): what takes part now, and from when on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.record import Fields
from runner.reconcile.scope import Scope, enters_at, in_window

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def meeting(start: str, duration: str | None = "PT1H", zone: str | None = "Etc/UTC") -> Fields:
    return {"start": start, "duration": duration, "time_zone": zone, "show_without_time": False}


def whole_days(start: str, duration: str = "P1D") -> Fields:
    return {"start": f"{start}T00:00:00", "duration": duration, "time_zone": None, "show_without_time": True}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (meeting("2026-03-29T12:00:00"), Scope.INSIDE),
        (meeting("2026-03-28T11:00:00"), Scope.PAST),  # ends exactly where the window begins
        (meeting("2026-03-28T11:00:00", "PT1H1S"), Scope.INSIDE),
        (meeting("2026-03-28T12:00:00", None), Scope.INSIDE),  # an instant on the edge
        (meeting("2026-03-28T11:59:59", None), Scope.PAST),
        (meeting("2026-03-30T12:00:00"), Scope.INSIDE),  # begins exactly where the window ends
        (meeting("2026-03-30T12:00:01"), Scope.FUTURE),
        (meeting("2026-01-01T00:00:00", "PT8760H"), Scope.INSIDE),  # begins before, ends after
        (meeting("2026-03-30T14:30:00", zone="Asia/Tokyo"), Scope.INSIDE),  # 05:30 UTC
        ({"title": "no start"}, Scope.INSIDE),
    ],
)
def test_an_item_takes_part_when_it_overlaps_the_window(record: Fields, expected: Scope) -> None:
    assert in_window(record, DAY, DAY, NOW) is expected


def weekly(end: str = "", start: str = "2020-03-01T10:00:00") -> Fields:
    return {**meeting(start), "recurrence_rule": f"FREQ=WEEKLY{end};BYDAY=SU"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (weekly(), Scope.INSIDE),  # begun six years ago, and going on
        (weekly(";UNTIL=20260329"), Scope.INSIDE),
        (weekly(";UNTIL=20260322"), Scope.PAST),
        (weekly(";COUNT=318"), Scope.INSIDE),  # the 318th Sunday is 29 March 2026
        (weekly(";COUNT=317"), Scope.PAST),
        (weekly(";COUNT=1000000"), Scope.INSIDE),
        (weekly(start="2026-04-05T10:00:00"), Scope.FUTURE),
        ({**whole_days("2020-03-01"), "recurrence_rule": "FREQ=DAILY;UNTIL=20260328"}, Scope.PAST),
        ({**whole_days("2020-03-01"), "recurrence_rule": "FREQ=DAILY;UNTIL=20260329"}, Scope.INSIDE),
    ],
)
def test_a_series_takes_part_while_any_of_its_occurrences_can(record: Fields, expected: Scope) -> None:
    """B-47: its range counts, not its first occurrence."""
    assert in_window(record, DAY / 2, DAY, NOW) is expected


@pytest.mark.parametrize("record", [meeting("1970-01-01T00:00:00"), meeting("2999-01-01T00:00:00")])
def test_an_open_end_lets_everything_in(record: Fields) -> None:
    assert in_window(record, None, None, NOW) is Scope.INSIDE


def test_whole_days_are_read_in_the_zone_of_the_link() -> None:
    """All-day 28 March ends at midnight: in Vienna at 23:00 UTC, in Honolulu at 10:00 UTC of the 29th."""
    past = timedelta(hours=3)
    assert in_window(whole_days("2026-03-28"), past, None, NOW, "Europe/Vienna") is Scope.PAST
    assert in_window(whole_days("2026-03-28"), past, None, NOW, "Pacific/Honolulu") is Scope.INSIDE


def test_a_day_of_23_hours_ends_at_midnight() -> None:
    """Vienna leaps forward on 29 March 2026: that day ends at 22:00 UTC."""
    late = datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert in_window(whole_days("2026-03-29"), timedelta(), None, late, "Europe/Vienna") is Scope.PAST
    assert (
        in_window(whole_days("2026-03-29"), timedelta(), None, late - timedelta(seconds=1), "Europe/Vienna")
        is Scope.INSIDE
    )


def test_times_without_a_zone_are_read_in_the_zone_of_the_link() -> None:
    floating = meeting("2026-03-29T13:30:00", zone=None)
    assert in_window(floating, timedelta(), None, NOW, "Etc/UTC") is Scope.INSIDE
    assert in_window(floating, timedelta(), None, NOW, "Asia/Tokyo") is Scope.PAST


def test_a_damaged_value_is_an_error_and_no_guess() -> None:
    with pytest.raises(ValueError, match="Mars"):
        in_window(meeting("2026-03-29T12:00:00", zone="Mars/Olympus"), DAY, DAY, NOW)


starts = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda d: d.replace(microsecond=0).isoformat())  # noqa: DTZ001
zones = st.sampled_from(["Etc/UTC", "Europe/Vienna", "America/St_Johns", "Pacific/Kiritimati", "Australia/Lord_Howe"])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(starts, zones, st.booleans(), st.integers(0, 400), zones)
def test_an_item_ahead_comes_in_at_the_instant_foretold(
    start: str, zone: str, all_day: bool, days: int, link: str
) -> None:
    record = whole_days(start[:10]) if all_day else meeting(start, zone=zone)
    future = timedelta(days=days)
    due = enters_at(record, future, link)
    assert due is not None
    assert in_window(record, None, future, due, link) is Scope.INSIDE
    assert in_window(record, None, future, due - timedelta(seconds=1), link) is Scope.FUTURE


def test_what_has_no_start_enters_never() -> None:
    assert enters_at({"title": "a"}, DAY) is None


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"start": None, "due": "2020-01-01", "status": "in_progress"}, Scope.INSIDE),
        ({"start": None, "due": None, "status": "not_started"}, Scope.INSIDE),
        ({"start": "2026-05-01", "due": "2026-05-02", "status": "not_started"}, Scope.FUTURE),
        ({"start": None, "due": "2026-03-01", "status": "completed"}, Scope.PAST),
        ({"start": None, "due": "2026-03-01", "completed": "2026-03-28", "status": "completed"}, Scope.INSIDE),
        ({"start": "2026-03-01", "due": "2026-04-01", "status": "completed"}, Scope.INSIDE),
    ],
)
def test_an_open_task_is_never_past_and_a_completed_one_by_its_last_day(record: Fields, expected: Scope) -> None:
    """B-47, B-50: nobody is done with what is overdue."""
    assert in_window(record, 7 * DAY, 30 * DAY, NOW, "Europe/Vienna") is expected

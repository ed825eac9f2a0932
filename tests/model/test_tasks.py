"""What the fields of a task say about each other (B-50)."""

from __future__ import annotations

from datetime import date

import pytest

from runner.model.record import Value
from runner.model.recurrence import Inexpressible, parse_regenerating
from runner.model.tasks import left_of, progress_of, settle_task


@pytest.mark.parametrize(
    ("record", "settled"),
    [
        ({"start": "2026-12-08", "due": "2026-12-04"}, {"start": "2026-12-08", "due": "2026-12-08"}),
        ({"start": "2026-12-08", "due": None}, {"start": "2026-12-08", "due": "2026-12-08"}),
        ({"start": None, "due": "2026-12-04"}, {"start": None, "due": "2026-12-04"}),
        ({"start": "2026-12-08"}, {"start": "2026-12-08"}),
        ({"status": None, "percent_complete": None}, {"status": "not_started", "percent_complete": 0}),
        ({"status": None, "percent_complete": 100}, {"status": "completed", "percent_complete": 100}),
        ({"status": None, "percent_complete": 20}, {"status": "in_progress", "percent_complete": 20}),
        ({"status": "completed", "percent_complete": None}, {"status": "completed", "percent_complete": 100}),
        ({"status": "not_started", "percent_complete": 100}, {"status": "not_started", "percent_complete": 0}),
        ({"status": "deferred", "percent_complete": 20}, {"status": "deferred", "percent_complete": 20}),
        ({"status": "completed"}, {"status": "completed"}),
        ({"percent_complete": 20}, {"percent_complete": 20}),
        (
            {"due": "2026-12-01", "recurrence_rule": "RRULE:FREQ=MONTHLY;COUNT=3", "regenerates": None},
            {"due": "2026-12-01", "recurrence_rule": "FREQ=MONTHLY;COUNT=3;BYMONTHDAY=1", "regenerates": False},
        ),
        ({"recurrence_rule": None, "regenerates": True}, {"recurrence_rule": None, "regenerates": False}),
    ],
)
def test_equal_tasks_have_equal_records(record: dict[str, Value], settled: dict[str, Value]) -> None:
    settle_task(record)
    assert record == settled
    settle_task(record)
    assert record == settled


@pytest.mark.parametrize(
    "record",
    [
        {"status": "in_progress", "percent_complete": 100},
        {"status": "in_progress", "percent_complete": 101},
        {"recurrence_rule": "FREQ=DAILY"},
        {"due": "2026-12-02", "recurrence_rule": "FREQ=WEEKLY;BYDAY=TU"},
        {"due": "2026-12-02", "recurrence_rule": "FREQ=WEEKLY;BYDAY=TU", "regenerates": True},
        {"due": "2026-12-02", "recurrence_rule": "FREQ=HOURLY", "regenerates": True},
    ],
)
def test_contradictions_are_refused_and_never_guessed(record: dict[str, Value]) -> None:
    with pytest.raises(ValueError):
        settle_task(record)


def test_only_what_is_completed_has_100_percent() -> None:
    assert [progress_of(percent, "in_progress") for percent in (-1, 0, 0.4, 28.9999, 99.6, 100)] == [
        0,
        0,
        0,
        29,
        99,
        99,
    ]


def test_a_rule_counts_from_the_outstanding_occurrence() -> None:
    rule = "FREQ=WEEKLY;COUNT=4;BYDAY=TU"
    starts = date(2026, 12, 1)
    assert [left_of(rule, starts, date(2026, 12, day)) for day in (1, 8, 15, 22, 29)] == [4, 3, 2, 1, 1]


def test_a_regenerating_rule_says_how_often_and_until_when() -> None:
    assert parse_regenerating("FREQ=YEARLY;INTERVAL=2;UNTIL=20301231").text() == "FREQ=YEARLY;INTERVAL=2;UNTIL=20301231"
    with pytest.raises(Inexpressible):
        parse_regenerating("FREQ=MONTHLY;BYMONTHDAY=3")
    with pytest.raises(ValueError):
        parse_regenerating("FREQ=DAILY;COUNT=2;UNTIL=20301231")

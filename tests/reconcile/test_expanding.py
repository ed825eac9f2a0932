"""Expanding snapshots (B-71): windows around windows, and the hours in which they may grow."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from runner.reconcile.expanding import Expansion
from runner.reconcile.hours import Hours

DAY = timedelta(days=1)


def test_windows_grow_outward_to_the_links_own_and_the_last_step_is_it() -> None:
    plan = Expansion(7 * DAY, 30 * DAY, times_past=2, times_future=3, steps=4)
    own = 90 * DAY, None
    reached = [plan.reach(step, *own) for step in (1, 2, 3, 4)]
    assert reached == [(7 * DAY, 30 * DAY), (14 * DAY, 90 * DAY), (28 * DAY, 270 * DAY), own]
    assert [plan.after(step, *own) for step in (1, 2, 3, 4)] == [2, 3, 4, 0]


def test_a_window_that_is_reached_early_ends_the_growth() -> None:
    plan = Expansion(20 * DAY, 20 * DAY, steps=20)
    assert plan.reach(2, 30 * DAY, 40 * DAY) == (30 * DAY, 40 * DAY)
    assert plan.after(2, 30 * DAY, 40 * DAY) == 0


def test_an_unbounded_window_is_reached_in_the_last_step_however_large_the_others_are() -> None:
    plan = Expansion(9000 * DAY, 9000 * DAY, times_past=100, times_future=100, steps=20)
    assert plan.reach(19, None, None) != (None, None)
    assert plan.reach(20, None, None) == (None, None)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-27T21:00", "2026-11-27T21:00"),  # a Friday evening in Vienna, an hour ahead of UTC
        ("2026-11-27T12:00", "2026-11-27T19:00"),
        ("2026-11-28T04:59", "2026-11-28T04:59"),  # Saturday before six: still Friday's hours
        ("2026-11-28T05:00", "2026-11-30T19:00"),  # over the weekend there are none
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(at: str, opens: str) -> None:
    hours = Hours(frozenset({0, 1, 2, 3, 4}), time(20), time(6), "Europe/Vienna")
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (at, opens)]
    assert hours.opens(moments[0]) == moments[1]


def test_hours_follow_the_clock_change() -> None:
    """B-46: on the day of the spring change 02:30 does not exist; the hours begin when the clock has jumped."""
    hours = Hours(begin=time(2, 30), end=time(4), zone="Europe/Vienna")
    assert hours.opens(datetime(2026, 3, 29, 0, 0, tzinfo=UTC)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_whole_days_on_some_days_only() -> None:
    hours = Hours(frozenset({6}))
    friday = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    assert hours.opens(friday) == datetime(2026, 11, 29, 0, 0, tzinfo=UTC)

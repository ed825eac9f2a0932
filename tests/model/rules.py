"""Hypothesis strategies of recurrence rules, every family with and without an end."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from runner.model.recurrence import DAYS

positions = st.sampled_from((1, 2, 3, 4, -1))
intervals = st.integers(1, 4)
weekday_sets = st.one_of(
    st.sampled_from(DAYS).map(lambda day: (day,)), st.just(DAYS[:5]), st.just(DAYS[5:]), st.just(DAYS)
)
ends = st.one_of(
    st.just(""),
    st.integers(1, 30).map(lambda n: f";COUNT={n}"),
    st.dates(date(2026, 3, 5), date(2029, 1, 1)).map(lambda day: f";UNTIL={day:%Y%m%d}"),
)


def by_position(days: tuple[str, ...], position: int) -> str:
    return f"BYDAY={','.join(days)};BYSETPOS={position}"


bodies = st.one_of(
    intervals.map(lambda n: f"FREQ=DAILY;INTERVAL={n}"),
    st.builds(
        lambda n, days, wkst: f"FREQ=WEEKLY;INTERVAL={n};BYDAY={','.join(days)};WKST={wkst}",
        intervals,
        st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True),
        st.sampled_from(DAYS),
    ),
    st.builds(
        lambda n, day: f"FREQ=MONTHLY;INTERVAL={n};BYMONTHDAY={day}", intervals, st.integers(1, 28) | st.just(-1)
    ),
    st.builds(
        lambda n, last: f"FREQ=MONTHLY;INTERVAL={n};BYMONTHDAY={','.join(map(str, range(28, last + 1)))};BYSETPOS=-1",
        intervals,
        st.integers(28, 31),
    ),
    st.builds(
        lambda n, days, position: f"FREQ=MONTHLY;INTERVAL={n};{by_position(days, position)}",
        intervals,
        weekday_sets,
        positions,
    ),
    st.builds(
        lambda month, day: f"FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={day}", st.integers(1, 12), st.integers(1, 28)
    ),
    st.builds(
        lambda month, days, position: f"FREQ=YEARLY;BYMONTH={month};{by_position(days, position)}",
        st.integers(1, 12),
        weekday_sets,
        positions,
    ),
)

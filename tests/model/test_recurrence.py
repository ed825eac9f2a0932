"""Recurrence rules in canonical form (B-36), held against dateutil's own reading of RFC 5545."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runner.model.recurrence import Inexpressible, Rule, days_of, occurs_on, on_month_day, parse_rule
from tests.model.rules import bodies, ends

START = "2026-03-05T09:00:00"  # a Thursday

starts = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)).map(lambda m: m.replace(microsecond=0).isoformat())  # noqa: DTZ001


@settings(max_examples=600, deadline=None)
@given(bodies, ends, starts)
def test_the_canonical_form_has_the_same_occurrences_and_is_its_own_canonical_form(
    body: str, end: str, start: str
) -> None:
    first = rrulestr(body, dtstart=datetime.fromisoformat(start))[0]
    start = first.isoformat()  # a series starts with its first occurrence
    rule = parse_rule(body + end, start)
    text = rule.text()
    assert parse_rule(text, start) == rule
    own = [moment.date() for moment in islice(rrulestr(body + end, dtstart=datetime.fromisoformat(start[:10])), 40)]
    assert list(islice(days_of(text, start), 40)) == own


@given(st.integers(1, 31), st.one_of(st.none(), st.integers(1, 12)), starts)
def test_exchanges_day_of_the_month_is_the_last_day_of_shorter_months(day: int, month: int | None, start: str) -> None:
    """Outlook: "for months with fewer days, the occurrence falls on the last day of the month"."""
    longest = {None: 31, 2: 29, 4: 30, 6: 30, 9: 30, 11: 30}.get(month, 31)
    assume(day <= longest)
    rule = Rule("YEARLY" if month else "MONTHLY", month_day=on_month_day(day, month), month=month).text()
    for found in islice(days_of(rule, start), 14):
        length = ((found.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
        assert found.day == min(day, length)
        assert month in (None, found.month)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=TH"),
        ("RRULE:freq=daily;interval=1", "FREQ=DAILY"),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTHDAY=5"),
        ("FREQ=MONTHLY;BYDAY=+1TH", "FREQ=MONTHLY;BYDAY=1TH"),
        ("FREQ=YEARLY;INTERVAL=2", "FREQ=MONTHLY;INTERVAL=24;BYMONTHDAY=5"),
        ("FREQ=DAILY;UNTIL=20260401T090000", "FREQ=DAILY;UNTIL=20260401"),
        ("FREQ=DAILY;UNTIL=20260401T085959", "FREQ=DAILY;UNTIL=20260331"),
        ("FREQ=WEEKLY;BYDAY=TH;WKST=SU", "FREQ=WEEKLY;BYDAY=TH"),
    ],
)
def test_what_rfc_5545_takes_from_the_start_is_said(text: str, canonical: str) -> None:
    assert parse_rule(text, START).text() == canonical


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=9,15",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTHDAY=1,15",
        "FREQ=MONTHLY;BYDAY=MO",
        "FREQ=MONTHLY;BYDAY=5MO",
        "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1",
        "FREQ=YEARLY;BYMONTH=1,7",
        "FREQ=YEARLY;BYWEEKNO=20",
        "FREQ=YEARLY;BYYEARDAY=100",
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=7",
        "FREQ=DAILY;INTERVAL=2;BYDAY=MO",
        "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",
    ],
)
def test_b36_what_exchange_cannot_express_is_refused_and_never_flattened(text: str) -> None:
    with pytest.raises(Inexpressible, match="Exchange"):
        parse_rule(text, START)


@pytest.mark.parametrize(
    "text",
    ["", "WEEKLY", "FREQ=WEEKLY;FREQ=DAILY", "FREQ=DAILY;COUNT=0", "FREQ=DAILY;COUNT=x", "FREQ=WEEKLY;BYDAY=XX",
     "FREQ=DAILY;COUNT=2;UNTIL=20270101", "FREQ=DAILY;UNTIL=tomorrow", "FREQ=DAILY;X-MINE=1", "INTERVAL=2",
     "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;WKST=XX", "FREQ=WEEKLY;BYDAY=2MO"],
)  # fmt: skip
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"recurrence rule|positions"):
        parse_rule(text, START)


def test_membership_is_asked_by_recurrence_id() -> None:
    assert occurs_on("FREQ=WEEKLY;BYDAY=TH", START, frozenset({"2026-03-12", "2026-03-13", "2026-02-26"})) == {
        "2026-03-12"
    }

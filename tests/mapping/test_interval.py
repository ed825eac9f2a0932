"""The interval codec: instants and a zone ↔ local start, zone and length, whole days as dates (B-46, D10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.model.errors import Invalid
from runner.model.moments import UTC_ZONE, instant_of
from runner.model.record import Fields
from tests.mapping.yamls import CRM, CrmFieldType, FieldType, entries, findings, one

FULL = "- {codec: interval, crm: {start: starts_at, end: ends_at, zone: time_zone, all_day: all_day}}\n"
MAPPING = entries(FULL)
ZONES = ["Europe/Vienna", "America/St_Johns", "Pacific/Kiritimati", "Australia/Lord_Howe", "Pacific/Apia", "Etc/UTC"]

instants = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


def crm(
    start: str | None, end: str | None, zone: str | None = "Europe/Vienna", *, all_day: bool | None = False
) -> Fields:
    return {"starts_at": start, "ends_at": end, "time_zone": zone, "all_day": all_day}


def record(
    start: str | None, duration: str | None, zone: str | None = "Europe/Vienna", *, days: bool = False
) -> Fields:
    return {"start": start, "time_zone": zone, "duration": duration, "show_without_time": days}


@given(instants, st.timedeltas(timedelta(0), timedelta(days=400)), st.sampled_from(ZONES))
@example(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), timedelta(hours=2), "Europe/Vienna")
@example(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), timedelta(0), "Europe/Vienna")
@example(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), timedelta(days=1), "Europe/Vienna")
def test_no_timed_item_moves_by_a_round_trip(start: datetime, length: timedelta, zone: str) -> None:
    """The zone too survives, but in the ambiguous hour of an autumn night, which is carried in UTC."""
    there = crm(instant_of(start), instant_of(start + timedelta(seconds=int(length.total_seconds()))), zone)
    back = dict(MAPPING.inbound(MAPPING.outbound(there)))
    assert back.pop("time_zone") in (zone, UTC_ZONE)
    assert back == {name: value for name, value in there.items() if name != "time_zone"}
    again = MAPPING.outbound(MAPPING.inbound(MAPPING.outbound(there)))
    assert again == MAPPING.outbound(there)


@given(st.dates(min_value=datetime(1970, 1, 1).date(), max_value=datetime(2100, 1, 1).date()), st.integers(1, 400))  # noqa: DTZ001
def test_whole_days_are_dates_and_never_shift(day: object, days: int) -> None:
    there = record(f"{day}T00:00:00", f"P{days}D", None, days=True)
    back = MAPPING.inbound(there)
    assert back["starts_at"] == f"{day}T00:00:00Z"
    assert back["time_zone"] is None
    assert MAPPING.outbound(back) == there


def test_the_night_of_the_spring_change_is_an_hour_short() -> None:
    there = crm("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")
    assert MAPPING.outbound(there) == record("2026-03-29T00:00:00", "PT23H")


def test_the_second_hour_of_an_autumn_night_is_carried_in_utc() -> None:
    there = crm("2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z")
    assert MAPPING.outbound(there) == record("2026-10-25T01:30:00", "PT1H", UTC_ZONE)


def test_a_local_time_in_the_spring_gap_goes_on_by_the_jump() -> None:
    assert MAPPING.inbound(record("2026-03-29T02:30:00", "PT1H"))["starts_at"] == "2026-03-29T01:30:00Z"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (crm("2026-03-29T09:00:00Z", "2026-03-29T08:59:59Z"), "the end lies before the start"),
        (crm(None, "2026-03-29T09:00:00Z"), "the start is empty"),
        (crm("2026-03-29T09:00:00Z", None), "the end is empty"),
        (crm("gestern", "2026-03-29T09:00:00Z"), "the start is not an instant"),
        (crm("2026-03-29T09:00:00", "2026-03-29T09:00:00Z"), "the start is not an instant"),
        (crm("2026-03-29T09:00:00Z", "2026-03-29T09:00:00Z", "Europe/Wien"), "unknown time zone 'Europe/Wien'"),
        (crm("2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z", all_day=True), "must be midnight in UTC"),
        (crm("2026-03-29T00:00:00Z", "2026-03-29T00:00:00Z", all_day=True), "must end on a later day"),
        (crm("0001-01-01T00:00:00Z", "0001-01-01T01:00:00Z", "America/New_York"), "a date out of range"),
    ],
)
def test_nonsense_in_the_crm_sets_the_item_aside(values: Fields, reason: str) -> None:
    with pytest.raises(Invalid, match=f"m.yaml:6:3: interval: .*{reason}"):
        MAPPING.outbound(values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (record(None, "PT1H"), "the start is empty"),
        (record("2026-03-29T10:00:00", None), "the duration is empty"),
        (record("2026-03-29T10:00:00", "-PT1H"), "the duration is negative"),
        (record("2026-03-29T10:00:00", "PT1H", None), "the time zone is empty"),
        (record("2026-03-29T10:00:00", "PT1H", "Mars/Olympus"), "unknown time zone"),
        (record("2026-03-29T10:00:00", "P1D", None, days=True), "must start at midnight"),
        (record("2026-03-29T00:00:00", "PT26H", None, days=True), "must start at midnight and last whole days"),
        (record("2026-03-29T00:00:00", "P0D", None, days=True), "last whole days"),
        (record("9999-12-31T23:00:00", "PT2H"), "a date out of range"),
    ],
)
def test_nonsense_from_the_target_sets_the_item_aside(values: Fields, reason: str) -> None:
    with pytest.raises(Invalid, match=f"m.yaml:6:3: interval: .*{reason}"):
        MAPPING.inbound(values)


def test_an_item_without_a_zone_gets_the_declared_one() -> None:
    mapping = entries(FULL.replace("interval,", "interval, default_zone: Europe/Vienna,"))
    there = crm("2026-07-01T08:00:00Z", "2026-07-01T09:00:00Z", None)
    assert mapping.outbound(there) == record("2026-07-01T10:00:00", "PT1H")
    assert MAPPING.outbound(there) == record("2026-07-01T08:00:00", "PT1H", UTC_ZONE)


def test_a_zone_column_that_must_not_be_empty_holds_the_default_on_whole_days() -> None:
    mapping = entries(FULL, {**CRM, "time_zone": CrmFieldType(FieldType.ZONE, nullable=False)})
    assert mapping.inbound(record("2026-07-01T00:00:00", "P1D", None, days=True))["time_zone"] == UTC_ZONE


def test_without_an_all_day_column_whole_days_are_set_aside_rather_than_made_hours() -> None:
    mapping = entries("- {codec: interval, crm: {start: starts_at, end: ends_at, zone: time_zone}}")
    with pytest.raises(Invalid, match="needs the codec's slot 'all_day'"):
        mapping.inbound(record("2026-07-01T00:00:00", "P1D", None, days=True))


def test_without_a_zone_column_the_codec_runs_one_way_only() -> None:
    found = one("- {codec: interval, crm: {start: starts_at, end: ends_at}}")
    assert (found.code, found.span.line, found.span.column) == ("missing-slot", 6, 26)
    assert found.hint == "add `zone: <CRM field of type zone>`, or give the entry one direction"
    inbound = entries("- {codec: interval, crm: {start: starts_at, end: ends_at}, direction: inbound}")
    assert inbound.inbound(record("2026-07-01T10:00:00", "PT1H")) == {
        "starts_at": "2026-07-01T08:00:00Z",
        "ends_at": "2026-07-01T09:00:00Z",
    }


def test_an_inbound_interval_presents_nonsense_in_the_crm_as_empty() -> None:
    """What is never sent must not set the item aside: the target's value is about to replace it."""
    mapping = entries(FULL.replace("}}", "}, direction: inbound}"))
    assert set(mapping.outbound(crm("2026-03-29T09:00:00Z", None)).values()) == {None}


def test_slots_are_checked_by_name_and_type() -> None:
    text = "- {codec: interval, crm: {begin: starts_at, start: starts_at, end: subject, zone: time_zon}}"
    assert findings(text) == ["6:34 unknown-slot", "6:68 type-mismatch", "6:83 unknown-field"]


def test_an_unknown_default_zone_is_refused() -> None:
    assert findings(FULL.replace("interval,", "interval, default_zone: Europe/Wien,")) == ["6:35 bad-value"]

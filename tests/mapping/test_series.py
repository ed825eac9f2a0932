"""Series through a mapping: the rule with its start, occurrences as patches (B-36, B-46)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.errors import Invalid
from runner.model.overrides import LEFT_OUT, canonical_overrides
from runner.model.record import Fields, FieldType, Value
from tests.mapping.yamls import CRM, CrmFieldType, entries, findings

INNER = frozenset({"subject", "notes", "place", "starts_at", "ends_at", "priority", "categories"})
SERIES_CRM = {
    **CRM,
    "rrule": CrmFieldType(FieldType.RECURRENCE),
    "occurrences": CrmFieldType(FieldType.OVERRIDES, inner=INNER),
}
WHEN = "- {codec: interval, crm: {start: starts_at, end: ends_at, zone: time_zone, all_day: all_day, rule: rrule}}\n"
OCCURRENCES = "- {crm: occurrences, record: recurrence_overrides}\n"
REST = """\
- {crm: subject, record: title}
- {crm: place, record: location}
- crm: priority
  record: priority
  values: {A: 1, B: 5, C: 9}
- {crm: categories, record: keywords}
"""


MAPPING = entries(WHEN + OCCURRENCES + REST, SERIES_CRM)
DAYS = ("2026-03-26", "2026-04-02", "2026-04-09")  # the clocks change on 29 March


def crm(patches: Mapping[str, Fields] | None = None, **more: Value) -> dict[str, Value]:
    return {
        "subject": "Jour fixe",
        "place": "Room 1",
        "starts_at": "2026-03-05T08:00:00Z",
        "ends_at": "2026-03-05T09:00:00Z",
        "time_zone": "Europe/Vienna",
        "all_day": False,
        "rrule": "FREQ=WEEKLY",
        "occurrences": patches,
        "priority": "B",
        "categories": None,
        **more,
    }


def test_b36_rule_and_start_are_one_fact() -> None:
    (unit,) = (unit for unit in MAPPING.units if unit.name == "interval")
    assert unit.fields == ("start", "time_zone", "duration", "show_without_time", "recurrence_rule")
    record = MAPPING.outbound(crm())
    assert (record["recurrence_rule"], record["start"]) == ("FREQ=WEEKLY;BYDAY=TH", "2026-03-05T09:00:00")
    assert record["recurrence_overrides"] is None
    assert MAPPING.outbound(crm(rrule=None))["recurrence_rule"] is None


def test_b46_an_occurrence_behind_a_clock_change_keeps_its_local_time() -> None:
    record = MAPPING.outbound(crm({DAYS[1]: {"subject": "Own"}}))
    assert record["recurrence_overrides"] == {DAYS[1]: {"title": "Own"}}


def test_a_moved_occurrence_is_a_patch_of_its_start_alone() -> None:
    moved = {"starts_at": "2026-04-02T12:00:00Z", "ends_at": "2026-04-02T13:00:00Z"}
    record = MAPPING.outbound(crm({DAYS[1]: moved}))
    assert record["recurrence_overrides"] == {DAYS[1]: {"start": "2026-04-02T14:00:00"}}
    assert MAPPING.inbound(record)["occurrences"] == {DAYS[1]: moved}


def test_a_longer_occurrence_is_held_with_both_of_its_moments() -> None:
    """So that the row keeps its meaning when somebody moves the series."""
    record = {**MAPPING.outbound(crm()), "recurrence_overrides": {DAYS[0]: {"duration": "PT2H"}}}
    assert MAPPING.inbound(record)["occurrences"] == {
        DAYS[0]: {"starts_at": "2026-03-26T08:00:00Z", "ends_at": "2026-03-26T10:00:00Z"}
    }


def test_a_deleted_occurrence_and_an_explicitly_empty_field() -> None:
    patches: dict[str, Fields] = {DAYS[0]: LEFT_OUT, DAYS[1]: {"place": ""}}
    record = MAPPING.outbound(crm(patches))
    assert record["recurrence_overrides"] == {DAYS[0]: LEFT_OUT, DAYS[1]: {"location": None}}
    assert MAPPING.inbound(record)["occurrences"] == patches


def test_rows_of_days_without_an_occurrence_say_nothing() -> None:
    """A series that was truncated by "this and all following" leaves rows behind (B-37)."""
    assert MAPPING.outbound(crm({"2026-04-03": {"subject": "x"}}))["recurrence_overrides"] is None
    cut = crm({DAYS[2]: {"subject": "x"}}, rrule="FREQ=WEEKLY;UNTIL=20260402")
    assert MAPPING.outbound(cut)["recurrence_overrides"] is None


def test_a_series_that_moves_rewrites_the_rows_of_its_occurrences() -> None:
    assert "occurrences" in MAPPING.inbound_fields(["start"])
    assert "occurrences" not in MAPPING.inbound_fields(["title"])


def test_b36_a_pattern_without_counterpart_sets_the_item_aside() -> None:
    with pytest.raises(Invalid, match=r"m\.yaml:6:3: interval: .*last day"):
        MAPPING.outbound(crm(rrule="FREQ=MONTHLY;BYMONTHDAY=31"))
    with pytest.raises(Invalid, match="starts on a day that its own recurrence rule leaves out"):
        MAPPING.outbound(crm(rrule="FREQ=WEEKLY;BYDAY=FR"))


def test_an_occurrence_that_the_crm_cannot_hold_sets_the_item_aside() -> None:
    narrow = dict(SERIES_CRM, occurrences=replace(SERIES_CRM["occurrences"], inner=INNER - {"place"}))
    mapping = entries(WHEN + OCCURRENCES + REST, narrow)
    record = {**MAPPING.outbound(crm()), "recurrence_overrides": {DAYS[0]: {"location": "Room 2"}}}
    with pytest.raises(Invalid, match=r"m\.yaml:7:3: one occurrence has a 'place' of its own"):
        mapping.inbound(record)
    empty = {**record, "recurrence_overrides": {DAYS[0]: {"priority": None}}, "priority": 1}
    with pytest.raises(Invalid, match="priority: the field must not be empty"):
        MAPPING.inbound(empty)


def test_a_mapping_carries_series_whole_or_not_at_all() -> None:
    """A rule without its exceptions would flatten the series in silence."""
    assert findings(WHEN, SERIES_CRM) == ["6:3 half-a-series"]
    assert findings(OCCURRENCES + REST, SERIES_CRM) == ["6:3 half-a-series"]


def test_all_day_series_are_dates() -> None:
    there = crm(
        {"2026-03-06": {"subject": "Own"}, "2026-03-07": LEFT_OUT},
        starts_at="2026-03-05T00:00:00Z",
        ends_at="2026-03-06T00:00:00Z",
        all_day=True,
        time_zone=None,
        rrule="FREQ=DAILY;COUNT=10",
    )
    record = MAPPING.outbound(there)
    assert (record["start"], record["recurrence_rule"]) == ("2026-03-05T00:00:00", "FREQ=DAILY;COUNT=10")
    assert MAPPING.inbound(record) == {**there, "rrule": "FREQ=DAILY;COUNT=10"}


patches = st.one_of(
    st.just(LEFT_OUT),
    st.fixed_dictionaries(
        {},
        optional={
            "title": st.sampled_from(("Own", "Kick-off", None)),
            "location": st.sampled_from(("Room 2", None)),
            "start": st.sampled_from(("2026-04-03T10:30:00", "2026-10-24T23:00:00")),
            "duration": st.sampled_from(("PT30M", "PT26H")),
            "priority": st.sampled_from((1, 9)),
            "keywords": st.just(("blue",)),
        },
    ).filter(bool),
)


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(st.sampled_from(DAYS), patches, max_size=3), st.sampled_from(("Europe/Vienna", "America/New_York"))
)
def test_b36_overrides_survive_the_way_into_the_crm_and_back(held: dict[str, Fields], zone: str) -> None:
    record = dict(MAPPING.outbound(crm(time_zone=zone)))
    record["recurrence_overrides"] = canonical_overrides(record, held)
    assert MAPPING.outbound(MAPPING.inbound(record)) == record


def test_an_occurrence_without_the_keywords_of_its_series_is_carried_both_ways() -> None:
    """B-36: empty text in the CRM's row says that it has none; NULL would follow the series."""
    day = DAYS[1]
    row = crm({day: {"categories": ""}}, categories=("Red",))
    record = MAPPING.outbound(row)
    assert record["recurrence_overrides"] == {day: {"keywords": None}}
    assert MAPPING.inbound(record)["occurrences"] == {day: {"categories": ""}}

"""Series through the stock mapping and a real database: what comes out of rows goes back into the same rows (B-36)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.model.items import Write
from runner.model.overrides import LEFT_OUT, OVERRIDES, canonical_overrides
from runner.model.record import Fields
from runner.model.recurrence import days_of, parse_rule
from runner.model.terms import Operation
from tests.crm.test_occurrences import PLANNED
from tests.mapping.yamls import CRM, stock
from tests.support.crm import MEETING, World, create, sqlite_world
from tests.support.expansion import expanded, expanded_rows

CARRIED = frozenset(CRM) - {
    *(
        "alarm",
        "organizer",
        "participants",
        "participant_names",
        "responses",
        "attachments",
    ),  # of which this CRM has no tables
}
"""This CRM knows no reminders."""

RULES = (
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=WEEKLY;BYDAY=TU,TH",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH;COUNT=40",
    "FREQ=MONTHLY;BYMONTHDAY=5",
    "FREQ=MONTHLY;BYDAY=1TH",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=4",
    "FREQ=YEARLY;BYMONTH=3;BYDAY=1TH;UNTIL=20360401",
    "FREQ=DAILY;UNTIL=20261231",
)
"""Each has an occurrence on Thursday, 5 March 2026."""
START = datetime(2026, 3, 5, 13, tzinfo=UTC)
HORIZON = datetime(2026, 12, 20, tzinfo=UTC)
"""Up to where both sides are expanded: past both of the year's clock changes."""
ZONES = ("Europe/Vienna", "America/New_York", "Etc/UTC", "Asia/Kolkata")


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    bare = sqlite_world(tmp_path_factory.mktemp("laws"), prepared=False)
    world = World(bare.url, PLANNED)
    world.crm.apply_ddl()
    yield world
    world.close()
    bare.close()


texts = st.sampled_from(("Own", "Kick-off", ""))
row_patches = st.one_of(
    st.just(LEFT_OUT),
    st.fixed_dictionaries(
        {},
        optional={
            "subject": texts,
            "place": texts,
            "notes": st.just("two\nlines"),
            "priority": st.sampled_from("AC"),
            "show_as": st.sampled_from(("Free", "OOF")),
            "categories": st.sampled_from((("red",), ("blue", "red"))),
        },
    ),
    st.tuples(st.integers(0, 60), st.integers(1, 30)).map(lambda pair: {"moved": pair}),
)


def _moved(day: str, patch: Mapping[str, Any]) -> Fields:
    """A patch with both of its moments, some hours from noon of its day."""
    if "moved" not in patch:
        return patch
    hours, length = patch["moved"]
    start = datetime.fromisoformat(f"{day}T12:00:00") + timedelta(hours=hours)
    end = start + timedelta(hours=length)
    return {"starts_at": f"{start.isoformat()}Z", "ends_at": f"{end.isoformat()}Z"}


def record_in_order(record: Fields) -> list[tuple[datetime, object]]:
    return [one for one in expanded(record, HORIZON.date()) if one[0] < HORIZON]


def rows_in_order(crm: World, key: int, rule: str, zone: str) -> list[tuple[datetime, object]]:
    """What a CRM's own calendar shows: the rows, expanded by what they say themselves."""
    rows = crm.sql(
        "SELECT original_day, cancelled, subject, starts_at FROM appointment_occurrence WHERE appointment_id = :id",
        id=key,
    )
    named = [dict(zip(("original_day", "cancelled", "subject", "starts_at"), row, strict=True)) for row in rows]
    found = expanded_rows(rule, START, zone, str(MEETING["subject"]), named, HORIZON + timedelta(days=9))
    return [one for one in found if one[0] < HORIZON]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(RULES), st.sampled_from(ZONES), st.lists(st.tuples(st.integers(0, 30), row_patches), max_size=5))
def test_b36_rows_become_a_record_and_the_same_rows_again(
    crm: World, rule: str, zone: str, chosen: list[tuple[int, Any]]
) -> None:
    mapping = stock()
    start = {"starts_at": "2026-03-05T13:00:00Z", "ends_at": "2026-03-05T14:00:00Z", "time_zone": zone}
    local = mapping.outbound({**MEETING, **start, "recurrence_rule": None, "occurrences": None})["start"]
    canonical = parse_rule(rule, str(local)).text()
    ahead = [
        str(day) for day, _ in zip(days_of(canonical, str(local), until=date(2030, 1, 1)), range(31), strict=False)
    ]
    patches = {ahead[n]: _moved(ahead[n], patch) for n, patch in chosen if n < len(ahead)}
    values = {**MEETING, **start, "recurrence_rule": rule, "occurrences": patches or None}
    (made,) = crm.create(create(f"{rule}{zone}{chosen}", **values))
    assert made.error is None

    # out: what the rows say; an occurrence that says what its series says has nothing of its own
    item = crm.item(made.key)
    record = mapping.outbound(item.values)
    assert record["recurrence_rule"] == canonical
    assert record[OVERRIDES] == canonical_overrides(record, record[OVERRIDES] or {})  # type: ignore[arg-type]
    assert record_in_order(record) == rows_in_order(crm, int(item.key), rule, zone)

    # and back in: written again as a target would, the rows give the very same record
    back = {name: value for name, value in mapping.inbound(record).items() if name in CARRIED}
    (result,) = crm.create(Write(Operation.UPDATE, item.key, item.version, back, frozenset(back)))
    assert result.error is None
    again = crm.item(item.key)
    assert mapping.outbound(again.values) == record
    assert mapping.inbound(mapping.outbound(again.values)).items() >= back.items()
    assert rows_in_order(crm, int(item.key), rule, zone) == record_in_order(record)

    # a third write changes no row
    rows = crm.sql("SELECT * FROM appointment_occurrence WHERE appointment_id = :id", id=int(item.key))
    (third,) = crm.create(Write(Operation.UPDATE, again.key, again.version, back, frozenset(back)))
    assert third.error is None
    assert crm.sql("SELECT * FROM appointment_occurrence WHERE appointment_id = :id", id=int(item.key)) == rows

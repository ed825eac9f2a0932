"""Values that an operator states to settle a conflict (B-62)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runner.engine.stated import stated_values
from runner.model.errors import UsageError
from runner.model.record import SCHEDULE_ITEM, Value
from runner.model.state import Conflict

WHEN = ("start", "time_zone", "duration", "show_without_time")


def conflict(*names: str) -> Conflict:
    values: dict[str, Value] = dict.fromkeys(names, "x")
    return Conflict(
        "k1", "hq/ann/calendar", "1", "t1", "unit", values, values, values, "manual", None, "m.yaml:1:1", "run",
        datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("title=Board meeting", "Board meeting"),
        ("title=12", "12"),
        ("title=", None),
        ("priority=1", 1),
        ("privacy=private", "private"),
        ("keywords=red, blue", ("blue", "red")),
        ("start=2026-03-03T10:00:00", "2026-03-03T10:00:00"),
        ("show_without_time=false", False),
    ],
)
def test_a_value_is_read_by_its_fields_type(pair: str, value: Value) -> None:
    name = pair.partition("=")[0]
    assert stated_values([pair], conflict(name), SCHEDULE_ITEM) == {name: value}


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("title", "not FIELD=VALUE"),
        ("location=Hall", "'location' is not a field of this conflict"),
        ("priority=high", "expected an integer"),
        ("privacy=hidden", "none of its values"),
        ("start=tomorrow", "expected a local date and time"),
        ("time_zone=Europe/Vienne", "unknown time zone"),
        ("show_without_time=perhaps", "expected a boolean"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_anything_is_noted(pair: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        stated_values([pair], conflict("title", "priority", "privacy", *WHEN), SCHEDULE_ITEM)
    assert refused.value.exit_code == 64
    assert refused.value.remedy

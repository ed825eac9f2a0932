"""The occurrences that a series comes to, by dateutil: of a record, and of a CRM's rows, each told for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from runner.model.moments import moment_at
from runner.model.overrides import RULE, is_excluded, occurrence, patches_of
from runner.model.record import Fields, Value
from runner.model.recurrence import days_of


def expanded(values: Fields, until: date) -> list[tuple[datetime, Value]]:
    """The occurrences of a record: start and title, in order. (The end is the hands' in Exchange and the length's in RFC
    8984: inside a clock change they differ.)"""
    patches = patches_of(values)
    found = []
    for day in days_of(str(values[RULE]), str(values["start"]), until=until):
        patch = patches.get(day.isoformat(), {})
        if not is_excluded(patch):
            one = occurrence(values, day.isoformat(), patch)
            found.append((moment_at(str(one["start"]), str(one["time_zone"])), one["title"]))
    return sorted(found, key=lambda one: one[0])


def expanded_rows(
    rule: str, start: datetime, zone: str, title: str, rows: Iterable[Mapping[str, Any]], until: datetime
) -> list[tuple[datetime, Value]]:
    """The occurrences of a series' row (``start`` in UTC) and of the rows that differ from it: ``original_day``,
    ``cancelled``, ``subject`` and ``starts_at``, the last one in UTC without saying so."""
    own = {str(row["original_day"])[:10]: row for row in rows}
    first = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    found: list[tuple[datetime, Value]] = []
    for local in rrulestr(rule, dtstart=first).between(first, until.replace(tzinfo=None), inc=True):
        row = own.get(local.date().isoformat(), {})
        if row.get("cancelled"):
            continue
        moment = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if row.get("starts_at"):
            moment = datetime.fromisoformat(str(row["starts_at"])).replace(tzinfo=UTC)
        subject = row.get("subject")
        found.append((moment, title if subject is None else subject or None))
    return sorted(found, key=lambda one: one[0])

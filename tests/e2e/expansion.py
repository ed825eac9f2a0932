"""The CRM's appointments, series with their customised occurrences expanded, as a calendar would show them (B-36)."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from runner.model.recurrence import days_of
from tests.e2e.operator import Operator

Shown = tuple[str, str | None]
"""When it begins, in UTC as EWS writes it, and its title."""


def in_crm(operator: Operator, low: datetime, high: datetime, user: str | None = None) -> list[Shown]:
    """What begins between two instants, of one user or of all. The rule is expanded by dateutil in the series' own zone;
    whole days are midnights of ``Etc/UTC``."""
    found: list[Shown] = []
    for key, subject, starts, zone, rule in operator.sql(
        "SELECT a.id, a.subject, a.starts_at, a.time_zone, a.recurrence_rule FROM appointment a "
        "JOIN crm_user u ON u.id = a.owner_id WHERE NOT a.deleted AND (? IS NULL OR u.email = ?)",
        user,
        user,
    ):
        clock = ZoneInfo(str(zone or "Etc/UTC"))
        first = _instant(starts).astimezone(clock)
        rows = {
            str(row[0])[:10]: row[1:]
            for row in operator.sql(
                "SELECT original_day, cancelled, subject, starts_at FROM appointment_occurrence WHERE appointment_id = ?",
                key,
            )
        }
        local = first.replace(tzinfo=None).isoformat()
        days = days_of(str(rule), local, until=high.date()) if rule else iter([first.date()])
        for day in days:
            gone, own, moved = rows.get(day.isoformat(), (0, None, None))
            begin = datetime.combine(day, first.time(), clock) if moved is None else _instant(moved)
            if not gone and low <= begin <= high:
                title = subject if own is None else own
                found.append(
                    (begin.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), None if title is None else str(title))
                )
    return sorted(found, key=str)


def _instant(text: object) -> datetime:
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)

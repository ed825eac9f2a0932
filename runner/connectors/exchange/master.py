"""A recurring master as EWS states it (pages Recurrence, ModifiedOccurrences, DeletedOccurrences), and what it gives its
occurrences.

Exchange follows the wall clock of the series' zone at both ends ([MS-OXOCAL] 2.2.1.44), so that an occurrence over a clock
change is an hour shorter or longer than the others. Such an occurrence has nothing of its own: it is compared with what
the series gives it, in instants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from runner.connectors.exchange.item import Unfit
from runner.connectors.exchange.names import Element, t
from runner.connectors.exchange.recurrence import rule_of
from runner.model.items import Item
from runner.model.moments import UTC_ZONE, length_of, moment_at, zone_of
from runner.model.overrides import OVERRIDES, RULE
from runner.model.record import Fields, Value

MOST = 1000
"""Changed and deleted occurrences that a series may have. One with more is set aside: reading it takes more requests and
memory than one item is worth, and no calendar shows it."""

RECURRENCE, MODIFIED, DELETED = t("Recurrence"), t("ModifiedOccurrences"), t("DeletedOccurrences")
SERIES_URIS = ("calendar:Recurrence", "calendar:ModifiedOccurrences", "calendar:DeletedOccurrences")
_START, _ORIGINAL, _ITEM_ID = t("Start"), t("OriginalStart"), t("ItemId")


@dataclass(frozen=True, slots=True)
class Master:
    """A master without what its exceptions say: ``item`` has the rule, and the deleted occurrences as its overrides.

    ``exceptions`` maps the recurrence ids of changed occurrences to their item ids.
    """

    item: Item
    exceptions: Mapping[str, str]


def series_fields(parts: Mapping[str, Element], interval: Fields, zone: str) -> dict[str, Value]:
    """Rule, start and zone of a master, whose first occurrence's interval was decoded as that of a single item.

    ``zone`` is the series' own: a first occurrence inside an autumn clock change does not take the series into UTC.
    Raises ``ValueError`` for a pattern that is not known.
    """
    element = parts.get(RECURRENCE)
    if element is None:
        raise ValueError("a recurring master without a recurrence")
    rule, first = rule_of(element)
    start = str(interval["start"])
    fields: dict[str, Value] = {RULE: rule.text()}
    if interval["time_zone"] == UTC_ZONE != zone:
        moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
        start = moment.astimezone(zone_of(zone)).replace(tzinfo=None).isoformat(timespec="seconds")
        fields["time_zone"] = zone
    fields["start"] = first.isoformat() + start[10:]
    return fields


def exceptions_of(parts: Mapping[str, Element], zone: str, *, all_day: bool) -> tuple[dict[str, str], list[str]]:
    """Changed occurrences (recurrence id → item id) and the recurrence ids of deleted ones. Raises ``Unfit``
    for more of them than are carried."""
    modified, deleted = parts.get(MODIFIED), parts.get(DELETED)
    count = sum(0 if element is None else len(element) for element in (modified, deleted))
    if count > MOST:
        raise Unfit(
            "too-many-occurrences", f"a series with {count} changed and deleted occurrences; {MOST} are carried"
        )
    changed: dict[str, str] = {}
    for entry in () if modified is None else modified:
        ident = entry.find(_ITEM_ID)
        if ident is None:
            raise ValueError("a changed occurrence without an id")
        changed[day_of(entry.findtext(_ORIGINAL) or "", zone, all_day=all_day)] = ident.get("Id", "")
    gone = [
        day_of(entry.findtext(_START) or "", zone, all_day=all_day) for entry in (() if deleted is None else deleted)
    ]
    return changed, gone


def day_of(instant: str, zone: str, *, all_day: bool) -> str:
    """The recurrence id of the occurrence that originally starts at an instant: its date in the series' zone."""
    moment = datetime.fromisoformat(instant.strip())
    local = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone_of(zone))
    # A whole day may begin beside midnight when it was made in another zone; the nearest midnight is meant.
    return ((local + timedelta(hours=12)) if all_day else local).date().isoformat()


def natural(record: Fields, day: str, own_zone: str) -> tuple[datetime, datetime]:
    """Start and end, in UTC, that a series gives the occurrence with this recurrence id."""
    zone = own_zone if record.get("show_without_time") else str(record.get("time_zone"))
    start, length = str(record["start"]), length_of(str(record["duration"]))
    if record.get("show_without_time"):
        first, wall = datetime.combine(date.fromisoformat(day), time.min), length
    else:
        begin = moment_at(start, zone)
        # What the hands of the clock move between the ends of the first occurrence, they move at every other one's.
        wall = (begin + length).astimezone(zone_of(zone)).replace(tzinfo=None) - datetime.fromisoformat(start)
        first = datetime.fromisoformat(day + start[10:])
    begin = moment_at(first.isoformat(), zone)
    return begin, max(moment_at((first + wall).isoformat(), zone), begin)


def with_overrides(item: Item, overrides: Mapping[str, Fields] | None) -> dict[str, Value]:
    """A series' values with these overrides."""
    return {**item.values, OVERRIDES: overrides}

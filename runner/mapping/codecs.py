"""Codecs: registered pairs of pure functions between N CRM fields and M record fields that state ONE fact together.

A codec is for what neither a rename nor a value map can say. Both of its functions raise ``ValueError`` with a sentence
for operators when the values make no sense; they never guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from runner.model.moments import UTC_ZONE, duration_of, instant_of, length_of, local_of, moment_at, moment_of, zone_of
from runner.model.record import FieldType, Value
from runner.model.recurrence import days_of, parse_rule

Row = tuple[Value, ...]
Convert = Callable[[Row], Row]

_ZERO = timedelta(0)
_DAY = timedelta(days=1)
_MIDNIGHT = "T00:00:00"
_UNTIL = re.compile(r"UNTIL=(\d{8}T\d{6})Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Slot:
    """One CRM field that a codec works on. A slot that is not required may be left out of the mapping."""

    name: str
    type: FieldType
    required: bool = True
    both_ways: bool = False
    """Needed when the entry runs both ways, though not otherwise."""
    states: str | None = None
    """A record field that the entry states only when this slot is filled."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an entry may tell its codec: the zone of items whose CRM record names none; which slots are there."""

    default_zone: str = UTC_ZONE
    slots: frozenset[str] = frozenset()
    zone_required: bool = False
    """The CRM's zone column is NOT NULL: all-day items, which have no zone, get ``default_zone`` there."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A registered pair. ``bind`` gives (outbound, inbound), which work on values in the order of ``slots``, ``fields``.

    A slot that the mapping leaves out is None outbound, and dropped inbound. The codec's name is its unit's name.
    """

    name: str
    slots: tuple[Slot, ...]
    fields: tuple[str, ...]
    bind: Callable[[Options], tuple[Convert, Convert]]

    def states(self, slots: Collection[str]) -> tuple[str, ...]:
        """The record fields that an entry with these slots states, in the order of the codec's rows."""
        return (*self.fields, *(slot.states for slot in self.slots if slot.states and slot.name in slots))


def _interval(options: Options) -> tuple[Convert, Convert]:
    default_zone, has_all_day = options.default_zone, "all_day" in options.slots
    blank_zone = default_zone if options.zone_required else None

    def outbound(row: Row) -> Row:
        start, end, zone, all_day, rule = row
        if not isinstance(start, str):
            raise ValueError("the start is empty")
        if not isinstance(end, str):
            raise ValueError("the end is empty")
        if all_day:
            begin, finish = _day_of(start, "start"), _day_of(end, "end")
            days = (_moment(finish, "end") - _moment(begin, "start")).days
            if days < 1:
                raise ValueError("an all-day item must end on a later day than it starts (the end is exclusive)")
            local = begin.removesuffix("Z")
            return local, None, f"P{days}D", True, _pattern(rule, local, UTC_ZONE)
        begins = _moment(start, "start")
        length = _moment(end, "end") - begins
        if length < _ZERO:
            raise ValueError("the end lies before the start")
        named = str(zone or default_zone)
        if isinstance(rule, str):  # a series keeps its zone, whatever hour it starts in: its other occurrences need it
            local = begins.astimezone(zone_of(named)).strftime("%Y-%m-%dT%H:%M:%S")
            return local, named, duration_of(length), False, _pattern(rule, local, named)
        local, own = local_of(begins, named)
        return local, own, duration_of(length), False, None

    def inbound(row: Row) -> Row:
        start, zone, duration, whole_days, *rest = row
        rule = rest[0] if rest else None
        if not isinstance(start, str):
            raise ValueError("the start is empty")
        if not isinstance(duration, str):
            raise ValueError("the duration is empty")
        length = length_of(duration)
        if length < _ZERO:
            raise ValueError("the duration is negative")
        if whole_days:
            if not has_all_day:
                raise ValueError("an all-day item needs the codec's slot 'all_day', which the mapping leaves out")
            if not start.endswith(_MIDNIGHT) or length < _DAY or length % _DAY:
                raise ValueError("an all-day item must start at midnight and last whole days")
            begins = moment_of(start + "Z")
            return start + "Z", instant_of(begins + length), blank_zone, True, rule
        if not isinstance(zone, str):
            raise ValueError("the time zone is empty")
        begins = moment_at(start, zone)
        return instant_of(begins), instant_of(begins + length), zone, False, rule

    return outbound, inbound


def _pattern(rule: Value, start: str, zone: str) -> str | None:
    """The canonical rule of a series that starts at this local time (B-36); None for a single item."""
    if not isinstance(rule, str):
        return None
    until = _UNTIL.search(rule)
    shift = zone_of(zone).utcoffset(datetime.strptime(until[1], "%Y%m%dT%H%M%S")) if until else None  # noqa: DTZ007
    canonical = parse_rule(rule, start, int(shift.total_seconds()) if shift else 0).text()
    if next(days_of(canonical, start), None) != datetime.fromisoformat(start).date():
        raise ValueError("the series starts on a day that its own recurrence rule leaves out")
    return canonical


def _moment(instant: str, what: str) -> datetime:
    try:
        return moment_of(instant)
    except (ValueError, OverflowError):
        raise ValueError(f"the {what} is not an instant such as 2026-03-29T08:00:00Z") from None


def _day_of(instant: str, what: str) -> str:
    if not instant.endswith(_MIDNIGHT + "Z"):
        raise ValueError(f"the {what} of an all-day item must be midnight in UTC")
    return instant


INTERVAL = Codec(
    name="interval",
    slots=(
        Slot("start", FieldType.INSTANT),
        Slot("end", FieldType.INSTANT),
        Slot("zone", FieldType.ZONE, required=False, both_ways=True),
        Slot("all_day", FieldType.BOOLEAN, required=False),
        Slot("rule", FieldType.RECURRENCE, required=False, states="recurrence_rule"),
    ),
    fields=("start", "time_zone", "duration", "show_without_time"),
    bind=_interval,
)
"""Start and end as instants ↔ RFC 8984 start, time zone, duration and show_without_time (B-46), and the series' rule.

All-day items are UTC midnights in the CRM, the end exclusive, and dates in the record. A start in the ambiguous hour of
an autumn clock change is carried in ``Etc/UTC`` (see ``model.moments``). Both ways, the zone slot is needed: a merge
carries over only the fields that moved, and a start without its zone would be read in the other side's. A recurrence rule
belongs to the same fact: its weekdays and its start make sense together only (B-36).
"""

CODECS: Mapping[str, Codec] = MappingProxyType({INTERVAL.name: INTERVAL})
"""The registry: name in YAML → codec."""

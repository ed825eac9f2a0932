"""Codecs: registered pairs of pure functions between N CRM fields and M record fields that state ONE fact together.

A codec is for what neither a rename nor a value map can say. Both of its functions raise ``ValueError`` with a sentence
for operators when the values make no sense; they never guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from runner.model.moments import UTC_ZONE, duration_of, instant_of, length_of, local_of, moment_at, moment_of
from runner.model.record import FieldType, Value

Row = tuple[Value, ...]
Convert = Callable[[Row], Row]

_ZERO = timedelta(0)
_DAY = timedelta(days=1)
_MIDNIGHT = "T00:00:00"


@dataclass(frozen=True, slots=True)
class Slot:
    """One CRM field that a codec works on. A slot that is not required may be left out of the mapping."""

    name: str
    type: FieldType
    required: bool = True
    both_ways: bool = False
    """Needed when the entry runs both ways, though not otherwise."""


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


def _interval(options: Options) -> tuple[Convert, Convert]:
    default_zone, has_all_day = options.default_zone, "all_day" in options.slots
    blank_zone = default_zone if options.zone_required else None

    def outbound(row: Row) -> Row:
        start, end, zone, all_day = row
        if not isinstance(start, str):
            raise ValueError("the start is empty")
        if not isinstance(end, str):
            raise ValueError("the end is empty")
        if all_day:
            begin, finish = _day_of(start, "start"), _day_of(end, "end")
            days = (_moment(finish, "end") - _moment(begin, "start")).days
            if days < 1:
                raise ValueError("an all-day item must end on a later day than it starts (the end is exclusive)")
            return begin.removesuffix("Z"), None, f"P{days}D", True
        begins = _moment(start, "start")
        length = _moment(end, "end") - begins
        if length < _ZERO:
            raise ValueError("the end lies before the start")
        local, own = local_of(begins, str(zone or default_zone))
        return local, own, duration_of(length), False

    def inbound(row: Row) -> Row:
        start, zone, duration, whole_days = row
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
            return start + "Z", instant_of(begins + length), blank_zone, True
        if not isinstance(zone, str):
            raise ValueError("the time zone is empty")
        begins = moment_at(start, zone)
        return instant_of(begins), instant_of(begins + length), zone, False

    return outbound, inbound


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
    ),
    fields=("start", "time_zone", "duration", "show_without_time"),
    bind=_interval,
)
"""Start and end as instants ↔ RFC 8984 start, time zone, duration and show_without_time (B-46).

All-day items are UTC midnights in the CRM, the end exclusive, and dates in the record. A start in the ambiguous hour of
an autumn clock change is carried in ``Etc/UTC`` (see ``model.moments``). Both ways, the zone slot is needed: a merge
carries over only the fields that moved, and a start without its zone would be read in the other side's.
"""

CODECS: Mapping[str, Codec] = MappingProxyType({INTERVAL.name: INTERVAL})
"""The registry: name in YAML → codec."""

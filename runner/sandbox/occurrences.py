"""Recurring calendar items as Exchange keeps them: one master, which its occurrences are made from when asked for.

Sources: pages OccurrenceItemId, RecurringMasterItemId, CalendarItemType, ModifiedOccurrences, DeletedOccurrences,
ResponseCode; "Recurrence patterns and EWS". In short:

- Master and occurrences have one change key, which moves with every change of any of them (page OccurrenceItemId).
- An occurrence that is changed becomes an exception of the master, one that is deleted is noted there; both are named by
  their original start. The index of an occurrence counts deleted ones too.
- An occurrence cannot be moved to or past the day of the one before or after it (ErrorOccurrenceCrossingBoundary).
- A new pattern, and another time of the series, drop exceptions and deletions, as Outlook warns when it does so. No page
  says what a pattern that is set anew but says the same does; here it drops them too.

Starts and ends are wall-clock times of the series' zone ([MS-OXOCAL] 2.2.1.44: offsets in minutes from midnight), so an
occurrence over a clock change keeps its hands, not its length.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo

from runner.sandbox.failures import EwsError
from runner.sandbox.items import Own, StoredItem
from runner.sandbox.patterns import Pattern, read_pattern
from runner.sandbox.wire import tag
from runner.sandbox.zones import render_instant, zone_of

_OF_MASTER = frozenset(["Recurrence"])
_TIMES = ("Start", "End", "IsAllDayEvent", "StartTimeZone", "EndTimeZone")
_SUFFIX = struct.Struct(">HI")
_MARK = 0x0088
_SUFFIX_LENGTH = 8


def is_master(item: StoredItem) -> bool:
    """Whether a calendar item is a recurring master."""
    return item.element == "CalendarItem" and bool(item.props.get("Recurrence"))


def pattern_of(master: StoredItem) -> Pattern:
    """A master's pattern."""
    return read_pattern(str(master.props["Recurrence"]))


def zone_of_series(master: StoredItem) -> tzinfo:
    """The zone whose clock a series follows."""
    return zone_of(master.text("StartTimeZone")) or UTC


def natural(master: StoredItem, day: date) -> tuple[datetime, datetime]:
    """Start and end that the series gives its occurrence on a day, in UTC."""
    return on_day(_instant(master, "Start"), _instant(master, "End"), day, zone_of_series(master))


def on_day(start: datetime, end: datetime, day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Start and end, in UTC, of the occurrence of a day of a series whose first one lies between these two instants."""
    begin, finish = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start, end))
    wall = datetime.combine(day, begin.time())
    first, last = (moment.replace(tzinfo=zone).astimezone(UTC) for moment in (wall, wall + (finish - begin)))
    return first, max(last, first)


def times_of(master: StoredItem, day: date) -> tuple[datetime, datetime]:
    """Start and end of the occurrence of a day as it is, in UTC."""
    start, end = natural(master, day)
    own = master.exceptions.get(day)
    if own is not None:
        start = datetime.fromisoformat(str(own.props.get("Start", start.isoformat())))
        end = datetime.fromisoformat(str(own.props.get("End", end.isoformat())))
    return start, end


def occurrence_id(master_id: str, day: date) -> str:
    """The id of an occurrence: its master's with the day of its original start; it stays when the occurrence changes."""
    return master_id + base64.b64encode(_SUFFIX.pack(_MARK, day.toordinal())).decode()


def read_occurrence_id(identifier: str) -> tuple[str, date] | None:
    """Master's id and day behind the id of an occurrence; None for other ids."""
    try:
        mark, ordinal = _SUFFIX.unpack(base64.b64decode(identifier[-_SUFFIX_LENGTH:], validate=True))
        return (identifier[:-_SUFFIX_LENGTH], date.fromordinal(ordinal)) if mark == _MARK else None
    except (ValueError, struct.error, OverflowError):
        return None


def occurrence(master: StoredItem, day: date) -> StoredItem:
    """The occurrence of a day as an item; raises ``ErrorItemNotFound`` when the series has none then."""
    if not is_master(master) or day in master.deleted or not _has(master, day):
        raise EwsError("ErrorItemNotFound")
    return _made(master, day)


def occurrence_at(master: StoredItem, index: int) -> StoredItem:
    """The occurrence with this index, counted from 1 (page OccurrenceItemId)."""
    if not is_master(master):
        raise EwsError("ErrorCalendarCannotUseIdForRecurringMasterId")
    for number, day in enumerate(pattern_of(master).days(), 1):
        if number == index:
            if day in master.deleted:
                raise EwsError("ErrorCalendarOccurrenceIsDeletedFromRecurrence")
            return _made(master, day)
    raise EwsError("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange")


def _made(master: StoredItem, day: date) -> StoredItem:
    own = master.exceptions.get(day)
    start, end = natural(master, day)
    props = {name: value for name, value in master.props.items() if name not in _OF_MASTER}
    props |= {"Start": render_instant(start), "End": render_instant(end)}
    extended = dict(master.extended)
    if own is not None:
        props = {name: value for name, value in props.items() if name not in own.cleared} | own.props
        extended |= own.extended
    props["OriginalStart"] = props["RecurrenceId"] = render_instant(start)
    props["CalendarItemType"] = "Occurrence" if own is None else "Exception"
    return StoredItem(
        occurrence_id(master.id, day),
        master.change_key,
        master.element,
        master.owner,
        master.folder_id,
        master.search_key,
        master.created,
        master.modified,
        props=props,
        extended=extended,
        history=master.history,
        changes=master.changes,
        owner_name=master.owner_name,
        last_modifier=master.last_modifier,
        master=master,
        day=day,
    )


def keep(before: StoredItem, after: StoredItem, names: frozenset[str]) -> None:
    """Make a changed occurrence an exception of its master, which has what was named and what differs of its own."""
    master, day = _place(before)
    if before.props.get("Start") != after.props.get("Start") or before.props.get("End") != after.props.get("End"):
        _check_neighbours(master, day, _instant(after, "Start"), _instant(after, "End"))
    own = master.exceptions.setdefault(day, Own())
    differing = {name for name in {*before.props, *after.props} if before.props.get(name) != after.props.get(name)}
    for name in (names & set(before.kind.properties)) | differing:
        own.cleared.discard(name)
        own.props.pop(name, None)
        if name in after.props:
            own.props[name] = after.props[name]
        else:
            own.cleared.add(name)
    own.extended |= {key: value for key, value in after.extended.items() if before.extended.get(key) != value}


def delete(item: StoredItem) -> StoredItem:
    """Take an occurrence out of its series; the master comes back."""
    master, day = _place(item)
    master.exceptions.pop(day, None)
    master.deleted.add(day)
    return master


def take_over(item: StoredItem, after: StoredItem, names: frozenset[str]) -> None:
    """Give an item what a change made of its copy; a series with another pattern or time loses its exceptions."""
    if "Recurrence" in names or any(item.props.get(name) != after.props.get(name) for name in _TIMES):
        item.exceptions.clear()
        item.deleted.clear()
    item.props, item.extended = after.props, after.extended


def settle_series(item: StoredItem, names: frozenset[str]) -> None:
    """Bring pattern and times together: the series starts on the first day that its pattern has."""
    if not is_master(item) or not names & {"Recurrence", *_TIMES}:
        return
    pattern, zone = pattern_of(item), zone_of_series(item)
    begin, finish = (_instant(item, name).astimezone(zone).replace(tzinfo=None) for name in ("Start", "End"))
    if "Recurrence" not in names:
        pattern = pattern.starting(begin.date())
    first = pattern.first()
    item.props["Recurrence"] = pattern.starting(first).render()
    start = datetime.combine(first, begin.time())
    for name, wall in (("Start", start), ("End", start + (finish - begin))):
        item.props[name] = render_instant(wall.replace(tzinfo=zone))


def in_span(master: StoredItem, start: datetime, end: datetime) -> Iterator[StoredItem]:
    """The occurrences that overlap a span of time, exceptions where they are now."""
    zone = zone_of_series(master)
    until = end.astimezone(zone).date() + timedelta(days=1)
    moved = [day for day in master.exceptions if day > until]
    for day in (*_until(master, until), *moved):
        if day in master.deleted:
            continue
        begin, finish = times_of(master, day)
        if begin < end and (finish > start or begin == finish >= start):
            yield _made(master, day)


def first_occurrence(master: StoredItem) -> str:
    """The FirstOccurrence element: deleted ones do not count."""
    day = next((day for day in pattern_of(master).days() if day not in master.deleted), None)
    return "" if day is None else _info("FirstOccurrence", master, day)


def last_occurrence(master: StoredItem) -> str:
    """The LastOccurrence element; an endless series has none."""
    pattern = pattern_of(master)
    if pattern.count is None and pattern.end is None:
        return ""
    left = [day for day in pattern.days() if day not in master.deleted]
    return _info("LastOccurrence", master, left[-1]) if left else ""


def modified_occurrences(master: StoredItem) -> str:
    """The ModifiedOccurrences element, in the order of the original starts."""
    return "".join(_info("Occurrence", master, day) for day in sorted(master.exceptions))


def deleted_occurrences(master: StoredItem) -> str:
    """The DeletedOccurrences element: original starts."""
    return "".join(
        f"<t:DeletedOccurrence>{tag('Start', render_instant(natural(master, day)[0]))}</t:DeletedOccurrence>"
        for day in sorted(master.deleted)
    )


def _info(name: str, master: StoredItem, day: date) -> str:
    start, end = times_of(master, day)
    times = (("Start", start), ("End", end), ("OriginalStart", natural(master, day)[0]))
    inside = "".join(tag(what, render_instant(moment)) for what, moment in times)
    ident = f'<t:ItemId Id="{occurrence_id(master.id, day)}" ChangeKey="{master.change_key}"/>'
    return f"<t:{name}>{ident}{inside}</t:{name}>"


def _until(master: StoredItem, last: date) -> Iterator[date]:
    for day in pattern_of(master).days():
        if day > last:
            return
        yield day


def _has(master: StoredItem, day: date) -> bool:
    return any(one == day for one in _until(master, day))


def _check_neighbours(master: StoredItem, day: date, start: datetime, end: datetime) -> None:
    zone = zone_of_series(master)
    before = after = None
    for one in pattern_of(master).days():
        if one in master.deleted or one == day:
            continue
        if one > day:
            after = one
            break
        before = one
    here = start.astimezone(zone).date()
    if before is not None and here <= times_of(master, before)[0].astimezone(zone).date():
        raise EwsError("ErrorOccurrenceCrossingBoundary")
    if after is not None:
        following = times_of(master, after)[0]
        if here >= following.astimezone(zone).date():
            raise EwsError("ErrorOccurrenceCrossingBoundary")
        if end > following and natural(master, day)[1] <= following:
            raise EwsError("ErrorOccurrenceTimeSpanTooBig")


def _place(item: StoredItem) -> tuple[StoredItem, date]:
    if item.master is None or item.day is None:
        raise EwsError("ErrorCalendarCannotUseIdForOccurrenceId")
    return item.master, item.day


def _instant(item: StoredItem, name: str) -> datetime:
    return datetime.fromisoformat(str(item.props[name])).astimezone(UTC)

"""Writing a series: the master, then its occurrences one by one, each in a conditional request of its own.

Master and occurrences have one change key (page OccurrenceItemId), so each request presupposes what the one before left:
an edit that a user makes in between stops the rest. What Exchange does by itself is never guessed but read: after every
change of a master its exceptions are compared with the record, and what a new pattern or time dropped is put back.

- An occurrence that follows its series again is given the series' values; EWS has no other way back, and it stays an
  exception there, which no record shows.
- A deleted occurrence comes back only with the pattern: it is set anew, and everything else is put back.
- What an occurrence has not is written as empty, never deleted: a property that an exception lacks may be its master's.
- DeleteItem checks no change key and tells none. So deletions come last, each behind a read of the version, and the
  version after the last one stays unknown: the engine looks again and takes nobody's edit for an echo.
- When a series had to be made or set anew and its occurrences are not all done, the result says so (``unfinished``): what
  both sides hold must be filled from each other then, not taken for edits (docs/decisions/004).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runner.connectors.exchange.codec import Codec
from runner.connectors.exchange.decode import INTERVAL, Decoder, item_shape
from runner.connectors.exchange.encode import occurrence_properties
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.master import MOST, Master, day_of, natural
from runner.connectors.exchange.names import Element, add, root, t
from runner.connectors.exchange.requests import create_request, delete_request, update_of, update_request
from runner.connectors.exchange.series import read_series
from runner.connectors.exchange.services import ITEM_ID, CreateItem, DeleteItem, GetItem, UpdateItem
from runner.model.errors import ConnectorError, Invalid, ProtocolFault, VersionMoved
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.overrides import (
    OVERRIDES,
    RULE,
    Patches,
    canonical_overrides,
    is_excluded,
    is_series,
    occurrence,
    patches_of,
)
from runner.model.record import Fields
from runner.model.recurrence import days_of
from runner.model.terms import Entity, Operation

_DROPPING = INTERVAL | {RULE}
"""Record fields whose change makes Exchange drop a series' exceptions and deletions."""
_UNFINISHED = frozenset({OVERRIDES})


def concerns_series(link: LinkRef, write: Write) -> bool:
    """Whether a write is about a series of appointments, or makes one of an item or an item of one."""
    if link.entity is not Entity.SCHEDULE_ITEM:
        return False
    return write.operation is not Operation.DELETE and (is_series(write.values) or RULE in write.fields)


@dataclass(frozen=True, slots=True)
class _Held:
    """What Exchange holds of a series: patches and the exceptions' item ids, both by recurrence id."""

    patches: Patches
    exceptions: Mapping[str, str]


class SeriesWriter:
    """Writes series of one mailbox; ``batch`` occurrences are read per request."""

    def __init__(self, codec: Codec, mailbox: Mailbox, link: LinkRef, batch: int) -> None:
        self._codec, self._mailbox, self._link, self._batch = codec, mailbox, link, batch

    def write(self, write: Write) -> WriteResult:
        """Carry out one create or update. Raises what stopped it while nothing needs to be put back."""
        values = write.values
        desired = canonical_overrides(values, patches_of(values)) or {}
        if len(desired) > MOST:
            raise Invalid(
                f"a series with {len(desired)} changed and deleted occurrences; {MOST} are carried",
                code="too-many-occurrences",
            )
        anew = write.operation is Operation.CREATE
        fields = write.fields - _UNFINISHED
        held = _Held({}, {})
        if not anew:
            anew = bool(fields & _DROPPING)
            if OVERRIDES in write.fields:
                held = self._read(write.key or "", write.version or "")
                if not anew and any(
                    is_excluded(p) and not is_excluded(desired.get(d)) for d, p in held.patches.items()
                ):
                    anew, fields = True, fields | {RULE}
        key, version = self._master(replace(write, fields=fields))
        if not is_series(values):
            return WriteResult(key, version)
        try:
            if write.operation is Operation.UPDATE and version != write.version:
                held = self._read(key, version)
            return self._occurrences(key, version, write, desired, held)
        except ConnectorError as error:
            if anew:
                return WriteResult(key, None, error, unfinished=_UNFINISHED)
            raise

    def _master(self, write: Write) -> tuple[str, str]:
        if write.operation is Operation.CREATE:
            request = create_request(self._codec, self._mailbox, self._link, write)
            made: tuple[str, str] = CreateItem(self._mailbox).one(request)
            return made
        changes = update_request(self._codec, self._link, write)
        if changes is None:
            return write.key or "", write.version or ""
        changed: tuple[str, str] = UpdateItem(self._mailbox).one(changes)
        return changed

    def _read(self, key: str, version: str) -> _Held:
        """The series as Exchange holds it. Raises ``VersionMoved`` when it is not the version that is known."""
        request = root("GetItem")
        request.append(item_shape(self._link.record_fields))
        add(add(request, "m:ItemIds"), "t:ItemId", Id=key)
        answer: Item | Master = GetItem(self._mailbox, Decoder(self._link)).one(request)
        exceptions: Mapping[str, str] = {}
        item: Item | ConnectorError
        if isinstance(answer, Master):
            exceptions = answer.exceptions
            item = read_series(self._mailbox, self._link, answer, self._batch)
        else:
            item = answer
        if isinstance(item, ConnectorError):
            raise item
        if item.version != version:
            raise VersionMoved("the series changed since it was read", code="change-key-moved")
        return _Held(patches_of(item.values), exceptions)

    def _occurrences(self, key: str, version: str, write: Write, desired: Patches, held: _Held) -> WriteResult:
        """Bring every occurrence to what the record says of it."""
        values = write.values
        changes: list[tuple[str, frozenset[str]]] = []
        deletions: list[str] = []
        for day in sorted({*desired, *held.patches}):
            want, have = desired.get(day, {}), held.patches.get(day, {})
            if is_excluded(want):
                deletions += [] if is_excluded(have) else [day]
            elif is_excluded(have):
                if OVERRIDES in write.fields:
                    raise Invalid(
                        f"Exchange does not give back the deleted occurrence of {day}", code="occurrence-deleted"
                    )
            elif differing := _differing(values, day, want, have):
                changes.append((day, differing))
        named = self._named(key, values, [day for day, _ in changes] + deletions, held.exceptions)
        for day, fields in _in_order(values, changes, desired, held.patches):
            patch = desired.get(day, {})
            moved = (
                natural(values, day, self._link.time_zone) if fields & INTERVAL and not INTERVAL & set(patch) else None
            )
            record = occurrence(values, day, patch)
            properties = occurrence_properties(record, fields, self._link, moved)
            request = update_of(self._codec, Write(Operation.UPDATE, named[day], version), properties)
            _, version = UpdateItem(self._mailbox).one(request)
        for number, day in enumerate(deletions):
            now = self._version(key)
            if not number and now != version:
                raise VersionMoved("the series changed since it was read", code="change-key-moved")
            version = now
            DeleteItem(self._mailbox).one(
                delete_request(Write(Operation.DELETE, named[day], version), self._codec.deletion)
            )
        return WriteResult(key, None if deletions else version)

    def _version(self, key: str) -> str:
        request = root("GetItem")
        add(add(request, "m:ItemShape"), "t:BaseShape", "IdOnly")
        add(add(request, "m:ItemIds"), "t:ItemId", Id=key)
        element: Element = GetItem(self._mailbox).one(request)
        ident = element.find(ITEM_ID)
        return "" if ident is None else ident.get("ChangeKey", "")

    def _named(self, key: str, values: Fields, days: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
        """The item ids of occurrences; those that are no exceptions yet are found by their index and proved by their
        original start, so that nothing is ever written on the day beside the one that is meant."""
        named = {day: known[day] for day in days if day in known}
        asked = [day for day in days if day not in known]
        if not asked:
            return named
        all_day = bool(values.get("show_without_time"))
        zone = self._link.time_zone if all_day else str(values.get("time_zone"))
        numbers = _numbers(values, asked)
        for first in range(0, len(asked), self._batch):
            part = asked[first : first + self._batch]
            request = root("GetItem")
            shape = add(request, "m:ItemShape")
            add(shape, "t:BaseShape", "IdOnly")
            add(add(shape, "t:AdditionalProperties"), "t:FieldURI", FieldURI="calendar:OriginalStart")
            wanted = add(request, "m:ItemIds")
            for day in part:
                add(wanted, "t:OccurrenceItemId", RecurringMasterId=key, InstanceIndex=str(numbers[day]))
            answers: list[Element | ConnectorError] = GetItem(self._mailbox).ask(request)
            if len(answers) != len(part):
                raise ProtocolFault(
                    f"GetItem answered {len(answers)} times for {len(part)} occurrences", code="answers-missing"
                )
            for day, answer in zip(part, answers, strict=True):
                if isinstance(answer, ConnectorError):
                    raise answer
                ident, start = answer.find(ITEM_ID), answer.findtext(t("OriginalStart"))
                if ident is None or not start or day_of(start, zone, all_day=all_day) != day:
                    raise Invalid(
                        f"Exchange counts the occurrences of this series otherwise: none of {day} at its place",
                        code="occurrence-mismatch",
                    )
                named[day] = ident.get("Id", "")
        return named


def _differing(values: Fields, day: str, want: Fields, have: Fields) -> frozenset[str]:
    there, here = occurrence(values, day, want), occurrence(values, day, have)
    return frozenset(name for name in {*want, *have} if there.get(name) != here.get(name))


def _numbers(values: Fields, days: Sequence[str]) -> dict[str, int]:
    """The index of each day's occurrence, counted from 1, deleted ones included."""
    wanted, numbers = set(days), {}
    for number, day in enumerate(days_of(str(values[RULE]), str(values["start"])), 1):
        text = day.isoformat()
        if text in wanted:
            numbers[text] = number
            if len(numbers) == len(wanted):
                break
    return numbers


def _in_order(
    values: Fields, changes: Sequence[tuple[str, frozenset[str]]], desired: Patches, held: Patches
) -> list[tuple[str, frozenset[str]]]:
    """Changes such that none meets a neighbour that has yet to make room: later ones first, from the last on."""

    def later(day: str) -> bool:
        there, here = (occurrence(values, day, patches.get(day, {}))["start"] for patches in (desired, held))
        return str(there) > str(here)

    return [change for change in reversed(changes) if later(change[0])] + [
        change for change in changes if not later(change[0])
    ]

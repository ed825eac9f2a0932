"""How a first sync grows, and the snapshot that a link has by schedule, as YAML says them (B-70, B-71)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from cronsim import CronSim, CronSimError

from runner.config.documents import Document
from runner.config.durations import timedelta_of
from runner.config.findings import Findings
from runner.config.yamlsource import Path, pointer
from runner.model.errands import Items, Range, Snapshot
from runner.model.moments import zone_of
from runner.model.terms import Direction, Side
from runner.reconcile.expanding import Expansion
from runner.reconcile.hours import DAYS, Hours

GIVERS: Mapping[str, Side] = {"send": Side.CRM, "get": Side.TARGET}
"""The two ways of a snapshot, each with the side that gives."""
Ends = tuple[timedelta | None, timedelta | None]
"""How far a window reaches back and ahead; None = without end."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where mistakes are noted: a document's findings."""

    document: Document
    findings: Findings

    def error(self, code: str, message: str, path: Path, hint: str) -> None:
        """Note a mistake at a path, with what to do."""
        self.findings.error(code, message, self.document.span(*path), hint=hint, pointer=pointer(path))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A snapshot by schedule: when, which way, and which items. It never deletes, since nobody sees its plan."""

    way: str
    at: str
    """A line as in crontab: minute, hour, day of the month, month, day of the week."""
    zone: str
    modified: timedelta | None = None
    """Only what changed within so long before."""
    start: Ends | None = None
    """Only what takes place from so long ago until so far ahead."""
    items: Items = Items.BOTH
    rate: int | None = None
    """Items a minute while it is carried out; None = as fast as it goes."""

    def after(self, moment: datetime) -> datetime:
        """The first time after a moment."""
        return next(CronSim(self.at, moment.astimezone(zone_of(self.zone)))).astimezone(UTC)

    def errand(self, now: datetime) -> Snapshot:
        """What is to be done at this time."""
        past, future = self.start or (None, None)
        return Snapshot(
            giver=GIVERS[self.way],
            modified=Range(since=None if self.modified is None else now - self.modified),
            start=Range(None if past is None else now - past, None if future is None else now + future),
            items=self.items,
            deletes=False,
            scheduled=True,
            rate=self.rate,
        )


def expansion_of(given: Any, path: Path, own: Ends, zone: str, place: Place) -> Expansion | None:
    """The growth that is stated at ``path``; ``own`` is the link's window. None, and noted, for one that cannot be.

    Codes: ``says-nothing``, ``empty-window``, ``window-beyond``, ``does-not-grow``, ``no-hours``.
    """
    if not isinstance(given, dict):
        _switch_off(given, path, "expand: {initial: {past: 7d, future: 30d}}", place)
        return None
    initial = given.get("initial")
    if not isinstance(initial, dict) or not {"past", "future"} <= initial.keys():
        return None  # refused by the schema
    first = {end: timedelta_of(initial[end]) for end in ("past", "future")}
    times = {end: float((given.get("multiply") or {}).get(end, 2)) for end in first}
    if not any(first.values()):
        place.error("empty-window", "a first window of zero days: nothing lies in it, and it cannot grow", (*path, "initial"),
             "write for example initial: {past: 7d, future: 30d}")  # fmt: skip
        return None
    for (end, length), most in zip(first.items(), own, strict=True):
        if most is not None and length > most:
            place.error("window-beyond", f"the first window reaches beyond the link's own: {end} is longer than in window",
                 (*path, "initial", end), "make it shorter, or widen window")  # fmt: skip
            return None
    if not any(times[end] > 1 and length for end, length in first.items()):
        place.error("does-not-grow", "these windows do not grow: neither end that has a length is multiplied by more than 1",
             (*path, "multiply") if "multiply" in given else path,
             "write for example multiply: {past: 2, future: 2}")  # fmt: skip
        return None
    during = given.get("during")
    return Expansion(
        past=first["past"],
        future=first["future"],
        times_past=times["past"],
        times_future=times["future"],
        steps=int(given.get("steps", 5)),
        per_minute=None if (most := given.get("per_minute")) is None else int(most),
        during=None if during is None else _hours(during, (*path, "during"), zone, place),
    )


def _hours(given: Mapping[str, Any], path: Path, zone: str, place: Place) -> Hours:
    begin, end = (time.fromisoformat(given.get(name, "00:00")) for name in ("from", "to"))
    if begin == end and "from" in given and "to" in given:
        place.error("no-hours", f"from {given['from']} to {given['to']} are no hours at all", path,
             "leave both out for whole days, or let them differ")  # fmt: skip
    days = frozenset(DAYS.index(day) for day in given.get("days", DAYS))
    return Hours(days, begin, end, given.get("time_zone", zone))


def _switch_off(given: Any, path: Path, example: str, place: Place) -> None:
    """``false`` switches off what an outer level says; ``true`` says nothing."""
    if given is True:
        place.error(
            "says-nothing", f"{path[-1]}: true does not say how", path, f"write for example {example}, or false"
        )


def schedule_of(given: Any, path: Path, direction: Direction, zone: str, place: Place) -> Schedule | None:
    """The snapshot that is stated at ``path``. None, and noted, for one that cannot be.

    Codes: ``says-nothing``, ``bad-schedule``, ``empty-window``, ``snapshot-direction``.
    """
    if not isinstance(given, dict):
        _switch_off(given, path, 'snapshot: {direction: send, at: "30 3 * * 0"}', place)
        return None
    if not {"direction", "at"} <= given.keys():
        return None  # refused by the schema
    way, zone = given["direction"], given.get("time_zone", zone)
    receiver = GIVERS[way].other
    if not direction.writes(receiver):
        place.error("snapshot-direction", f"a snapshot that is to {way} writes the {_NAMES[receiver]}, and this folder flows"
             f" {direction} only", (*path, "direction"), "turn it round, or take the snapshot out")  # fmt: skip
        return None
    try:
        next(CronSim(given["at"], datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        why = str(error) or "no such day comes"
        place.error("bad-schedule", f"{given['at']!r} is no schedule: {why[:1].lower()}{why[1:]}", (*path, "at"),
             'write minute, hour, day, month and day of the week, for example "30 3 * * 0"')  # fmt: skip
        return None
    modified = timedelta_of(given["modified"]) if "modified" in given else None
    start = given.get("start")
    ends: Ends | None = None
    if start is not None:
        past, future = (timedelta_of(start[end]) if end in start else None for end in ("past", "future"))
        ends = past, future
    for name, nothing in (("modified", modified == timedelta()), ("start", ends == (timedelta(), timedelta()))):
        if nothing:
            place.error("empty-window", "a snapshot of a window of zero days takes nothing", (*path, name),
                 f"write for example {name}: {_EXAMPLES[name]}, or leave it out to take everything")  # fmt: skip
            return None
    rate = None if (most := given.get("rate")) is None else int(most)
    return Schedule(way, given["at"], zone, modified, ends, Items(given.get("items", Items.BOTH)), rate)


_NAMES = {Side.CRM: "CRM", Side.TARGET: "target"}
_EXAMPLES = {"modified": "7d", "start": "{past: 30d, future: 90d}"}

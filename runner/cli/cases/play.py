"""One case, played: what is given, the steps one by one, and what is expected of both sides in the end.

Every step takes a second of the case's own time, so that what happens later is later on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from runner.cli.cases.comparing import Held, Wanted, compare_counts, compare_items, compare_words
from runner.cli.cases.values import Values
from runner.cli.cases.world import World
from runner.cli.mapping_cases import WHOLE_ITEM, Difference
from runner.config.documents import Document
from runner.config.durations import timedelta_of
from runner.config.yamlsource import Path as Place
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import exit_code
from runner.engine.selection import select_links
from runner.model.errors import ConnectorError, ExsyncError
from runner.model.meetings import MailStatus
from runner.model.moments import moment_of
from runner.model.record import Fields
from runner.model.terms import Entity, Operation, Side
from runner.sandbox.faults import Drop, Effect, Fault, HttpAnswer, ItemAnswer, WholeFault

T = TypeVar("T")

SECOND = 1.0
_FUTURE = "the case's clock only goes forwards"


class _Stopped(Exception):
    """The case cannot go on."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.note)
        self.difference = difference


@dataclass(slots=True)
class _Cast:
    """What the case calls an item by its name: where it was made, and its key there."""

    side: Side
    entity: Entity
    key: str
    link: str = ""


@dataclass(slots=True)
class Play:
    """A case under way. ``at`` is where it stands in its document."""

    document: Document
    at: Place
    world: World
    values: Values
    defaults: Mapping[Entity, Fields]
    """What items that are made in mailboxes hold where nothing else is said."""
    named: dict[str, _Cast] = field(default_factory=dict)
    reports: list[PassReport] = field(default_factory=list)
    """Those of the last pass."""
    scripted: list[tuple[Fault, Place]] = field(default_factory=list)

    def run(self) -> Iterator[Difference]:
        """What came out otherwise than expected. A step that cannot be carried out ends the case."""
        case = self.document.get(*self.at)
        try:
            self._given(case.get("given", {}))
            for number, step in enumerate(case.get("steps", ())):
                kind = next(iter(step))
                self.world.clock.advance(SECOND)
                yield from STEPS[kind](self, step[kind], (*self.at, "steps", number, kind))
            yield from self._expect(case.get("expect", {}), (*self.at, "expect"))
            yield from self._unmet()
        except _Stopped as stopped:
            yield stopped.difference

    # -- what people do ----------------------------------------------------------------------------------------------

    def _given(self, given: Mapping[str, Any]) -> None:
        for entity, records in given.get("crm", {}).items():
            for number, record in enumerate(records):
                self._make_record(Entity(entity), record, (*self.at, "given", "crm", entity, number))
        for link, items in given.get("target", {}).items():
            for number, item in enumerate(items):
                self._make_item(link, item, (*self.at, "given", "target", link, number))

    def _make_record(self, entity: Entity, record: Mapping[str, Any], place: Place) -> None:
        fields = self.values.crm(entity, record["fields"])
        key = self._try("given", place, lambda: self.world.crm.create(entity, record["owner"].lower(), fields))
        if "item" in record:
            self.named[record["item"]] = _Cast(Side.CRM, entity, key)

    def _make_item(self, link: str, item: Mapping[str, Any], place: Place) -> None:
        hand = self.world.mailboxes[link]
        entity = hand.link.entity
        fields = {**self.defaults.get(entity, {}), **self.values.target(entity, item["fields"])}
        key = self._try("given", place, lambda: hand.create(fields))
        if "item" in item:
            self.named[item["item"]] = _Cast(Side.TARGET, entity, key, link)

    def _create(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        if "crm" in step:
            self._make_record(Entity(step["crm"]), step, place)
        else:
            self._make_item(step["target"], step, place)
        return ()

    def _edit(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        name, side = self._whom(step)
        entity = self.named[name].entity
        if side is Side.CRM:
            fields = self.values.crm(entity, step["fields"])
            key, _ = self._key(name, side, step, place)
            self._try("edit", place, lambda: self.world.crm.edit(entity, key, fields))
            return ()
        fields = self.values.target(entity, step["fields"])
        key, link = self._key(name, side, step, place)
        after = self._try("edit", place, lambda: self.world.mailboxes[link].edit(key, fields))
        if self.named[name].key == key:
            self.named[name].key = after
        return ()

    def _delete(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        name, side = self._whom(step)
        key, link = self._key(name, side, step, place)
        if side is Side.CRM:
            self._try("delete", place, lambda: self.world.crm.delete(self.named[name].entity, key))
        else:
            self._try("delete", place, lambda: self.world.mailboxes[link].delete(key))
        return ()

    def _whom(self, step: Mapping[str, Any]) -> tuple[str, Side]:
        return (step["crm"], Side.CRM) if "crm" in step else (step["target"], Side.TARGET)

    def _key(self, name: str, side: Side, step: Mapping[str, Any], place: Place) -> tuple[str, str]:
        """The key and the link of a named item on a side: its own, or that of its counterpart."""
        keys = self._keys(name, side)
        asked = step.get("link")
        found = [(key, link) for link, key in keys if asked in (None, link)]
        if side is Side.CRM:
            found = list(dict.fromkeys((key, "") for key, _ in found))
        if len(found) == 1:
            return found[0]
        where = f"under {asked}" if asked else f"on the side {side}"
        note = f"{name!r} is not there {where}: no pass has brought it, or it went again"
        if found:
            note = f"{name!r} is in several folders: say which with link: {' or '.join(link for _, link in found)}"
        raise _Stopped(
            Difference(place[-1] if isinstance(place[-1], str) else "step", note=note, span=self._span(place))
        )

    def _keys(self, name: str, side: Side) -> list[tuple[str, str]]:
        """(link, key) of a named item on a side, one for each link that holds it."""
        known = self.named[name]
        if known.side is side:
            return [(known.link, known.key)]
        found = []
        for link in self.world.plan.links:
            if known.side is Side.CRM:
                paired = self.world.store.pairings(link, crm_keys=[known.key])
                found += [(link, each.target_key) for each in paired if each.entity is known.entity]
            elif link == known.link:
                found += [(link, each.crm_key) for each in self.world.store.pairings(link, target_keys=[known.key])]
        return found

    # -- what exsync does, and what befalls it -----------------------------------------------------------------------

    def _pass(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        allowed = frozenset(Operation(word) for word in step.get("allow", ()))
        run = self.world.runner.rng.token()
        links = select_links(self.world.plan, tuple(step.get("links", ())))
        with self.world.with_faults():
            try:
                self.reports = self.world.runner.run(links, Orders(run, allowed=allowed))
            except ExsyncError as error:
                self.reports = [PassReport(self.world.plan.crm.name, error=error)]
        ended = exit_code(self.reports)
        if ended != step.get("exit", 0):
            told = "; ".join(_told(report) for report in self.reports if report.error or report.trips or report.skipped)
            yield Difference("pass exit code", step.get("exit", 0), ended, told, self._span(place))

    def _fault(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        user = step.get("user")
        fault = Fault(
            _effect(step),
            step["operation"],
            user.lower() if user else None,
            nth=step.get("nth", 1),
            times=step.get("times", 1),
            after=step.get("after", False),
        )
        self.world.faults.append((step["target"], fault))
        self.scripted.append((fault, place))
        return ()

    def _clock(self, step: str, place: Place) -> Iterable[Difference]:
        now = self.world.clock.now()
        then: datetime = moment_of(step) if step.endswith("Z") else now + timedelta_of(step)
        if then < now:
            raise _Stopped(Difference("clock", step, now.isoformat(), _FUTURE, self._span(place)))
        self.world.clock.advance(then - now)
        return ()

    # -- what is expected --------------------------------------------------------------------------------------------

    def _expect(self, expected: Mapping[str, Any], place: Place) -> Iterator[Difference]:
        for entity, records in expected.get("crm", {}).items():
            at, kind = (*place, "crm", entity), Entity(entity)
            wanted = self._wanted(records, at, partial(self.values.crm, kind))
            yield from compare_items(f"crm {entity}", wanted, self._records(kind), self._span(at, key=True))
        for link, items in expected.get("target", {}).items():
            at = (*place, "target", link)
            kind = self.world.mailboxes[link].link.entity
            wanted = self._wanted(items, at, partial(self.values.target, kind))
            yield from compare_items(link, wanted, self._items(link, at), self._span(at, key=True))
        for what, read in _LISTS.items():
            if what in expected:
                yield from compare_words(what, expected[what], list(read(self.world)), self._span((*place, what)))
        if "mails" in expected:
            held = sum(mail.addressees for mail in self.world.store.mails() if mail.status is MailStatus.HELD)
            got = {"sent": self.world.mailed, "held": held}
            named = {name: got[name] for name in expected["mails"]}
            yield from compare_counts("mails", expected["mails"], named, self._span((*place, "mails")))
        if "writes" in expected:
            sides = expected["writes"]
            wanted_writes = {f"{side}.{name}": count for side in sides for name, count in sides[side].items()}
            yield from compare_counts("writes", wanted_writes, self._writes(), self._span((*place, "writes")))

    def _wanted(self, items: list[Mapping[str, Any]], at: Place, read: Callable[..., Any]) -> list[Wanted]:
        return [
            Wanted(
                read(item.get("fields", {})),
                self._span((*at, number)),
                item.get("item"),
                item["owner"].lower() if "owner" in item else None,
            )
            for number, item in enumerate(items)
        ]

    def _records(self, entity: Entity) -> list[Held]:
        names = self._names(Side.CRM)
        return [
            Held({}, names.get(key, frozenset()), owners, str(item))
            if isinstance(item, ConnectorError)
            else Held(item.values, names.get(key, frozenset()), owners)
            for key, (item, owners) in self.world.crm.records(entity).items()
        ]

    def _items(self, link: str, place: Place) -> list[Held]:
        names = self._names(Side.TARGET, link)
        read = self._try("expect", place, self.world.mailboxes[link].items)
        return [
            Held({}, names.get(key, frozenset()), unreadable=str(item))
            if isinstance(item, ConnectorError)
            else Held(item.values, names.get(key, frozenset()))
            for key, item in read.items()
        ]

    def _names(self, side: Side, link: str = "") -> dict[str, frozenset[str]]:
        """Key → the names by which the case knows the item on this side."""
        found: dict[str, set[str]] = {}
        for name in self.named:
            for holder, key in self._keys(name, side):
                if side is Side.CRM or holder == link:
                    found.setdefault(key, set()).add(name)
        return {key: frozenset(names) for key, names in found.items()}

    def _writes(self) -> Counter[str]:
        kinds = [f"{side}.{operation}" for side in Side for operation in Operation]
        return +Counter({kind: sum(report.counts[kind] for report in self.reports) for kind in kinds})

    def _unmet(self) -> Iterator[Difference]:
        for fault, place in self.scripted:
            if not fault.fired:
                note = "this fault met no request: the case does not show what it says"
                yield Difference("fault", note=note, span=self._span(place))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _span(self, place: Place, *, key: bool = False) -> Any:
        return self.document.source.key_span(place) if key else self.document.source.span(place)

    def _try(self, what: str, place: Place, act: Callable[[], T]) -> T:
        try:
            return act()
        except ConnectorError as error:
            note = f"this cannot be done: {error}"
            raise _Stopped(Difference(what, note=note, span=self._span(place))) from None


def _effect(step: Mapping[str, Any]) -> Effect:
    if "http" in step:
        return HttpAnswer(step["http"])
    if step.get("drop"):
        return Drop()
    return WholeFault(step["code"]) if step.get("whole") else ItemAnswer(step["code"])


def _told(report: PassReport) -> str:
    if report.error is not None:
        return f"{report.link}: {report.error}"
    return f"{report.link}: " + (report.skipped or "; ".join(f"guard {trip}" for trip in report.trips))


def _conflicts(world: World) -> Iterator[str]:
    return (conflict.field or WHOLE_ITEM for conflict in world.store.conflicts())


def _undecided(world: World) -> Iterator[str]:
    open_ones = world.store.conflicts(open_only=True)
    return (conflict.field or WHOLE_ITEM for conflict in open_ones if conflict.winner is None)


def _quarantined(world: World) -> Iterator[str]:
    return (each.code for each in world.store.quarantined())


_LISTS: Mapping[str, Callable[[World], Iterator[str]]] = {
    "conflicts": _conflicts,
    "held": _undecided,
    "quarantine": _quarantined,
}

STEPS: Mapping[str, Callable[[Play, Any, Place], Iterable[Difference]]] = {
    "create": Play._create,
    "edit": Play._edit,
    "delete": Play._delete,
    "pass": Play._pass,
    "fault": Play._fault,
    "clock": Play._clock,
    "expect": Play._expect,
}
"""Kind of step → what carries it out."""

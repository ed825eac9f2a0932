"""One case, played: what is given, the steps one by one, and what is expected of both sides in the end.

Every step takes a second of the case's own time, so that what happens later is later on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from runner.cli.cases.cast import owners_of
from runner.cli.cases.expecting import Expecting
from runner.cli.cases.names import Made, Names
from runner.cli.cases.values import Values
from runner.cli.cases.world import World
from runner.cli.mapping_cases import Difference
from runner.config.documents import Document
from runner.config.durations import timedelta_of
from runner.config.yamlsource import Path as Place
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import exit_code
from runner.engine.selection import select_links
from runner.model.errors import ConnectorError, ExsyncError
from runner.model.moments import moment_of
from runner.model.record import Fields
from runner.model.terms import Entity, Operation, Side
from runner.sandbox.failures import EwsError
from runner.sandbox.faults import Drop, Effect, Fault, HttpAnswer, ItemAnswer, WholeFault

T = TypeVar("T")

SECOND = 1.0
_RESPONSES = {"accepted": "Accept", "tentative": "Tentative", "declined": "Decline"}
LAST = datetime(2199, 12, 31, tzinfo=UTC)
_FUTURE = "the case's clock only goes forwards, and not beyond 2199"


class _Stopped(Exception):
    """The case cannot go on."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.note)
        self.difference = difference


@dataclass(slots=True)
class Play:
    """A case under way. ``at`` is where it stands in its document."""

    document: Document
    at: Place
    world: World
    values: Values
    defaults: Mapping[Entity, Fields]
    """What items that are made in mailboxes hold where nothing else is said."""
    reports: list[PassReport] = field(default_factory=list)
    """Those of the last pass."""
    scripted: list[tuple[Fault, Place]] = field(default_factory=list)
    names: Names = field(init=False)

    def __post_init__(self) -> None:
        """Nothing has a name yet."""
        self.names = Names(self.world)

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
        key = self._try("given", place, lambda: self.world.crm.create(entity, owners_of(record), fields))
        if "item" in record:
            self.names.made[record["item"]] = Made(Side.CRM, entity, key)

    def _make_item(self, link: str, item: Mapping[str, Any], place: Place) -> None:
        hand = self.world.mailboxes[link]
        entity = hand.link.entity
        fields = {**self.defaults.get(entity, {}), **self.values.target(entity, item["fields"])}
        key = self._try("given", place, lambda: hand.create(fields, send=item.get("send", False)))
        if "item" in item:
            self.names.made[item["item"]] = Made(Side.TARGET, entity, key, link)

    def _create(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        if "crm" in step:
            self._make_record(Entity(step["crm"]), step, place)
        else:
            self._make_item(step["target"], step, place)
        return ()

    def _edit(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        name, side = self._whom(step)
        entity = self.names.made[name].entity
        if side is Side.CRM:
            fields = self.values.crm(entity, step["fields"])
            key, _ = self._key(name, side, step, place)
            self._try("edit", place, lambda: self.world.crm.edit(entity, key, fields))
            return ()
        fields = self.values.target(entity, step["fields"])
        key, link = self._key(name, side, step, place)
        hand = self.world.mailboxes[link]
        after = self._try("edit", place, lambda: hand.edit(key, fields, send=step.get("send", False)))
        if self.names.made[name].key == key:
            self.names.made[name].key = after
        return ()

    def _delete(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        name, side = self._whom(step)
        key, link = self._key(name, side, step, place)
        if side is Side.CRM:
            self._try("delete", place, lambda: self.world.crm.delete(self.names.made[name].entity, key))
        else:
            hand = self.world.mailboxes[link]
            self._try("delete", place, lambda: hand.delete(key, send=step.get("send", False)))
        return ()

    def _answer(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        key, link = self._key(step["target"], Side.TARGET, step, place)
        named = self.world.plan.links[link]
        user = self.world.sandboxes[named.target].mailbox(named.user)
        try:
            user.answer(key, _RESPONSES[step["response"]])
        except EwsError as error:
            note = f"this cannot be done: {error}"
            raise _Stopped(Difference("answer", note=note, span=self._span(place))) from None
        return ()

    def _whom(self, step: Mapping[str, Any]) -> tuple[str, Side]:
        return (step["crm"], Side.CRM) if "crm" in step else (step["target"], Side.TARGET)

    def _key(self, name: str, side: Side, step: Mapping[str, Any], place: Place) -> tuple[str, str]:
        """The key and the link of a named item on a side: its own, or that of its counterpart."""
        asked, made = step.get("link"), self.names.made[name]
        found = [(key, link) for link, key in self.names.keys(name, side) if asked in (None, link)]
        if len(found) == 1 or (found and made.side is side):
            return found[0]
        where = f"under {asked}" if asked else f"on the side {side}"
        note = f"{name!r} is not there {where}: no pass has brought it, or it went again"
        if found:
            note = f"{name!r} is in several folders: say which with link: {' or '.join(link for _, link in found)}"
        raise _Stopped(Difference(str(place[-1]), note=note, span=self._span(place)))

    # -- what exsync does, and what befalls it -----------------------------------------------------------------------

    def _pass(self, step: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        allowed = frozenset(Operation(word) for word in step.get("allow", ()))
        run = self.world.runner.rng.token()
        links = select_links(self.world.plan, tuple(step.get("links", ())))
        with self.world.at_work():
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
        try:
            then: datetime = moment_of(step) if step.endswith("Z") else now + timedelta_of(step)
        except OverflowError:
            then = LAST + timedelta(days=1)
        if not now <= then <= LAST:
            raise _Stopped(Difference("clock", step, now.isoformat(), _FUTURE, self._span(place)))
        self.world.clock.advance(then - now)
        return ()

    def _expect(self, expected: Mapping[str, Any], place: Place) -> Iterable[Difference]:
        look = Expecting(self.document, self.world, self.values, self.names, self.reports)
        return self._try("expect", place, lambda: list(look.differences(expected, place)))

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


STEPS: Mapping[str, Callable[[Play, Any, Place], Iterable[Difference]]] = {
    "create": Play._create,
    "edit": Play._edit,
    "delete": Play._delete,
    "answer": Play._answer,
    "pass": Play._pass,
    "fault": Play._fault,
    "clock": Play._clock,
    "expect": Play._expect,
}
"""Kind of step → what carries it out."""

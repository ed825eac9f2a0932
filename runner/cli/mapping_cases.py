"""One case of a mapping's tests, run: what was expected and what came out, as differences.

A case is *outbound* or *inbound* (one mapping), *round_trip* (the laws below) or *reconcile* (one merge). Nothing here
reads a clock: edits happen at the case's own instants, so that a case gives the same result on every day.

**Laws of a round trip.** What is put to the other side and fetched back is what was there, ``get(put(x)) = x``, on every
field that runs both ways, unless its loss is declared with a reason; a declared loss must occur. Put out once more, it
changes nothing, ``put(get(put(x))) = put(x)``: otherwise two sides would answer each other for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runner.mapping.compiled import CompiledMapping
from runner.model.diagnostics import Span
from runner.model.errors import Invalid
from runner.model.moments import moment_of
from runner.model.record import Fields, Value
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, Operation, Side
from runner.reconcile.decision import Change, Presented
from runner.reconcile.merge import reconcile
from runner.reconcile.rules import ItemRules, Unit

DEFAULT_CLOCK = "2026-01-01T00:00:00Z"
"""When edits happen in a file that sets no clock."""

WHOLE_ITEM = "edit_vs_delete"
"""How a conflict of edit against delete, which has no unit, is called in tests."""

ABSENT = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came out otherwise than expected. ``note`` says what is wrong where two values do not; ``span`` is
    where it was expected, where that is closer than the case."""

    what: str
    expected: object = None
    got: object = None
    note: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """What the cases of one file share."""

    mapping: CompiledMapping
    clock: str = DEFAULT_CLOCK
    crm: Fields = field(default_factory=dict)
    record: Fields = field(default_factory=dict)

    def run(self, case: Mapping[str, Any]) -> tuple[Difference, ...]:
        """The differences of one case that holds against ``schemas/mapping-test.schema.json``; none: it holds."""
        kind = next(name for name in KINDS if name in case)
        expected = case.get("expect", {})
        try:
            return tuple(KINDS[kind](self, case, expected))
        except Invalid as error:
            wanted = expected.get("error")
            if wanted is not None and wanted in str(error):
                return ()
            return (Difference("error", wanted or ABSENT, str(error)),)

    def from_crm(self, values: Mapping[str, Any]) -> Fields:
        """CRM fields as a connector gives them: the file's defaults, then these."""
        return {**self.crm, **values_of(values)}

    def from_record(self, values: Mapping[str, Any]) -> Fields:
        """Record fields likewise, every field of the units named."""
        blank = {name: None for unit in self.mapping.units for name in unit.fields}
        return {**blank, **self.record, **values_of(values)}

    def both_ways(self) -> frozenset[str]:
        """The record fields that run both ways."""
        return frozenset(
            name for unit in self.mapping.units if unit.direction is Direction.BOTH for name in unit.fields
        )


def values_of(values: Mapping[str, Any]) -> dict[str, Value]:
    """YAML's values as canonical ones: a list is a set of keywords, a mapping holds patches by recurrence id."""
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Value:
    if isinstance(value, Mapping):
        return dict(sorted(values_of(value).items()))
    return (tuple(sorted(set(value))) or None) if isinstance(value, list) else value


def _compare(expected: Mapping[str, Any], got: Fields) -> Iterable[Difference]:
    for name, value in values_of(expected).items():
        if name not in got:
            yield Difference(name, value, note="the mapping does not give this field")
        elif not _same(got[name], value):
            yield Difference(name, value, got[name])


def _same(one: Value, other: Value) -> bool:
    return one == other and type(one) is type(other)  # 1 is not true


def _outbound(bench: Bench, case: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterable[Difference]:
    yield from _one_way(bench.mapping.outbound(bench.from_crm(case["outbound"]["crm"])), expected, "record")


def _inbound(bench: Bench, case: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterable[Difference]:
    yield from _one_way(bench.mapping.inbound(bench.from_record(case["inbound"]["record"])), expected, "crm")


def _one_way(got: Fields, expected: Mapping[str, Any], side: str) -> Iterable[Difference]:
    if "error" in expected:
        yield Difference("error", expected["error"], ABSENT)
    yield from _compare(expected.get(side, {}), got)


def _round_trip(bench: Bench, case: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterable[Difference]:
    mapping, both = bench.mapping, bench.both_ways()
    given, loss = case["round_trip"], case.get("loss", {})
    if "crm" in given:
        start = bench.from_crm(given["crm"])
        put = mapping.outbound(start)
        got = mapping.inbound(put)
        again = mapping.outbound({**start, **got})
        laws, repeated = sorted(mapping.inbound_fields(both)), sorted(both)
    else:
        start = bench.from_record(given["record"])
        put = mapping.inbound(start)
        got = mapping.outbound({**bench.crm, **put})
        again = mapping.inbound(got)
        laws, repeated = sorted(both), sorted(mapping.inbound_fields(both))
    for name in laws:
        kept = _same(got.get(name), start.get(name))
        if kept and name in loss:
            yield Difference(
                name, f"lost: {loss[name]}", got.get(name), "a loss is declared, but it came back as it was"
            )
        elif not kept and name not in loss:
            yield Difference(
                name, start.get(name), got.get(name), "lost on the round trip, and not declared under loss"
            )
    for name in loss:
        if name not in laws:
            yield Difference(name, note="a loss is declared for a field that does not run both ways")
    for name in repeated:
        if not _same(again.get(name), put.get(name)):
            yield Difference(name, put.get(name), again.get(name), "does not settle: put out again, it changes")


def _reconcile(bench: Bench, case: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterable[Difference]:
    given, mapping = case["reconcile"], bench.mapping
    base: Base | None = None
    crm_then: Fields = bench.crm
    target_then = bench.from_record({})
    if given.get("base") is not None:
        target_then = bench.from_record(given["base"])
        crm_then = {**bench.crm, **mapping.inbound(target_then)}
        base = Base(mapping.outbound(crm_then), target_then)
    crm = None if given["crm"] is None else mapping.outbound({**crm_then, **values_of(given["crm"])})
    target = None if given["target"] is None else {**target_then, **values_of(given["target"])}
    decision = reconcile(
        base,
        Presented(crm, _moment(given, "crm_modified", bench.clock)),
        Presented(target, _moment(given, "target_modified", bench.clock)),
        _rules(mapping, given),
    )
    if "changes" in expected:
        changes = sorted(decision.changes, key=lambda change: change.side is Side.TARGET)
        yield from _compare_changes(bench, expected["changes"], changes)
    if "conflicts" in expected:
        found = sorted(clash.unit or WHOLE_ITEM for clash in decision.clashes)
        if found != sorted(expected["conflicts"]):
            yield Difference("conflicts", sorted(expected["conflicts"]), found)


def _moment(given: Mapping[str, Any], key: str, clock: str) -> datetime:
    return moment_of(given.get(key, clock))


def _rules(mapping: CompiledMapping, given: Mapping[str, Any]) -> ItemRules:
    """The rules of a link that says nothing but what the case says."""
    policy = ConflictPolicy(given.get("policy", ConflictPolicy.CRM_WINS))
    direction = Direction(given.get("direction", Direction.BOTH))
    units = tuple(
        Unit(unit.name, unit.fields, direction.narrowed(unit.direction), unit.conflict or policy, unit.rule)
        for unit in mapping.units
    )
    survivor = EditVsDelete(given.get("edit_vs_delete", EditVsDelete.EDIT_WINS))
    return ItemRules(units, direction, mapping.rule, edit_vs_delete=survivor)


def _compare_changes(bench: Bench, expected: list[Mapping[str, Any]], changes: list[Change]) -> Iterable[Difference]:
    wanted = sorted(expected, key=lambda change: change["side"] == Side.TARGET.value)
    names = [f"{change['side']} {change['operation']}" for change in wanted]
    found = [f"{change.side.value} {change.operation.value}" for change in changes]
    if names != found:
        yield Difference("changes", names, found)
        return
    for one, change in zip(wanted, changes, strict=True):
        if "fields" in one:
            written, fields = _written(bench.mapping, change), values_of(one["fields"])
            for name in sorted({*fields, *written}):
                if name not in written or name not in fields or not _same(written[name], fields[name]):
                    what = f"{change.side.value} {change.operation.value} {name}"
                    yield Difference(what, fields.get(name, ABSENT), written.get(name, ABSENT))


def _written(mapping: CompiledMapping, change: Change) -> Fields:
    """What a change writes on its side, in that side's own fields."""
    if change.operation is Operation.DELETE:
        return {}
    if change.side is Side.TARGET:
        return {name: change.values.get(name) for name in change.fields}
    values = mapping.inbound(change.values)
    names = frozenset(values) if change.operation is Operation.CREATE else mapping.inbound_fields(change.fields)
    return {name: value for name, value in values.items() if name in names}


Run = Callable[[Bench, Mapping[str, Any], Mapping[str, Any]], Iterable[Difference]]

KINDS: Mapping[str, Run] = {
    "outbound": _outbound,
    "inbound": _inbound,
    "round_trip": _round_trip,
    "reconcile": _reconcile,
}
"""Kind of case → what runs it."""

"""What a pass would write, or wrote, as data: per link its changes, conflicts, guards and everything left alone.

Nothing here decides. A change set is made complete, is the same for the same content in any order, and turns into text,
JSON and Markdown (``rendering``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runner.model.record import Fields, Value
from runner.model.terms import Operation, Side
from runner.reconcile.decision import Clash
from runner.reconcile.guards import Gauge, Trip
from runner.reconcile.matching import Unsure
from runner.reconcile.ordering import Label, Planned, arranged

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Clashing:
    """One conflict of one item."""

    label: Label
    clash: Clash


@dataclass(frozen=True, slots=True)
class Noted:
    """One item that is left alone, and why: detached, drifted, quarantined, or left by an errand."""

    label: Label
    reason: str


@dataclass(frozen=True, slots=True)
class LinkChanges:
    """One link's part of a change set.

    ``known`` is the number of its pairings before. ``counts`` (``"crm.create"`` → how many) are complete even where
    ``changes`` lists only a part; without them the listed changes are counted. ``gauges`` are the guards applied,
    ``trips`` those that stopped something. ``error`` says why the link could not be looked at to the end,
    ``remedy`` what to do about it.
    """

    link: str
    known: int = 0
    changes: tuple[Planned, ...] = ()
    clashes: tuple[Clashing, ...] = ()
    detached: tuple[Noted, ...] = ()
    drifted: tuple[Noted, ...] = ()
    left: tuple[Noted, ...] = ()
    quarantined: tuple[Noted, ...] = ()
    unsure: tuple[Unsure, ...] = ()
    gauges: tuple[Gauge, ...] = ()
    trips: tuple[Trip, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    remedy: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "changes", arranged(self.changes))
        object.__setattr__(
            self, "clashes", tuple(sorted(self.clashes, key=lambda c: (*c.label.order, c.clash.unit or "")))
        )
        for name in ("detached", "drifted", "left", "quarantined"):
            noted = sorted(getattr(self, name), key=lambda n: (*n.label.order, n.reason))
            object.__setattr__(self, name, tuple(noted))
        counted = self.counts or Counter(f"{p.change.side}.{p.change.operation}" for p in self.changes)
        object.__setattr__(self, "counts", {name: counted[name] for name in sorted(counted) if counted[name]})

    @property
    def stopped(self) -> Mapping[Operation, str]:
        """The operations that guards stopped, with the first guard's code."""
        return {trip.operation: trip.code for trip in reversed(self.trips)}

    @property
    def omitted(self) -> int:
        """Writes that are counted but not listed."""
        return max(0, sum(self.writes().values()) - len(self.changes))

    @property
    def held(self) -> int:
        """Conflicts that wait for a person."""
        return sum(1 for each in self.clashes if each.clash.held)

    @property
    def quiet(self) -> bool:
        """Whether there is nothing at all to tell of this link."""
        noted = (self.detached, self.drifted, self.left, self.quarantined)
        parts = (self.changes, self.clashes, *noted, self.unsure, self.trips)
        return not any(parts) and not self.writes() and self.error is None

    def writes(self) -> Mapping[Operation, int]:
        """How many writes of each operation, both sides together: what guards are asked about."""
        counts: Counter[Operation] = Counter()
        for name, number in self.counts.items():
            operation = name.partition(".")[2]
            if operation in set(Operation):
                counts[Operation(operation)] += number
        return counts

    def as_dict(self) -> Json:
        """Plain data for JSON."""
        return {
            "link": self.link,
            "known": self.known,
            "counts": dict(self.counts),
            "changes": [_change(each, self.stopped.get(each.change.operation)) for each in self.changes],
            "omitted": self.omitted,
            "conflicts": [_conflict(each) for each in self.clashes],
            "detached": [_noted(each) for each in self.detached],
            "drifted": [_noted(each) for each in self.drifted],
            "left": [_noted(each) for each in self.left],
            "quarantined": [_noted(each) for each in self.quarantined],
            "unsure": [{"key": u.rule, "crm": list(u.crm), "target": list(u.target)} for u in self.unsure],
            "guards": [_gauge(each) for each in self.gauges],
            "trips": [
                {"code": trip.code, "operation": trip.operation.value, "message": str(trip), "remedy": trip.remedy}
                for trip in self.trips
            ],
            "error": self.error,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What one run would write, link by link in order of their names."""

    links: tuple[LinkChanges, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "links", tuple(sorted(self.links, key=lambda link: link.link)))

    def __bool__(self) -> bool:
        return any(link.writes() for link in self.links)

    @property
    def outstanding(self) -> bool:
        """Whether anything is left to do: writes, now or as soon as a person has decided about their mail (B-42)."""
        return bool(self) or self.mails_held > 0

    def total(self, operation: Operation) -> int:
        """Writes of one operation over all links."""
        return sum(link.writes().get(operation, 0) for link in self.links)

    @property
    def mails(self) -> int:
        """How many people would be told by mail."""
        return sum(link.counts.get("mail", 0) for link in self.links)

    @property
    def mails_held(self) -> int:
        """How many more would be, once what is held is released."""
        return sum(link.counts.get("mail_held", 0) for link in self.links)

    @property
    def trips(self) -> tuple[Trip, ...]:
        """The guards that stopped something, of all links."""
        return tuple(trip for link in self.links for trip in link.trips)

    def as_dict(self) -> Json:
        """Plain data for JSON; equal change sets give equal text."""
        return {
            "links": [link.as_dict() for link in self.links],
            "totals": {
                **{operation.value: self.total(operation) for operation in Operation},
                "conflicts": sum(len(link.clashes) for link in self.links),
                "held": sum(link.held for link in self.links),
                "mails": self.mails,
                "mails_held": self.mails_held,
            },
        }


def _change(planned: Planned, stopped: str | None) -> Json:
    change = planned.change
    return {
        **_label(planned.label),
        "side": change.side.value,
        "operation": change.operation.value,
        "reason": change.reason,
        "rule": change.rule,
        "stopped": stopped,
        "fields": {line.field: line.as_dict() for line in field_lines(planned)},
    }


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field of a change: what it held, what it shall hold, and what decided."""

    field: str
    before: Value
    after: Value
    reason: str
    rule: str

    def as_dict(self) -> Json:
        """Plain data for JSON."""
        return {"before": plain(self.before), "after": plain(self.after), "reason": self.reason, "rule": self.rule}


def field_lines(planned: Planned) -> tuple[FieldLine, ...]:
    """Before → after of every field that a change touches; empty fields of created and deleted items are left out."""
    change = planned.change
    before, after = change.before or {}, change.values
    if change.operation is not Operation.UPDATE:
        held = after if change.operation is Operation.CREATE else before
        names: Iterable[str] = (name for name in sorted(held) if held[name] is not None)
        return tuple(FieldLine(n, before.get(n), after.get(n), change.reason, change.rule) for n in names)
    return tuple(
        FieldLine(name, before.get(name), after.get(name), verdict.reason, verdict.rule)
        for verdict in change.verdicts
        for name in verdict.fields
    )


def plain(value: Value) -> object:
    """A record value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def _fields(fields: Fields | None) -> Json | None:
    return None if fields is None else {name: plain(fields[name]) for name in sorted(fields)}


def _label(label: Label) -> Json:
    return {"title": label.title, "crm_key": label.crm_key, "target_key": label.target_key}


def _conflict(each: Clashing) -> Json:
    clash = each.clash
    return {
        **_label(each.label),
        "unit": clash.unit,
        "policy": str(clash.policy),
        "winner": clash.winner.value if isinstance(clash.winner, Side) else None,
        "held": clash.held,
        "rule": clash.rule,
        "base": _fields(clash.base),
        "crm": _fields(clash.crm),
        "target": _fields(clash.target),
    }


def _noted(noted: Noted) -> Json:
    return {**_label(noted.label), "reason": noted.reason}


def _gauge(gauge: Gauge) -> Json:
    return {
        "code": gauge.code,
        "operation": gauge.operation.value,
        "wanted": gauge.wanted,
        "spent": gauge.spent,
        "limit": gauge.limit,
        "rule": gauge.rule,
        "exceeded": gauge.exceeded,
    }

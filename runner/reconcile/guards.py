"""Guards: limits in count and ratio that stop a change set before anything of that kind is written (B-101, B-83).

======  ==============================================================================================================
code    trips when
======  ==============================================================================================================
G101    deletes exceed their ratio of the link's known items
G102    updates exceed theirs
G103    every known item would be deleted: one side became empty. No limit lifts it, only an explicit ``--allow-deletes``
G104    writes of one operation exceed their absolute count
G105    writes of one operation to all links of a target exceed theirs (``per_target``)
G106    writes of one operation in one run exceed theirs (``per_run``)
G107    a link's first sync finds items on both sides and its mapping declares no keys that would pair them: everything would
        be made a second time
G108    a changed mapping, window or filter would rewrite more than 30 % of the link's items
G109    creates exceed their ratio (set by hand only: a first sync is all creates)
======  ==============================================================================================================

Limits are over 24 hours, but for a run's, and for G107 and G108, which look at one pass: ``spent`` counts what was already
written in them. Deletes are measured against the items that were known before those were deleted, else many small passes
could do what one may not. What may be mailed to people has budgets of its own (``reconcile.firewall``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.model.terms import Operation

EMPTIED = "G103"
UNMATCHED, REWRITTEN = "G107", "G108"
REWRITE = 0.3
"""The share of a link's items that a change of its configuration may rewrite."""
EMPTIED_FROM = 2
"""A link with a single item is not emptied by losing it."""

_RATIO_CODES = {Operation.DELETE: "G101", Operation.UPDATE: "G102", Operation.CREATE: "G109"}
_COUNT_CODE = "G104"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` writes and at most ``ratio`` of the link's known items, within 24 hours; None = no limit.

    A ratio never allows fewer than ``floor`` writes, so that it does not stop small folders.
    """

    count: int | None = None
    ratio: float | None = None
    floor: int = 10
    rule: str = "built-in default"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one link, per operation (both sides together)."""

    by_operation: Mapping[Operation, Limit] = field(
        default_factory=lambda: {
            Operation.DELETE: Limit(count=50, ratio=0.3),
            Operation.UPDATE: Limit(ratio=0.5, floor=100),
            Operation.CREATE: Limit(),
        }
    )
    per_item: int | None = 20
    """Updates of one item within an hour (B-65); None = no limit. More mean that somebody undoes each of our writes."""
    per_item_rule: str = "built-in default"
    per_target: Mapping[Operation, Limit] = field(
        default_factory=lambda: {Operation.DELETE: Limit(ratio=0.1, floor=200)}
    )
    """Over all links of the link's target, within 24 hours."""
    per_run: Mapping[Operation, Limit] = field(default_factory=dict)
    """Over all links of one run; counts only."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a pass is beside its counts. ``unmatched``: a first sync with items on both sides and nothing to pair them by;
    ``rewriting``: the first pass under another mapping, window or filter. The rest is what was written, and what is known,
    beyond this link: by the same target within 24 hours, and by the same run."""

    unmatched: bool = False
    rewriting: bool = False
    target_spent: Mapping[Operation, int] = field(default_factory=dict)
    target_known: int = 0
    run_spent: Mapping[Operation, int] = field(default_factory=dict)


ORDINARY = Circumstances()


@dataclass(frozen=True, slots=True)
class Trip:
    """A guard that stopped writes of one operation on one link: code, figures, where to set it, how to allow it once."""

    code: str
    link: str
    operation: Operation
    wanted: int
    spent: int
    known: int
    limit: int
    rule: str
    command: str = ""
    """What an operator typed for an errand (an undo, a snapshot) that the guard stopped; empty: it was a pass."""

    def __str__(self) -> str:
        share = f" ({100 * self.wanted / self.known:.0f} %)" if self.known else ""
        spent = f", {self.spent} already done in the last 24 hours" if self.spent else ""
        return (
            f"{self.code} {self.link}: {self.wanted} of {self.known} items{share} would be {self.operation}d{spent}; "
            f"the limit is {self.limit} ({self.rule}). Nothing of that kind was written."
        )

    @property
    def remedy(self) -> str:
        """How to go on."""
        allowing = f"`{self.command or f'exsync apply {self.link}'} --allow-{self.operation}s`"
        if self.command:
            return f"look at the whole of it (without --apply nothing is written); if it is meant, allow it once: {allowing}"
        if self.code == UNMATCHED:
            return (
                "give the mapping `match:` with the keys by which items on both sides are the same; or, if none of them are, "
                f"allow it once: {allowing}"
            )
        if self.code == REWRITTEN:
            return f"see `exsync plan {self.link}` for what the change of the configuration does; if it is meant: {allowing}"
        if self.code in {"G105", "G106"}:
            scope = "per_target" if self.code == "G105" else "per_run"
            return f"see `exsync plan`; then raise guards.{scope}.max_{self.operation}s in YAML, or allow it once: {allowing}"
        if self.code == EMPTIED:
            return (
                f"see whether the other side was emptied by accident: `exsync plan {self.link}`; "
                f"if the deletes are meant, allow them once: {allowing}"
            )
        return (
            f"look at `exsync plan {self.link}`; then raise guards.max_{self.operation}s in YAML, "
            f"or allow it once: {allowing}"
        )


@dataclass(frozen=True, slots=True)
class Gauge:
    """One guard measured: ``wanted`` writes on top of those ``spent`` already, against the most that it lets pass."""

    code: str
    operation: Operation
    wanted: int
    spent: int
    limit: int
    rule: str

    @property
    def exceeded(self) -> bool:
        """Whether it stops its operation. What is not wanted is never stopped."""
        return self.wanted > 0 and self.wanted + self.spent > self.limit


def measure(
    wanted: Mapping[Operation, int],
    spent: Mapping[Operation, int],
    known: int,
    limits: Limits,
    around: Circumstances = ORDINARY,
) -> tuple[Gauge, ...]:
    """Every guard that applies, in order of operation and code, exceeded or not.

    ``wanted`` and ``spent`` count writes of both sides together; ``known`` is the link's active pairings before the pass.
    """
    gauges: list[Gauge] = []
    for operation in Operation:
        want, done = wanted.get(operation, 0), spent.get(operation, 0)
        before = known + done if operation is Operation.DELETE else known
        for code, most, rule in _ceilings(operation, before, limits.by_operation.get(operation)):
            gauges.append(Gauge(code, operation, want, done, most, rule))
    return (*gauges, *_around(wanted, known, limits, around))


def _around(wanted: Mapping[Operation, int], known: int, limits: Limits, around: Circumstances) -> Iterator[Gauge]:
    """The guards that look beyond the counts of one link."""
    for operation in Operation:
        want = wanted.get(operation, 0)
        if limit := limits.per_target.get(operation):
            spent = around.target_spent.get(operation, 0)
            before = around.target_known + (spent if operation is Operation.DELETE else 0)
            ceilings = [] if limit.count is None else [limit.count]
            if limit.ratio is not None:
                ceilings.append(max(int(limit.ratio * before + 1e-9), limit.floor))
            if ceilings:
                yield Gauge("G105", operation, want, spent, min(ceilings), limit.rule)
        if (limit := limits.per_run.get(operation)) and limit.count is not None:
            yield Gauge("G106", operation, want, around.run_spent.get(operation, 0), limit.count, limit.rule)
    if around.unmatched:
        rule = "built in: items on both sides, and the mapping has no `match`"
        yield Gauge(UNMATCHED, Operation.CREATE, wanted.get(Operation.CREATE, 0), 0, 0, rule)
    if around.rewriting:
        most = max(int(REWRITE * known + 1e-9), Limit().floor)
        rule = f"built in: a changed configuration may rewrite {REWRITE:.0%} of a link's items"
        yield Gauge(REWRITTEN, Operation.UPDATE, wanted.get(Operation.UPDATE, 0), 0, most, rule)


def assess(
    link: str,
    wanted: Mapping[Operation, int],
    spent: Mapping[Operation, int],
    known: int,
    limits: Limits,
    allowed: frozenset[Operation] = frozenset(),
    around: Circumstances = ORDINARY,
) -> tuple[Trip, ...]:
    """Every guard that stops this change set. ``allowed`` silences the guards of its own operations for this once."""
    return tuple(
        Trip(gauge.code, link, gauge.operation, gauge.wanted, gauge.spent, known, gauge.limit, gauge.rule)
        for gauge in measure(wanted, spent, known, limits, around)
        if gauge.exceeded and gauge.operation not in allowed
    )


def _ceilings(operation: Operation, known: int, limit: Limit | None) -> list[tuple[str, int, str]]:
    """(code, most writes allowed, rule) of every guard over one operation, by code."""
    ceilings: list[tuple[str, int, str]] = []
    if limit is not None and limit.ratio is not None:
        ceilings.append((_RATIO_CODES[operation], max(int(limit.ratio * known + 1e-9), limit.floor), limit.rule))
    if operation is Operation.DELETE and known >= EMPTIED_FROM:
        ceilings.append((EMPTIED, known - 1, "built in: one side became empty"))
    if limit is not None and limit.count is not None:
        ceilings.append((_COUNT_CODE, limit.count, limit.rule))
    return sorted(ceilings)

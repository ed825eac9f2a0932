"""Guards: limits in count and ratio that stop a change set before anything of that kind is written (B-101, B-83).

======  ==============================================================================================================
code    trips when
======  ==============================================================================================================
G101    deletes exceed their ratio of the link's known items
G102    updates exceed theirs
G103    every known item would be deleted: one side became empty. No limit lifts it, only an explicit ``--allow-deletes``
G104    writes of one operation exceed their absolute count
G109    creates exceed their ratio (set by hand only: a first sync is all creates)
======  ==============================================================================================================

Limits are over 24 hours: ``spent`` counts what was already written in them. Deletes are measured against the items that
were known before those were deleted, else many small passes could do what one may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.model.terms import Operation

EMPTIED = "G103"
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
            Operation.UPDATE: Limit(ratio=0.5, floor=20),
            Operation.CREATE: Limit(),
        }
    )
    per_item: int | None = 20
    """Updates of one item within an hour (B-65); None = no limit. More mean that somebody undoes each of our writes."""
    per_item_rule: str = "built-in default"


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
        if self.code == EMPTIED:
            return (
                f"see whether the other side was emptied by accident: `exsync plan {self.link}`; "
                f"if the deletes are meant, allow them once: `exsync apply {self.link} --allow-{self.operation}s`"
            )
        return (
            f"look at `exsync plan {self.link}`; then raise guards.max_{self.operation}s in YAML, "
            f"or allow it once: `exsync apply {self.link} --allow-{self.operation}s`"
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
    wanted: Mapping[Operation, int], spent: Mapping[Operation, int], known: int, limits: Limits
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
    return tuple(gauges)


def assess(
    link: str,
    wanted: Mapping[Operation, int],
    spent: Mapping[Operation, int],
    known: int,
    limits: Limits,
    allowed: frozenset[Operation] = frozenset(),
) -> tuple[Trip, ...]:
    """Every guard that stops this change set. ``allowed`` silences the guards of its own operations for this once."""
    return tuple(
        Trip(gauge.code, link, gauge.operation, gauge.wanted, gauge.spent, known, gauge.limit, gauge.rule)
        for gauge in measure(wanted, spent, known, limits)
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

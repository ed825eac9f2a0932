"""Guards: limits in count and ratio that stop a change set before anything of that kind is written (B-101, B-83)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.model.terms import Operation


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` writes and at most ``ratio`` of the link's known items, within 24 hours; None = no limit.

    A ratio is not applied while it would allow fewer than ``floor`` writes.
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
        return (
            f"look at `exsync plan {self.link}`; then raise guards.max_{self.operation}s in YAML, "
            f"or allow it once: `exsync apply {self.link} --allow-{self.operation}s`"
        )

"""What both fakes share: how an item is held, how a connector answers a write, what a caller may never ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from runner.model.errors import AccessDenied, AuthRefused, ConnectorError, ContainerGone, Unreachable
from runner.model.items import Write, WriteResult
from runner.model.record import Fields, Value
from runner.model.terms import Operation, Side
from runner.testing.faults import Boundary

STOPPING = (AuthRefused, AccessDenied, ContainerGone, Unreachable)
"""Errors that end a pass: raised by ``write``. All others concern one item and go into its result."""


class ContractViolation(AssertionError):
    """A caller asked for what the design forbids, for example a write without its precondition. Never caught."""


@dataclass(slots=True)
class Held:
    """One item inside a fake. ``version`` grows with every change; ``unreadable`` is why nobody can carry it."""

    key: str
    version: int
    values: dict[str, Value]
    modified: datetime
    stamp: str | None = None
    native: str | None = None
    shared: bool = False
    organizer: str | None = None
    response: str | None = None
    unreadable: str | None = None
    trail: list[str] = field(default_factory=list)
    """Former keys, oldest first."""


def as_given(values: Fields) -> Fields:
    """The side that stores what it is given."""
    return values


def carried_out(
    boundary: Boundary,
    side: Side,
    allowed: frozenset[Operation],
    writes: Sequence[Write],
    effect: Callable[[Write], WriteResult],
) -> Iterator[WriteResult]:
    """One result for each write, in order, lazily: the next write is not sent before its result is asked for.

    Each write is one call of the boundary. ``allowed`` names the operations that may reach this side at all; anything
    else is a :class:`ContractViolation`, which is how a one-way test shows that nothing is written back (property P6).
    """
    for write in writes:
        demand_valid(write)
        if write.operation not in allowed:
            raise ContractViolation(f"{side} must not be written here: {write.operation} {write.key}")
        subject = write.key or write.stamp
        try:
            result = boundary.call(side, write.operation, subject, partial(effect, write), writes=True)
        except STOPPING:
            raise
        except ConnectorError as error:
            result = WriteResult(key=write.key, error=error)
        yield result


def demand_valid(write: Write) -> None:
    """Refuse what the design forbids: updates and deletes without version, creates without stamp (invariants 3 and 4)."""
    if write.operation is Operation.CREATE:
        if write.stamp is None:
            raise ContractViolation(f"a create without a stamp: {write}")
        if write.key is not None or write.version is not None:
            raise ContractViolation(f"a create that names an item: {write}")
    elif write.key is None or write.version is None:
        raise ContractViolation(f"a write without its precondition: {write}")
    if write.operation is Operation.UPDATE and not write.fields and write.stamp is None:
        raise ContractViolation(f"an update that changes nothing: {write}")
    missing = write.fields - set(write.values) if write.operation is not Operation.DELETE else frozenset()
    if missing:
        raise ContractViolation(f"fields without a value: {sorted(missing)}")

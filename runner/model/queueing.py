"""Messages of the queue as values (B-20 to B-22).

A message asks for one pass of one link and carries nothing else that anybody relies on: what changed stands in the dirty
marks and behind the watermarks, so a lost message costs time and never an edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from runner.model.errands import Errand
from runner.model.terms import Operation


class MessageState(StrEnum):
    """Where a message stands (B-21). A message whose pass succeeded is deleted.

    ``new``: may run at once. ``dispatching``: a worker has taken it. ``waiting``: set back through no fault of its own (its
    target is stopped, its link suspended). ``processing``: its pass runs. ``error``: its last pass failed, it is tried
    again when it is due. ``blocked``: it failed for good or too often, and is kept until an operator retries or discards it.
    """

    NEW = "new"
    DISPATCHING = "dispatching"
    WAITING = "waiting"
    PROCESSING = "processing"
    ERROR = "error"
    BLOCKED = "blocked"


HELD = frozenset({MessageState.DISPATCHING, MessageState.PROCESSING})
"""States in which a worker holds the message."""
READY = frozenset({MessageState.NEW, MessageState.WAITING, MessageState.ERROR})
"""States from which a message is taken when it is due."""


class Cause(StrEnum):
    """Who asked for a pass."""

    OPERATOR = "operator"
    CRM = "crm"
    NOTIFICATION = "notification"
    CONFIGURATION = "configuration"
    TIMER = "timer"


PRIORITY: Mapping[Cause, int] = MappingProxyType(
    {Cause.OPERATOR: 90, Cause.CRM: 50, Cause.NOTIFICATION: 50, Cause.CONFIGURATION: 30, Cause.TIMER: 10}
)
"""The higher number goes first; equal ones in order of arrival."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator asked of a pass: the run under which he will look for its report, and guards lifted for once."""

    run: str
    allowed: frozenset[Operation] = frozenset()
    only: frozenset[str] | None = None
    """Fingerprints of the changes that may be made; None: all."""
    errand: Errand | None = None
    """What is to be done instead of a pass."""


@dataclass(frozen=True, slots=True)
class Job:
    """One wish for a pass of a link, before the queue has made a message of it or joined it to one."""

    link: str
    target: str
    cause: Cause
    orders: tuple[Order, ...] = ()
    rank: int | None = None
    """Its priority where the configuration says another one than :data:`PRIORITY`."""

    @property
    def priority(self) -> int:
        """The priority of its cause."""
        return PRIORITY[self.cause] if self.rank is None else self.rank


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``hints`` counts the wishes that were joined in it, ``attempts`` the passes that failed; ``due`` None =
    at once; ``held_since`` is set while a worker holds it."""

    id: int
    link: str
    target: str
    state: MessageState
    priority: int
    cause: Cause
    put_at: datetime
    hints: int = 1
    attempts: int = 0
    due: datetime | None = None
    held_since: datetime | None = None
    reason: str | None = None
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Barred:
    """What must not be leased now: targets at their limit, stopped or suspended, and suspended links."""

    targets: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sample:
    """One target's queue over a while (B-22). ``sent`` counts wishes put, ``received`` messages taken; ``oldest`` is the age
    of the oldest message that may run, ``mean`` the mean time that a message was held; both in seconds."""

    target: str
    at: datetime
    sent: int
    received: int
    backlog: int
    blocked: int
    oldest: float
    mean: float

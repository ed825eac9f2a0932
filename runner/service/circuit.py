"""A target's circuit breaker as a value (B-23): who may be asked, and when again.

==========  =======================================================  ================================================
circuit     means                                                    leaves it when
==========  =======================================================  ================================================
closed      passes run                                               nobody answers, or three passes in a row fail
open        the target does not work: no pass runs                   its time is up: one pass probes it
probing     one pass finds out                                       it succeeds (closed) or fails (open, for longer)
refused     the log-on was refused: nothing is sent any more         its configuration or secret changes, an operator
                                                                     resumes it, or the process starts anew
==========  =======================================================  ================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from runner.queue import backoff
from runner.service.verdict import Trouble

TRIP = 3
"""Passes in a row that fail in passing before the fault is believed to be the target's."""


class CircuitState(StrEnum):
    """See the module."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Circuit:
    """``failures`` in a row; ``until`` when an open one is probed; ``reason`` the last failure."""

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    opened: int = 0
    until: datetime | None = None
    since: datetime | None = None
    reason: str | None = None

    def admits(self, now: datetime, running: int) -> bool:
        """Whether a pass may begin while ``running`` others of the target run."""
        match self.state:
            case CircuitState.CLOSED:
                return True
            case CircuitState.OPEN:
                return self.until is not None and self.until <= now and not running
            case _:
                return False

    def begun(self) -> Circuit:
        """A pass was admitted: if the circuit is open, it is the probe."""
        return replace(self, state=CircuitState.PROBING) if self.state is CircuitState.OPEN else self

    def ended(self, trouble: Trouble, reason: str, now: datetime, token: str) -> Circuit:
        """A pass ended with this trouble. ``token`` is fresh randomness."""
        if self.state is CircuitState.REFUSED:
            return self  # a pass that had begun before says nothing about the log-on now
        if trouble is Trouble.NONE:
            return Circuit()
        since = self.since or now
        if trouble is Trouble.REFUSED:
            return replace(self, state=CircuitState.REFUSED, until=None, since=since, reason=reason)
        failures = self.failures + 1
        if self.state is CircuitState.PROBING or trouble is Trouble.UNREACHABLE or failures >= TRIP:
            opened = self.opened + (self.state is not CircuitState.OPEN)
            until = now + backoff(opened, token)
            return Circuit(CircuitState.OPEN, failures, opened, until, since, reason)
        return replace(self, failures=failures, reason=reason)

    def unsettled(self) -> Circuit:
        """The probe ended without an answer about the target: probed again."""
        return replace(self, state=CircuitState.OPEN) if self.state is CircuitState.PROBING else self

"""The one place where a simulated world goes wrong.

Every remote call of the fakes, and every commit of a store wrapped by :func:`bound`, passes :meth:`Boundary.call`. There,
in this order: something may happen meanwhile (a user's edit), a fault may strike before the effect, the effect takes
place, its answer may be lost, and the process may die on either side of the effect. Calls are counted from 0, so that a
scenario can be crashed at each of its calls in turn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar, cast

from runner.model.errors import ConnectorError, OutcomeUnknown, Transient
from runner.model.ports import Store
from runner.model.state import Commit

T = TypeVar("T")


class Crash(BaseException):
    """The simulated death of the process: no ``except Exception`` may survive it."""


class Form(StrEnum):
    """How a fault strikes one call."""

    BEFORE = "before"
    """Refused before any effect: the error says that nothing happened."""
    AFTER = "after"
    """The effect takes place and its answer is lost: a write's outcome is unknown."""
    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``error`` replaces what BEFORE and AFTER raise by default (``Transient``; ``OutcomeUnknown`` for the
    lost answer of a write)."""

    form: Form
    error: ConnectorError | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached the boundary: ``side`` is ``crm``, ``target`` or ``store``; ``subject`` the key or link."""

    index: int
    side: str
    name: str
    subject: str | None
    writes: bool

    def __str__(self) -> str:
        return f"#{self.index} {self.side}.{self.name}({self.subject or ''})"


@dataclass(frozen=True, slots=True)
class Traced:
    """A call and how it ended: ``done``, ``lost`` (effect without answer), ``crashed-before``, ``crashed-after``, or
    the code of the error that refused it."""

    call: Call
    outcome: str

    @property
    def effective(self) -> bool:
        """Whether the effect took place, answered or not."""
        return self.outcome in {"done", "lost", "crashed-after"}

    def __str__(self) -> str:
        return f"{self.call} {self.outcome}"


class FaultPlan(Protocol):
    """Decides for each call whether and how it goes wrong."""

    def __call__(self, call: Call) -> Fault | None:
        """The fault of this call, or None."""
        ...


class Script:
    """Faults by call index: ``Script({7: Fault(Form.AFTER)})``."""

    def __init__(self, faults: Mapping[int, Fault]) -> None:
        self._faults = dict(faults)

    def __call__(self, call: Call) -> Fault | None:
        """The fault written down for this index."""
        return self._faults.get(call.index)


class Nth:
    """One fault at the n-th call (from 0) of one kind, for example the first create on the target."""

    def __init__(self, side: str, name: str, fault: Fault, n: int = 0) -> None:
        self._side, self._name, self._fault, self._left = side, name, fault, n

    def __call__(self, call: Call) -> Fault | None:
        """The fault when this is the call that was meant."""
        if (call.side, call.name) != (self._side, self._name):
            return None
        self._left -= 1
        return self._fault if self._left == -1 else None


class SeededFaults:
    """Faults drawn by chance from a seed. ``rates`` maps forms to probabilities; CRASH and BEFORE may strike any call,
    AFTER is a lost answer."""

    def __init__(self, seed: int, rates: Mapping[Form, float]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable by purpose
        self._rates = dict(rates)

    def __call__(self, call: Call) -> Fault | None:
        """At most one fault, drawn anew for each call."""
        roll = self._random.random()
        for form in Form:
            rate = self._rates.get(form, 0.0)
            if roll < rate:
                # A store never answers "perhaps": its commits are done, not done, or the process is dead.
                if call.side == "store" and form in {Form.BEFORE, Form.AFTER}:
                    return None
                return Fault(form)
            roll -= rate
        return None


class Boundary:
    """Counts, records and disturbs calls. ``meanwhile`` happens first in each call (a user's action); ``faults`` may be
    replaced at any time, None = fair weather."""

    def __init__(self, faults: FaultPlan | None = None, meanwhile: Callable[[Call], None] | None = None) -> None:
        self.faults = faults
        self.meanwhile = meanwhile
        self.trace: list[Traced] = []
        self._index = 0

    @property
    def calls(self) -> int:
        """How many calls have reached the boundary so far."""
        return self._index

    def call(self, side: str, name: str, subject: str | None, effect: Callable[[], T], *, writes: bool = False) -> T:
        """Carry out one call through all that may happen to it. Raises the fault's error, the effect's, or ``Crash``."""
        call = Call(self._index, side, name, subject, writes)
        self._index += 1
        if self.meanwhile is not None:
            self.meanwhile(call)
        fault = self.faults(call) if self.faults is not None else None
        form = fault.form if fault is not None else None
        if form is Form.CRASH_BEFORE:
            self._note(call, "crashed-before")
            raise Crash(str(call))
        if form is Form.BEFORE:
            error = (fault and fault.error) or Transient(f"scripted fault before {call}")
            self._note(call, error.code)
            raise error
        try:
            answer = effect()
        except ConnectorError as error:
            self._note(call, error.code)
            raise
        if form is Form.CRASH_AFTER:
            self._note(call, "crashed-after")
            raise Crash(str(call))
        if form is Form.AFTER:
            self._note(call, "lost")
            kind = OutcomeUnknown if writes else Transient
            raise (fault and fault.error) or kind(f"scripted loss of the answer to {call}")
        self._note(call, "done")
        return answer

    def writes(self, side: str | None = None, since: int = 0) -> list[Traced]:
        """Writes that took effect, on one side or (None) on both remote sides, from a call index on."""
        return [
            traced
            for traced in self.trace
            if traced.call.writes
            and traced.effective
            and traced.call.index >= since
            and (traced.call.side == side if side else traced.call.side != "store")
        ]

    def _note(self, call: Call, outcome: str) -> None:
        self.trace.append(Traced(call, outcome))


class _BoundStore:
    """A store whose commits pass a boundary."""

    def __init__(self, store: Store, boundary: Boundary) -> None:
        self._store = store
        self._boundary = boundary

    def commit(self, commit: Commit) -> None:
        """Commit through the boundary. An empty commit is no call at all."""
        self._boundary.call("store", "commit", None, lambda: self._store.commit(commit), writes=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def bound(store: Store, boundary: Boundary) -> Store:
    """The same store, whose commits are calls of the boundary (``store.commit``): it can crash before and after each."""
    return cast(Store, _BoundStore(store, boundary))

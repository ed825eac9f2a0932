"""Passes of several links at once, as a service's workers make them, in an order that a seed decides.

Each pass is a thread of its own, and one of them runs at a time: at every call to the outside the next one is drawn. So the
same seed is the same story, and a pass may find at each of its calls that another one has gone any number of steps.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from runner.testing.faults import Boundary, Call, Crash

T = TypeVar("T")


class _Task(threading.Thread, Generic[T]):
    def __init__(self, turns: Turns[T], work: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._turns, self._work = turns, work
        self.turn = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        self.turn.wait()
        try:
            if not self._turns.dead:
                self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it: a simulated crash is no Exception
            self.error = error
            self._turns.dead = self._turns.dead or isinstance(error, Crash)
        self._turns.ended(self)


class Turns(Generic[T]):
    """Runs tasks over one boundary, taking turns at its calls. ``rate`` is how often a call gives the turn away."""

    def __init__(self, boundary: Boundary, dice: random.Random, rate: float) -> None:
        self._boundary, self._dice, self._rate = boundary, dice, rate
        self._live: list[_Task[T]] = []
        self._done = threading.Event()
        self.dead = False
        """The process has died in one of them: the others get no further than their next call."""

    def run(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """Every task's result, in order. Raises what one of them raised, a ``Crash`` first."""
        tasks = [_Task(self, work) for work in works]
        self._live = list(tasks)
        before = self._boundary.meanwhile

        def meanwhile(call: Call) -> None:
            if before is not None:
                before(call)
            self._switch()

        for task in tasks:
            task.start()
        self._boundary.meanwhile = meanwhile
        try:
            self._dice.choice(self._live).turn.set()
            self._done.wait()
            for task in tasks:
                task.join()
        finally:
            self._boundary.meanwhile = before
        errors = sorted((task.error for task in tasks if task.error), key=lambda error: not isinstance(error, Crash))
        if errors:
            raise errors[0]
        return [task.result for task in tasks if task.result is not None]

    def _switch(self) -> None:
        mine = threading.current_thread()
        if self.dead:
            raise Crash("the process has died in another pass")
        if len(self._live) < 2 or self._dice.random() >= self._rate:
            return
        following = self._dice.choice(self._live)
        if following is mine:
            return
        assert isinstance(mine, _Task)
        mine.turn.clear()
        following.turn.set()
        mine.turn.wait()
        if self.dead:
            raise Crash("the process has died in another pass")

    def ended(self, task: _Task[T]) -> None:
        """A task is through: another one's turn, or everybody's end."""
        self._live.remove(task)
        if self._live:
            self._dice.choice(self._live).turn.set()
        else:
            self._done.set()

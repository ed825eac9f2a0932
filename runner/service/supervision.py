"""Threads that are looked after: one that dies is noticed, logged and started again; one that keeps dying ends the process.

A dead thread in a living process is the worst of faults: everything looks well, and nothing happens any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from runner.model.errors import ExsyncError, StateError
from runner.model.ports import Clock

MOST_DEATHS = 5
"""Deaths of one thread within :data:`WITHIN` seconds that end the process."""
WITHIN = 60.0
_PAUSE = 1.0

log = structlog.get_logger("exsync.service")


@dataclass(slots=True)
class Ward:
    """One thread under supervision: its task is called again whenever it dies."""

    name: str
    task: Callable[[], None]
    over: Callable[[], bool]
    deaths: list[float] = field(default_factory=list)
    thread: threading.Thread | None = None


class Supervisor:
    """Starts, watches and ends the service's threads. ``failed`` is set when the process must not go on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wards: list[Ward] = []
        self.stopping = threading.Event()
        """Set when every task shall return."""
        self.ended = threading.Event()
        """Set when the service shall end: it was asked to, or ``failure`` says why it must."""
        self.failure: BaseException | None = None

    def start(self, name: str, task: Callable[[], None], over: Callable[[], bool] = lambda: False) -> None:
        """Run a task in a thread of its own until :attr:`stopping` is set, or it is ``over``. The task returns then."""
        ward = Ward(name, task, over)
        self._wards.append(ward)
        ward.thread = threading.Thread(target=self._guard, args=(ward,), name=name, daemon=True)
        ward.thread.start()

    def stop(self, grace: float) -> list[str]:
        """Ask every task to return and wait; returns the names of threads that did not within the grace period."""
        self.stopping.set()
        deadline = self._clock.monotonic() + grace
        wards = list(self._wards)
        for ward in wards:
            if ward.thread is not None:
                ward.thread.join(max(0.0, deadline - self._clock.monotonic()))
        return [ward.name for ward in wards if ward.thread is not None and ward.thread.is_alive()]

    def fail(self, error: BaseException) -> None:
        """The process cannot go on; the first reason counts."""
        if self.failure is None:
            self.failure = error
        self.ended.set()

    @property
    def alive(self) -> bool:
        """Whether every thread lives (or is just being started again)."""
        wards = [ward for ward in list(self._wards) if not ward.over()]
        return self.failure is None and all(ward.thread is not None and ward.thread.is_alive() for ward in wards)

    def _guard(self, ward: Ward) -> None:
        while not self.stopping.is_set() and not ward.over():
            try:
                ward.task()
            except StateError as error:
                if not self.stopping.is_set():
                    log.critical("state.unusable", thread=ward.name, error=str(error), remedy=error.remedy)
                    self.fail(error)
                return
            except Exception as error:  # noqa: BLE001 - whatever kills a thread is logged and answered here
                if self.stopping.is_set() or not self._survives(ward, error):
                    return
                self.stopping.wait(_PAUSE)
            else:
                if not self.stopping.is_set() and not ward.over():
                    log.error("thread.ended", thread=ward.name)
                    self.stopping.wait(_PAUSE)
        if ward.over():
            self._wards.remove(ward)

    def _survives(self, ward: Ward, error: Exception) -> bool:
        now = self._clock.monotonic()
        ward.deaths = [moment for moment in ward.deaths if now - moment < WITHIN] + [now]
        if len(ward.deaths) >= MOST_DEATHS:
            log.critical("thread.keeps_dying", thread=ward.name, exc_info=error)
            self.fail(ExsyncError(f"the thread {ward.name} died {MOST_DEATHS} times within a minute: {error}"))
            return False
        log.error("thread.died", thread=ward.name, exc_info=error)
        return True

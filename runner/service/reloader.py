"""Hot reload (B-102): a hint, a moment of quiet, one look, and a new generation if the files are good."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from runner.model.diagnostics import Severity
from runner.model.errors import ExsyncError, StateError
from runner.model.ports import Clock
from runner.observe.metrics import Metrics
from runner.service.configuration import Configuration, Look, Outcome
from runner.service.filewatch import FileWatch

SETTLE = 1.0
"""Seconds of quiet before the files are looked at."""
LONGEST = 10.0
"""Seconds after which they are looked at although they do not come to rest."""
REGULAR = 30.0
"""Seconds between two looks that nothing hinted at."""
REMIND = 600.0
"""Seconds after which a rejected configuration is logged again."""

log = structlog.get_logger("exsync.config")


class Reloader:
    """One thread's task, and the look that an operator asks for."""

    def __init__(
        self,
        configuration: Configuration,
        swap: Callable[[Look], None],
        metrics: Metrics,
        clock: Clock,
        stopping: threading.Event,
        *,
        settle: float = SETTLE,
    ) -> None:
        self.configuration = configuration
        self._swap, self._metrics, self._clock, self._stopping = swap, metrics, clock, stopping
        self._settle_for = settle
        self._hinted = threading.Event()
        self._looking = threading.Lock()
        self._reminded = clock.monotonic()

    def hint(self) -> None:
        """Something may have changed (a file event, SIGHUP)."""
        self._hinted.set()

    def watch(self) -> None:
        """Look whenever there is a hint, and regularly, until the service stops."""
        watch = FileWatch(self._root, self.hint)
        try:
            while not self._stopping.is_set():
                if watch.arm():
                    self.hint()  # what changed before the watch stood has raised no event
                if self._hinted.wait(REGULAR):
                    self._settle()
                if self._stopping.is_set():
                    return
                self.look()
                self._remind()
        finally:
            watch.close()

    @property
    def _root(self) -> Path:
        return self.configuration.root

    def _settle(self) -> None:
        deadline = self._clock.monotonic() + LONGEST
        while self._clock.monotonic() < deadline and not self._stopping.is_set():
            self._hinted.clear()
            if not self._hinted.wait(self._settle_for):
                return
        self._hinted.clear()

    def still(self) -> threading.Lock:
        """While this is held, no configuration is taken up."""
        return self._looking

    def look(self) -> Look:
        """Look now, and swap in what is good."""
        with self._looking:
            look = self.configuration.look()
            if look.outcome is not Outcome.UNCHANGED:
                if look.outcome is Outcome.APPLIED:
                    look = self._put_to_use(look)
                self.tell(look)
            return look

    def _put_to_use(self, look: Look) -> Look:
        try:
            self._swap(look)
        except StateError:
            raise
        except ExsyncError as error:
            return self.configuration.refuse(look, error)
        self.configuration.confirm(look)
        return look

    def tell(self, look: Look) -> None:
        """Show an outcome in the log and the gauges."""
        self._reminded = self._clock.monotonic()
        self._metrics.reloads.labels(look.outcome.value, look.reason).inc()
        self._metrics.reload_successful.set(1 if look.outcome is Outcome.APPLIED else 0)
        if look.outcome is Outcome.APPLIED:
            self._metrics.reload_success_time.set(look.at.timestamp())
            self._metrics.config.info({"generation": str(look.generation), "digest": look.digest[:16]})
            log.info("config.applied", generation=look.generation, digest=look.digest[:16])
            if self.configuration.keeping_failed:
                log.warning("config.not_kept", reason=self.configuration.keeping_failed)
            return
        event = "config.failed" if look.outcome is Outcome.FAILED else "config.rejected"
        log.error(event, reason=look.reason, generation=look.generation, findings=_told(look))

    def _remind(self) -> None:
        standing = self.configuration.standing
        bad = standing is not None and standing.outcome in (Outcome.REJECTED, Outcome.FAILED)
        if bad and standing is not None and self._clock.monotonic() - self._reminded >= REMIND:
            self._reminded = self._clock.monotonic()
            log.error("config.still_rejected", reason=standing.reason, since=standing.at, findings=_told(standing))


def _told(look: Look) -> list[str]:
    errors = [each for each in look.diagnostics if each.severity is Severity.ERROR]
    told = [f"{each.span}: {each.code}: {each.message}" for each in errors[:10]]
    return [*told, look.trouble] if look.trouble else told

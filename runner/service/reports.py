"""Reports of ordered passes, for the operators who wait for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from runner.engine.report import PassReport
from runner.model.queueing import Order


class Reports:
    """Operator's runs that somebody waits for, and the reports that have come in for them."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._awaited: dict[str, dict[str, PassReport | None]] = {}
        self._parts: dict[tuple[str, str], PassReport] = {}
        """By run and link, what the slices of an errand have told that has not come to its end."""
        self._closed = False

    def expect(self, run: str, links: Iterable[str]) -> None:
        """Somebody will wait for a run over these links."""
        with self._arrived:
            self._awaited[run] = dict.fromkeys(links)

    def part(self, order: Order, report: PassReport) -> None:
        """A slice of an errand has ended, and the errand has not."""
        with self._arrived:
            if order.run in self._awaited:
                self._parts[order.run, report.link] = self._whole(order.run, report)

    def _whole(self, run: str, report: PassReport) -> PassReport:
        earlier = self._parts.pop((run, report.link), None)
        return report if earlier is None else earlier.joined(report)

    def note(self, orders: Iterable[Order], report: PassReport) -> None:
        """A pass that these orders asked for has ended."""
        with self._arrived:
            for order in orders:
                awaited = self._awaited.get(order.run)
                if awaited is not None and report.link in awaited:
                    awaited[report.link] = self._whole(order.run, report)
            self._arrived.notify_all()

    def close(self) -> None:
        """Nothing arrives any more: whoever waits is answered with what is there."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def take(self, run: str, timeout: float) -> tuple[Sequence[PassReport], Sequence[str]]:
        """The reports of a run when all are in, or when the time is up; and the links whose report is still missing."""
        with self._arrived:
            awaited = self._awaited[run]
            self._arrived.wait_for(lambda: self._closed or None not in awaited.values(), timeout)
            del self._awaited[run]
            self._parts = {place: part for place, part in self._parts.items() if place[0] != run}
            reports = [report for report in awaited.values() if report is not None]
            return reports, [link for link, report in awaited.items() if report is None]

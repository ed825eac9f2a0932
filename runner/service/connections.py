"""The connectors of a running service: opened on first use, shared by all passes, kept while what they need is unchanged.

A reload that changes a target's settings or its secret makes a new connector for the passes that begin from then on; the
old one is closed when the last pass that may use it has ended. An untouched target keeps its connector, its log-on and its
connections.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from runner.config.plan import CrmPlan, TargetPlan
from runner.model.errors import ExsyncError
from runner.model.ports import CrmConnector, Meter, Places, TargetConnector


class Opening(Protocol):
    """How connectors are made; secrets are read at that moment."""

    def crm(self, plan: CrmPlan) -> CrmConnector:
        """The CRM's connector."""
        ...

    def target(self, plan: TargetPlan, places: Places | None, meter: Meter | None) -> TargetConnector:
        """A target's connector; ``places`` keeps where its mailboxes live, ``meter`` is told of its requests."""
        ...

    def secret_print(self, plan: CrmPlan | TargetPlan) -> str:
        """A digest of the plan's secrets as they are now: another digest, another connector. Raises nothing."""
        ...


@dataclass(slots=True)
class Connections:
    """All open connectors. Safe to share between threads."""

    opening: Opening
    places: Places | None = None
    meter: Meter | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _crm: tuple[CrmPlan, str, CrmConnector] | None = None
    _targets: dict[str, tuple[TargetPlan, str, TargetConnector]] = field(default_factory=dict)
    _retired: list[tuple[int, Callable[[], None]]] = field(default_factory=list)

    def crm(self, plan: CrmPlan) -> CrmConnector:
        """The CRM's connector for this plan."""
        with self._lock:
            if self._crm is None or self._crm[0] != plan:
                self._crm = (plan, self.opening.secret_print(plan), self.opening.crm(plan))
            return self._crm[2]

    def target(self, plan: TargetPlan) -> TargetConnector:
        """The connector of a target for this plan. Raises what opening it raises."""
        with self._lock:
            known = self._targets.get(plan.name)
            if known is None or known[0] != plan:
                opened = self.opening.target(plan, self.places, self.meter)
                known = self._targets[plan.name] = (plan, self.opening.secret_print(plan), opened)
            return known[2]

    def outdated(self, crm: CrmPlan, targets: list[TargetPlan], generation: int) -> frozenset[str]:
        """Give up every connector whose plan or secret is not what it was opened with, or that is no longer configured.

        Passes of generations up to ``generation`` may still use it: :meth:`sweep` closes it after them. Returns the names
        of the targets concerned, and the CRM's.
        """
        wanted = {plan.name: plan for plan in targets}
        gone: set[str] = set()
        with self._lock:
            for name, (plan, secrets, connector) in list(self._targets.items()):
                if wanted.get(name) != plan or self.opening.secret_print(plan) != secrets:
                    self._retired.append((generation, connector.close))
                    del self._targets[name]
                    gone.add(name)
            if self._crm is not None and (self._crm[0] != crm or self.opening.secret_print(crm) != self._crm[1]):
                self._retired.append((generation, self._crm[2].close))
                gone.add(self._crm[0].name)
                self._crm = None
        return frozenset(gone)

    def renew(self, name: str, generation: int) -> None:
        """Give a target's connector up, so that the next pass logs on anew."""
        with self._lock:
            known = self._targets.pop(name, None)
            if known is not None:
                self._retired.append((generation, known[2].close))

    def sweep(self, oldest: int | None) -> None:
        """Close what was retired before the oldest generation in which a pass still runs (None: no pass runs)."""
        with self._lock:
            due = [close for number, close in self._retired if oldest is None or number < oldest]
            self._retired = [entry for entry in self._retired if oldest is not None and entry[0] >= oldest]
        for close in due:
            with suppress(ExsyncError):
                close()

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            open_ = [connector for _, _, connector in self._targets.values()]
            crm = [self._crm[2]] if self._crm else []
            self._targets, self._crm = {}, None
        self.sweep(None)
        for connector in (*open_, *crm):
            with suppress(ExsyncError):
                connector.close()

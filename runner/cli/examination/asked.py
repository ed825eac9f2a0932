"""What an examination is about, and what every part of it needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property

from runner.cli.context import Context, SystemClock, reveal
from runner.cli.opening import open_target
from runner.config.plan import LinkPlan, SyncPlan
from runner.engine.growing import Grown, Sources, grow
from runner.engine.passes import Progress
from runner.model.ports import CrmConnector, TargetConnector

SAMPLE = 5
"""Linked mailboxes of a target that are tried unless all are asked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator wants looked at. ``targets`` none: everything; ``outside``: target (empty: every one) → a mailbox
    that is not synchronised; ``every``: all linked mailboxes; ``push``: certificate and key files of the push listener."""

    targets: tuple[str, ...] = ()
    outside: Mapping[str, str] = field(default_factory=dict)
    every: bool = False
    push: tuple[str, str | None] | None = None

    def wants(self, name: str) -> bool:
        """Whether this target (or the CRM) is to be looked at."""
        return not self.targets or name in self.targets


@dataclass
class Examined:
    """One round. ``bar`` is told of mailboxes that were tried."""

    context: Context
    plan: SyncPlan
    asked: Asked
    bar: Progress | None = None
    clock: SystemClock = field(default_factory=SystemClock)

    @cached_property
    def serving(self) -> bool:
        """Whether a service runs here."""
        return self.context.service() is not None

    @cached_property
    def grown(self) -> Grown:
        """The plan with everybody's links who is on a list, and what kept a list from being read. The state is not asked
        who was on it before: it may belong to a service."""
        with ExitStack() as opened:

            def crm() -> CrmConnector:
                made = self.context.crm(self.plan)
                opened.callback(made.close)
                return made

            def target(name: str) -> TargetConnector:
                made = open_target(self.plan.targets[name], reveal, self.clock)
                opened.callback(made.close)
                return made

            return grow(self.plan, {}, Sources(crm, target))

    def links(self, target: str) -> list[LinkPlan]:
        """The enabled links of a target, those from lists of users included."""
        return [link for link in self.grown.plan.links.values() if link.target == target and link.enabled]

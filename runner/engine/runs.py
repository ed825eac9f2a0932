"""A run: the CRM's feed is drained once, then every selected link has its pass; one link's fault never stops the others.

A refused log-on stops its target at once: the remaining links of that target are not tried, so that no account is locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runner.config.candidates import CandidatePlan
from runner.config.plan import LinkPlan, SyncPlan
from runner.engine.drain import Route, drain, tidy
from runner.engine.errands import do_errand
from runner.engine.hindrance import hindrance_of
from runner.engine.parts import Parts
from runner.engine.passes import Orders, run_pass
from runner.engine.report import PassReport
from runner.engine.shadow import shadow_of
from runner.model.errors import AuthRefused, ConnectorError, ExsyncError, Unreachable, UsageError
from runner.model.items import CrmUser
from runner.model.lifecycle import LinkEvent, next_condition
from runner.model.ports import Clock, CrmConnector, Rng, Store, TargetConnector
from runner.model.state import Act, Commit, LinkState, Scope, Suspension
from runner.model.terms import Entity, Side
from runner.reconcile.authority import Circle
from runner.reconcile.canary import stop_reason

Targets = Callable[[str], TargetConnector]
"""Target name → its connector, opened on first use."""


@dataclass(slots=True)
class Runner:
    """What runs need: one state, one CRM, targets by name, time and randomness. It lives as long as its plan."""

    plan: SyncPlan
    store: Store
    crm: CrmConnector
    targets: Targets
    clock: Clock
    rng: Rng
    _followed: bool = False
    _circles: Mapping[str, Circle] = field(default_factory=dict)

    def run(self, links: Sequence[LinkPlan], orders: Orders) -> list[PassReport]:
        """Drain the CRM's feed, then one pass for each link. Raises only what concerns every link (the CRM, the state)."""
        if orders.rehearse:
            with self.store.rehearsal():
                return self._run(links, orders)
        return self._run(links, orders)

    def _run(self, links: Sequence[LinkPlan], orders: Orders) -> list[PassReport]:
        owners = self.owners()
        if not self._followed:
            self.follow_configuration()
            self._followed = not orders.rehearse
        drained = drain(self.store, self.crm, self.plan.crm.name, self.routes(owners))
        suspensions = self.store.suspensions()
        reports: list[PassReport] = []
        dead: dict[str, ExsyncError] = {}
        for link in links:
            if link.target in dead:
                reports.append(PassReport(link.name, skipped=f"target {link.target} is stopped: {dead[link.target]}"))
                continue
            report = self.pass_over(link, owners.get(link.user), orders, suspensions)
            if report.stopped is not None:
                suspensions = self.store.suspensions()
            if isinstance(report.error, AuthRefused | Unreachable):
                dead.setdefault(link.target, report.error)
            reports.append(report)
        if drained.changed and not orders.rehearse:
            reports += self._tidied()
        if not orders.rehearse:
            reports += self._materialised()
        return reports

    def _materialised(self) -> Iterable[PassReport]:
        """Derived rows of occurrences follow what was written (B-38). A fault costs the CRM's lists a run, and is told."""
        try:
            self.crm.materialise()
        except ConnectorError as error:
            return (PassReport(self.plan.crm.name, error=error),)
        return ()

    def _tidied(self) -> Iterable[PassReport]:
        """Old rows leave the CRM's outbox. When that fails the passes have been made all the same, and the fault is told."""
        try:
            self.tidy()
        except ConnectorError as error:
            return (PassReport(self.plan.crm.name, error=error),)
        return ()

    def tidy(self) -> int:
        """Let the CRM's outbox forget rows that were read and are older than ``feed_keep``; returns how many."""
        crm = self.plan.crm
        return tidy(self.store, self.crm, crm.name, self.clock.now() - crm.feed_keep)

    def owners(self) -> dict[str, str]:
        """The CRM key of every link's user whom the CRM knows, by address; whose mailboxes are synchronised is noted."""
        users = self.crm.users(sorted({link.user for link in self.plan.links.values() if link.user}))
        self._circles = _circles(self.plan, users)
        return {address: user.key for address, user in users.items()}

    def routes(self, owners: Mapping[str, str]) -> list[Route]:
        """Where the CRM's changes go; disabled and paused links are routed too: they keep their marks (B-15)."""
        links = self.plan.links.values()
        routed = [Route(link.name, link.entity, owners[link.user]) for link in links if link.user in owners]
        return routed + [Route(link.name, link.entity, "") for link in links if link.folder.of_directory]

    def pass_over(
        self, link: LinkPlan, owner: str | None, orders: Orders, suspensions: Iterable[Suspension] = ()
    ) -> PassReport:
        """One pass over one link, unless something keeps it from running; expected faults end up in the report."""
        hindrance = hindrance_of(self.plan, link, suspensions)
        asked = orders.rehearse or orders.errand is not None
        if hindrance is not None and not (asked and hindrance.shown):
            return PassReport(link.name, skipped=hindrance.reason)
        if owner is None and not link.folder.of_directory:
            error = UsageError(
                f"{link.rule}: link {link.name}: no CRM user has the address {link.user}",
                remedy="correct the address in YAML, or give the CRM user this address or alias",
            )
            return PassReport(link.name, error=error)
        try:
            parts = self.parts(link)
        except ExsyncError as error:
            return PassReport(link.name, error=error)
        if orders.errand:
            return do_errand(parts, link, owner, orders)
        shadow = None if orders.rehearse else shadow_of(parts, self.plan.shadows.get(link.name), owner)
        report = run_pass(parts, link, owner, replace(orders, beside=shadow.beside) if shadow else orders)
        if link.candidate is not None and not orders.rehearse:
            self._heed(link.candidate, report)
        return report

    def _heed(self, candidate: CandidatePlan, report: PassReport) -> None:
        """A pass by a candidate that went wrong was the last one by it, until an operator resumes it."""
        reason = stop_reason(report.trips, report.counts["quarantined"], report.error, candidate.max_errors)
        if reason is None:
            return
        now, name = self.clock.now(), candidate.target
        report.stopped = f"{report.link}: {reason}"
        stop = Suspension(Scope.CANDIDATE, name, "exsync", now, report.stopped)
        act = Act(now, "exsync", "suspend", f"candidate {name}", report.stopped)
        self.store.commit(Commit(suspended=(stop,), acts=(act,)))

    def parts(self, link: LinkPlan) -> Parts:
        """What a pass of this link works with. Raises what opening its target raises."""
        return Parts(self.store, self.crm, self.targets(link.target), self.clock, self.rng, self._circles)

    def follow_configuration(self, names: Iterable[str] | None = None) -> None:
        """Links that left the configuration become orphaned, disabled ones disabled; nothing is deleted for it (B-73).

        ``names`` limits it to these links; those whose pass runs right now must be left out.
        """
        changed: list[LinkState] = []
        known = self.store.links()
        for name in known if names is None else [name for name in names if name in known]:
            state, link = known[name], self.plan.links.get(name)
            if link is None:
                event = LinkEvent.LEFT
            elif link.enabled and self.plan.targets[link.target].enabled:
                event = LinkEvent.RETURNED if state.condition.value == "orphaned" else LinkEvent.ENABLED
            else:
                event = LinkEvent.DISABLED
            condition = next_condition(state.condition, event)
            if condition is not state.condition:
                changed.append(replace(state, condition=condition))
        if changed:
            self.store.commit(Commit(links=tuple(changed)))


def _circles(plan: SyncPlan, users: Mapping[str, CrmUser]) -> dict[str, Circle]:
    """By calendar link: whose addresses are its user's, and whose mailboxes are synchronised into the CRM (B-41)."""
    calendars = [link for link in plan.links.values() if link.entity is Entity.SCHEDULE_ITEM and link.user in users]
    mine = {link.name: users[link.user].addresses | {link.user} for link in calendars}
    inbound = [
        link
        for link in calendars
        if link.enabled and plan.targets[link.target].enabled and link.rules.direction.writes(Side.CRM)
    ]
    linked = {address: link.name for link in inbound for address in mine[link.name]}
    links = frozenset(link.name for link in inbound)
    return {link.name: Circle(link.name, mine[link.name], linked, links) for link in calendars}


def exit_code(reports: Iterable[PassReport]) -> int:
    """The exit code of a run: the gravest of its links' (a guard that stopped something outranks a passing fault)."""
    return gravest(report.exit_code for report in reports)


def gravest(codes: Iterable[int]) -> int:
    """The exit code that says most; 0 when all are 0."""
    codes = set(codes) - {0}
    if not codes:
        return 0
    return next(code for code in (77, 74, 78, 64, 4, 69, 70, 75, 1) if code in codes or code == 1)

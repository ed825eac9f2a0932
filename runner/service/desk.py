"""The operator's desk of a running service: what the control API offers, as calls and plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from runner.config.plan import LinkPlan
from runner.engine.hindrance import hindrance_of
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.resolve import find_conflict
from runner.engine.runs import exit_code
from runner.engine.selection import select_links
from runner.model.diagnostics import Diagnostic
from runner.model.errors import Transient, UsageError
from runner.model.queueing import Cause, Message, Order
from runner.model.state import Commit, Scope
from runner.model.terms import Operation
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.masking import masked
from runner.reconcile.page import page
from runner.reconcile.rendering import as_json, markdown, text
from runner.service import acts, views
from runner.service.acts import Operator
from runner.service.circuit import CircuitState
from runner.service.configuration import Look, Outcome
from runner.service.copies import on_a_copy
from runner.service.directories import directory_view
from runner.service.follower import jobs_for
from runner.service.newcomers import measure_newcomers, newcomers_view
from runner.service.progressing import standing_view
from runner.service.service import Service
from runner.service.views import Data, text_of

PATIENCE = 3600.0
"""Seconds that an ordered run may take before its caller is told that it still goes on."""


class Desk:
    """Everything that operators can see and do. Safe to use from several threads."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def operator(self, name: str) -> Operator:
        """Whoever acts now."""
        return Operator(name, self.service.clock.now())

    # -- looking -----------------------------------------------------------------------------------------------------

    def status(self) -> Data:
        """The service, its targets, its links, the newest runs."""
        service, generation = self.service, self.service.generations.current
        now = service.clock.now()
        return {
            "service": {
                "started_at": text_of(service.started_at),
                "uptime_seconds": int((now - service.started_at).total_seconds()),
                "generation": generation.number,
                "digest": generation.plan.digest,
                "configuration": self._configuration(),
                "passes_running": service.dispatcher.running(),
                "crm": service.dispatcher.crm_down or "up",
                "healthy": service.supervisor.alive,
            },
            "targets": self._targets(),
            **newcomers_view(service),
            **self._links(),
        }

    def _links(self) -> Data:
        """Links and runs, each link with what its target tells of it."""
        plan = self.service.generations.current.plan
        told = standing_view(self.service.store, plan, self.service.clock.now())
        for link in told["links"]:
            known = plan.links.get(link["name"])
            if known is not None:
                link["subscription"] = self.service.notifications.view(known.target, known.name)
        return told

    def _configuration(self) -> Data:
        standing = self.service.configuration.standing
        if standing is None:
            return {}
        told = {"outcome": standing.outcome.value, "reason": standing.reason, "at": text_of(standing.at)}
        told["trouble"] = standing.trouble
        return {**told, "findings": [_finding(each) for each in standing.diagnostics]}

    def _targets(self) -> list[Data]:
        plan, circuits = self.service.generations.current.plan, self.service.dispatcher.circuits()
        found = []
        for name, target in plan.targets.items():
            circuit = circuits.get(name)
            found.append(
                {
                    "name": name,
                    "enabled": target.enabled,
                    "paused": target.paused,
                    "notifications": target.notifications.mode,
                    "circuit": (circuit.state if circuit else CircuitState.CLOSED).value,
                    "since": text_of(circuit.since) if circuit else None,
                    "probed_at": text_of(circuit.until) if circuit else None,
                    "reason": circuit.reason if circuit else None,
                }
            )
        return found

    def ready(self) -> tuple[bool, str]:
        """Whether a configuration is in use and the state is open; never whether Exchange answers."""
        if self.service.dispatcher.closed:
            return False, "stopping"
        standing = self.service.configuration.standing
        degraded = standing is not None and standing.outcome is not Outcome.APPLIED
        return True, "degraded: the files were rejected, the last good configuration is in use" if degraded else "ready"

    def healthy(self) -> bool:
        """Whether every thread lives and the state answers."""
        self.service.store.suspensions()
        return self.service.supervisor.alive

    def metrics(self) -> bytes:
        """Everything measured, in Prometheus' text format."""
        self.service.timekeeper.measure()
        self.service.notifications.measure()
        measure_newcomers(self.service)
        return self.service.metrics.text()

    def directory(self, name: str) -> Data:
        """A directory's groups, who takes part and why (B-82). Reads the directory now."""
        generation = self.service.generations.current
        return directory_view(generation.plan, name, generation.runner.targets)

    def queue(self) -> Data:
        """Every message."""
        return views.messages_view(self.service.queue.messages())

    def message(self, number: int) -> Data:
        """One message."""
        for message in self.service.queue.messages():
            if message.id == number:
                return views.message_view(message)
        raise UsageError(f"the queue has no message {number}", remedy="`exsync queue list` shows them")

    def queue_stats(self, minutes: int) -> Data:
        """Samples of the last minutes."""
        since = self.service.clock.now() - timedelta(minutes=minutes)
        return views.samples_view(self.service.queue.samples(since))

    def conflicts(self, *, open_only: bool) -> Data:
        """The conflict ledger, newest first."""
        found = self.service.store.conflicts(open_only=open_only)
        return {"conflicts": [views.conflict_view(entry) for entry in found]}

    def conflict(self, conflict_id: str) -> Data:
        """One conflict."""
        return views.conflict_view(find_conflict(self.service.store, conflict_id))

    def ledger(self, *, link: str | None, run: str | None, key: str | None, before: int, limit: int) -> Data:
        """Writes that happened, newest first."""
        found = self.service.store.ledger(link, run=run, key=key, before=before, limit=limit)
        return {"entries": [views.ledger_view(entry) for entry in found]}

    def verify_ledger(self, noted: str | None) -> Data:
        """Whether the ledger is what was written."""
        return views.proof_view(self.service.store.verify_ledger(noted))

    def quarantine(self) -> Data:
        """Items that were set aside."""
        return {"items": [views.quarantine_view(entry) for entry in self.service.store.quarantined()]}

    def acts(self, limit: int) -> Data:
        """What operators did, newest first."""
        return {"acts": [views.act_view(act) for act in self.service.store.acts(limit)]}

    def pulse(self) -> str:
        """A text that is another one as soon as something that is shown has moved."""
        service = self.service
        standing = service.configuration.standing
        told = (service.store.commits, service.queue.changes(), service.generations.current.number)
        return ".".join(map(str, (*told, standing.at.timestamp() if standing else 0)))

    # -- acting ------------------------------------------------------------------------------------------------------

    def retry(self, who: Operator, number: int) -> Data:
        """Let a message run at once."""
        message = acts.retry_message(self.service.store, self.service.queue, who, number)
        return views.message_view(message)

    def discard(self, who: Operator, number: int) -> Data:
        """Give a message up."""
        message: Message = acts.discard_message(self.service.store, self.service.queue, who, number)
        return views.message_view(message)

    def suspend(self, who: Operator, scope: Scope, name: str, reason: str | None) -> Data:
        """Put passes off."""
        service = self.service
        made = acts.suspend(service.store, service.generations.current.plan, who, scope, name, reason)
        service.suspensions_changed()
        return {"suspended": [views.suspension_view(one) for one in made]}

    def resume(self, who: Operator, scope: Scope, name: str) -> Data:
        """Let passes run again; a target whose log-on was refused is tried anew."""
        service, generation = self.service, self.service.generations.current
        ended = acts.resume(service.store, generation.plan, who, scope, name)
        service.suspensions_changed()
        if scope is Scope.TARGET:
            service.resume_target(name)
        chosen = [link.name for link in generation.plan.links.values() if _touches(scope, name, ended, link)]
        service.queue.put(jobs_for(generation, chosen, Cause.CRM))
        return {"resumed": ended}

    def sync(self, who: Operator, names: Sequence[str]) -> Data:
        """Ask for a pass of these links (or of every link of a target) before everything else; answers at once."""
        service, generation = self.service, self.service.generations.current
        links = select_links(generation.plan, names)
        for target in {link.target for link in links}:
            self._make_way(target)
        found = [link.name for link in links]
        acts_of = tuple(who.act("sync", f"link {name}") for name in found)
        service.store.commit(Commit(acts=acts_of))
        service.queue.put(jobs_for(generation, found, Cause.OPERATOR))
        return {"asked": found}

    def reset(self, who: Operator, name: str) -> Data:
        """Let links be read anew from the beginning, when no pass runs, and ask for that pass."""
        service, generation = self.service, self.service.generations.current
        with service.gate.alone():
            done = acts.reset_folders(service.store, generation.plan, who, name)
        service.queue.put(jobs_for(generation, done, Cause.OPERATOR))
        return {"reset": done}

    def mails(self, *, everything: bool) -> Data:
        """Mail to attendees, oldest first: what is held or on its way, or all that was ever noted."""
        return {"mails": [views.mail_view(mail) for mail in self.service.store.mails(open_only=not everything)]}

    def settle_mail(self, who: Operator, mail_id: str, word: str) -> Data:
        """Note ``release`` or ``drop``, and ask for the pass that carries it out."""
        service = self.service
        mail = acts.settle_mail(service.store, who, mail_id, word)
        service.queue.put(jobs_for(service.generations.current, [mail.link], Cause.NOTIFICATION))
        return views.mail_view(mail)

    def settle_aside(self, who: Operator, item: str, word: str) -> Data:
        """Carry out ``retry`` or ``drop`` for an item in quarantine; a retry asks for its pass."""
        service = self.service
        entry = acts.settle_aside(service.store, who, item, word)
        if word == "retry":
            service.queue.put(jobs_for(service.generations.current, [entry.link], Cause.NOTIFICATION))
        return views.quarantine_view(entry)

    def prune_ledger(self, who: Operator, days: int) -> Data:
        """Drop the ledger's oldest entries."""
        return {"dropped": acts.prune_ledger(self.service.store, who, timedelta(days=days))}

    def settle_conflict(self, who: Operator, conflict_id: str, take: str, values: tuple[str, ...]) -> Data:
        """Note a decision, and ask for the pass that carries it out."""
        service, generation = self.service, self.service.generations.current
        entry = acts.settle_conflict(service.store, generation.plan, who, conflict_id, take, values)
        service.queue.put(jobs_for(generation, [entry.link], Cause.NOTIFICATION))
        return views.conflict_view(entry)

    def reload(self, who: Operator) -> Data:
        """Look at the files now."""
        look: Look = self.service.reloader.look()
        return {
            "outcome": look.outcome.value,
            "reason": look.reason,
            "trouble": look.trouble,
            "generation": look.generation,
            "by": who.name,
            "findings": [_finding(each) for each in look.diagnostics],
        }

    def apply(
        self,
        who: Operator,
        names: Sequence[str],
        allowed: frozenset[Operation],
        only: frozenset[str] | None = None,
    ) -> Data:
        """One pass over these links, in their turn; answers when all have ended. ``only``: the changes of a plan."""
        links = select_links(self.service.generations.current.plan, names)
        run = self.service.rng.token()
        return rendered(run, self.ordered(links, Order(run, allowed, only)))

    def ordered(
        self, links: Sequence[LinkPlan], order: Order, only: Mapping[str, frozenset[str]] | None = None
    ) -> list[PassReport]:
        """What an order comes to on these links, in their turn; answers when all have ended. ``only``: by link, the changes
        that may be made."""
        service, plan, run = self.service, self.service.generations.current.plan, order.run
        suspensions = service.store.suspensions()
        reports: list[PassReport] = []
        asked: list[str] = []
        for link in links:
            hindrance = hindrance_of(plan, link, suspensions)
            if hindrance is not None:
                reports.append(PassReport(link.name, skipped=hindrance.reason))
            else:
                asked.append(link.name)
        if service.dispatcher.crm_down:
            raise Transient(f"the CRM does not work: {service.dispatcher.crm_down}", code="crm-down")
        service.watching.follow(run)
        jobs = jobs_for(service.generations.current, asked, Cause.OPERATOR, (order,))
        if only is not None:
            jobs = [replace(job, orders=(replace(order, only=only.get(job.link, frozenset())),)) for job in jobs]
        for target in {job.target for job in jobs}:
            self._make_way(target)
        service.reports.expect(run, [job.link for job in jobs])
        service.queue.put(jobs)
        found, missing = service.reports.take(run, PATIENCE)
        if missing:
            when = "before the service was stopped" if service.dispatcher.closed else "within an hour"
            raise Transient(
                f"run {run[:8]}: {len(missing)} of {len(jobs)} links have not had their pass {when}",
                code="still-running",
                remedy="they go on by themselves; `exsync status` and `exsync queue list` show where they stand",
            )
        place = {job.link: number for number, job in enumerate(jobs)}
        return reports + sorted(found, key=lambda report: place[report.link])

    def _make_way(self, target: str) -> None:
        """An operator does not wait until an open circuit is probed: his pass is the probe. A refused one stays refused."""
        circuit = self.service.dispatcher.circuits().get(target)
        if circuit is None:
            return
        if circuit.state is CircuitState.REFUSED:
            raise Transient(
                f"target {target} is stopped: {circuit.reason}",
                code="target-refused",
                remedy=f"correct the secret, or try again with `exsync target resume {target}`",
            )
        if circuit.state is CircuitState.OPEN:
            self.service.dispatcher.reset(target)

    def plan(self, names: Sequence[str], *, personal: bool = False) -> Data:
        """What the next pass would do, found out on a copy of the state: nobody is held up by it. In Markdown and
        HTML titles and values are masked unless ``personal``."""
        service, plan = self.service, self.service.generations.current.plan
        with on_a_copy(service) as runner:
            run = service.rng.token()
            orders = Orders(run, rehearse=True, progress=service.watching.mine())
            reports = runner.run(select_links(plan, names), orders)
            watermarks = {report.link: runner.store.link(report.link).target_watermark or "" for report in reports}
        changes = ChangeSet(tuple(report.as_changes() for report in reports))
        shown = changes if personal else masked(changes)
        told = {
            "configuration": plan.digest,
            "watermarks": watermarks,
            "markdown": markdown(shown),
            "html": page(shown),
        }
        return {**rendered(run, reports), **told, "different": changes.outstanding}


def _touches(scope: Scope, name: str, ended: Iterable[str], link: LinkPlan) -> bool:
    if scope is Scope.ALL:
        return True
    return link.name in ended if scope is Scope.LINK else link.target == name


def rendered(run: str, reports: Sequence[PassReport]) -> Data:
    """A run as plain data, and as text for people."""
    changes = ChangeSet(tuple(report.as_changes() for report in reports))
    return {
        "run": run,
        "changes": changes.as_dict(),
        "json": as_json(changes),
        "text": text(changes),
        "markdown": markdown(changes),
        "prints": {report.link: report.prints for report in reports if report.prints},
        "different": bool(changes),
        "exit_code": exit_code(reports),
    }


def _finding(diagnostic: Diagnostic) -> Data:
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "at": str(diagnostic.span),
        "message": diagnostic.message,
        "hint": diagnostic.hint,
    }

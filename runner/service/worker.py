"""A worker: takes a message, runs the pass that it asks for, and says what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog
from structlog.contextvars import bound_contextvars

from runner.config.plan import LinkPlan
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.sending import INTERRUPTED
from runner.model.errands import Snapshot
from runner.model.errors import ConnectorError, ExsyncError, StateError, WatermarkInvalid
from runner.model.ports import Clock, Queue, Rng
from runner.model.queueing import Cause, Message, Order
from runner.model.terms import Folder
from runner.observe.metrics import Metrics
from runner.service.dispatch import Dispatcher
from runner.service.follower import jobs_for
from runner.service.gate import Gate
from runner.service.generation import Generation, Generations
from runner.service.reports import Reports
from runner.service.turns import SLICE, TURN, Turns
from runner.service.verdict import Fate, Trouble, Verdict, judge
from runner.service.watching import Watching

IDLE = 1.0
"""Seconds after which a worker looks for work although nothing woke it: circuits that may be probed again wake nobody."""

log = structlog.get_logger("exsync.pass")


@dataclass(slots=True)
class Worker:
    """What every worker thread runs; all of them share it."""

    queue: Queue
    dispatcher: Dispatcher
    generations: Generations
    gate: Gate
    reports: Reports
    metrics: Metrics
    clock: Clock
    rng: Rng
    stopping: Callable[[], bool]
    passed: Callable[[str], None]
    """Told the name of a link whose pass has ended."""
    turns: Turns = field(default_factory=Turns)
    watching: Watching = field(default_factory=Watching)
    heard: Callable[[str, Order], None] = lambda link, order: None
    """Told of each errand's order when the errand, or a slice of it, has ended."""

    def work(self) -> None:
        """Run passes until the dispatcher is closed."""
        while not self.dispatcher.closed:
            seen = self.queue.changes()
            message = self.dispatcher.lease()
            if message is None:
                self.queue.wait(seen, IDLE)
            else:
                self._serve(message)

    def _serve(self, message: Message) -> None:
        """One message to its end. Whatever happens, it is given back and its target's place is free again."""
        generation = self.generations.begin()
        run = message.orders[0].run if message.orders else self.rng.token()
        trouble: Trouble | None = None
        reason = ""
        try:
            with bound_contextvars(run_id=run, link=message.link, target=message.target, generation=generation.number):
                verdict = self._pass(generation, message, run)
                trouble, reason = verdict.trouble, verdict.reason
                if trouble is not Trouble.NONE and self._crm_is_down(generation):
                    trouble = None
        finally:
            self.generations.end(generation)
            self.dispatcher.ended(message.target, trouble, reason)
            self.passed(message.link)

    def _pass(self, generation: Generation, message: Message, run: str) -> Verdict:
        link = generation.plan.links.get(message.link)
        if link is None:
            self.queue.done(message)
            self.reports.note(message.orders, PassReport(message.link, skipped="no longer configured"))
            return Verdict(Fate.DONE)
        begun = self.queue.begin(message)
        try:
            report = self._run_all(generation, link, begun, run)
        except StateError:
            raise
        except Exception as error:  # a bug in one link's pass must not take the others down
            log.error("pass.crashed", exc_info=error)
            report = PassReport(link.name, error=ExsyncError(f"a bug in exsync ended the pass: {error!r}"))
            self.reports.note(message.orders, report)
        if isinstance(report.error, StateError):
            raise report.error
        if report.stopped is not None:
            log.warning("candidate.stopped", reason=report.stopped)
            self.dispatcher.follow(self.generations.current.plan, tuple(generation.runner.store.suspensions()))
        store, now = generation.runner.store, self.clock.now()
        unsettled = len(store.intents(link.name))
        activation = 0 if report.error is None or store.link(link.name).matched else link.activation_attempts
        verdict = judge(report, message.attempts, now, self.rng.token(), unsettled=unsettled, activation=activation)
        early = getattr(report.error, "code", "") == INTERRUPTED and not self.stopping()
        self.turns.ended(link.name, early=early, moved=bool(report.counts))
        if early:
            reason = "it has had its turn; it goes on where it was"
            verdict = replace(verdict, due=self.clock.now() + TURN, reason=reason)
        # What was ordered has been carried out or reported: a later try lifts no guard.
        self._settle(replace(begun, orders=()), verdict)
        if report.goes_on and verdict.fate is Fate.DONE:
            self.queue.put(jobs_for(generation, [link.name], Cause.TIMER))
        self._tell(link, report, verdict)
        if link.folder is Folder.USERS and any(name.startswith("crm.") for name in report.counts):
            self._welcome()
        if self.generations.current.number != generation.number:
            self.generations.current.runner.follow_configuration([link.name])
        return verdict

    def _welcome(self) -> None:
        """A directory brought users into the CRM, or changed their addresses: whose links waited for them runs now."""
        generation = self.generations.current
        try:
            self.queue.put(jobs_for(generation, generation.learn_owners(), Cause.CRM))
        except ConnectorError as error:
            log.warning("crm.users_not_read", error=str(error))

    def _run_all(self, generation: Generation, link: LinkPlan, message: Message, run: str) -> PassReport:
        """The errands that the message carries, each in its turn, and the pass that anything else in it asks for. Answers
        with the last report, or the first one that failed."""
        errands = [order for order in message.orders if order.errand is not None]
        passes = [order for order in message.orders if order.errand is None]
        report = PassReport(link.name)
        for order in errands:
            report = self._errand(generation, link, order)
            if report.error is not None:
                self.reports.note(passes, report)
                return report
        if not errands or passes or message.hints > len(errands):
            allowed = frozenset(operation for order in passes for operation in order.allowed)
            name = passes[0].run if passes else self.rng.token() if errands else run
            approved = [order.only for order in passes]
            only = frozenset().union(*(one for one in approved if one)) if approved and None not in approved else None
            timeout = None if passes else generation.plan.service.queue.timeout
            over = self.turns.over(link.name, timeout, self.clock.monotonic)
            stopping = lambda: self.stopping() or over()  # noqa: E731 - a word for the two
            watched = self.watching.of(name)
            orders = Orders(
                name, allowed=allowed, stopping=stopping, progress=watched, only=only, asked_at=message.put_at
            )
            report = self._run(generation, link, orders)
        self.reports.note(passes, report)
        return report

    def _errand(self, generation: Generation, link: LinkPlan, order: Order) -> PassReport:
        """One errand, or the next slice of it."""
        ends = self.clock.monotonic() + SLICE.total_seconds()
        stopping = lambda: self.stopping() or self.clock.monotonic() >= ends  # noqa: E731 - a word for the two
        orders = Orders(
            order.run,
            allowed=order.allowed,
            only=order.only,
            stopping=stopping if isinstance(order.errand, Snapshot) else self.stopping,
            progress=self.watching.of(order.run),
            errand=order.errand,
            keeps=True,
        )
        report = self._run(generation, link, orders)
        self.heard(link.name, order)
        if report.again_at is None:
            self.reports.note((order,), report)
        else:
            self.reports.part(order, report)
        return report

    def _run(self, generation: Generation, link: LinkPlan, orders: Orders) -> PassReport:
        try:
            if generation.owners is None or (link.user and link.user not in generation.owners):
                generation.learn_owners()
        except ConnectorError as error:
            return PassReport(link.name, error=error)
        owner = (generation.owners or {}).get(link.user)
        with self.gate.shared():
            return generation.runner.pass_over(link, owner, orders)

    def _settle(self, message: Message, verdict: Verdict) -> None:
        match verdict.fate:
            case Fate.DONE:
                self.queue.done(message)
            case Fate.PUT_BACK:
                self.queue.put_back(message, due=verdict.due, reason=verdict.reason)
            case Fate.RETRY:
                due = verdict.due or self.clock.now()
                self.queue.retry(message, due=due, reason=verdict.reason, patient=verdict.patient)
            case Fate.BLOCK:
                self.queue.block(message, verdict.reason)

    def _crm_is_down(self, generation: Generation) -> bool:
        """Whether it was the CRM that failed: asked something small, it fails again."""
        runner = generation.runner
        try:
            next(iter(runner.crm.feed(runner.store.crm_watermark(generation.plan.crm.name))), None)
        except WatermarkInvalid:
            return False
        except ConnectorError as error:
            self.dispatcher.crm_is(f"{error.code}: {error}")
            return True
        return False

    def _tell(self, link: LinkPlan, report: PassReport, verdict: Verdict) -> None:
        self.metrics.passed(link, report, verdict.fate)
        counts = {name: number for name, number in sorted(report.counts.items()) if number}
        seconds = round(report.seconds, 3)
        if report.error is not None:
            log.warning(
                "pass.failed",
                code=report.error.code,
                error=str(report.error),
                remedy=report.error.remedy,
                message=verdict.fate.value,
                due=verdict.due,
                counts=counts,
                seconds=seconds,
            )
        elif report.skipped:
            log.info("pass.skipped", reason=report.skipped)
        elif counts or report.trips:
            log.info("pass.done", counts=counts, seconds=seconds)
        else:
            log.debug("pass.idle", seconds=seconds)
        for trip in report.trips:
            log.warning("pass.guarded", guard=str(trip), remedy=trip.remedy)

"""The expanding first sync of a link during one pass (B-71): what was never in step waits for its window and its minute.

Nothing of it is a mechanism of its own: an item that waits is a dirty mark that is due later. Beyond the step's window that
is :data:`FAR`, and a new step makes those marks due; within it, the minute that has room, in the hours that are allowed. So
edits of what is in step already go on as ever, and a crash loses nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided, Verdicts
from runner.engine.report import PassReport
from runner.model.ports import Clock, Store
from runner.model.state import Commit, LinkCondition, LinkState
from runner.model.terms import Operation
from runner.reconcile.expanding import Expansion
from runner.reconcile.scope import Scope, in_window

FAR = datetime(9999, 1, 1, tzinfo=UTC)
"""The due time of marks that wait for a wider window."""
MINUTE = timedelta(minutes=1)
PAGE = 5000


class Growth:
    """One link's growth in one pass; false when it does not grow (any more)."""

    def __init__(self, store: Store, clock: Clock, link: LinkPlan) -> None:
        self.store, self.clock, self.link = store, clock, link
        self.step = 0
        self.until: datetime | None = None
        """The last minute that was given out in this step."""
        self._slot, self._left, self._held = clock.now(), 0, 0

    def __bool__(self) -> bool:
        return self.step > 0

    @property
    def _plan(self) -> Expansion:
        assert self.link.expand is not None  # noqa: S101 - by construction: only such links grow
        return self.link.expand

    def resume(self, state: LinkState) -> LinkState:
        """A pass begins: a new link begins to grow, one whose ``expand`` was taken out of YAML is as large as it gets."""
        step = state.step
        if self.link.expand is None:
            if step:
                self._wake()
            return replace(state, step=0, step_until=None)
        if not step and state.condition is LinkCondition.NEW and not state.listed and not state.matched:
            step = 1
        self.step, self.until = step, state.step_until
        return replace(state, step=step)

    def begin(self) -> None:
        """A round over marks begins: how many there is room for in this minute."""
        if not self:
            return
        now = self.clock.now()
        self._slot, self._held = self._opens(now), 0
        most = self._plan.per_minute
        if most is not None:
            since = now - MINUTE + timedelta(microseconds=1)  # a minute ago is not within this one
            spent = self.store.writes_since(self.link.name, since) if self._slot <= now else {}
            self._left = max(0, most - spent.get(Operation.CREATE, 0) - spent.get(Operation.UPDATE, 0))

    def held_back(self, verdicts: Verdicts) -> Verdicts:
        """The verdicts without what has to wait; its marks are parked."""
        if not self:
            return verdicts
        now = self.clock.now()
        free: list[Decided] = []
        parked = list(verdicts.parked)
        for item in verdicts.decided:
            due = self._due(item, now)
            if due is None:
                free.append(item)
            else:
                parked += [(mark, due) for mark in item.subject.marks]
        return replace(verdicts, decided=tuple(free), parked=tuple(parked))

    def waiting(self, item: Decided) -> list[str]:
        """Why an item has to wait, for people; nothing when its turn is now. Parks nothing."""
        due = self._due(item, self.clock.now()) if self else None
        if due is None:
            return []
        if due != FAR:
            return [f"its turn comes at {due:%Y-%m-%d %H:%M} UTC, by the pace and the hours that `expand` allows"]
        return [f"it lies beyond window {self.step} of at most {self._plan.steps} of `expand`: a later one takes it in"]

    def ended(self, state: LinkState, report: PassReport) -> LinkState:
        """A pass has ended: the next step begins when all of this one has been done."""
        if not self:
            return state
        done = self._held == 0 and (self.until is None or self.until <= self.clock.now())
        if not done or report.error or report.trips or not state.matched:
            return replace(state, step=self.step, step_until=self.until)
        self._wake()
        window = self.link.window
        step = self._plan.after(self.step, window.past, window.future)
        report.goes_on = step > 0
        return replace(state, step=step, step_until=None)

    def _opens(self, at: datetime) -> datetime:
        during = self._plan.during
        return during.opens(at) if during else at

    def _due(self, item: Decided, now: datetime) -> datetime | None:
        """When an item's turn comes; None: now."""
        pairing = item.subject.pairing
        if (pairing is not None and pairing.base is not None) or not item.decision.changes:
            return None
        window, record = self.link.window, item.crm if item.crm is not None else item.target
        past, future = self._plan.reach(self.step, window.past, window.future)
        if in_window(record or {}, past, future, now, self.link.time_zone) is not Scope.INSIDE:
            return FAR
        if self._plan.per_minute is not None:
            if self._left == 0:
                self._slot, self._left = self._opens(self._slot + MINUTE), self._plan.per_minute
            self._left -= 1
        if self._slot <= now:
            return None
        self._held += 1
        self.until = max(self.until or self._slot, self._slot)
        return self._slot

    def _wake(self) -> None:
        """Make due what waits for a wider window."""
        after, until = 0, self.store.last_mark(self.link.name)
        while marks := self.store.marks(self.link.name, after=after, until=until, limit=PAGE, now=FAR):
            after = marks[-1].seq
            waiting = tuple(replace(mark, due=None) for mark in marks if mark.due == FAR)
            if waiting:
                self.store.commit(Commit(marks=waiting))


def growing(store: Store, clock: Clock, link: LinkPlan) -> Growth:
    """A link's growth as the next pass would begin it."""
    growth = Growth(store, clock, link)
    growth.resume(store.link(link.name))
    growth.begin()
    return growth

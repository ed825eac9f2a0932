"""The course of one snapshot through its items (B-70): where it goes on, how fast it may go, and when its slice ends.

A command goes through in one go and keeps nothing: what it has done is no difference any more when it is given again. In a
service a snapshot goes by slices, and how far it has come is kept after every step. A step that a crash cut off is looked at
again, and finds what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from runner.config.plan import LinkPlan
from runner.engine.parts import STEP, Parts
from runner.engine.passes import COUNTED, ROUNDS, Orders
from runner.engine.sending import INTERRUPTED
from runner.model.errands import Snapshot
from runner.model.errors import ExsyncError, Throttled, Transient
from runner.model.headway import Cursor, Headway, Stage
from runner.model.items import LinkRef
from runner.model.ports import Store
from runner.model.state import Commit, RunRecord
from runner.model.terms import Operation, Side

PAGE = 2000
"""Ids of a listing that are looked up together."""
PIECE = 10
"""Seconds of its rate that a snapshot takes at a time."""
PAUSE = timedelta(seconds=60)
"""Until a snapshot goes on that was ended by a fault that passes."""


@dataclass(frozen=True, slots=True)
class Page:
    """Keys of the giving side that are looked at together, and where the next page begins."""

    keys: Sequence[str]
    after: Cursor


class Course:
    """How far one snapshot has come; ``at`` is what is known of that."""

    def __init__(self, parts: Parts, link: LinkPlan, ref: LinkRef, orders: Orders, errand: Snapshot) -> None:
        self.parts, self.store, self.link, self.ref, self.orders = parts, parts.store, link, ref, orders
        self.kept = orders.keeps and not orders.rehearse
        self.begun = parts.clock.now()
        self.spent = 0
        """Items of this slice that count for the rate."""
        self.halted = False
        """An operator has ended it."""
        known = self.store.headway(link.name) if self.kept else None
        if known is not None and known.run == orders.run:
            self.at = known
            return
        stage = Stage.GIVING if orders.rehearse else Stage.COUNTING
        due = self.store.count(link.name)
        self.at = Headway(link.name, orders.run, errand, self.begun, self.begun, stage, due=due)
        if self.kept:
            approved = () if orders.only is None else ((link.name, orders.only),)
            self.store.commit(Commit(headways=(self.at,), approved=approved))

    # -- the items ---------------------------------------------------------------------------------------------------

    def pages(self) -> Iterator[Page]:
        """The giver's keys from where this stage is: of every pair, then of what it holds alone. Waits for its pace."""
        for page in self._keys(self._size):
            if self.spent and not self.kept and self.orders.pause and self._paced:
                self.orders.pause(self._cost(self.spent))
                self.spent = 0
            yield page

    @property
    def _paced(self) -> bool:
        return self.at.errand.rate is not None and self.at.stage is Stage.GIVING and not self.orders.rehearse

    @property
    def _size(self) -> int:
        rate = self.at.errand.rate
        return STEP if rate is None or not self._paced else min(STEP, max(1, rate * PIECE // 60))

    def _cost(self, items: int) -> float:
        """Seconds that so many items take by the rate."""
        return 60 * items / (self.at.errand.rate or 1)

    def _keys(self, size: int) -> Iterator[Page]:
        part, *place = self.at.cursor or ("pairs", "0")
        if part == "pairs":
            after = int(place.pop())
            while page := self.store.paired_keys(self.link.name, self.at.errand.giver, after=after, limit=size):
                after = page[-1][0]
                yield Page([key for _, key in page], ("pairs", str(after)))
        yield from self._alone(size, *place)

    def _alone(self, size: int, since: str = "", last: str = "") -> Iterator[Page]:
        """What the giver holds alone, behind the item ``last`` of the listing that begins at ``since``."""
        crm = self.at.errand.giver is Side.CRM
        listing = self.parts.crm.listing(self.ref) if crm else self.parts.target.changes(self.ref, since or None)
        seeking = bool(last)
        for listed in listing:
            keys = [entry.key for entry in listed.changed]
            if last in keys:
                keys, seeking = keys[keys.index(last) + 1 :], False
            if not (seeking and crm):
                lone = self._unpaired(keys, crm=crm)
                while some := list(islice(lone, size)):
                    yield Page(some, ("alone", since, some[-1]))
            if listed.complete:
                break
            since = "" if crm else listed.watermark
        if seeking and crm:  # the item behind which it was to go on is gone
            yield from self._alone(size)

    def _unpaired(self, keys: Sequence[str], *, crm: bool) -> Iterator[str]:
        for start in range(0, len(keys), PAGE):
            some = keys[start : start + PAGE]
            pairs = self.store.pairings(self.link.name, **{"crm_keys" if crm else "target_keys": some})
            known = {pairing.crm_key if crm else pairing.target_key for pairing in pairs}
            yield from (key for key in some if key not in known)

    # -- getting on --------------------------------------------------------------------------------------------------

    def advance(self, page: Page, counts: Mapping[str, int], again: int, wanted: Mapping[str, int]) -> bool:
        """A page has been looked at; ``counts`` is what this slice has done in all. Tells whether the slice goes on.

        Raises ``Transient`` where it is to end, and what is done is not kept.
        """
        at, number = self.at, len(page.keys)
        done = at.done + number
        merged = {name: at.wanted.get(name, 0) + wanted.get(name, 0) for name in {*at.wanted, *wanted}}
        self.at = replace(
            at, cursor=page.after, done=done, due=max(at.due, done), again=at.again + again, wanted=merged, reason=None
        )
        self.spent += number if self._paced else 0
        stopping = self.orders.stopping is not None and self.orders.stopping()
        if self.orders.progress:
            what = "" if at.stage is Stage.GIVING else f", {COUNTED}"
            self.orders.progress(f"{self.link.name}{what}", self.at.done, self.at.due)
        if not self.kept:
            if stopping:
                raise Transient("exsync is being stopped; order the snapshot again for the rest", code=INTERRUPTED)
            return True
        go_on = self.begun + timedelta(seconds=self._cost(self.spent)) if self.spent else self.parts.clock.now()
        self._keep(replace(self.at, go_on=go_on), counts)
        return not (self.halted or stopping or self.spent)

    def through(self, *, failures: bool) -> None:
        """This stage is through: everything was counted, or given."""
        at = replace(self.at, cursor=(), done=0)
        if at.stage is Stage.COUNTING:
            self.at = replace(at, stage=Stage.GIVING)
        elif at.again and at.rounds + 1 < ROUNDS and not failures:
            self.at = replace(at, rounds=at.rounds + 1, again=0)
        else:
            self.at = replace(self.at, stage=Stage.DONE)

    def remaining(self) -> dict[Operation, int]:
        """The writes that were counted and are not done yet."""
        done = {one: sum(self.at.counts.get(f"{side}.{one}", 0) for side in Side) for one in Operation}
        return {one: max(0, self.at.wanted.get(one.value, 0) - done[one]) for one in Operation}

    def waits(self, error: ExsyncError) -> bool:
        """Whether a fault passes by itself, so that the snapshot goes on when it has."""
        return self.kept and (isinstance(error, Transient) or error.exit_code in (69, 75))

    def wait(self, until: datetime | None, reason: str | None, counts: Mapping[str, int]) -> datetime:
        """The slice has ended before the snapshot has: it goes on at the time that this gives back."""
        go_on = self.at.go_on if until is None else until
        self._keep(replace(self.at, go_on=go_on, reason=reason), counts)
        return go_on

    def delay(self, error: ExsyncError) -> datetime:
        """When to go on after a fault that passes."""
        patience = timedelta(seconds=error.after) if isinstance(error, Throttled) else timedelta()
        return self.parts.clock.now() + max(PAUSE, patience)

    def end(self, counts: Mapping[str, int], reason: str | None) -> None:
        """The snapshot has come to its end, or to one before that; ``counts`` is what it has done in all."""
        if self.kept:
            now = self.parts.clock.now()
            finished = replace(self.at, stage=Stage.DONE, finished=now, counts=counts, reason=reason)
            self.store.commit(Commit(headways=(finished,)))

    def _keep(self, at: Headway, counts: Mapping[str, int]) -> None:
        """Keep how far it has come. ``at.counts`` here stays what earlier slices did: this one's are added when written."""
        self.at = at
        self.store.commit(Commit(headways=(replace(at, counts=self.total(counts)),)))
        now = self.store.headway(self.link.name)
        self.halted = now is None or now.run != at.run or now.finished is not None

    def total(self, counts: Mapping[str, int]) -> dict[str, int]:
        """What earlier slices and this one have done."""
        earlier = self.at.counts
        return {name: earlier.get(name, 0) + counts.get(name, 0) for name in {*earlier, *counts}}


def ended_early(store: Store, at: Headway, now: datetime, reason: str) -> None:
    """End a snapshot by slices before its end, whatever has been done by then; its run stands among the others."""
    record = RunRecord(at.run, at.link, at.started, now, "stopped", dict(at.counts), reason)
    finished = replace(at, stage=Stage.DONE, finished=now, reason=reason)
    store.commit(Commit(headways=(finished,), runs=(record,)))

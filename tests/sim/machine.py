"""The world of the seeds as a state machine: Hypothesis chooses who acts, what goes wrong, and when a pass is made.

Beside a seed it shrinks: what it finds is told in as few steps as show it. It looks after each pass, not only when all has
come to rest. Judge and oracle are those of the seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from runner.model.errors import ConnectorError
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete
from runner.testing.faults import Call, Crash, Fault, Form
from runner.testing.target import Shelf
from tests.engine.world import ANN, BOB, CAL
from tests.sim.aftermath import Aftermath
from tests.sim.oracle import FIELDS
from tests.sim.people import Odd, People
from tests.sim.stage import Setting, Stage
from tests.sim.whims import Whims

Doing = Callable[[People, "Act"], None]


@dataclass(frozen=True)
class Act:
    """Somebody does something. ``which`` of those that there are it concerns is counted round and round."""

    doing: Doing
    user: int = 0
    outlook: bool = True
    which: int = 0
    odd: Odd | None = None
    record: str = "title"
    hard: bool = False

    def __repr__(self) -> str:
        told = {"odd": self.odd, "record": self.record, "hard": self.hard}
        where = "Outlook" if self.outlook else "the CRM"
        return f"<{self.doing.__name__} #{self.which} of user {self.user} in {where}, {told}>"

    def by(self, people: People) -> None:
        """Do it, when there is anything to do it to."""
        people.oracle.actions += 1
        self.doing(people, self)


def _user(people: People, act: Act) -> str:
    return people.users[act.user % len(people.users)]


def make(people: People, act: Act) -> None:
    people.create(_user(people, act), act.outlook, act.odd)


def write(people: People, act: Act) -> None:
    if items := people.own(_user(people, act), act.outlook):
        people.edit(act.outlook, items[act.which % len(items)], act.record)


def delete(people: People, act: Act) -> None:
    if items := people.own(_user(people, act), act.outlook):
        people.delete(act.outlook, items[act.which % len(items)], act.hard)


def put_away(people: People, act: Act) -> None:
    if items := people.own(_user(people, act), outlook=True):
        people.move(items[act.which % len(items)], Shelf.OTHER)


def take_back(people: People, act: Act) -> None:
    if items := people.away(_user(people, act)):
        people.move(items[act.which % len(items)], Shelf.HOME)


def copy(people: People, act: Act) -> None:
    if items := people.own(_user(people, act), outlook=True):
        people.copy(items[act.which % len(items)])


def invite(people: People, act: Act) -> None:
    people.invite(_user(people, act))


def change_meeting(people: People, act: Act) -> None:
    if act.outlook and (held := people.held()):
        people.organize(held[act.which % len(held)], act.record)
    elif records := people.records():
        people.edit(False, records[act.which % len(records)], act.record)


def end_meeting(people: People, act: Act) -> None:
    if act.outlook and (held := people.held()):
        people.call_off(held[act.which % len(held)], act.hard)
    elif records := people.records():
        people.delete(False, records[act.which % len(records)], act.hard)


def decline(people: People, act: Act) -> None:
    held = people.held()
    if held and (others := people.attending(name := held[act.which % len(held)])):
        people.decline(name, others[act.user % len(others)])


USERS, WHICH, SIDES = range(3), (0, 1, 2, 3, -1, -1), (True, False)
"""Of items the newest one most often: what it lacks is what a fault or a missing look can have taken from it."""
ODDS = (None, None, None, None, Odd.PRIVATE, Odd.POISONED)
MAKING = [Act(make, user, outlook, odd=odd) for user in USERS for outlook in SIDES for odd in ODDS]
WRITING = [
    Act(write, user, outlook, which, record=record)
    for user in USERS
    for outlook in SIDES
    for which in WHICH
    for record in FIELDS
]
DELETING = [
    Act(delete, user, outlook, which, hard=hard)
    for user in USERS
    for outlook in SIDES
    for which in WHICH
    for hard in SIDES
]
SHIFTING = [Act(doing, user, which=which) for user in USERS for doing in (put_away, take_back, copy) for which in WHICH]
MEETING = [
    *(Act(invite, user) for user in USERS for _ in WHICH),
    *(Act(change_meeting, 0, outlook, which, record=one) for outlook in SIDES for which in range(3) for one in FIELDS),
    *(Act(end_meeting, 0, outlook, which, hard=hard) for outlook in SIDES for which in range(2) for hard in SIDES),
    *(Act(decline, user, which=which) for user in USERS for which in range(2)),
]


def some(*acts: Iterable[Act]) -> st.SearchStrategy[Act]:
    """One of these acts, each kind as often as any other."""
    return st.one_of([st.sampled_from(list(kind)) for kind in acts])


_policies = st.sampled_from([ConflictPolicy.CRM_WINS, ConflictPolicy.TARGET_WINS, ConflictPolicy.NEWEST_WINS])
settings_of_worlds = st.builds(
    Setting,
    users=st.sampled_from([(ANN,), (ANN,), (ANN,), (ANN, BOB, CAL)]),
    direction=st.sampled_from([Direction.BOTH] * 4 + [Direction.OUTBOUND, Direction.INBOUND]),
    conflict=_policies,
    location=_policies,
    edit_vs_delete=st.sampled_from([EditVsDelete.EDIT_WINS] * 3 + [EditVsDelete.DELETE_WINS]),
    page=st.sampled_from([2, 1, 3]),
    target_shouts=st.booleans(),
    crm_shouts=st.booleans(),
    clock_jumps=st.just(True),
)


@dataclass(frozen=True)
class Moment:
    """When something happens in a pass: at its n-th call to the outside, or at its n-th write there, both from 0."""

    number: int
    of_writes: bool = False


moments = st.sampled_from([Moment(n) for n in range(16)] + 4 * [Moment(n, of_writes=True) for n in range(4)])
"""Every second one at a write: most safeguards stand around those, and few calls are any."""
Strikes = list[tuple[Moment, Form]]
strikes = st.lists(st.tuples(moments, st.sampled_from(Form)), max_size=3)
"""What goes wrong in a pass, and when."""


class Machine(RuleBasedStateMachine):
    """One world."""

    stage: Stage

    @initialize(setting=settings_of_worlds, careful=st.sampled_from([False] * 5 + [True]))
    def begin(self, setting: Setting, careful: bool) -> None:
        """A world begins. In a careful one the state may get lost, and nobody moves or copies."""
        self.careful = careful
        self.stage = Stage(setting)
        self.several = len(setting.users) > 1
        self.people = self.stage.people
        self.people.meet = self.several and setting.direction is Direction.BOTH
        self.armed: dict[Moment, Fault] = {}
        self.acts: dict[Moment, list[Act]] = {}
        self.begun = self.writes = 0
        """The first call of this pass, and how many writes it has made."""
        self.now: dict[int, tuple[Moment, ...]] = {}
        """What moments calls are that have not ended."""
        self.fine = True

    # -- people ------------------------------------------------------------------------------------------------------

    @rule(act=some(MAKING))
    def make(self, act: Act) -> None:
        act.by(self.people)

    @rule(act=some(WRITING))
    def write(self, act: Act) -> None:
        act.by(self.people)

    @rule(act=some(WRITING, DELETING))
    def write_or_delete(self, act: Act) -> None:
        act.by(self.people)

    @precondition(lambda self: not self.careful)
    @rule(act=some(SHIFTING))
    def shift(self, act: Act) -> None:
        act.by(self.people)

    @precondition(lambda self: self.people.meet)
    @rule(act=some(MEETING))
    def meet(self, act: Act) -> None:
        act.by(self.people)

    # -- what happens within passes ----------------------------------------------------------------------------------

    @rule(moment=moments, act=some(MAKING, WRITING, DELETING, SHIFTING, MEETING))
    def meanwhile(self, moment: Moment, act: Act) -> None:
        """Somebody acts while the next pass is made, or a later one that gets that far."""
        if (self.careful and act.doing in {put_away, take_back, copy}) or (not self.people.meet and act in MEETING):
            return
        self.acts.setdefault(moment, []).append(act)

    def _fault(self, call: Call) -> Fault | None:
        """A store never answers "perhaps": it has committed, or has not, or the process is dead."""
        struck = [self.armed.pop(moment) for moment in self.now.pop(call.index, ()) if moment in self.armed]
        fault = struck[0] if struck else None
        return None if fault and call.side == "store" and fault.form in {Form.BEFORE, Form.AFTER} else fault

    def _meanwhile(self, call: Call) -> None:
        now = [Moment(call.index - self.begun)]
        if call.writes and call.side != "store":
            now.append(Moment(self.writes, of_writes=True))
            self.writes += 1
        self.now[call.index] = tuple(now)
        for moment in now:
            for act in self.acts.pop(moment, ()):
                act.by(self.people)

    # -- the world ---------------------------------------------------------------------------------------------------

    def _pass(self, strikes: Strikes, turns: float = 0.0, dice: int = 0) -> None:
        stage = self.stage
        self.armed = {moment: Fault(form) for moment, form in strikes}
        self.begun, self.writes, self.fine = stage.world.boundary.calls, 0, False
        self.now.clear()
        stage.disturb(self._fault, self._meanwhile)
        with self._told():
            try:
                with suppress(ConnectorError):
                    stage.make_pass(turns, random.Random(dice))
            except Crash:
                stage.restart()
            stage.calm()
            stage.glance()
        self.fine = True

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A failure comes with the whole story, call by call."""
        try:
            yield
        except Exception:  # a violation, or whatever the engine raised: it goes on up, with its story beside it
            note("\n".join(self.stage.story()))
            raise

    @rule(strikes=strikes)
    def make_pass(self, strikes: Strikes) -> None:
        """A run over all links."""
        self._pass(strikes)

    @rule(strikes=strikes, hours=st.sampled_from([1, 3, 24]))
    def wait_and_make_pass(self, strikes: Strikes, hours: int) -> None:
        """What was put off is due, and a run looks at it."""
        self.stage.world.clock.advance(timedelta(hours=hours))
        self._pass(strikes)

    @precondition(lambda self: self.several)
    @rule(strikes=strikes, turns=st.sampled_from([0.2, 0.6]), dice=st.integers(0, 255))
    def make_passes_at_once(self, strikes: Strikes, turns: float, dice: int) -> None:
        """All links' passes interleaved."""
        self._pass(strikes, turns, dice)

    @rule(seconds=st.sampled_from([-3600, -90, 90, 3600]))
    def set_clock(self, seconds: int) -> None:
        self.stage.world.clock.jump(timedelta(seconds=seconds))

    @rule(outlook=st.booleans(), user=st.sampled_from(USERS))
    def forget(self, outlook: bool, user: int) -> None:
        """A side takes no watermark any more that it gave out so far."""
        if outlook:
            self.stage.world.target.forget_watermarks(self.people.users[user % len(self.people.users)])
        else:
            self.stage.world.crm.lose_outbox()

    @precondition(lambda self: self.careful and not self.stage.state_lost)
    @rule()
    def lose_state(self) -> None:
        self.stage.lose_state()

    def teardown(self) -> None:
        """Faults and people stop, everything comes to rest, and is judged."""
        if not getattr(self, "fine", False):
            return
        with self._told():
            self.stage.settle()
            self.stage.judge()
            aftermath = Aftermath(self.stage, Whims(self.people, random.Random(0), self.careful))
            aftermath.audit()
            if not self.several:
                aftermath.undo()

"""The world of the seeds as a state machine: Hypothesis chooses who acts, what goes wrong, and when a pass is made.

Beside a seed it shrinks: what it finds is told in as few steps as show it. It looks after each pass, not only when all has
come to rest. Judge and oracle are those of the seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

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


KINDS = (MAKING, WRITING, WRITING, DELETING, SHIFTING, MEETING)
"""Each as often as any other."""


def setting_of(number: int) -> Setting:
    """A world."""
    choose = random.Random(number).choice
    policies = [ConflictPolicy.CRM_WINS, ConflictPolicy.TARGET_WINS, ConflictPolicy.NEWEST_WINS]
    return Setting(
        users=choose([(ANN,), (ANN,), (ANN,), (ANN, BOB, CAL)]),
        direction=choose([Direction.BOTH] * 6 + [Direction.OUTBOUND, Direction.INBOUND]),
        conflict=choose(policies),
        location=choose(policies),
        edit_vs_delete=choose([EditVsDelete.EDIT_WINS] * 3 + [EditVsDelete.DELETE_WINS]),
        page=choose([1, 2, 3]),
        target_shouts=choose([True, False]),
        crm_shouts=choose([True, False]),
        clock_jumps=choose([True, False, False]),
    )


@dataclass(frozen=True)
class Moment:
    """When something happens in a pass: at its n-th call to the outside, or at its n-th write there, both from 0."""

    number: int
    of_writes: bool = False


MOMENTS = [Moment(n) for n in range(16)] + 4 * [Moment(n, of_writes=True) for n in range(4)]
"""Every second one at a write: most safeguards stand around those, and few calls are any."""


@dataclass(frozen=True)
class Meanwhile:
    """Somebody acts while the next pass is made, or a later one that gets that far."""

    moment: Moment
    act: Act


@dataclass(frozen=True)
class Pass:
    """A run over all links, so many hours later, and what goes wrong in it. ``turns``: how often a link's pass gives the turn
    to another one's (0: one after the other), as ``dice`` will have it."""

    strikes: Sequence[tuple[Moment, Form]]
    hours: int = 0
    turns: float = 0.0
    dice: int = 0


@dataclass(frozen=True)
class ClockSet:
    """The clock is set, forwards or back."""

    seconds: int


@dataclass(frozen=True)
class Forgotten:
    """A side takes no watermark any more that it gave out so far, or (``state``) the state is lost."""

    outlook: bool
    user: int
    state: bool = False


Step = Act | Meanwhile | Pass | ClockSet | Forgotten
RARELY = (
    *(ClockSet(seconds) for seconds in (-3600, -90, 90, 3600)),
    *(Forgotten(outlook, user) for outlook in SIDES for user in USERS),
    *(2 * (Forgotten(outlook=True, user=0, state=True),)),
)


def step_of(number: int) -> Step:
    """What happens in a step."""
    dice = random.Random(number)
    roll = dice.random()
    if roll < 0.58:
        return dice.choice(dice.choice(KINDS))
    if roll < 0.74:
        return Meanwhile(dice.choice(MOMENTS), dice.choice(dice.choice(KINDS)))
    if roll < 0.78:
        return dice.choice(RARELY)
    strikes = [(dice.choice(MOMENTS), dice.choice(list(Form))) for _ in range(dice.choice([0, 0, 1, 1, 2]))]
    return Pass(strikes, dice.choice([0, 0, 0, 1, 3, 24]), dice.choice([0.0, 0.2, 0.6]), dice.randrange(256))


numbers = st.integers(0, 2**24 - 1)
"""Hypothesis draws one number for each step, and shrinks a story by leaving steps out. Choices of its own, step by step, cost
it half of the time, and it would make most of them alike: half of the worlds had nobody who acts, or no pass."""


class Machine(RuleBasedStateMachine):
    """One world."""

    stage: Stage

    @initialize(setting=numbers.map(setting_of), careful=st.sampled_from([False] * 5 + [True]))
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

    @rule(step=numbers.map(step_of))
    def step(self, step: Step) -> None:
        """Something happens, unless it cannot in this world."""
        match step:
            case Act():
                if self._fits(step):
                    step.by(self.people)
            case Meanwhile():
                if self._fits(step.act):
                    self.acts.setdefault(step.moment, []).append(step.act)
            case Pass():
                self.stage.world.clock.advance(timedelta(hours=step.hours))
                self._pass(step)
            case ClockSet() if self.stage.setting.clock_jumps:
                self.stage.world.clock.jump(timedelta(seconds=step.seconds))
            case Forgotten():
                self._forget(step)

    def _fits(self, act: Act) -> bool:
        return not (self.careful and act.doing in {put_away, take_back, copy}) and (
            self.people.meet or act not in MEETING
        )

    def _forget(self, step: Forgotten) -> None:
        if step.state:
            if self.careful and not self.stage.state_lost:
                self.stage.lose_state()
        elif step.outlook:
            self.stage.world.target.forget_watermarks(self.people.users[step.user % len(self.people.users)])
        else:
            self.stage.world.crm.lose_outbox()

    # -- what happens within passes ----------------------------------------------------------------------------------

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

    def _pass(self, step: Pass) -> None:
        stage = self.stage
        self.armed = {moment: Fault(form) for moment, form in step.strikes}
        self.begun, self.writes, self.fine = stage.world.boundary.calls, 0, False
        self.now.clear()
        stage.disturb(self._fault, self._meanwhile)
        with self._told():
            try:
                with suppress(ConnectorError):
                    stage.make_pass(step.turns if self.several else 0.0, random.Random(step.dice))
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

    def teardown(self) -> None:
        """Faults and people stop, everything comes to rest, and is judged."""
        if not getattr(self, "fine", False):
            return
        with self._told():
            self.stage.settle()
            self.stage.judge()
            if self.careful:  # each seed does it; here it would cost a third of the time
                aftermath = Aftermath(self.stage, Whims(self.people, random.Random(0), careful=True))
                aftermath.audit()
                if not self.several:
                    aftermath.undo()

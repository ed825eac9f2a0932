"""What a case runs in: an Exchange on loopback for each target, an SQLite CRM, a state in memory, and a clock of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from runner.cli.cases.hands import CrmHand, MailboxHand
from runner.config.plan import AuthPlan, CrmPlan, ExchangePlan, SyncPlan
from runner.connectors import exchange
from runner.connectors.crm import SqlCrmConnector, connect
from runner.connectors.crm.standin import Defaults, opened_up, stand_in, tables
from runner.connectors.crm.triggers import quoted
from runner.engine.runs import Runner
from runner.model.ports import TargetConnector
from runner.sandbox.exchange import USERNAME, Sandbox
from runner.sandbox.faults import Fault
from runner.store import DuckStore, open_store
from runner.testing.clock import FakeClock
from runner.testing.rng import SeededRng

PASSWORD = "sandbox"  # noqa: S105 - of sandboxes on loopback


@dataclass(slots=True)
class World:
    """One case's world. ``mailboxes`` are folders by link; ``faults`` are what is scripted by target, armed in passes only,
    so that nobody but exsync meets them."""

    plan: SyncPlan
    clock: FakeClock
    store: DuckStore
    runner: Runner
    crm: CrmHand
    mailboxes: Mapping[str, MailboxHand]
    sandboxes: Mapping[str, Sandbox]
    ended: Callable[[], None]
    """Called when exsync has ended, as a command does: it logs on anew the next time."""
    faults: list[tuple[str, Fault]] = field(default_factory=list)

    mailed: int = 0
    """How many people Exchange has mailed for exsync; what users send themselves does not count."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Inside, exsync works: what is scripted happens, and whoever is mailed is mailed by it."""
        for target, fault in self.faults:
            self.sandboxes[target].inject(fault)
        before = self._addressed()
        try:
            yield
        finally:
            self.ended()
            self.mailed += self._addressed() - before
            for sandbox in self.sandboxes.values():
                sandbox.clear_faults()

    def _addressed(self) -> int:
        return sum(len(sandbox.addressees) for sandbox in self.sandboxes.values())


@contextmanager
def world(
    plan: SyncPlan, users: tuple[str, ...], start: datetime, defaults: Defaults, contents: Mapping[str, bytes]
) -> Iterator[World]:
    """A world for a plan that is cast (:func:`runner.cli.cases.cast.cast`), with nothing in it but the users. ``contents``
    has the files that they may attach, by digest."""
    clock, rng = FakeClock(start), SeededRng()
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="exsync-case-")))
        sandboxes = {name: _exchange(stack, name, users, clock) for name in plan.targets}
        targets = {name: _moved(target, sandboxes[name]) for name, target in plan.targets.items()}
        crm, file = _database(plan.crm, home / "crm.sqlite", users, defaults)
        here = replace(plan, crm=crm, targets=MappingProxyType(targets))
        store = stack.enter_context(open_store(None, clock=clock))
        connector = _connected(stack, crm, clock)
        connector.apply_ddl()
        hands = opened_up(crm)
        theirs_crm = connector if hands == crm else _connected(stack, hands, clock)
        ours, theirs = (stack.enter_context(closing(_Targets(targets))) for _ in range(2))
        owners = {address: user.key for address, user in connector.users(users).items()}
        yield World(
            plan=here,
            clock=clock,
            store=store,
            runner=Runner(here, store, connector, ours, clock, rng),
            crm=CrmHand(theirs_crm, hands, file, rng, owners, contents, defaults),
            mailboxes={name: MailboxHand(theirs(link.target), link, contents) for name, link in here.links.items()},
            sandboxes=sandboxes,
            ended=ours.close,
        )


def _exchange(stack: ExitStack, name: str, users: tuple[str, ...], clock: FakeClock) -> Sandbox:
    sandbox = Sandbox(password=PASSWORD, clock=clock.now, site=name)
    for user in users:
        sandbox.add_mailbox(user)
    sandbox.add_account(USERNAME, PASSWORD, impersonates=True, opens=users)
    return stack.enter_context(sandbox)


def _moved(target: object, sandbox: Sandbox) -> ExchangePlan:
    """The target as it is, at the sandbox's address and with its account."""
    assert isinstance(target, ExchangePlan)  # noqa: S101 - by construction: a cast has no others
    auth = AuthPlan("basic", USERNAME, None)
    return replace(target, endpoint=sandbox.url, autodiscover="", auth=auth, ca_file=None)


def _database(plan: CrmPlan, file: Path, users: tuple[str, ...], defaults: Defaults) -> tuple[CrmPlan, Path]:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in tables(plan, defaults):
            connection.execute(statement)
        insert = f"INSERT INTO {quoted(plan.users.table)} ({quoted(plan.users.email)}) VALUES (?)"  # noqa: S608
        connection.executemany(insert, [(user,) for user in users])
    return stand_in(plan, f"sqlite:///{file}"), file


def _connected(stack: ExitStack, plan: CrmPlan, clock: FakeClock) -> SqlCrmConnector:
    connector = connect(plan, str(plan.url), clock=clock)
    stack.callback(connector.close)
    return connector


@dataclass(slots=True)
class _Targets:
    """Connectors by target, opened on first use, and anew after they were closed."""

    plans: Mapping[str, ExchangePlan]
    _opened: dict[str, TargetConnector] = field(default_factory=dict)

    def __call__(self, name: str) -> TargetConnector:
        if name not in self._opened:
            self._opened[name] = exchange.connect(self.plans[name], PASSWORD)
        return self._opened[name]

    def close(self) -> None:
        """Close them all."""
        while self._opened:
            self._opened.popitem()[1].close()

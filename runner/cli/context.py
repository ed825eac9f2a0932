"""What commands share: where configuration and state lie, and how parts are opened and closed."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import click

from runner.cli.opening import open_target
from runner.cli.remote import Remote, running_service, user_name
from runner.config import load_plan
from runner.config.plan import LinkPlan, SyncPlan
from runner.config.secrets import SecretRef
from runner.engine.growing import Sources, Unlinked, grow
from runner.engine.runs import Runner
from runner.engine.selection import select_links
from runner.model.ports import CrmConnector, TargetConnector
from runner.service.acts import Operator
from runner.store import DuckStore, StoredPlaces, open_store


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """The current instant, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never jump back."""
        return time.monotonic()


_TOKEN = 32
"""Hex digits of a token."""


class SystemRng:
    """The operating system's randomness, drawn for many tokens at once: to ask for it takes longer than all else of a token.
    Safe to use from several threads; a process that forks hands none of the tokens on."""

    _drawn: ClassVar[list[str]] = []

    def token(self) -> str:
        """32 unguessable hex digits."""
        while True:
            try:
                return self._drawn.pop()
            except IndexError:
                digits = secrets.token_hex(_TOKEN // 2 * 64)
                self._drawn.extend(digits[at : at + _TOKEN] for at in range(0, len(digits), _TOKEN))

    os.register_at_fork(after_in_child=_drawn.clear)


def reveal(value: str | SecretRef) -> str:
    """The text behind a value that may be a reference to a secret."""
    if isinstance(value, str):
        return value
    return value.reveal(os.environ, lambda name: Path(name).read_text(encoding="utf-8"))


@dataclass(slots=True)
class Context:
    """The context object of every command."""

    root: Path
    state: Path
    socket: Path

    def service(self) -> Remote | None:
        """The running service, None when there is none."""
        return running_service(self.socket)

    def operator(self) -> Operator:
        """Whoever typed the command."""
        return Operator(user_name(), SystemClock().now())

    def plan(self) -> SyncPlan:
        """The compiled configuration. Raises ``ConfigurationInvalid`` with every finding."""
        return load_plan(self.root)

    def store(self) -> DuckStore:
        """The state, opened for this process alone."""
        return open_store(self.state, clock=SystemClock())

    def crm(self, plan: SyncPlan) -> CrmConnector:
        """The CRM."""
        from runner.connectors.crm import connect

        return connect(plan.crm, reveal(plan.crm.url), clock=SystemClock())

    @contextmanager
    def spare(self) -> Iterator[Context]:
        """This context, as long as no service has the state; else the same on a copy of it, which is dropped afterwards."""
        service = self.service()
        if service is None:
            yield self
            return
        copy = Path(service.post("/api/v1/state/copy")["path"])
        try:
            yield replace(self, state=copy, socket=copy.with_suffix(".sock"))
        finally:
            shutil.rmtree(copy.parent, ignore_errors=True)

    def session(self) -> Session:
        """Plan, state and connectors of one command, closed together."""
        return Session(self)


pass_context = click.make_pass_decorator(Context)


@dataclass
class Session:
    """The open parts of one command; use as a context manager."""

    context: Context
    unlinked: tuple[Unlinked, ...] = ()
    """Rows of lists of users that gave no link when :attr:`plan` was read."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _targets: dict[str, TargetConnector] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        gc.unfreeze()  # or DuckDB's binding reports what it still holds at the end of the process

    @cached_property
    def plan(self) -> SyncPlan:
        """The compiled configuration, with links for everybody on its lists."""
        plan = self.context.plan()
        if not plan.generated:
            return plan
        self.__dict__["plan"] = plan  # what lists are read with
        sources = Sources(lambda: self.crm, self.target)
        grown = grow(plan, self.store.links(), sources)
        for problem in grown.problems:
            click.echo(f"warning[links-not-followed]: {problem}", err=True)
        if grown.unlinked:
            rows = f"{len(grown.unlinked)} row(s) of lists of users"
            click.echo(f"warning[no-link]: {rows} give no link: `exsync status` tells each", err=True)
        self.unlinked = grown.unlinked
        return grown.plan

    @cached_property
    def store(self) -> DuckStore:
        """The state."""
        store = self.context.store()
        self._stack.callback(store.close)
        return store

    @cached_property
    def crm(self) -> CrmConnector:
        """The CRM."""
        crm = self.context.crm(self.plan)
        self._stack.callback(crm.close)
        return crm

    @cached_property
    def places(self) -> StoredPlaces:
        """Where mailboxes live, as far as it is known."""
        return StoredPlaces(self.store)

    def target(self, name: str) -> TargetConnector:
        """A target's connector, opened on first use."""
        if name not in self._targets:
            connector = open_target(self.plan.targets[name], reveal, SystemClock(), self.places)
            self._stack.callback(connector.close)
            self._targets[name] = connector
        return self._targets[name]

    @cached_property
    def runner(self) -> Runner:
        """A runner over all of it. What was loaded by now lives as long as the process: no use in collecting it again.

        A page of records is many small objects without a cycle among them: with the collector's own threshold of 700 it
        walks through all of them again and again, a seventh of a first sync's time.
        """
        store, crm = self.store, self.crm
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        return Runner(self.plan, store, crm, self.target, SystemClock(), SystemRng())

    def links(self, names: tuple[str, ...]) -> list[LinkPlan]:
        """The links that names or prefixes select (none given: all). Raises ``UsageError`` for a name that fits nothing."""
        return select_links(self.plan, names)

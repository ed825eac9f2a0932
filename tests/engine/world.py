"""A whole small world for tests of the engine: one user, his mailbox, his CRM records, the state, and one boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from runner.config.plan import AuthPlan, CrmEntity, CrmPlan, CrmUsers, ExchangePlan, LinkPlan, SyncPlan, Window
from runner.config.secrets import SecretRef
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import Runner
from runner.mapping.compiled import CompiledMapping
from runner.mapping.compiler import compile_mapping
from runner.mapping.source import MappingSource
from runner.model.diagnostics import Span
from runner.model.items import Item
from runner.model.ports import Store
from runner.model.record import Value
from runner.model.state import Pairing, PairingStatus
from runner.model.terms import (
    ConflictPolicy,
    Direction,
    EditVsDelete,
    Entity,
    Folder,
    OnDrift,
    OnLeave,
    Operation,
    Private,
    Side,
)
from runner.reconcile.guards import Limits
from runner.reconcile.rules import ItemRules, Unit
from runner.store import open_store
from runner.testing.clock import FakeClock
from runner.testing.crm import FakeCrm
from runner.testing.faults import Boundary, FaultPlan, bound
from runner.testing.rng import SeededRng
from runner.testing.target import FakeTarget
from tests.support.stock import CRM_TYPES

ANN, BOB = "ann.lee@example.com", "bob.ray@example.com"
CAL = "cal.day@example.com"
OWNERS = {ANN: "7", BOB: "8", CAL: "9"}
MAPPING = Path(__file__).parents[2] / "mappings" / "schedule_item.yaml"


@lru_cache(maxsize=1)
def mapping() -> CompiledMapping:
    """The mapping that ships with the product."""
    return mapping_with()


def mapping_with(**changes: Any) -> CompiledMapping:
    """The mapping that ships with the product, with other keys at its top."""
    text = MAPPING.read_text()
    data: dict[str, Any] = {**yaml.safe_load(text), **changes}
    span = Span("mappings/schedule_item.yaml", 1, 1, 1, 2)
    compiled, findings = compile_mapping(MappingSource(data, lambda path: span, text), CRM_TYPES)
    assert compiled is not None, findings
    return compiled


def event(title: str, /, **changes: Value) -> dict[str, Value]:
    """A schedule item as the target holds it, in canonical record fields: tomorrow at ten in Vienna for an hour."""
    return {
        "title": title,
        "description": f"{title}: notes",
        "location": "Room 4",
        "start": "2026-03-03T10:00:00",
        "time_zone": "Europe/Vienna",
        "duration": "PT1H",
        "show_without_time": False,
        "recurrence_rule": None,
        "recurrence_overrides": None,
        "priority": 5,
        "privacy": "public",
        "free_busy_status": "busy",
        "keywords": None,
    } | changes


def row(title: str, /, **changes: Value) -> dict[str, Value]:
    """The same item as the CRM holds it."""
    return {
        "subject": title,
        "notes": f"{title}: notes",
        "place": "Room 4",
        "starts_at": "2026-03-03T09:00:00Z",
        "ends_at": "2026-03-03T10:00:00Z",
        "time_zone": "Europe/Vienna",
        "all_day": False,
        "recurrence_rule": None,
        "occurrences": None,
        "priority": "B",
        "sensitivity": "Normal",
        "show_as": "Busy",
        "categories": None,
    } | changes


def link_plan(
    user: str = ANN,
    *,
    direction: Direction = Direction.BOTH,
    conflict: ConflictPolicy = ConflictPolicy.CRM_WINS,
    by_field: Mapping[str, ConflictPolicy] | None = None,
    denied: frozenset[tuple[Operation, Side]] = frozenset(),
    edit_vs_delete: EditVsDelete = EditVsDelete.EDIT_WINS,
    on_drift: OnDrift = OnDrift.IGNORE,
    limits: Limits | None = None,
    window: Window | None = None,
    private: Private = Private.SYNC,
    on_leave: OnLeave = OnLeave.DETACH,
    alerts: bool = False,
    compiled: CompiledMapping | None = None,
    **settings: Any,
) -> LinkPlan:
    """A calendar link of this user with the shipped mapping, or another."""
    compiled = compiled or mapping()
    rules = ItemRules(
        units=tuple(
            Unit(
                unit.name,
                unit.fields,
                unit.direction.narrowed(direction),
                (by_field or {}).get(unit.name) or unit.conflict or conflict,
                unit.rule,
            )
            for unit in compiled.units
            if alerts or unit.fields != ("alert",)
        ),
        direction=direction,
        rule="targets.d/sandbox.yaml:17:3",
        denied=denied,
        edit_vs_delete=edit_vs_delete,
        on_drift=on_drift,
        on_leave=on_leave,
    )
    return LinkPlan(
        name=f"sandbox/{user}/calendar",
        target="sandbox",
        user=user,
        folder=Folder.CALENDAR,
        entity=Entity.SCHEDULE_ITEM,
        mapping=compiled,
        rules=rules,
        limits=limits or Limits(),
        window=window or Window(timedelta(days=30), timedelta(days=365)),
        private=private,
        time_zone="Europe/Vienna",
        enabled=True,
        rule="targets.d/sandbox.yaml:17:3",
        digest="",
        **settings,
    )


def sync_plan(*links: LinkPlan) -> SyncPlan:
    """A plan with one target, one CRM and these links."""
    entity = CrmEntity(Entity.SCHEDULE_ITEM, "appointment", "id", "row_version", "trigger", "owner_id", None, None, {})
    crm = CrmPlan("crm", "memory", "outbox", CrmUsers("crm_user", "id", "email"), {entity.entity: entity}, "crm.yaml")
    auth = AuthPlan("basic", "svc", SecretRef("env", "UNUSED", "sandbox.yaml:6:1"))
    target = ExchangePlan("sandbox", "http://127.0.0.1/", auth, "impersonation", "sandbox.yaml")
    return SyncPlan("", crm, {"sandbox": target}, {link.name: link for link in links})


class World:
    """Ann's mailbox and her CRM records, kept in step by the real engine over the real state, in memory."""

    def __init__(self, *links: LinkPlan, page: int = 2, seed: int = 0, store: Store | None = None) -> None:
        self.links = list(links or (link_plan(),))
        self.clock = FakeClock()
        self.rng = SeededRng(seed)
        self.boundary = Boundary()
        self.target = FakeTarget(self.clock, self.rng, boundary=self.boundary, page=page)
        self.crm = FakeCrm(self.clock, self.rng, boundary=self.boundary, page=page)
        for user, owner in OWNERS.items():
            self.target.add_mailbox(user)
            self.crm.add_user(owner, user)
        self.store: Store = open_store(None, clock=self.clock) if store is None else store
        self.passes = 0
        self._planned: tuple[list[LinkPlan], SyncPlan] | None = None
        """The plan of these links, as long as they are the same ones."""

    def close(self) -> None:
        """Give the state back."""
        self.store.close()

    # -- people ------------------------------------------------------------------------------------------------------

    def in_outlook(self, title: str, **changes: Value) -> str:
        """Ann makes an item in Outlook; returns its id."""
        return self.target.user_create(ANN, event(title, **changes))

    def in_crm(self, title: str, **changes: Value) -> str:
        """Ann makes a record in the CRM; returns its key."""
        return self.crm.user_create(OWNERS[ANN], row(title, **changes))

    # -- passes ------------------------------------------------------------------------------------------------------

    def run(self, **orders: Any) -> list[PassReport]:
        """One run over all links, a minute later, as a process of its own would do it."""
        return self.runner().run(self.links, Orders(f"run-{self.passes}", **orders))

    def runner(self) -> Runner:
        """The runner of a new process, a minute later."""
        self.clock.advance(60)
        self.passes += 1
        if self._planned is None or self._planned[0] != self.links:
            self._planned = list(self.links), sync_plan(*self.links)
        plan = self._planned[1]
        store = bound(self.store, self.boundary)
        return Runner(plan, store, self.crm, lambda name: self.target, self.clock, self.rng)

    def sync(self, **orders: Any) -> PassReport:
        """One run that must go well, and the first link's report."""
        reports = self.run(**orders)
        for report in reports:
            if report.error is not None:
                raise report.error
        return reports[0]

    def settled(self, most: int = 8) -> int:
        """Run in fair weather, hours apart, until a run writes nothing and no outcome is open; returns how many runs that
        took. Fails after ``most``."""
        self.boundary.faults = self.boundary.meanwhile = None
        for count in range(1, most + 1):
            before = self.boundary.calls
            self.sync()
            if not self.boundary.writes(since=before) and not any(self.store.intents(link.name) for link in self.links):
                return count
            self.clock.advance(timedelta(hours=3))
        trace = "\n".join(map(str, self.boundary.trace[-40:]))
        raise AssertionError(f"not settled after {most} runs:\n{trace}")

    def quiet(self) -> None:
        """The next run writes nothing on either side, reads no item, and leaves nothing in the state (B-12, P5)."""
        before = self.boundary.calls
        report = self.sync()
        calls = [traced.call for traced in self.boundary.trace if traced.call.index >= before]
        assert not report.writes
        assert [str(call) for call in calls if call.writes] == []
        assert [str(call) for call in calls if call.name in {"get", "find"}] == []

    def disturb(self, faults: FaultPlan) -> None:
        """Let these faults strike from now on."""
        self.boundary.faults = faults

    # -- what there is -----------------------------------------------------------------------------------------------

    @property
    def link(self) -> str:
        """The first link's name."""
        return self.links[0].name

    def outlook(self) -> dict[str, Item]:
        """Ann's calendar by title. Two items of one title are a failure of the test's own bookkeeping or a duplicate."""
        return _by_title(self.target.items(ANN), "title")

    def records(self) -> dict[str, Item]:
        """Ann's CRM records by subject."""
        return _by_title(self.crm.items(OWNERS[ANN]), "subject")

    def titles(self) -> tuple[list[str], list[str]]:
        """All titles in Outlook and in the CRM, sorted, duplicates included."""
        outlook = sorted(str(item.values.get("title")) for item in self.target.items(ANN))
        return outlook, sorted(str(item.values.get("subject")) for item in self.crm.items(OWNERS[ANN]))

    def assert_in_step(self, *titles: str) -> None:
        """Both sides hold exactly these items, equal in every mapped field."""
        expected = sorted(titles)
        assert self.titles() == (expected, expected)
        fields = [name for unit in mapping().units for name in unit.fields]
        for title in titles:
            crm = mapping().outbound(self.records()[title].values)
            target = self.outlook()[title].values
            assert {name: target.get(name) for name in fields} == {name: crm.get(name) for name in fields}, title

    def noted(self, operation: Operation) -> int:
        """How many writes of this kind the ledger knows of the first link."""
        return self.store.writes_since(self.link, datetime(2000, 1, 1, tzinfo=UTC)).get(operation, 0)

    def pairings(self, status: PairingStatus = PairingStatus.ACTIVE) -> list[Pairing]:
        """Every pairing of the first link in this status whose keys lie on either side now or did so before."""
        keys = [str(n) for n in range(1, 1000)]
        found = self.store.pairings(self.link, crm_keys=keys)
        return [pairing for pairing in found if pairing.status is status]


def _by_title(items: list[Item], field: str) -> dict[str, Item]:
    found = {str(item.values.get(field)): item for item in items}
    assert len(found) == len(items), f"duplicate titles: {sorted(str(item.values.get(field)) for item in items)}"
    return found


__all__ = [
    "ANN",
    "BOB",
    "OWNERS",
    "World",
    "event",
    "link_plan",
    "mapping",
    "replace",
    "row",
    "sync_plan",
]

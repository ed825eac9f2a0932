"""Tasks and contacts through the engine over the fakes: what goes on, what is copied, what is somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from runner.config.plan import LinkPlan, Window
from runner.mapping.compiler import compile_mapping
from runner.mapping.source import CrmFieldType, MappingSource
from runner.model.diagnostics import Span
from runner.model.record import FieldType, Value
from runner.model.terms import Direction, Entity, Folder
from runner.reconcile.rules import Unit
from runner.testing.store import MemoryStore
from runner.testing.target import Shelf
from tests.engine.world import ANN, OWNERS, World, link_plan

MakeWorld = Callable[..., World]
CRM = {
    "subject": CrmFieldType(FieldType.TEXT),
    "due_on": CrmFieldType(FieldType.DATE),
    "status": CrmFieldType(FieldType.TEXT),
    "percent": CrmFieldType(FieldType.INTEGER),
    "rule": CrmFieldType(FieldType.RECURRENCE),
    "completed_on": CrmFieldType(FieldType.DATE),
}
FIELDS = [
    {"crm": "subject", "record": "title"},
    {"crm": "due_on", "record": "due"},
    {
        "crm": "status",
        "record": "status",
        "values": {w: w for w in ("not_started", "in_progress", "completed", "deferred")},
    },
    {"crm": "percent", "record": "percent_complete"},
    {"crm": "rule", "record": "recurrence_rule"},
    {"crm": "completed_on", "record": "completed", "direction": "inbound"},
]
WEEKLY = "FREQ=WEEKLY;BYDAY=TU"


def tasks(direction: Direction = Direction.BOTH) -> LinkPlan:
    """Ann's link of tasks."""
    data = {"name": "task", "entity": "task", "fields": FIELDS}
    span = Span("mappings/task.yaml", 1, 1, 1, 2)
    mapping, findings = compile_mapping(MappingSource(data, lambda path: span, ""), CRM)
    assert mapping is not None, findings
    calendar = link_plan(direction=direction, window=Window())
    rules = calendar.rules
    units = tuple(
        Unit(unit.name, unit.fields, unit.direction.narrowed(direction), rules.units[0].conflict, unit.rule)
        for unit in mapping.units
    )
    return replace(
        calendar,
        name=f"sandbox/{ANN}/tasks",
        folder=Folder.TASKS,
        entity=Entity.TASK,
        mapping=mapping,
        rules=replace(rules, units=units),
    )


def task(title: str, **changes: Value) -> dict[str, Value]:
    """A task as the mailbox holds it."""
    held: dict[str, Value] = {"title": title, "due": "2026-12-01", "status": "not_started", "percent_complete": 0}
    return held | {"recurrence_rule": None, "completed": None, "privacy": "public"} | changes


def in_crm(world: World, title: str, **changes: Value) -> str:
    row: dict[str, Value] = {
        "subject": title,
        "due_on": "2026-12-01",
        "status": "not_started",
        "percent": 0,
        "rule": None,
    }
    return world.crm.user_create(OWNERS[ANN], row | changes, entity=Entity.TASK)


def records(world: World) -> list[tuple[Value, ...]]:
    names = ("subject", "due_on", "status", "percent", "rule")
    return sorted(tuple(item.values.get(name) for name in names) for item in world.crm.items(OWNERS[ANN]))


def outlook(world: World) -> list[tuple[Value, ...]]:
    names = ("title", "due", "status", "percent_complete", "recurrence_rule")
    return sorted(tuple(item.values.get(name) for name in names) for item in world.target.items(ANN, Folder.TASKS))


GONE_ON = [
    ("Report", "2026-12-01", "completed", 100, None),
    ("Report", "2026-12-08", "not_started", 0, WEEKLY),
]


def test_completed_in_the_crm_the_record_stays_with_the_series(make_world: MakeWorld) -> None:
    """B-50: both ids are followed, and the completed occurrence is one new item on either side."""
    world = make_world(tasks())
    key = in_crm(world, "Report", rule=WEEKLY)
    world.settled()
    (series,) = world.target.items(ANN, Folder.TASKS)
    world.crm.user_edit(key, status="completed", percent=100)
    world.settled()
    assert records(world) == outlook(world) == GONE_ON
    going_on, paired = world.target.item(series.key), world.crm.item(key)
    assert going_on is not None
    assert paired is not None
    assert (going_on.values["due"], paired.values["due_on"]) == ("2026-12-08", "2026-12-08")
    world.quiet()


def test_completed_in_outlook_it_is_the_same(make_world: MakeWorld) -> None:
    """B-50."""
    world = make_world(tasks())
    series = world.target.user_create(ANN, task("Report", recurrence_rule=WEEKLY), folder=Folder.TASKS)
    world.settled()
    world.target.user_edit(series, status="completed", percent_complete=100)
    world.settled()
    assert records(world) == outlook(world) == GONE_ON
    world.quiet()


def test_a_lost_state_pairs_the_series_and_its_one_off_as_they_were(make_world: MakeWorld) -> None:
    """B-72: both bear the series' stamp; the CRM's key table knows the one-off by its native identity."""
    world = make_world(tasks())
    in_crm(world, "Report", rule=WEEKLY)
    world.settled()
    (series,) = world.target.items(ANN, Folder.TASKS)
    world.target.user_edit(series.key, status="completed", percent_complete=100)
    world.settled()
    world.store.close()
    world.store = MemoryStore()
    before = world.boundary.calls
    world.settled()
    assert not world.boundary.writes(since=before)
    assert records(world) == outlook(world) == GONE_ON


def test_what_a_write_did_beyond_its_fields_comes_back_in_the_same_run(make_world: MakeWorld) -> None:
    """B-50: the server gives a completed task its day; the CRM has it before the next pass."""
    world = make_world(tasks())
    key = in_crm(world, "Report")
    world.settled()
    world.target.normalise = lambda given: (
        {**given, "completed": "2026-11-30"} if given.get("status") == "completed" else given
    )
    world.crm.user_edit(key, status="completed")
    world.sync()
    record = world.crm.item(key)
    assert record is not None
    assert (record.values["completed_on"], record.values["percent"]) == ("2026-11-30", 0)
    world.settled()
    world.quiet()


def test_copies_share_their_originals_identity_and_are_told_apart(make_world: MakeWorld) -> None:
    """D8: PidTagSearchKey is copied along. A copy is an item of its own, and a moved original is not taken for one."""
    world = make_world(tasks())
    original = world.target.user_create(ANN, task("Report"), folder=Folder.TASKS)
    world.settled()
    (kept,) = world.crm.items(OWNERS[ANN])
    copy = world.target.user_copy(original)
    world.settled()
    assert len(world.crm.items(OWNERS[ANN])) == 2
    away = world.target.user_move(original)
    back = world.target.user_move(away, Shelf.HOME)
    world.target.user_edit(back, title="Moved")
    world.target.user_edit(copy, title="Copied")
    world.settled()
    assert {item.values["subject"] for item in world.crm.items(OWNERS[ANN])} == {"Moved", "Copied"}
    still = world.crm.item(kept.key)
    assert still is not None
    assert still.values["subject"] == "Moved"
    world.target.user_delete(back)
    world.settled()
    assert [item.values["subject"] for item in world.crm.items(OWNERS[ANN])] == ["Copied"]


def test_an_item_of_another_class_takes_no_part_and_is_no_failure(make_world: MakeWorld) -> None:
    """B-52: a distribution list, a task request: neither quarantined nor told of."""
    world = make_world(tasks())
    world.target.user_spoil(world.target.user_create(ANN, task("A request"), folder=Folder.TASKS), "other-class")
    world.target.user_spoil(world.target.user_create(ANN, task("Spoilt"), folder=Folder.TASKS), "undecodable")
    report = world.sync()
    assert [failure.error.code for failure in report.failures] == ["undecodable"]


def test_an_open_task_never_ages_out_of_the_window(make_world: MakeWorld) -> None:
    """B-47: overdue for years it is still to be done; completed, its last day counts."""
    world = make_world(replace(tasks(), window=Window(timedelta(days=30), timedelta(days=365))))
    in_crm(world, "Overdue", due_on="2020-01-01")
    in_crm(world, "Done long ago", due_on="2020-01-01", status="completed", percent=100)
    world.settled()
    assert [row[0] for row in outlook(world)] == ["Overdue"]

"""What a target promises of tasks (B-50) beyond what it promises of every item."""

from __future__ import annotations

from collections.abc import Callable

from runner.model.items import Item, Write, WriteResult
from runner.model.record import Value
from runner.model.tasks import REGENERATES, RULE
from runner.model.terms import Operation
from runner.testing.contract.bench import TaskBench
from runner.testing.contract.words import create, demand, demand_held, done, item_of, one, summed

WEEKLY = "FREQ=WEEKLY;BYDAY=TU"
DONE: dict[str, Value] = {"status": "completed", "percent_complete": 100}


def completing_a_single_task_keeps_it(bench: TaskBench) -> None:
    """The same id, a new version, both facts of its progress, and no other item."""
    made = create(bench, bench.sample("Once") | {RULE: None})
    result = _updated(bench, made, DONE)
    demand(result.key == made.key and bool(result.version), f"completed: {result!r}")
    demand_held(item_of(bench, made.key), DONE)
    demand(len(_live(bench)) == 1, "another item appeared")


def completing_an_occurrence_leaves_a_one_off_and_goes_on(bench: TaskBench) -> None:
    """Page UpdateItem operation (task): the id that is paired goes on to the next occurrence; its version is not known."""
    made = create(bench, bench.sample("Weekly") | {RULE: WEEKLY})
    result = _updated(bench, made, DONE)
    demand((result.key, result.version) == (made.key, None), f"completed: {result!r}")
    _demand_gone_on(bench, made, WEEKLY)


def a_users_completion_looks_the_same(bench: TaskBench) -> None:
    """What a user ticks off in Outlook."""
    made = create(bench, bench.sample("Weekly") | {RULE: WEEKLY})
    bench.user_complete(made.key or "")
    _demand_gone_on(bench, made, WEEKLY)


def a_count_says_how_many_are_left(bench: TaskBench) -> None:
    """A rule counts from the outstanding occurrence, so that both sides mean the same by it."""
    made = create(bench, bench.sample("Three times") | {RULE: "FREQ=WEEKLY;COUNT=3;BYDAY=TU"})
    demand_held(item_of(bench, made.key), {RULE: "FREQ=WEEKLY;COUNT=3;BYDAY=TU"})
    bench.user_complete(made.key or "")
    _demand_gone_on(bench, made, "FREQ=WEEKLY;COUNT=2;BYDAY=TU")


def the_last_occurrence_is_completed_as_it_is(bench: TaskBench) -> None:
    """There is nothing to go on to: the same id, and no other item."""
    made = create(bench, bench.sample("Last") | {RULE: "FREQ=WEEKLY;COUNT=1;BYDAY=TU"})
    result = _updated(bench, made, DONE)
    demand(result.key == made.key and bool(result.version), f"completed: {result!r}")
    demand_held(item_of(bench, made.key), DONE)
    demand(len(_live(bench)) == 1, "another item appeared")


def going_on_leaves_no_one_off(bench: TaskBench) -> None:
    """A write that takes a task to its next occurrence, since somebody else completed it, makes no item."""
    made = create(bench, bench.sample("Weekly") | {RULE: "FREQ=WEEKLY;COUNT=3;BYDAY=TU"})
    rule = {RULE: "FREQ=WEEKLY;COUNT=2;BYDAY=TU"}
    following: dict[str, Value] = {"start": "2026-12-08", "due": "2026-12-11", "status": "not_started", **rule}
    _updated(bench, made, following | {"percent_complete": 0})
    demand_held(item_of(bench, made.key), following)
    demand(len(_live(bench)) == 1, "another item appeared")


def moving_a_recurring_task_leaves_no_one_off(bench: TaskBench) -> None:
    """Other days and their pattern go out together."""
    made = create(bench, bench.sample("Weekly") | {RULE: WEEKLY})
    change: dict[str, Value] = {"start": "2026-12-17", "due": "2026-12-17", RULE: "FREQ=WEEKLY;BYDAY=TH"}
    _updated(bench, made, change)
    demand_held(item_of(bench, made.key), change)
    demand(len(_live(bench)) == 1, "another item appeared")


def a_rule_comes_and_goes(bench: TaskBench) -> None:
    """A single task becomes recurring and single again under its id."""
    made = create(bench, bench.sample("Once") | {RULE: None})
    result = _updated(bench, made, {RULE: WEEKLY, REGENERATES: False})
    demand_held(item_of(bench, made.key), {RULE: WEEKLY, REGENERATES: False})
    _updated(bench, result, {RULE: None, REGENERATES: False})
    demand_held(item_of(bench, made.key), {RULE: None, REGENERATES: False})
    demand(len(_live(bench)) == 1, "another item appeared")


def every_regenerating_pattern_is_held(bench: TaskBench) -> None:
    """Outlook's four patterns that count from the day of completion."""
    for frequency in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        rule: dict[str, Value] = {RULE: f"FREQ={frequency};INTERVAL=2;COUNT=4", REGENERATES: True}
        made = create(bench, bench.sample(frequency) | rule)
        demand_held(item_of(bench, made.key), rule)
        bench.user_complete(made.key or "")
        demand_held(item_of(bench, made.key), {RULE: f"FREQ={frequency};INTERVAL=2;COUNT=3", REGENERATES: True})


def a_skipped_occurrence_is_an_edit(bench: TaskBench) -> None:
    """B-50: deleting the outstanding occurrence generates the next one, under the same id."""
    made = create(bench, bench.sample("Weekly") | {RULE: WEEKLY})
    bench.user_skip(made.key or "")
    demand_held(item_of(bench, made.key), {"start": "2026-12-08", "due": "2026-12-11", "status": "not_started"})
    demand(len(_live(bench)) == 1, "another item appeared")


def days_can_be_cleared(bench: TaskBench) -> None:
    """B-50: start and due are both optional."""
    made = create(bench, bench.sample("Some day") | {RULE: None})
    _updated(bench, made, {"start": None, "due": None})
    demand_held(item_of(bench, made.key), {"start": None, "due": None})


TASK_CHECKS: tuple[Callable[[TaskBench], None], ...] = (
    completing_a_single_task_keeps_it,
    completing_an_occurrence_leaves_a_one_off_and_goes_on,
    a_users_completion_looks_the_same,
    a_count_says_how_many_are_left,
    the_last_occurrence_is_completed_as_it_is,
    going_on_leaves_no_one_off,
    moving_a_recurring_task_leaves_no_one_off,
    a_rule_comes_and_goes,
    every_regenerating_pattern_is_held,
    a_skipped_occurrence_is_an_edit,
    days_can_be_cleared,
)
"""What a target promises of tasks."""


def _updated(bench: TaskBench, made: WriteResult, change: dict[str, Value]) -> WriteResult:
    """Write these fields over what the item holds, as the engine does: the whole desired item, and which of it changes."""
    held = item_of(bench, made.key)
    values = {**held.values, **change}
    result = one(bench, Write(Operation.UPDATE, held.key, held.version, values, frozenset(change)))
    done(result)
    return result


def _live(bench: TaskBench) -> dict[str, str | None]:
    changed, _ = summed(list(bench.connector.changes(bench.link, None)))
    return changed


def _demand_gone_on(bench: TaskBench, made: WriteResult, rule: str) -> None:
    demand_held(
        item_of(bench, made.key),
        {"start": "2026-12-08", "due": "2026-12-11", "status": "not_started", "percent_complete": 0, RULE: rule},
    )
    others = [key for key in _live(bench) if key != made.key]
    demand(len(others) == 1, f"{len(others)} items beside the recurring one")
    one_off: Item = item_of(bench, others[0])
    demand_held(one_off, {**DONE, RULE: None, "start": "2026-12-01", "due": "2026-12-04"})
    demand(one_off.native != item_of(bench, made.key).native, "the one-off passes for the recurring task")

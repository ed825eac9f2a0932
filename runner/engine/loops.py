"""The loop breaker (B-65): an item that somebody changes back after each of our writes is set aside, not written for ever."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided
from runner.engine.subject import Failure
from runner.model.errors import Invalid
from runner.model.ports import Store
from runner.model.terms import Operation, Side

WINDOW = timedelta(hours=1)


def unlooped(
    store: Store, link: LinkPlan, items: Sequence[Decided], now: datetime
) -> tuple[list[Decided], list[Failure]]:
    """Those items that may be written, and the failures of those that were updated too often within the hour.

    Items that would only be made or deleted cost nothing here: the ledger is asked about updates alone.
    """
    limit = link.limits.per_item
    keys = {key for item in items for key in _updated(item)} if limit is not None else set()
    if limit is None or not keys:
        return list(items), []
    spent = store.item_writes_since(link.name, sorted(keys), now - WINDOW)
    free: list[Decided] = []
    failures: list[Failure] = []
    for item in items:
        most = max((spent.get(key, 0) for key in _updated(item)), default=0)
        if most < limit:
            free.append(item)
            continue
        error = Invalid(
            f"updated {most} times within an hour, the limit is {limit} ({link.limits.per_item_rule}): something changes"
            " it back after each write",
            code="write-loop",
            remedy="find the trigger, automation or second synchroniser that writes this item, or map the field one way",
        )
        subject = item.subject
        side = Side.CRM if subject.crm_key else Side.TARGET
        failures.append(Failure(tuple(subject.marks), side, subject.crm_key or subject.target_key or "", error))
    return free, failures


def _updated(item: Decided) -> list[str]:
    sides = [change.side for change in item.decision.changes if change.operation is Operation.UPDATE]
    keys = [item.subject.crm_key if side is Side.CRM else item.subject.target_key for side in sides]
    return [key for key in keys if key]

"""Who is on a list of users and does not take part all the same (B-73): nobody is dropped without a word.

A row that gives no link, a link that was given up before its first sync, a list that could not be followed: each is told
with its reason until it is mended, by ``exsync status``, on the page Synchronization and as a metric.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict

from runner.engine.growing import Unlinked
from runner.model.queueing import MessageState
from runner.service.service import Service
from runner.service.views import Data


def newcomers_view(service: Service) -> Data:
    """``failed`` links with their messages and attempts, ``unlinked`` rows, and what is the matter with whole ``lists``."""
    plan, store = service.generations.current.plan, service.store
    failed = [
        {"link": message.link, "message": message.id, "attempts": message.attempts, "reason": message.reason}
        for message in service.queue.messages()
        if message.state is MessageState.BLOCKED and message.link in plan.links and not store.link(message.link).matched
    ]
    return {"failed": failed, "unlinked": unlinked_view(service.lists.unlinked), "lists": list(service.lists.problems)}


def unlinked_view(rows: Iterable[Unlinked]) -> list[Data]:
    """Rows of lists that give no link, as plain data."""
    return [asdict(row) for row in rows]


def measure_newcomers(service: Service) -> None:
    """Bring their gauges up to date, for each target of the configuration."""
    told, metrics = newcomers_view(service), service.metrics
    failed = Counter(one["link"].partition("/")[0] for one in told["failed"])
    unlinked = Counter(row["target"] for row in told["unlinked"])
    metrics.links_given_up.clear()  # a target that left the configuration has no sample any more
    metrics.rows_unlinked.clear()
    for target in service.generations.current.plan.targets:
        metrics.links_given_up.labels(target).set(failed[target])
        metrics.rows_unlinked.labels(target).set(unlinked[target])
    metrics.lists_not_followed.set(len(told["lists"]))

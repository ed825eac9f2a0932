"""The guards over what one link is about to write (B-101), with what it wrote within their window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from runner.config.plan import LinkPlan
from runner.engine.parts import Parts
from runner.model.terms import Operation
from runner.reconcile.guards import Trip, assess

GUARD_WINDOW = timedelta(hours=24)


def guarded(
    parts: Parts, link: LinkPlan, wanted: Mapping[Operation, int], known: int, allowed: frozenset[Operation]
) -> tuple[Trip, ...]:
    """Every guard that stops these writes; ``known`` is the link's active pairings before them."""
    wanted = {operation: count for operation, count in wanted.items() if count}
    if not wanted:
        return ()
    spent = parts.store.writes_since(link.name, parts.clock.now() - GUARD_WINDOW)
    done = {operation: spent.get(operation, 0) for operation in Operation}
    return assess(link.name, wanted, done, known, link.limits, allowed)

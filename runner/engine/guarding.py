"""The guards over what one link is about to write (B-101), with what it, its target and its run have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from runner.config.plan import LinkPlan
from runner.engine.parts import Parts
from runner.model.errands import Errand, Snapshot, Undo
from runner.model.ports import Store
from runner.model.terms import Operation, Side
from runner.reconcile.guards import ORDINARY, Circumstances, Trip, assess

GUARD_WINDOW = timedelta(hours=24)


def guarded(
    parts: Parts,
    link: LinkPlan,
    run: str,
    wanted: Mapping[Operation, int],
    known: int,
    allowed: frozenset[Operation],
    *,
    unmatched: bool = False,
    rewriting: bool = False,
    errand: Errand | None = None,
) -> tuple[Trip, ...]:
    """Every guard that stops these writes; ``known`` is the link's active pairings before them. ``unmatched`` and
    ``rewriting`` are what :class:`~runner.reconcile.guards.Circumstances` says of them, ``errand`` for what they are written
    when it is no pass."""
    wanted = {operation: count for operation, count in wanted.items() if count}
    if not wanted:
        return ()
    since = parts.clock.now() - GUARD_WINDOW
    spent = parts.store.writes_since(link.name, since)
    done = {operation: spent.get(operation, 0) for operation in Operation}
    around = replace(_around(parts.store, link, run, wanted, since), unmatched=unmatched, rewriting=rewriting)
    trips = assess(link.name, wanted, done, known, link.limits, allowed, around)
    return tuple(replace(trip, command=_typed(link, errand)) for trip in trips) if errand else trips


def _typed(link: LinkPlan, errand: Errand) -> str:
    """The command that orders the errand on this link."""
    match errand:
        case Undo(undone=str() as run):
            return f"exsync undo {run[:8]} --link {link.name}{' --both' if errand.both else ''} --apply"
        case Undo(since=datetime() as since):
            both = " --both" if errand.both else ""
            return f"exsync undo --link {link.name} --since {since:%Y-%m-%dT%H:%M:%S}{both} --apply"
        case Snapshot():
            return f"exsync snapshot {'send' if errand.giver is Side.CRM else 'get'} {link.name} --apply"
    return ""


def _around(store: Store, link: LinkPlan, run: str, wanted: Mapping[Operation, int], since: datetime) -> Circumstances:
    """What target and run have written; asked only for what is wanted and limited."""
    limits = link.limits
    wide, of_run = limits.per_target.keys() & wanted.keys(), limits.per_run.keys() & wanted.keys()
    if not wide and not of_run:
        return ORDINARY
    target = store.writes_under(f"{link.target}/", since) if wide else {}
    shares = any(limits.per_target[operation].ratio is not None for operation in wide)
    written = store.writes_of(run) if of_run else {}
    return Circumstances(
        target_spent={operation: target.get(operation, 0) for operation in Operation},
        target_known=store.count_under(f"{link.target}/") if shares else 0,
        run_spent={operation: written.get(operation, 0) for operation in Operation},
    )

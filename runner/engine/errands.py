"""Errands done: which call carries out which order that is no pass."""

from __future__ import annotations

from runner.config.plan import LinkPlan
from runner.engine.audit import audit
from runner.engine.parts import Parts
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.snapshot import snapshot
from runner.engine.undo import undo
from runner.model.errands import Audit, Snapshot, Undo


def do_errand(parts: Parts, link: LinkPlan, owner: str | None, orders: Orders) -> PassReport:
    """Do what the orders ask for instead of a pass; expected faults end up in the report."""
    match orders.errand:
        case Undo() as errand:
            return undo(parts, link, owner, orders, errand)
        case Audit() as errand:
            return audit(parts, link, owner, orders, errand)
        case Snapshot() as errand:
            return snapshot(parts, link, owner, orders, errand)
        case None:
            raise ValueError("these orders ask for a pass")

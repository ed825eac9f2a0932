"""Audits and resets as operators ask for them: the same with and without a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.config.plan import SyncPlan
from runner.engine.report import PassReport
from runner.model.errors import UsageError
from runner.model.ports import Store
from runner.model.state import Commit
from runner.service.acts import Operator
from runner.service.views import Data, audit_view
from runner.store import DuckStore

DIFFERENCES = 2
"""The exit code of an audit that found anything."""


def audit_answer(store: Store, reports: Sequence[PassReport]) -> Data:
    """What an audit of these links found, as plain data."""
    proofs = store.proofs()
    links: list[dict[str, Any]] = []
    for report in reports:
        proof = proofs.get(report.link)
        told: Data = audit_view(proof) if proof is not None else {"link": report.link, "found": [], "counts": {}}
        told["error"] = str(report.error) if report.error else None
        told["skipped"] = report.skipped
        told["marked"] = report.counts["marked"]
        links.append(told)
    failed = next((report.exit_code for report in reports if report.error), 0)
    return {"links": links, "exit_code": failed or (DIFFERENCES if any(one["found"] for one in links) else 0)}


def forget_link(store: DuckStore, plan: SyncPlan, who: Operator, name: str) -> int:
    """Drop everything that the state knows of a link that is not configured any more, but for the ledger; returns how many
    pairs that were. Raises ``UsageError`` for one that is configured, or not there."""
    if name in plan.links:
        raise UsageError(
            f"{name} is configured: its state is in use",
            remedy="take it out of YAML first; to read its folders anew use `exsync link reset`",
        )
    if name not in store.links():
        raise UsageError(f"the state knows no link {name!r}", remedy="`exsync status` lists links by their whole names")
    pairs = next((one.active + one.detached for one in store.overview() if one.name == name), 0)
    store.forget(name)
    store.commit(Commit(acts=(who.act("forget", f"link {name}", f"{pairs} pairs"),)))
    return pairs

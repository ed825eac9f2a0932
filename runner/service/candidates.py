"""Targets' candidates as operators see them: who runs by one, what its shadows would do otherwise, whether it stopped.

The same with and without a service. Nothing here writes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runner.config.candidates import CandidatePlan
from runner.config.plan import LinkPlan, SyncPlan
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import Runner, gravest
from runner.engine.selection import select_links
from runner.engine.shadow import FAILED, LESS, MORE
from runner.model.errors import UsageError
from runner.model.state import RunRecord, Scope
from runner.reconcile.causing import caused
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.masking import masked
from runner.reconcile.rendering import markdown, summary, text
from runner.service.views import Data, text_of
from runner.store import DuckStore

NEWEST = 1000
"""Passes with an effect whose figures are added up."""


def candidates_view(store: DuckStore, plan: SyncPlan) -> list[Data]:
    """Every candidate of the plan, with what it came to in the newest passes."""
    runs = store.runs(NEWEST)
    stops = {one.name: one for one in store.suspensions() if one.scope is Scope.CANDIDATE}
    found: list[Data] = []
    for target, candidate in plan.candidates.items():
        links = [link for link in plan.links.values() if link.target == target]
        stop = stops.get(target)
        found.append(
            {
                "target": target,
                "rule": candidate.rule,
                "ring": candidate.ring,
                "rings": list(_rings(candidate, links)),
                "links": len(links),
                "by_it": sum(link.candidate is not None for link in links),
                "stopped": None if stop is None else stop.reason or f"suspended by {stop.by}",
                "since": None if stop is None else text_of(stop.since),
                "compared": _compared(runs, {link.name for link in links}),
            }
        )
    return found


def _rings(candidate: CandidatePlan, links: Sequence[LinkPlan]) -> Iterable[Data]:
    """Each ring with the links that it adds up to, those before it included."""
    for number in range(1, len(candidate.rings) + 1):
        wider = replace(candidate, ring=number)
        yield {"links": sum(wider.reaches(link.user) for link in links), "live": number <= candidate.ring}


def _compared(runs: Iterable[RunRecord], links: set[str]) -> dict[str, int]:
    counts: Counter[str] = Counter(dict.fromkeys((MORE, LESS, FAILED), 0))
    for run in runs:
        if run.link in links:
            counts.update({name: run.counts.get(name, 0) for name in (MORE, LESS, FAILED)})
    return {name.partition(".")[2]: number for name, number in counts.items()}


@dataclass(frozen=True, slots=True)
class Tried:
    """What the next pass would do as it is (``live``) and by the candidate (``tried``), on the same links."""

    live: ChangeSet
    tried: ChangeSet
    exit_code: int

    def masked(self) -> Tried:
        """The same without titles and personal values."""
        return Tried(masked(self.live), masked(self.tried), self.exit_code)

    def as_dict(self) -> dict[str, Any]:
        """Plain data: both whole, and what only one of them would do."""
        return {
            "live": self.live.as_dict(),
            "candidate": self.tried.as_dict(),
            "more": caused(self.live, self.tried).as_dict(),
            "less": caused(self.tried, self.live).as_dict(),
        }

    def rendered(self) -> dict[str, str]:
        """As text of each kind: ``text`` for a terminal, ``markdown`` for a pull-request comment, ``json``."""
        told = json.dumps(self.as_dict(), ensure_ascii=False, indent=2) + "\n"
        return {"text": self._text(), "markdown": self._markdown(), "json": told}

    def _text(self) -> str:
        more, less = caused(self.live, self.tried), caused(self.tried, self.live)
        head = [f"Next pass as it is:      {summary(self.live)}", f"Next pass by candidate:  {summary(self.tried)}"]
        parts = ["\n".join(head), f"Only by the candidate:\n\n{text(more)}"]
        if less:
            parts.append(f"Not by the candidate any more:\n\n{text(less)}")
        return "\n\n".join(parts)

    def _markdown(self) -> str:
        rows = [f"| as it is | {summary(self.live)} |", f"| by the candidate | {summary(self.tried)} |"]
        head = ["### exsync: what the candidate would do", "", "| the next pass | |", "|---|---|", *rows]
        return "\n".join([*head, "", "Only by it:", "", markdown(caused(self.live, self.tried))])


def try_candidates(runner: Runner, names: Sequence[str], orders: Orders) -> Tried:
    """Rehearse the next pass of links that do not run by their target's candidate, as it is and by it. Raises
    ``UsageError`` when there is none among them."""
    plan = runner.plan
    live = [link for link in select_links(plan, names) if link.name in plan.shadows]
    if not live:
        raise UsageError(
            "no candidate is compared with any of these links",
            remedy="add candidate: to the target (docs/trust.md); links in a live ring run by it already",
        )
    links = {**plan.links, **plan.shadows}
    other = Runner(replace(plan, links=links), runner.store, runner.crm, runner.targets, runner.clock, runner.rng)
    now = runner.run(live, orders)
    then = other.run([plan.shadows[link.name] for link in live], orders)
    return Tried(_changes(now), _changes(then), gravest(report.exit_code for report in then))


def _changes(reports: Iterable[PassReport]) -> ChangeSet:
    return ChangeSet(tuple(report.as_changes() for report in reports))

"""Why a link does not run now: disabled or paused in YAML, or suspended by command (B-4, B-15). Its marks are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.config.plan import LinkPlan, SyncPlan
from runner.model.state import Scope, Suspension


@dataclass(frozen=True, slots=True)
class Hindrance:
    """A reason in an operator's words. ``shown``: a rehearsal runs all the same, to show what waits."""

    reason: str
    shown: bool


def hindrance_of(plan: SyncPlan, link: LinkPlan, suspensions: Iterable[Suspension] = ()) -> Hindrance | None:
    """What keeps a link of the plan from running; None when nothing does."""
    target = plan.targets[link.target]
    if not (link.enabled and target.enabled):
        return Hindrance("disabled in YAML", shown=False)
    if plan.crm.paused or target.paused or link.paused:
        where = plan.crm.rule if plan.crm.paused else target.rule if target.paused else link.rule
        return Hindrance(f"paused in YAML ({where}); what changes meanwhile goes out when it runs again", shown=True)
    for one in suspensions:
        if covers(one, link):
            return Hindrance(suspended(one), shown=True)
    return None


def covers(suspension: Suspension, link: LinkPlan) -> bool:
    """Whether a suspension is about this link."""
    match suspension.scope:
        case Scope.ALL:
            return True
        case Scope.TARGET:
            return suspension.name == link.target
        case Scope.LINK:
            return suspension.name == link.name
        case Scope.CANDIDATE:
            return link.candidate is not None and suspension.name == link.target


def suspended(suspension: Suspension) -> str:
    """A suspension as one line, with the command that ends it."""
    what = suspension.name or "--all"
    verb = "link" if suspension.scope is Scope.ALL else suspension.scope
    why = f" ({suspension.reason})" if suspension.reason else ""
    subject = "its candidate is " if suspension.scope is Scope.CANDIDATE else ""
    return (
        f"{subject}suspended by {suspension.by} since {suspension.since:%Y-%m-%d %H:%M} UTC{why}; "
        f"`exsync {verb} resume {what}` lets it run"
    )

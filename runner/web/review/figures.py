"""The few numbers that stand at the head of a target's review."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from runner.model.cubes import Answer
from runner.model.meetings import SPENT, MailStatus
from runner.service.review import TargetReview


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name. ``bad``: somebody should look."""

    name: str
    text: str
    bad: bool = False


def figures(one: TargetReview) -> list[Figure]:
    """What a reader wants to know first."""
    stopped = one.standings.get("stopped", 0)
    total = {section.name: section.total for section in one.sections if section.stacked}
    conflicts = one.section("conflicts").answer
    open_ = sum(value for (_, standing), value in conflicts.cells.items() if standing == "open")
    mails = one.section("mails").answer
    mailed, held = (_of(mails, statuses) for statuses in (SPENT, {MailStatus.HELD}))
    return [
        Figure("links", f"{one.links}" + (f", {stopped} stopped" if stopped else ""), bad=bool(stopped)),
        Figure("changes", f"{total['days']:.0f}"),
        Figure("conflicts", f"{total['conflicts']:.0f}" + (f", {open_:.0f} open" if open_ else ""), bad=bool(open_)),
        Figure("failed passes", f"{total['errors']:.0f}", bad=bool(total["errors"])),
        Figure("set aside", f"{total['aside']:.0f}", bad=bool(total["aside"])),
        Figure("people mailed", f"{mailed:.0f}" + (f", {held:.0f} held" if held else ""), bad=bool(held)),
        Figure("waiting", f"{one.waiting}"),
        Figure("all proven equal since", one.proven[:10] if one.proven else "not yet"),
    ]


def _of(mails: Answer, statuses: Set[MailStatus]) -> float:
    """How many people mail of these statuses was for: what is held, dropped or failed has told nobody."""
    return sum(value for (_, status), value in mails.cells.items() if status in statuses)

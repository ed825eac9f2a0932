"""The few numbers that stand at the head of a target's review."""

from __future__ import annotations

from dataclasses import dataclass

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
    return [
        Figure("links", f"{one.links}" + (f", {stopped} stopped" if stopped else ""), bad=bool(stopped)),
        Figure("changes", f"{total['days']:.0f}"),
        Figure("conflicts", f"{total['conflicts']:.0f}" + (f", {open_:.0f} open" if open_ else ""), bad=bool(open_)),
        Figure("failed passes", f"{total['errors']:.0f}", bad=bool(total["errors"])),
        Figure("set aside", f"{total['aside']:.0f}", bad=bool(total["aside"])),
        Figure("people mailed", f"{total['mails']:.0f}"),
        Figure("waiting", f"{one.waiting}"),
        Figure("all proven equal since", one.proven[:10] if one.proven else "not yet"),
    ]

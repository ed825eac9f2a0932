"""A change set in figures: what one link's pass comes to, and what the pass of two configurations comes to. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.model.terms import Operation
from runner.reconcile.changeset import ChangeSet, LinkChanges

COLUMNS = (*(operation.value for operation in Operation), "detach", "conflicts", "mail")
"""Writes by operation, pairs that are left alone from now on, conflicts, people whom Exchange would mail."""


def figures(link: LinkChanges) -> tuple[str, ...]:
    """A link's figures, column by column; of mail also what the firewall holds back."""
    writes, held = link.writes(), link.counts.get("mail_held", 0)
    mail = str(link.counts.get("mail", 0)) + (f" + {held} held" if held else "")
    detached = link.counts.get("detached", len(link.detached))
    return (*(str(writes.get(operation, 0)) for operation in Operation), str(detached), str(len(link.clashes)), mail)


def stopped_by(link: LinkChanges) -> str:
    """The codes of the guards that stop a link's writes, or that it could not be looked at."""
    return ", ".join(sorted({trip.code for trip in link.trips})) or ("an error" if link.error else "")


@dataclass(frozen=True, slots=True)
class Contrast:
    """One link under two configurations: the figures that differ as ``before → after``, the others once."""

    link: str
    cells: tuple[str, ...]
    stopped: str
    """What stops the link under the new configuration."""


def contrasts(old: ChangeSet, new: ChangeSet) -> Iterator[Contrast]:
    """Every link of either change set whose figures are not all nought, by name."""
    before, after = ({link.link: link for link in changes.links} for changes in (old, new))
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, LinkChanges(name)), after.get(name, LinkChanges(name))
        told = zip(figures(was), figures(now), strict=True)
        cells = tuple(one if one == other else f"{one} → {other}" for one, other in told)
        stopped = stopped_by(now)
        if stopped or set(cells) != {"0"}:
            yield Contrast(name, cells, stopped)

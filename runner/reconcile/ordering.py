"""The order of a change set: a function of what is in it, never of the order in which it was found.

What can hurt stands first: deletes, then updates, then creates; within them by title and keys, so that two writes of one
item stand together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.model.quick import quick
from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import Operation
from runner.reconcile.decision import Change

_RANK = {Operation.DELETE: 0, Operation.UPDATE: 1, Operation.CREATE: 2}


_NAMES = (("title",), ("full_name",), ("given_name", "surname"), ("company",), ("email_1",), ("login",), ("name",))


def called(record: Fields) -> str:
    """What people call the item of a record: its title, or what a person is known by."""
    for names in _NAMES:
        words = [str(record[name]) for name in names if record.get(name)]
        if words:
            return " ".join(words)
    return "(no subject)"


def is_called(base: Base, words: str) -> bool:
    """Whether people call an item so, or partly so, in whatever case, as either side has it."""
    return any(words.casefold() in called(record).casefold() for record in (base.crm, base.target))


@quick
@dataclass(frozen=True, slots=True)
class Label:
    """What people know an item by: its title and its keys, where it has them."""

    title: str
    crm_key: str | None = None
    target_key: str | None = None

    @property
    def order(self) -> tuple[str, str, str, str]:
        """Sorts labels."""
        return (self.title.casefold(), self.title, self.crm_key or "", self.target_key or "")


@quick
@dataclass(frozen=True, slots=True)
class Planned:
    """One change of one item."""

    label: Label
    change: Change


def arranged(changes: Iterable[Planned]) -> tuple[Planned, ...]:
    """The changes in the order in which they are shown."""
    return tuple(
        sorted(changes, key=lambda each: (_RANK[each.change.operation], *each.label.order, each.change.side.value))
    )

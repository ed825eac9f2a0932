"""An operator's decision on a conflict becomes a resolution and a forced dirty mark; the next pass carries it out through
the ordinary conditional write (B-62). Nothing is written here."""

from __future__ import annotations

from datetime import datetime

from runner.model.errors import UsageError
from runner.model.ports import Store
from runner.model.record import Fields
from runner.model.state import Commit, Conflict, Mark, Resolution
from runner.model.terms import Side


def resolve(store: Store, conflict_id: str, take: str, values: Fields | None, now: datetime) -> Conflict:
    """Note the decision on the conflict whose id starts with ``conflict_id``.

    ``take``: ``crm`` | ``target`` (that side's value of now), ``value`` (``values`` on both sides) or ``restore`` (the
    losing value of a conflict that was decided). Raises :class:`UsageError` for an unknown or ambiguous id.
    """
    conflict = find_conflict(store, conflict_id)
    if take == "restore":
        values = losing_values(conflict)
    if take in ("value", "restore") and values is None:
        raise UsageError(f"conflict {conflict.id[:8]} has no value to {take}")
    resolution = Resolution(
        conflict.id, conflict.link, conflict.crm_key, conflict.target_key, conflict.field, take, values, now
    )
    keys = ((Side.CRM, conflict.crm_key), (Side.TARGET, conflict.target_key))
    marks = tuple(Mark(conflict.link, side, key) for side, key in keys if key)
    store.commit(Commit(resolutions=(resolution,), marks=marks))
    return conflict


def find_conflict(store: Store, conflict_id: str) -> Conflict:
    """The conflict whose id starts so. Raises :class:`UsageError` when none or several do."""
    hits = [entry for entry in store.conflicts() if entry.id.startswith(conflict_id)]
    if len(hits) != 1:
        raise UsageError(
            f"{'no' if not hits else 'more than one'} conflict has an id that starts with {conflict_id!r}",
            remedy="`exsync conflicts list` shows the ids",
        )
    return hits[0]


def losing_values(conflict: Conflict) -> Fields | None:
    """The values that lost a decided conflict; None while it is undecided."""
    if conflict.winner is None:
        return None
    return conflict.target if conflict.winner is Side.CRM else conflict.crm

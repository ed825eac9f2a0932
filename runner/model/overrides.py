"""Occurrences of a series that differ from it (RFC 8984 §4.3.4, B-36): which, and in what.

``recurrence_overrides`` is ``{recurrence id: patch}``. The recurrence id is the *date* of the occurrence's original start
in the series' zone, so that it survives when the whole series moves to another time of day. A patch holds only fields
whose value differs from what the series gives that occurrence, or is ``{"excluded": True}`` alone. A field that a patch
does not name follows the series.

Both sides compute patches by :func:`patch_of`, so that equal occurrences have equal patches.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.model.record import Fields, Value
from runner.model.recurrence import occurs_on

RULE, OVERRIDES = "recurrence_rule", "recurrence_overrides"
EXCLUDED = "excluded"
LEFT_OUT: Fields = {EXCLUDED: True}
"""The patch of a deleted occurrence."""
_OF_SERIES = frozenset({RULE, OVERRIDES})

Patches = Mapping[str, Fields]


def is_series(record: Fields) -> bool:
    """Whether a record is a series."""
    return record.get(RULE) is not None


def patches_of(record: Fields) -> Patches:
    """A record's overrides by recurrence id; empty for a single item."""
    held = record.get(OVERRIDES)
    if not isinstance(held, Mapping):
        return {}
    return {day: patch for day, patch in held.items() if isinstance(patch, Mapping)}


def is_excluded(patch: Fields | None) -> bool:
    """Whether a patch says that the occurrence does not take place."""
    return patch is not None and patch.get(EXCLUDED) is True


def expected(record: Fields, day: str) -> dict[str, Value]:
    """What the series alone gives the occurrence with this recurrence id: its fields, on that day."""
    start = record.get("start")
    values: dict[str, Value] = {name: value for name, value in record.items() if name not in _OF_SERIES}
    if isinstance(start, str):
        values["start"] = day + start[10:]
    return values


def occurrence(record: Fields, day: str, patch: Fields) -> dict[str, Value]:
    """The occurrence as it is: the series' fields, with the patch laid over them."""
    return {**expected(record, day), **{name: value for name, value in patch.items() if name != EXCLUDED}}


def patch_of(record: Fields, day: str, values: Fields) -> dict[str, Value]:
    """What an occurrence with these values has of its own; empty when it follows the series in all of them."""
    plain = expected(record, day)
    return {name: value for name, value in sorted(values.items()) if name in plain and value != plain[name]}


def canonical_overrides(record: Fields, patches: Patches) -> Mapping[str, Fields] | None:
    """Overrides in canonical form: sorted, none empty, none of a day on which the series has no occurrence.

    What lies behind the end of a truncated series is dropped on both sides alike, so that a split is no difference.
    """
    kept = {
        day: LEFT_OUT if is_excluded(patch) else dict(sorted(patch.items())) for day, patch in patches.items() if patch
    }
    rule, start = record.get(RULE), record.get("start")
    if not kept or not isinstance(rule, str) or not isinstance(start, str):
        return None
    days = occurs_on(rule, start, frozenset(kept))
    return {day: kept[day] for day in sorted(days)} or None

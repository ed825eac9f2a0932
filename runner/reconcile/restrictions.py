"""Restrictions (B-40): items over a threshold are not synchronised, and say which one stopped them.

Bodies count in characters, as people and columns do, not in bytes of some encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from runner.model.overrides import OVERRIDES
from runner.model.record import Fields, Value


@dataclass(frozen=True, slots=True)
class Restrictions:
    """The most of each that an item may have; None = any number."""

    attendees: int | None = None
    customised_occurrences: int | None = None
    body_characters: int | None = None

    def __bool__(self) -> bool:
        return (self.attendees, self.customised_occurrences, self.body_characters) != (None, None, None)


_MEASURES: Mapping[str, tuple[str, Callable[[Value], int]]] = MappingProxyType(
    {
        "attendees": ("participants", lambda value: len(value) if isinstance(value, Mapping) else 0),
        "customised_occurrences": (OVERRIDES, lambda value: len(value) if isinstance(value, Mapping) else 0),
        "body_characters": ("description", lambda value: len(value) if isinstance(value, str) else 0),
    }
)
"""Threshold → the record field that it measures, and how."""


def exceeded(record: Fields, restrictions: Restrictions) -> str | None:
    """What of a record is over which threshold, in words; None when it fits."""
    for name, (field, measure) in _MEASURES.items():
        most, size = getattr(restrictions, name), measure(record.get(field))
        if most is not None and size > most:
            return f"{size} {name.replace('_', ' ')}, and restrictions.{name} allows {most}"
    return None

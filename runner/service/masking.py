"""What a viewer does not see: every personal field of an item, in whatever form it is told (``x-personal``).

A field is personal unless it says when, how busy, how urgent or how far, which is what a private item shows too (B-35).
Names of links stay: who looks at the service has to know whose mailbox it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.model.privacy import VISIBLE
from runner.service.views import Data

MASK = "•••"
"""What stands in the place of a value; it has one length, whatever it hides."""
IMPERSONAL = VISIBLE | {"priority", "alert", "alert_at", "my_response"}
_FIELDS = ("base", "crm", "target", "before", "after")
"""Keys whose values are record fields."""
_TITLES = ("title",)
_ASIDE = frozenset({"code", "reason", "first_at", "next_try"})
"""Keys by which an item in quarantine is known: its reason may quote what it holds, its code never does."""


def is_personal(field: str) -> bool:
    """Whether a record field is one that viewers do not see."""
    return field not in IMPERSONAL


def masked_fields(fields: Mapping[str, Any] | None) -> Data | None:
    """Record fields as a viewer sees them; None and empty stay what they are, so that it shows where nothing is."""
    if fields is None:
        return None
    return {name: MASK if is_personal(name) and value not in (None, "") else value for name, value in fields.items()}


def masked(told: Any) -> Any:
    """Plain data as a viewer sees it, at every depth."""
    if isinstance(told, list):
        return [masked(each) for each in told]
    if not isinstance(told, dict):
        return told
    seen: Data = {}
    titles = (*_TITLES, "reason") if told.keys() >= _ASIDE else _TITLES
    for name, value in told.items():
        if name in _FIELDS and isinstance(value, dict):
            seen[name] = masked_fields(value)
        elif name in titles and isinstance(value, str):
            seen[name] = MASK
        else:
            seen[name] = masked(value)
    return seen

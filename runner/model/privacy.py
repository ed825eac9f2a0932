"""Private items (B-35): what of them may be seen on our side, and what stands in the CRM in their place.

*Masked* is a target's item of which only :data:`VISIBLE` fields were taken over; every other field reads as None. Masking
happens at the connector's edge, so that no other floor ever holds what it hides. A base whose target side is *veiled* was
agreed for a masked item: its hidden fields are None there, whatever the CRM holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runner.model.items import Item, LinkRef
from runner.model.overrides import EXCLUDED, OVERRIDES
from runner.model.record import Fields, Value
from runner.model.terms import Entity, Private

PRIVATE = frozenset({"private", "secret"})
"""Values of ``privacy`` that make an item private. ``personal`` is a label that everybody may read."""

MARK = "placeholder"
"""Key in the target's base of a pair whose CRM record is a placeholder of ours: it is no field of any record."""

VISIBLE = frozenset(
    {
        MARK,
        *("start", "time_zone", "duration", "show_without_time", "recurrence_rule", OVERRIDES),
        *("free_busy_status", "privacy", "uid"),
        *("due", "status", "percent_complete", "completed", "regenerates"),
    }
)
"""When, how busy, and how private; nothing that anybody wrote into the item."""

TITLE = "Private"
"""The placeholder's title, unless the link names another one."""
_NEUTRAL: Mapping[str, Value] = {"priority": 5}


def masked(item: Item, link: LinkRef) -> Item:
    """The item as a link may see it: a target's connector passes everything that it has read through here."""
    if not hides(link.private, link.entity) or not is_private(item.values):
        return item
    return replace(item, values=veiled(item.values), organizer=None, masked=True)


def hides(policy: Private, entity: Entity) -> bool:
    """Whether private items are masked under this policy. Contacts only flow out: what their copies say came from us."""
    return policy is not Private.SYNC and entity is not Entity.CONTACT


def is_private(record: Fields) -> bool:
    """Whether a record says of itself that it is private."""
    return record.get("privacy") in PRIVATE


def veiled(record: Fields) -> dict[str, Value]:
    """A record without what is hidden: those fields are None, and patches of occurrences keep only what is visible."""
    seen = {name: value if name in VISIBLE else None for name, value in record.items()}
    if isinstance(patches := seen.get(OVERRIDES), Mapping):
        seen[OVERRIDES] = _visible_patches(patches)
    return seen


def is_veiled(record: Fields) -> bool:
    """Whether nothing hidden is left in a record."""
    return veiled(record) == record


def placeholder(record: Fields, title: str) -> dict[str, Value]:
    """What stands in the CRM for a private item: its visible fields, this title, and neutral values."""
    hidden = {"title": title, **_NEUTRAL}
    return {name: value if name in VISIBLE else hidden.get(name) for name, value in veiled(record).items()}


def is_placeholder(record: Fields, title: str) -> bool:
    """Whether a record says nothing beyond what a placeholder of this title does."""
    return placeholder(record, title) == record


def _visible_patches(patches: Mapping[str, Value]) -> Mapping[str, Value] | None:
    allowed = VISIBLE | {EXCLUDED}
    kept = {
        day: {name: value for name, value in patch.items() if name in allowed}
        for day, patch in patches.items()
        if isinstance(patch, Mapping)
    }
    return {day: patch for day, patch in kept.items() if patch} or None

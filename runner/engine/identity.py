"""What an item is known by when its id changes: stamps and native identities, as the engine writes them.

A stamp is ``<crm key>:<token>``: the token makes every create distinguishable from every other, the key lets pairings be
rebuilt from the target alone. A native identity in the CRM's key table is scoped to the mailbox, except for meetings,
whose copies in several mailboxes are one record (B-41).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from runner.model.items import Item, LinkRef
from runner.model.state import Pairing, PairingStatus

DELETED = "deleted:"
"""Prefix of a target key that is known to be in Deleted Items: absent, without asking again."""
_MEETING = "meeting:"


def stamp_for(crm_key: str, token: str) -> str:
    """The stamp of a target item that belongs to this CRM key."""
    return f"{crm_key}:{token}"


def crm_key_of(stamp: str) -> str:
    """The CRM key that a stamp names."""
    return stamp.rpartition(":")[0]


def native_key(link: LinkRef, item: Item, met: Collection[str] = ()) -> str | None:
    """What the CRM's key table notes for a record made from this target item. ``met``: what is a meeting's native identity,
    whether the item's server says so or not."""
    if item.native is None:
        return None
    return meeting_key(item.native) if item.shared or item.native in met else f"{link.target}/{link.user}:{item.native}"


def meeting_key(native: str | None) -> str | None:
    """What the CRM's key table notes for a meeting, whoever's copy it is known by."""
    return None if native is None else f"{_MEETING}{native}"


def meeting_of(noted: str | None) -> str | None:
    """The native identity of the meeting in what the key table noted; None when it is no meeting's."""
    return noted.removeprefix(_MEETING) if noted is not None and noted.startswith(_MEETING) else None


def native_of(link: LinkRef, noted: str | None) -> str | None:
    """The native identity in what the key table noted for a record made from one of this link's items."""
    if noted is None:
        return None
    for prefix in (_MEETING, f"{link.target}/{link.user}:"):
        if noted.startswith(prefix):
            return noted.removeprefix(prefix)
    return None


def joined(pairing: Pairing, crm_key: str) -> Pairing:
    """An item's pairing once its own record is gone and it has joined another one of the same identity (B-41). What was
    agreed with the former is nothing to this one, whose first merge makes the base."""
    return replace(
        pairing,
        crm_key=crm_key,
        crm_version=None,
        target_version=None,
        base=None,
        status=PairingStatus.ACTIVE,
        reason=None,
    )

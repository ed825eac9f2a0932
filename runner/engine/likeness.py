"""Which of several items that bear one stamp is the one that it was made for.

A copy that a user makes in Outlook bears the stamp, too (D8), and only its native identity is another. Where that was never
read, what the items say has to tell them apart: into a copy people type something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from runner.model.items import Found, Item, LinkRef
from runner.model.ports import Connector
from runner.model.record import Fields
from runner.model.terms import Place
from runner.reconcile.ordering import called

_NEAREST = (Place.FOLDER, Place.ELSEWHERE, Place.DELETED, Place.TOMBSTONE)
_LIVE = _NEAREST[:2]


def items_of(connector: Connector, ref: LinkRef, hits: Sequence[Found]) -> Mapping[str, Item]:
    """What these holders are now, by key, of those that can be read."""
    keys = [hit.key for hit in hits if hit.key and hit.place is not Place.TOMBSTONE]
    read = connector.get(ref, keys) if keys else {}
    return {key: item for key, item in read.items() if isinstance(item, Item)}


def likest(sent: Fields, hits: Sequence[Found], items: Mapping[str, Item]) -> Found:
    """The holder that counts: the one that is still called what was sent, then a live one, then the one most like it, then
    the nearest."""
    return min(hits, key=partial(_unlike, sent, items))


def _unlike(sent: Fields, items: Mapping[str, Item], hit: Found) -> tuple[bool, bool, int, int]:
    item = items.get(hit.key or "")
    values = item.values if item else {}
    alike = sum(values.get(name) == value for name, value in sent.items())
    return called(values) != called(sent), hit.place not in _LIVE, -alike, _NEAREST.index(hit.place)

"""The marks of some items, whenever they are due: what waits for a pass, and what waits for another try."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from runner.model.ports import Store
from runner.model.state import Mark

_PAGE = 5000
_EVER = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def marks_of(store: Store, link: str, keys: Collection[str]) -> list[Mark]:
    """Every mark of a link that is about one of these keys, of either side, oldest first."""
    found: list[Mark] = []
    after, last = 0, store.last_mark(link)
    while marks := store.marks(link, after=after, until=last, limit=_PAGE, now=_EVER):
        after = marks[-1].seq
        found += [mark for mark in marks if mark.key in keys]
    return found

"""An operator's word on an item in quarantine: which one he means, and what becomes of it (B-23)."""

from __future__ import annotations

from collections.abc import Sequence

from runner.engine.marks import marks_of
from runner.model.errors import UsageError
from runner.model.ports import Store
from runner.model.state import Act, Commit, Mark, Quarantined


def place_of(word: str, keys: Sequence[str]) -> int:
    """Which of the items in quarantine is meant: the one with this key, or whose key begins or ends so. Raises ``UsageError``
    when none or several are."""
    hits = [n for n, key in enumerate(keys) if key == word]
    hits = hits or [n for n, key in enumerate(keys) if word and (key.startswith(word) or key.endswith(word))]
    if len(hits) != 1:
        raise UsageError(
            f"{'no' if not hits else 'more than one'} item in quarantine has the key {word[:60]!r}, or one with that end",
            remedy="`exsync quarantine list -o json` shows the whole keys",
        )
    return hits[0]


def settle_aside(store: Store, entry: Quarantined, word: str, act: Act) -> None:
    """``retry``: the link's next pass tries the item again. ``drop``: it is listed no more and tried again only when it
    changes on either side; a change that waits for a pass already stays."""
    if word == "retry":
        store.commit(Commit(marks=(Mark(entry.link, entry.side, entry.key),), acts=(act,)))
        return
    marks = [mark for mark in marks_of(store, entry.link, {entry.key}) if mark.side is entry.side]
    # A mark that waits for another reason (throttled, or seen by no pass yet) carries an edit.
    parked = [mark.seq for mark in marks if mark.due is not None and mark.due == entry.next_try]
    store.commit(Commit(settled=tuple(parked), released=((entry.link, entry.side, entry.key),), acts=(act,)))

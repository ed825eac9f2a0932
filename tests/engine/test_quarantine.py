"""An operator drops an item in quarantine: only its next try goes, never what waits for another reason (B-23)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runner.engine.marks import marks_of
from runner.engine.quarantine import settle_aside
from runner.model.state import Act, Commit, Mark, Quarantined
from runner.model.terms import Side
from runner.store import open_store
from runner.testing.clock import FakeClock

LINK, KEY = "sandbox/ann.lee@example.com/calendar", "K"


@pytest.mark.parametrize(
    ("due", "stays"),
    [
        (timedelta(hours=2), False),  # its next try
        (timedelta(seconds=30), True),  # an edit whose write the server throttled
        (None, True),  # an edit that no pass has seen yet
    ],
)
def test_what_waits_for_another_reason_is_not_lost(due: timedelta | None, stays: bool) -> None:
    clock = FakeClock()
    now = clock.now()
    entry = Quarantined(LINK, Side.CRM, KEY, "too-long", "it is", now, now, 1, now + timedelta(hours=2))
    with open_store(None, clock=clock) as store:
        mark = Mark(LINK, Side.CRM, KEY, due=None if due is None else now + due)
        store.commit(Commit(quarantined=(entry,), marks=(mark, Mark(LINK, Side.TARGET, KEY))))
        settle_aside(store, entry, "drop", Act(now, "olga", "drop", "item K"))
        assert store.quarantined() == []
        sides = [mark.side for mark in marks_of(store, LINK, {KEY})]
        assert sides == ([Side.CRM, Side.TARGET] if stays else [Side.TARGET])

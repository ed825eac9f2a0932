"""What an operator's wish to undo means, and what is refused with what to do (B-100)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runner.model.errands import Undo
from runner.model.errors import UsageError
from runner.model.state import Commit, LedgerEntry
from runner.model.terms import Operation, Side
from runner.service.undoing import UndoWish, undo_asked
from runner.testing.store import MemoryStore
from tests.engine.world import ANN, BOB, link_plan, sync_plan

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
PLAN = sync_plan(link_plan(ANN), link_plan(BOB))


def written(run: str, *users: str) -> MemoryStore:
    store = MemoryStore()
    entries = [
        LedgerEntry(run, f"sandbox/{user}/calendar", Side.CRM, Operation.CREATE, "1", "t", None, {}, "", "", NOW)
        for user in users
    ]
    store.commit(Commit(ledger=tuple(entries)))
    return store


def test_a_run_is_meant_by_its_beginning_and_concerns_the_links_on_which_it_wrote() -> None:
    errand, links = undo_asked(written("abcdef", BOB), PLAN, UndoWish(run="abcd"), NOW)
    assert errand == Undo(undone="abcdef")
    assert [link.user for link in links] == [BOB]
    _, narrowed = undo_asked(written("abcdef", ANN, BOB), PLAN, UndoWish(run="abcd", links=(ANN,)), NOW)
    assert [link.user for link in narrowed] == [ANN]


@pytest.mark.parametrize(
    ("since", "moment"),
    [("90m", NOW - timedelta(minutes=90)), ("2026-11-27T08:00", datetime(2026, 11, 27, 8, tzinfo=UTC))],
)
def test_a_time_is_a_moment_or_a_while_ago(since: str, moment: datetime) -> None:
    errand, links = undo_asked(MemoryStore(), PLAN, UndoWish(since=since, links=(ANN,), both=True), NOW)
    assert errand == Undo(since=moment, both=True)
    assert [link.user for link in links] == [ANN]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (UndoWish(run="deadbeef"), "no run of the ledger begins"),
        (UndoWish(run="abc"), "no run of the ledger begins"),
        (UndoWish(), "needs a RUN"),
        (UndoWish(run="abcd", since="2h"), "needs a RUN"),
        (UndoWish(since="2h"), "name the links"),
        (UndoWish(since="yesterday", links=(ANN,)), "neither a time nor a duration"),
        (UndoWish(since="2h", links=("nobody@example.com",)), "no link is called"),
    ],
)
def test_what_is_no_run_or_no_time_is_refused_with_what_to_do(wish: UndoWish, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        undo_asked(written("abcdef", ANN), PLAN, wish, NOW)
    assert refused.value.remedy


def test_a_link_that_is_not_configured_any_more_is_named() -> None:
    with pytest.raises(UsageError, match="not configured any more"):
        undo_asked(written("abcdef", "gone@example.com"), PLAN, UndoWish(run="abcd"), NOW)


def test_the_links_that_are_left_can_be_taken_back_alone() -> None:
    """Nora has left, and the run that garbled everybody's calendars is taken back for Ann."""
    store = written("abcdef", ANN, "nora@example.com")
    with pytest.raises(UsageError, match="not configured any more") as refused:
        undo_asked(store, PLAN, UndoWish(run="abcd"), NOW)
    assert f"--link sandbox/{ANN}/calendar" in (refused.value.remedy or "")
    _, links = undo_asked(store, PLAN, UndoWish(run="abcd", links=(ANN,)), NOW)
    assert [link.user for link in links] == [ANN]
    with pytest.raises(UsageError, match="wrote on none of these links"):
        undo_asked(store, PLAN, UndoWish(run="abcd", links=(BOB,)), NOW)


def test_a_request_that_does_not_read_is_refused() -> None:
    with pytest.raises(UsageError, match="does not read"):
        UndoWish.from_plain({"run": 7})
    wish = UndoWish(run="abcd", links=(ANN,), both=True, apply=True, allow=("delete",))
    assert UndoWish.from_plain({**wish.as_plain(), "links": [ANN], "allow": ["delete"]}) == wish

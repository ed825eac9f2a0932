"""Open intents stand in batches: what is kept of them, however they are closed, and what an older state hands on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from runner.model.state import Commit
from runner.model.terms import Operation, Side
from runner.store import DuckStore, open_store
from runner.store import intents as batches
from runner.store.migration import migrations
from runner.store.opening import open_file
from tests.store.samples import ANN, BOB, NOW, StillClock, intent, pairing


@pytest.fixture
def state(path: Path, clock: StillClock) -> Path:
    open_store(path, clock=clock).close()
    return path


def rows(path: Path) -> list[int]:
    """How many intents each row of the closed state holds."""
    with duckdb.connect(str(path), read_only=True) as con:
        return [number for (number,) in con.execute("SELECT open FROM intent_batch ORDER BY id").fetchall()]


def test_what_one_commit_notes_stands_in_few_rows(state: Path, clock: StillClock) -> None:
    """Few, but none with a text that DuckDB keeps in a block of its own: of those its memory would be full after a hundred
    steps of a large first sync, since it holds deleted rows' blocks too."""
    noted = tuple(replace(intent(f"token{number}"), source_key="k" * 150) for number in range(700))
    with open_store(state, clock=clock) as store:
        store.commit(Commit(intents=noted))
    assert sum(rows(state)) == 700
    assert len(rows(state)) < 100
    with duckdb.connect(str(state), read_only=True) as con:
        sizes = con.execute("SELECT max(strlen(writes)), max(strlen(records)) FROM intent_batch").fetchall()
    assert max(sizes[0]) <= 4096
    with open_store(state, clock=clock) as store:
        assert list(store.intents(ANN)) == list(noted)


def test_what_differs_stands_apart(state: Path, clock: StillClock) -> None:
    """Link, side, operation and fields belong to all of a row; keys and records to each."""
    noted = (
        intent("a"),
        replace(intent("b"), side=Side.CRM, native=None, source_key=None, record={"title": 'A "quoted" \x1f title'}),
        replace(intent("c"), operation=Operation.UPDATE, key="t1", fields=frozenset({"title"})),
        intent("d", BOB),
    )
    with open_store(state, clock=clock) as store:
        store.commit(Commit(intents=noted))
    assert rows(state) == [1, 1, 1, 1]
    with open_store(state, clock=clock) as store:
        assert sorted([*store.intents(ANN), *store.intents(BOB)], key=lambda one: one.token) == list(noted)


def test_what_stays_open_of_a_batch_is_kept_whole(state: Path, clock: StillClock) -> None:
    """A2: an unknown outcome is settled with the payload that was sent, whatever became of its neighbours."""
    noted = tuple(intent(f"token{number}") for number in range(5))
    with open_store(state, clock=clock) as store:
        store.commit(Commit(intents=noted))
        store.commit(Commit(closed=("token0", "token2", "unheard of", "token4"), intents=(intent("later"),)))
    assert rows(state) == [2, 1]
    with open_store(state, clock=clock) as store:
        assert list(store.intents(ANN)) == [noted[1], noted[3], intent("later")]
        store.commit(Commit(closed=("token1", "token3")))
        assert list(store.intents(ANN)) == [intent("later")]


def test_large_records_stand_apart(state: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_MOST_TEXT", 1300)
    noted = tuple(replace(intent(f"token{number}"), record={"description": "x" * 600}) for number in range(5))
    with open_store(state, clock=clock) as store:
        store.commit(Commit(intents=noted))
    assert rows(state) == [2, 2, 1]
    with open_store(state, clock=clock) as store:
        assert list(store.intents(ANN)) == list(noted)


def test_open_intents_of_an_older_state_stay_open(path: Path, clock: StillClock) -> None:
    """A13, A2: an upgrade between a crash and the next pass loses no unknown outcome."""
    opened = open_file(path, migrations()[:1])
    opened.con.execute("INSERT INTO link VALUES (1, ?, 'active', NULL, true, true, true, '', NULL, NULL, 0)", [ANN])
    opened.con.execute(
        "INSERT INTO intent VALUES (2, 1, 'token', 'target', 'create', NULL, 'c\"1', ?, ?, 'uid-1', 'run-1', ?), "
        "(3, 1, 'other', 'target', 'update', 't1', 'c2', '{\"title\":null}', '[\"title\"]', NULL, 'run-1', ?)",
        ['{"title":"A \\"quoted\\" title"}', '["start","title"]', NOW.replace(tzinfo=None), NOW.replace(tzinfo=None)],
    )
    opened.con.execute("UPDATE state SET last_id = 3")
    opened.close()
    with open_store(path, clock=clock) as store:
        assert isinstance(store, DuckStore)
        assert list(store.intents(ANN)) == [
            replace(intent("token"), source_key='c"1', record={"title": 'A "quoted" title'}),
            replace(
                intent("other"),
                operation=Operation.UPDATE,
                key="t1",
                source_key="c2",
                record={"title": None},
                fields=frozenset({"title"}),
                native=None,
            ),
        ]
        store.commit(Commit(closed=("token", "other")))
        assert list(store.intents(ANN)) == []


def test_what_two_links_noted_is_closed_apart(state: Path, clock: StillClock) -> None:
    """Passes of several links go on at a time: what the one closes leaves what the other has noted since."""
    first = tuple(intent(f"first{number}") for number in range(3))
    second = tuple(intent(f"second{number}", BOB) for number in range(3))
    with open_store(state, clock=clock) as store:
        store.commit(Commit(intents=first))
        store.commit(Commit(intents=second))
        store.commit(Commit(closed=tuple(one.token for one in first)))
        assert list(store.intents(ANN)) == []
        assert list(store.intents(BOB)) == list(second)
        store.commit(Commit(closed=("second0", "second1", "second2"), intents=first))
        assert list(store.intents(ANN)) == list(first)
        assert list(store.intents(BOB)) == []
        store.commit(Commit(closed=(first[0].token,)))
        store.commit(Commit(closed=(first[1].token, first[2].token)))
        assert list(store.intents(ANN)) == []
    assert rows(state) == []


def test_what_was_undone_is_not_taken_for_noted(state: Path, clock: StillClock) -> None:
    """A commit that fails leaves nothing behind, in memory either: the intents before it are closed as they stand."""
    noted = tuple(intent(f"token{number}") for number in range(3))
    with open_store(state, clock=clock) as store:
        store.commit(Commit(intents=noted))
        with pytest.raises(ValueError, match="do not exist"):
            store.commit(Commit(closed=("token0",), intents=(intent("never"),), pairings=(replace(pairing(1), id=99),)))
        with store.rehearsal():
            store.commit(Commit(closed=tuple(one.token for one in noted)))
            store.commit(Commit(intents=(intent("rehearsed"),)))
        assert list(store.intents(ANN)) == list(noted)
        store.commit(Commit(closed=tuple(one.token for one in noted)))
        assert list(store.intents(ANN)) == []
    assert rows(state) == []

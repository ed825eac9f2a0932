"""The ledger's chain: whatever is changed in it behind the store's back shows (P17)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from runner.model.state import Commit, Purge
from runner.model.terms import Operation
from runner.store import LedgerProof, open_store
from runner.store.migration import migrations
from runner.store.opening import open_file
from tests.store.samples import ANN, NASTY, NOW, StillClock, entry


def written(path: Path, count: int = 5, clock: StillClock | None = None) -> list[str]:
    """A state with some entries, in two commits and an update; the heads after each commit."""
    heads = []
    with open_store(path, clock=clock or StillClock()) as store:
        for start in (0, 2):
            some = [replace(entry(), key=f"c{n}", counterpart=f"t{n}") for n in range(start, start + 2)]
            store.commit(Commit(ledger=tuple(some)))
            heads.append(store.verify_ledger().head)
        update = replace(entry(Operation.UPDATE), reason=NASTY, before={"x": None})
        more = [replace(update, key=f"c{n}", counterpart=None) for n in range(4, count)]
        store.commit(Commit(ledger=tuple(more)))
        heads.append(store.verify_ledger().head)
    return heads


def proof(path: Path, noted: str | None = None) -> LedgerProof:
    with open_store(path, clock=StillClock()) as store:
        return store.verify_ledger(noted)


def behind_its_back(path: Path, *statements: str) -> None:
    with duckdb.connect(path) as con:
        for statement in statements:
            con.execute(statement).fetchall()


def test_an_untouched_ledger_is_whole_across_restarts(path: Path) -> None:
    heads = written(path)
    assert len(set(heads)) == 3
    found = proof(path)
    assert (found.whole, found.entries, found.head) == (True, 5, heads[-1])


def test_a_ledger_of_many_pages_is_whole(path: Path, clock: StillClock) -> None:
    with open_store(path, clock=clock) as store:
        store.commit(Commit(ledger=tuple(replace(entry(), key=f"c{n}") for n in range(4500))))
        found = store.verify_ledger()
    assert (found.whole, found.entries) == (True, 4500)


THIRD = "id = (SELECT id FROM ledger ORDER BY id LIMIT 1 OFFSET 2)"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET after_fields = replace(after_fields, 'Budget', 'Budgot') WHERE {third}",
        "UPDATE ledger SET before_fields = '{{}}' WHERE {third}",
        "UPDATE ledger SET before_fields = NULL, after_fields = NULL WHERE {third}",
        "UPDATE ledger SET before_fields = NULL, after_fields = NULL, salt = NULL WHERE {third}",
        "UPDATE ledger SET key = 'other' WHERE {third}",
        "UPDATE ledger SET operation = 'delete' WHERE {third}",
        "UPDATE ledger SET operation = 'purge' WHERE {third}",
        "UPDATE ledger SET reason = 'nothing to see' WHERE {third}",
        "UPDATE ledger SET rule = 'hq.yaml:1:1' WHERE {third}",
        "UPDATE ledger SET run = 'run-9' WHERE {third}",
        "UPDATE ledger SET link_id = link_id + 1 WHERE {third}",
        "UPDATE ledger SET written_at = written_at - INTERVAL 1 SECOND WHERE {third}",
        "UPDATE ledger SET chain = repeat('0', 64) WHERE {third}",
        "DELETE FROM ledger WHERE {third}",
        "DELETE FROM ledger WHERE id = (SELECT max(id) FROM ledger)",
        "DELETE FROM ledger",
        "INSERT INTO ledger SELECT * REPLACE (id + 1000 AS id) FROM ledger WHERE {third}",
    ],
)
def test_a_tampered_ledger_shows(path: Path, change: str) -> None:
    """P17: flip, delete, swap, truncate, add."""
    written(path)
    behind_its_back(path, change.format(third=THIRD))
    assert not proof(path).whole


def test_two_entries_that_changed_places_show(path: Path) -> None:
    written(path)
    behind_its_back(path, "UPDATE ledger SET id = 1000003 - id")
    assert not proof(path).whole


def test_a_break_names_the_entry_and_no_other(path: Path) -> None:
    written(path)
    behind_its_back(path, f"UPDATE ledger SET key = 'other' WHERE {THIRD}")  # noqa: S608
    with open_store(path, clock=StillClock()) as store:
        number = store.ledger()[2].id
        assert [one.number for one in store.verify_ledger().breaks] == [number]


def test_a_chain_that_was_computed_anew_shows_against_a_head_that_was_noted(path: Path, tmp_path: Path) -> None:
    """Whoever can write the file can compute another chain; not one that contains an older head."""
    heads = written(path)
    assert all(proof(path, noted).whole for noted in heads)
    forged = tmp_path / "forged" / "state.duckdb"
    written(forged)
    found = proof(forged, heads[0])
    assert (found.whole, found.unfound, found.breaks) == (False, True, [])


def test_what_became_private_is_forgotten_and_the_chain_holds(path: Path, clock: StillClock) -> None:
    """B-35: neither the values nor anything that could be compared with them stays."""
    written(path)
    with open_store(path, clock=clock) as store:
        store.commit(Commit(purged=(Purge(ANN, "c1", "t1", NOW),)))
        found = store.verify_ledger()
        assert (found.whole, found.forgotten, found.entries) == (True, 1, 5)
    with duckdb.connect(path) as con:
        [left] = con.execute("SELECT before_fields, after_fields, salt FROM ledger WHERE key = 'c1' LIMIT 1").fetchall()
    assert left == (None, None, None)
    behind_its_back(path, f"UPDATE ledger SET before_fields = NULL, after_fields = NULL, salt = NULL WHERE {THIRD}")  # noqa: S608
    assert not proof(path).whole


def test_the_chain_holds_through_pruning(path: Path, clock: StillClock) -> None:
    """The oldest entries go, the rest still proves itself, and a head of what is gone is not found any more."""
    heads = written(path, clock=clock)
    clock.seconds += timedelta(days=30).total_seconds()
    with open_store(path, clock=clock) as store:
        store.commit(Commit(ledger=(replace(entry(), at=clock.now()),)))
        assert store.prune_ledger(clock.now() - timedelta(days=10)) == 5
        assert store.prune_ledger(clock.now() - timedelta(days=10)) == 0
        found = store.verify_ledger()
        assert (found.whole, found.entries, found.pruned) == (True, 1, 5)
        assert store.verify_ledger(heads[-1]).whole
        assert store.verify_ledger(heads[0]).unfound
        store.commit(Commit(ledger=(entry(),)))
        assert store.verify_ledger().whole
    behind_its_back(path, "UPDATE ledger SET key = 'other'")
    assert not proof(path).whole


def test_everything_can_be_pruned(path: Path, clock: StillClock) -> None:
    written(path, clock=clock)
    with open_store(path, clock=clock) as store:
        assert store.prune_ledger(NOW + timedelta(days=1)) == 5
        assert store.verify_ledger().whole
        store.commit(Commit(ledger=(entry(),)))
        assert (store.verify_ledger().whole, store.verify_ledger().entries) == (True, 1)


def test_a_rehearsal_leaves_the_chain_where_it_was(path: Path, clock: StillClock) -> None:
    written(path)
    with open_store(path, clock=clock) as store:
        before = store.verify_ledger()
        with store.rehearsal():
            store.commit(Commit(ledger=(entry(),)))
            assert store.verify_ledger().entries == 6
        assert store.verify_ledger() == before
        store.commit(Commit(ledger=(entry(),)))
        assert store.verify_ledger().whole


def test_entries_of_an_older_version_are_counted_apart(path: Path, clock: StillClock) -> None:
    """A state from before the chain: it begins with the first entry of this version."""
    open_file(path, migrations()[:4]).close()
    behind_its_back(
        path,
        "INSERT INTO link (id, name, condition, target_complete, listed, matched, mapping_digest, quiet_passes) "
        "VALUES (1, 'hq/ann.lee@example.com/calendar', 'active', true, true, true, '', 0)",
        "INSERT INTO ledger VALUES (2, 1, 'run-0', 'crm', 'create', 'c1', 't1', NULL, '{}', 'new', 'r', now()::TIMESTAMP)",
        "UPDATE state SET last_id = 2",
    )
    with open_store(path, clock=clock) as store:
        store.commit(Commit(ledger=(entry(),)))
        found = store.verify_ledger()
        assert (found.whole, found.older, found.entries) == (True, 1, 1)
        assert len(store.ledger()) == 2

"""Items with long bodies: a step of them is more than the cache, and is written and read all the same."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from runner.model.ports import Store
from runner.model.state import Base, Commit
from runner.store import open_store
from tests.store.samples import ANN, RECORD, StillClock, entry, intent, pairing

STEP = 200
"""Items of one commit: each is in it five times over, in 55,000 characters."""


def test_a_step_of_items_with_long_bodies_is_written_and_read(path: Path) -> None:
    """B-44: DuckDB would refuse the commit within the little memory that is enough for ordinary items."""
    long = {n: {**RECORD, "description": f"{n} " + chr(97 + n % 26) * 55_000} for n in range(3 * STEP)}
    with open_store(path, clock=StillClock()) as store:
        for start in range(0, 3 * STEP, STEP):
            numbers = range(start, start + STEP)
            store.commit(Commit(intents=tuple(replace(intent(f"i{n}"), record=long[n]) for n in numbers)))
            store.commit(
                Commit(
                    closed=tuple(f"i{n}" for n in numbers),
                    pairings=tuple(pairing(n, base=Base(crm=long[n], target=long[n])) for n in numbers),
                    ledger=tuple(replace(entry(), key=f"c{n}", after=long[n]) for n in numbers),
                )
            )
        assert _bodies(store) == {fields["description"] for fields in long.values()}
        copy = path.with_name("killed.duckdb")
        for suffix in ("", ".wal", ".counter"):  # what a process that is killed now would leave behind
            if Path(f"{path}{suffix}").exists():
                shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    for left in (path, copy):
        with open_store(left, clock=StillClock()) as store:
            assert _bodies(store) == {fields["description"] for fields in long.values()}


def _bodies(store: Store) -> set[object]:
    """Every body, read as a step of a pass reads: many at a time."""
    pairs = store.pairings(ANN, crm_keys=[f"c{n}" for n in range(3 * STEP)])
    return {pair.base.crm["description"] for pair in pairs if pair.base and pair.base.crm}

"""Properties P1 to P9 over many seeds, and that the simulation would notice if a safeguard were missing.

``make sim SEEDS=20000 FROM=100000`` runs others, ``make sim ONE=4711`` tells one seed's story.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.simulation import Simulation, failure_of
from tests.sim.states import Files, in_duckdb

GATE = 5000
PART = 250
ON_DUCKDB = 200
REGRESSIONS = [
    int(word)
    for line in (Path(__file__).parent / "regressions.txt").read_text().splitlines()
    if not line.startswith("#")
    for word in line.split()
]


def failures(seeds: range | list[int]) -> dict[int, str]:
    return {seed: failure for seed in seeds if (failure := failure_of(seed))}


@pytest.mark.parametrize("start", range(0, GATE, PART))
def test_no_seed_breaks_a_property(start: int) -> None:
    """P1 convergence, P2 no lost update, P3 no duplicate, P4 no resurrection, P5 idempotence, P6 direction, P7 deletes only
    what somebody deleted, P8 privacy, P9 bounded writes; A1 to A4, A9, B1, B5, B6, C1, C5 to C7, C13, D1 to D8, D11, D12."""
    assert not failures(range(start, start + PART))


def test_no_seed_breaks_a_property_again() -> None:
    """Seeds that once did, of tests/sim/regressions.txt."""
    assert not failures(REGRESSIONS)


@pytest.mark.parametrize("start", range(0, ON_DUCKDB, 10))
def test_no_seed_breaks_a_property_on_duckdb(start: int) -> None:
    """The state of the product instead of dictionaries; its ledger proves itself in the end (P17)."""
    assert not {s: f for s in range(start, start + 10) if (f := failure_of(s, lambda n: Simulation(n, in_duckdb)))}


def test_no_seed_breaks_a_property_on_a_file_that_is_opened_anew_after_each_crash(tmp_path: Path) -> None:
    """A2 to A5: what the next process finds is what lies on the disk."""
    files = Files(tmp_path)
    assert not {s: f for s in range(20, 26) if (f := failure_of(s, lambda n: Simulation(n, files)))}


def test_a_seed_is_the_same_story_every_time() -> None:
    """P15."""
    for seed in range(30):
        stories = []
        for _ in range(2):
            simulation = Simulation(seed)
            simulation.run()
            stories.append(simulation.story())
        assert stories[0] == stories[1]


_HASHED = """
from hashlib import sha256
from tests.sim.simulation import Simulation
digest = sha256()
for seed in range(40):
    simulation = Simulation(seed)
    simulation.run()
    digest.update("\\n".join(simulation.story()).encode())
print(digest.hexdigest())
"""


def test_no_set_decides_the_order_of_anything() -> None:
    """P14: three hash seeds, one trace."""
    root = Path(__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", _HASHED],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": str(number), "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in (1, 2, 3)
    }
    assert len(digests) == 1


def test_the_simulated_world_is_busy() -> None:
    """The gate's seeds do what they are there for: every kind of fault, of user, of rule, and passes that interleave."""
    faults = actions = writes = conflicts = quarantined = turns = 0
    forms: set[str] = set()
    kinds: set[str] = set()
    for seed in range(200):
        simulation = Simulation(seed)
        simulation.run()
        stage = simulation.stage
        faults += stage.faults
        actions += stage.oracle.actions
        writes += len(stage.world.boundary.writes())
        conflicts += len(stage.store.conflicts())
        quarantined += len(stage.store.quarantined())
        turns += simulation.turns > 0
        forms |= {traced.outcome for traced in stage.world.boundary.trace}
        kinds |= {what.split()[0] for _, what in stage.people.history}
    assert min(faults, actions, writes) > 500
    assert min(conflicts, quarantined, turns) > 10
    assert {"done", "lost", "crashed-before", "crashed-after", "transient", "watermark-invalid"} <= forms
    assert {"make", "type", "delete", "move", "copy", "meet", "decline"} <= kinds

"""``python -m tests.sim --seeds 5000 [--from 0]`` looks for a seed that breaks a property; ``python -m tests.sim --one 4711``
tells one seed's story, call by call. ``make sim SEEDS=5000 FROM=0`` and ``make sim ONE=4711`` are the same."""

from __future__ import annotations

import argparse
import sys
from multiprocessing import Pool

from tests.sim.simulation import Simulation, failure_of
from tests.sim.stage import MakeStore, in_memory
from tests.sim.states import in_duckdb

_STORES: dict[str, MakeStore] = {"memory": in_memory, "duckdb": in_duckdb}


def _on(words: tuple[int, str]) -> tuple[int, str | None]:
    seed, store = words
    return seed, failure_of(seed, lambda number: Simulation(number, _STORES[store]))


def _one(seed: int, store: str) -> int:
    simulation = Simulation(seed, _STORES[store])
    print(f"seed {seed}: {simulation.options()}")
    failure = None
    try:
        simulation.run()
    except Exception as error:  # noqa: BLE001 - whatever ended the seed is its story's last line
        failure = f"{type(error).__name__}: {error}"
    print("\n".join(simulation.story()))
    print(failure or "every property holds")
    return 1 if failure else 0


def main() -> int:
    """Run seeds on as many processes as asked; 1 when one of them broke a property."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5000, help="how many seeds")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--one", type=int, help="tell the story of this seed only")
    parser.add_argument("--store", choices=sorted(_STORES), default="memory", help="what the state is kept in")
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    if asked.one is not None:
        return _one(asked.one, asked.store)
    seeds = [(seed, asked.store) for seed in range(asked.first, asked.first + asked.seeds)]
    failed = 0
    with Pool(asked.processes) as pool:
        for done, (seed, failure) in enumerate(pool.imap(_on, seeds, chunksize=20), 1):
            if failure:
                failed += 1
                print(f"seed {seed}: {failure}", flush=True)
            if done % 2000 == 0:
                print(f"{done} seeds, {failed} broke a property", flush=True)
    print(f"seeds {asked.first} to {asked.first + asked.seeds - 1}: {failed} broke a property")
    return 1 if failed else 0


sys.exit(main())

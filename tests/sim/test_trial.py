"""A candidate is part of the simulation (B-100, docs/decisions/013): it writes nothing, and changes nothing that is live."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from runner.engine import shadow
from runner.engine.parts import Parts
from runner.engine.subject import Gathered
from runner.model.state import Commit
from tests.sim.oracle import Violation
from tests.sim.simulation import Simulation, failure_of
from tests.sim.trial import Trial

COMPARED = range(40_000, 40_040)
DISTURBED = range(50_000, 50_080)


def held(simulation: Simulation) -> list[str]:
    """What both sides hold, and what is known of it."""
    world, store = simulation.stage.world, simulation.stage.store
    found = [repr(item) for user in simulation.stage.setting.users for item in world.target.items(user)]
    found += [repr(item) for item in world.crm.items()] + [repr(one) for one in store.conflicts()]
    return found + [repr(one) for link in world.links for one in store.ledger(link.name, limit=10_000)]


def test_a_run_beside_a_candidate_is_the_run_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call by call, and in all that both sides hold in the end."""
    seen: Counter[str] = Counter()
    for seed in COMPARED:
        alone, beside = Simulation(seed), Simulation(seed)
        trial = Trial(beside, seed, monkeypatch, quiet=True)
        alone.run()
        beside.run()
        assert beside.story() == alone.story(), seed
        assert held(beside) == held(alone), seed
        seen.update(trial.seen)
    assert min(seen["reads"], seen["candidate.more"], seen["candidate.less"]) > 50, seen


def test_a_candidate_whose_reads_go_wrong_breaks_no_property(monkeypatch: pytest.MonkeyPatch) -> None:
    """P1 to P9 as without one, under faults that strike it and people who act while it looks."""

    def tried(seed: int) -> Simulation:
        simulation = Simulation(seed)
        Trial(simulation, seed, monkeypatch, quiet=False)
        return simulation

    assert not {seed: failure for seed in DISTURBED if (failure := failure_of(seed, tried))}


def test_a_candidate_that_wrote_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    gather = shadow.gather

    def committing(parts: Parts, *rest: Any) -> Gathered:
        gathered = gather(parts, *rest)
        parts.store.commit(Commit(pairings=tuple(gathered.rebound)))
        return gathered

    monkeypatch.setattr(shadow, "gather", committing)
    simulation = Simulation(COMPARED[0])
    Trial(simulation, COMPARED[0], monkeypatch, quiet=True)
    with pytest.raises(Violation, match="a candidate writes"):
        simulation.run()

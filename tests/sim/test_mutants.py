"""The test of the tests: engines with one safeguard taken out, each of which the simulation must notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sim.mutants import BUDGET, MUTANTS, catch, seeds_for


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulation_notices_a_missing_safeguard(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harness that never fails proves nothing."""
    mutant(monkeypatch)
    assert catch(mutant, seeds_for(mutant, BUDGET)), f"{mutant.__name__} survived {BUDGET} seeds"


def test_there_are_twenty_of_them() -> None:
    assert len(set(MUTANTS)) >= 20

"""Runs of the state machine, the same ones every time, and which missing safeguards they notice.

``python -m tests.sim.steps [NAME ...]`` takes the safeguards out one by one (:mod:`tests.sim.mutants`), all of them or those
named; 1 when one survives that is not known to (the seeds notice every one).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from runner.testing.held import ContractViolation
from tests.sim.machine import Machine
from tests.sim.mutants import MUTANTS
from tests.sim.oracle import Violation

STEPS = 50
BUDGET = 250
"""Sequences within which a missing safeguard must be noticed."""
UNSEEN = frozenset({"deletes_of_changed_items", "matching_ignores_identity", "joining_is_forgotten"})
"""Safeguards whose absence it takes more sequences to notice."""
PLAIN = settings(
    max_examples=BUDGET,
    stateful_step_count=STEPS,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def run(number: int, how: settings = PLAIN) -> None:
    """The sequences that follow from a number. Raises the :class:`Violation` of the first that breaks a property."""
    part = type("Machine", (Machine,), {})
    seed(number)(part)
    run_state_machine_as_test(part, settings=how)


def noticed(mutant: Callable[[pytest.MonkeyPatch], None], number: int = 1) -> str | None:
    """By what the machine notices a missing safeguard; None: it does not within the budget."""
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch)
        try:
            run(number, settings(PLAIN, phases=[Phase.generate]))
        except (Violation, ContractViolation) as found:
            return str(found)
    return None


def main(names: Sequence[str]) -> int:
    """Take them out one by one, and say of each what noticed it."""
    survivors = 0
    for mutant in MUTANTS:
        if not names or mutant.__name__ in names:
            found = noticed(mutant)
            known = mutant.__name__ in UNSEEN
            survivors += found is None and not known
            told = found[:100] if found else "not noticed, as ever" if known else "SURVIVED"
            print(f"{mutant.__name__:36} {told}", flush=True)
    print(f"{survivors} survived {BUDGET} sequences of {STEPS} steps")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

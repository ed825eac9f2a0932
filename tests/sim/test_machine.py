"""Properties P1 to P9 and D14 over steps that Hypothesis chooses, and that the machine would notice a missing safeguard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings

from tests.sim import mutants
from tests.sim.steps import PLAIN, noticed, run

EXAMPLES, PARTS = 1000, 8


@pytest.mark.parametrize("part", range(PARTS))
def test_no_sequence_of_steps_breaks_a_property(part: int) -> None:
    """P1 to P9, D14: people, faults, crashes, clocks, lost watermarks and lost states in any order, 1,000 × 50 steps."""
    run(part, settings(PLAIN, max_examples=EXAMPLES // PARTS))


@pytest.mark.parametrize(
    "mutant",
    [mutants.watermark_before_marks, mutants.private_items_leak, mutants.each_mailbox_makes_its_own_record],
    ids=lambda mutant: mutant.__name__,
)
def test_the_machine_notices_a_missing_safeguard(mutant: Callable[[pytest.MonkeyPatch], None]) -> None:
    """A harness that never fails proves nothing. Of the 24 mutants of ``make mutants`` 21 are seen within 250 examples."""
    assert noticed(mutant), f"{mutant.__name__} survived"

"""Derived rows of occurrences are brought up to date behind the passes, and never stop one (B-38)."""

from __future__ import annotations

from runner.model.errors import Unreachable
from tests.engine.world import World


def test_b38_a_run_ends_with_it_and_a_rehearsal_leaves_it_out(world: World) -> None:
    calls: list[int] = []
    world.crm.materialise = lambda: len(calls) or calls.append(world.boundary.calls) or 0  # type: ignore[method-assign]
    world.in_crm("Lunch")
    world.sync(rehearse=True)
    assert not calls
    world.sync()
    assert calls == [world.boundary.calls]
    assert world.titles() == (["Lunch"], ["Lunch"])


def test_b38_its_fault_is_told_and_the_passes_stand(world: World) -> None:
    def refuse() -> int:
        raise Unreachable("the CRM database is away", code="connection")

    world.crm.materialise = refuse  # type: ignore[method-assign]
    world.in_crm("Lunch")
    passed, told = world.run()
    assert (passed.error, passed.writes) == (None, 1)
    assert (told.link, str(told.error), told.exit_code) == ("crm", "the CRM database is away", 69)
    assert world.titles() == (["Lunch"], ["Lunch"])

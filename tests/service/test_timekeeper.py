"""What the service asks for by the clock: the background audit goes round, whatever waits (B-21, B-100)."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.config import load_plan
from runner.config.plan import SyncPlan
from runner.model.proofs import Finding, Found, Proof
from runner.model.queueing import Barred, Cause, Job, MessageState
from runner.model.state import Commit, LinkState
from runner.observe.metrics import Metrics
from runner.queue import EmbeddedQueue
from runner.service.timekeeper import Timekeeper
from runner.store import DuckStore, Journal, open_store
from runner.testing.clock import FakeClock
from tests.service.test_configuration import HQ, write
from tests.service.test_dispatch import ANN, BOB


def keeper_of(plan: SyncPlan, store: DuckStore, queue: EmbeddedQueue, clock: FakeClock) -> Timekeeper:
    generations: Any = SimpleNamespace(current=SimpleNamespace(plan=plan))
    dispatcher: Any = SimpleNamespace(circuits=dict, crm_down=None)
    within = timedelta(days=7)
    return Timekeeper(
        queue,
        dispatcher,
        generations,
        store,
        Metrics(),
        clock,
        threading.Event(),
        lambda: 0.5,
        audit_within=within,
    )


def test_what_audits_found_is_measured(tmp_path: Path) -> None:
    """B-100: how much differs, and how long ago a target's links were last proven equal."""
    clock, plan = FakeClock(), load_plan(write(tmp_path, HQ))
    with open_store(None, clock=clock) as store:
        now = clock.now()
        found = (Found(Finding.DRIFT, "1", "t1"), Found(Finding.MISSING, "2"), Found(Finding.WATERMARK))
        proofs = (Proof(ANN, now, found=found, finished=now), Proof(BOB, now, finished=now, proven=now))
        store.commit(Commit(links=tuple(LinkState(name, matched=True) for name in (ANN, BOB)), proofs=proofs))
        keeper = keeper_of(plan, store, EmbeddedQueue(Journal(store), clock), clock)
        clock.advance(90)
        keeper.measure()
        told = keeper.metrics.text().decode()
    assert 'exsync_diverged_items{folder="calendar",target="sandbox"} 2.0' in told
    assert 'exsync_proof_age_seconds{target="sandbox"} 90.0' in told


@pytest.mark.parametrize("blocked", [True, False], ids=["blocked", "paused"])
def test_a_link_whose_message_waits_is_not_audited_and_holds_up_nobody(tmp_path: Path, *, blocked: bool) -> None:
    """An errand of the service's own neither runs a blocked message nor piles up on one that nobody takes."""
    clock, plan = FakeClock(), load_plan(write(tmp_path, HQ))
    with open_store(None, clock=clock) as store:
        store.commit(Commit(links=tuple(LinkState(name, matched=True) for name in (ANN, BOB))))
        queue = EmbeddedQueue(Journal(store), clock)
        keeper = keeper_of(plan, store, queue, clock)
        queue.put([Job(ANN, "sandbox", Cause.CRM)])
        if blocked:
            message = queue.lease(Barred())
            assert message is not None
            queue.block(message, "access denied")
        for _ in range(3):
            keeper.audit_next()
        [anns], [bobs] = ([each for each in queue.messages() if each.link == name] for name in (ANN, BOB))
        assert (anns.state, anns.orders) == (MessageState.BLOCKED if blocked else MessageState.NEW, ())
        assert len(bobs.orders) == 1
        assert bobs.orders[0].errand

"""Kill -9 in the middle of commits and checkpoints (faults A2 to A5): what was acknowledged is there, and nothing half."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from runner.model.terms import Side
from runner.store import DuckStore, open_store
from tests.store.committing import commit_into
from tests.store.samples import ANN, NOW, StillClock

KILLS = 120


def check_whole(store: DuckStore, acknowledged: int) -> int:
    """Every table holds exactly the commits up to one number, which is not below the acknowledged one."""
    last = int(store.crm_watermark("crm") or 0)
    assert last >= acknowledged
    keys = [f"c{number}" for number in range(1, last + 1)]
    assert [mark.key for mark in store.marks(ANN, after=0, until=1 << 60, limit=10**6, now=NOW)] == keys
    assert [one.crm_key for one in store.pairings(ANN, crm_keys=[*keys, f"c{last + 1}"])] == keys
    assert [key for _, key in store.paired_keys(ANN, Side.CRM, after=0, limit=10**6)] == keys
    assert store.writes_since(ANN, NOW).get("create", 0) == last
    return last


def test_killed_at_any_moment_no_acknowledged_commit_is_lost_and_none_is_partial(path: Path) -> None:
    """A5. The moment is drawn: after so many acknowledged commits, the next one (or a checkpoint) is under way."""
    rng = random.Random(20261123)
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["tests.store.committing"])
    acknowledged = 0
    for _ in range(KILLS):
        reader, writer = forking.Pipe(duplex=False)
        process = forking.Process(target=commit_into, args=(path, writer), daemon=True)
        process.start()
        writer.close()
        assert reader.recv() == acknowledged
        for _ in range(rng.randrange(1, 25)):
            acknowledged = reader.recv()
        process.kill()
        with suppress(EOFError, OSError):
            while True:
                acknowledged = reader.recv()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        with open_store(path, clock=StillClock()) as store:
            acknowledged = check_whole(store, acknowledged)
    assert acknowledged >= KILLS
    with open_store(path, clock=StillClock()) as store:
        assert store.verify_ledger().whole


def test_killed_while_a_state_is_created_leaves_none_or_a_whole_one(path: Path) -> None:
    """A crash before the first commit must not leave something that looks like a damaged state (A7)."""
    for turn in range(6):
        state = path.with_name(f"state-{turn}.duckdb")
        with subprocess.Popen(
            [sys.executable, "-m", "tests.store.committing", str(state), "hold"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            try:
                process.wait(0.25 + 0.05 * turn)
            except subprocess.TimeoutExpired:
                process.kill()
        with open_store(state, clock=StillClock()) as store:
            assert store.links() == {}

"""Opening: who may open, which files appear with which rights, migrations, and a second process."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from runner.model.errors import StateDamaged, StateError, StateLocked, StateTooNew
from runner.model.state import Commit, LinkState
from runner.store import open_store
from runner.store.migration import Migration, migrations
from runner.store.opening import open_file
from tests.store.committing import numbered
from tests.store.samples import ANN, NOW, StillClock, pairing

NEXT = len(migrations()) + 1
"""The number of the migration that a later version would add."""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_files_are_the_owners_alone(path: Path, clock: StillClock) -> None:
    old = os.umask(0)
    try:
        with open_store(path, clock=clock) as store:
            store.commit(numbered(1))
            files = sorted(file.name for file in path.parent.iterdir())
            assert files == ["state.duckdb", "state.duckdb.counter", "state.duckdb.wal"]
            assert {mode_of(file) for file in path.parent.iterdir()} == {0o600}
            store.checkpoint()
            store.commit(numbered(2))
            assert {mode_of(file) for file in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(old)
    assert mode_of(path.parent) == 0o700


def test_what_was_committed_is_there_after_reopening(path: Path, clock: StillClock) -> None:
    with open_store(path, clock=clock) as store:
        store.commit(Commit(links=(LinkState(ANN, target_watermark="w"),), pairings=(pairing(1),)))
        before = store.pairings(ANN, crm_keys=["c1"])
    with open_store(path, clock=clock) as store:
        assert store.link(ANN).target_watermark == "w"
        assert store.pairings(ANN, crm_keys=["c1"]) == before


def test_heartbeats_are_flushed_on_close_and_count(path: Path, clock: StillClock) -> None:
    with open_store(path, clock=clock) as store:
        store.commit(Commit(links=(LinkState(ANN),)))
        for _ in range(5):
            store.heartbeat(ANN, NOW)
        assert store.overview()[0].quiet_passes == 5
    with open_store(path, clock=clock) as store:
        assert store.link(ANN).last_pass == NOW
        assert store.overview()[0].quiet_passes == 5


def test_a_closed_store_says_so_and_closing_twice_is_allowed(path: Path, clock: StillClock) -> None:
    store = open_store(path, clock=clock)
    store.close()
    store.close()
    with pytest.raises(StateError, match="closed"):
        store.links()


def test_a_second_process_is_refused_with_the_holders_pid(path: Path, clock: StillClock) -> None:
    """A10, invariant 9."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.committing", str(path), "hold"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StateLocked, match=rf"in use by process {process.pid} ") as caught:
            open_store(path, clock=clock)
        assert caught.value.exit_code == 75
        assert caught.value.remedy
        process.communicate()
    open_store(path, clock=clock).close()


def test_a_second_store_in_the_same_process_is_refused(path: Path, clock: StillClock) -> None:
    with open_store(path, clock=clock), pytest.raises(StateLocked, match="this very process"):
        open_store(path.parent / ".." / path.parent.name / path.name, clock=clock)


def test_nothing_that_happens_here_lets_another_process_in(path: Path, clock: StillClock) -> None:
    """A10: a POSIX lock is lost when its process closes any descriptor of the file. Neither a copy, nor the copy before a
    migration, nor a second attempt to open it may do that."""
    open_store(path, clock=clock).close()
    opened = open_file(path, (*migrations(), Migration(NEXT, "note", "CREATE TABLE note (id BIGINT PRIMARY KEY)")))
    assert _refused(path)
    opened.close()
    fresh = path.with_name("fresh.duckdb")
    with open_store(fresh, clock=clock) as store:
        store.commit(numbered(1))
        store.copy_to(path.with_name("copy.duckdb"))
        with pytest.raises(StateLocked):
            open_store(fresh, clock=clock)
        assert _refused(fresh)
    with open_store(path.with_name("copy.duckdb"), clock=clock) as copy:
        assert copy.crm_watermark("crm") == "1"
        assert mode_of(path.with_name("copy.duckdb")) == 0o600


def _refused(path: Path) -> bool:
    """Whether another process is kept out of the file."""
    attempt = f"import duckdb; duckdb.connect({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", attempt], capture_output=True, text=True, check=False)
    return "Could not set lock" in done.stderr


def test_the_file_keeps_the_storage_format_that_1_5_reads(path: Path, clock: StillClock) -> None:
    open_store(path, clock=clock).close()
    with duckdb.connect(path, read_only=True) as con:
        [(tags,)] = con.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'state'").fetchall()
    assert "v1.5" in tags["storage_version"]


def test_a_new_migration_runs_once_and_keeps_a_copy_of_the_older_file(path: Path, clock: StillClock) -> None:
    """A13."""
    with open_store(path, clock=clock) as store:
        store.commit(numbered(1))
    steps = (
        *migrations(),
        Migration(NEXT, "note", "CREATE TABLE note (id BIGINT PRIMARY KEY); INSERT INTO note VALUES (7)"),
    )
    for _ in range(2):
        opened = open_file(path, steps)
        assert opened.con.execute("SELECT id FROM note").fetchall() == [(7,)]
        opened.close()
    copy = path.with_name(f"state.duckdb.before-{NEXT:04d}")
    assert mode_of(copy) == 0o600
    restored = shutil.copy(copy, path.with_name("restored.duckdb"))
    with open_store(restored, clock=clock) as store:
        assert store.crm_watermark("crm") == "1"


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, clock: StillClock) -> None:
    with open_store(path, clock=clock) as store:
        store.commit(numbered(1))
    steps = (*migrations(), Migration(NEXT, "bad", "CREATE TABLE note (id BIGINT); INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(StateError, match="nowhere"):
        open_file(path, steps)
    with open_store(path, clock=clock) as store:
        assert store.crm_watermark("crm") == "1"


def test_a_newer_schema_is_refused(path: Path, clock: StillClock) -> None:
    """A13."""
    steps = (*migrations(), Migration(NEXT, "note", "CREATE TABLE note (id BIGINT PRIMARY KEY)"))
    open_file(path, steps).close()
    digest = path.read_bytes()
    with pytest.raises(StateTooNew, match=f"schema {NEXT}") as caught:
        open_store(path, clock=clock)
    assert caught.value.exit_code == 74
    assert path.read_bytes() == digest


def test_the_migrations_are_numbered_without_gaps() -> None:
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_database_of_somebody_else_is_not_taken_over(path: Path, clock: StillClock) -> None:
    path.parent.mkdir()
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE customers (id BIGINT)").fetchall()
    digest = path.read_bytes()
    with pytest.raises(StateDamaged, match="not a state of exsync"):
        open_store(path, clock=clock)
    assert path.read_bytes() == digest


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="cannot be opened"):
        open_store(tmp_path / "file" / "state.duckdb", clock=clock)

"""What was purged does not lie in the state file's free blocks either, once the state has been opened anew (B-35)."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from runner.model.state import Commit, Purge
from runner.store import open_store, opening, rewriting
from tests.store.samples import ANN, NOW, RECORD, StillClock, entry, pairing

CANARY = b"kanarienvogel-7391"
DIED = 9


def traces(path: Path) -> list[str]:
    """Files beside the state, it included, in which the canary lies."""
    return sorted(file.name for file in path.parent.iterdir() if CANARY in file.read_bytes())


def purged(path: Path) -> None:
    """A state in which a private title was, and is no longer; closed in between, so that it lies in the file itself."""
    known = replace(entry(), after={**RECORD, "title": CANARY.decode()})
    with open_store(path, clock=StillClock()) as store:
        store.commit(Commit(ledger=(known,), pairings=tuple(pairing(n) for n in range(2, 40))))
    with open_store(path, clock=StillClock()) as store:
        store.commit(Commit(purged=(Purge(ANN, "c1", "t1", NOW),)))
    assert traces(path) == [path.name]  # DuckDB itself leaves it there


def whole(path: Path) -> None:
    """The state holds what it held, nothing private, and nothing else lies beside it."""
    with open_store(path, clock=StillClock()) as store:
        assert store.count(ANN) == 38
        assert len(store.pairings(ANN, crm_keys=[f"c{n}" for n in range(2, 40)])) == 38
        assert store.verify_ledger().whole
        assert [one.after for one in store.ledger(ANN, limit=9)] == [None]
    assert traces(path) == []
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.counter"]


def test_what_was_purged_is_gone_from_the_file_when_it_is_opened_anew(path: Path) -> None:
    purged(path)
    whole(path)
    inode = path.stat().st_ino
    whole(path)
    assert path.stat().st_ino == inode  # it is written anew once, not each time


def die_at(path: Path, step: str, after: bool, nth: int) -> None:
    """Open the state and die at a step without any cleaning up, as a power cut would have it."""
    module = os if step in ("replace", "fsync") else opening
    real, calls = getattr(module, step), 0

    def dying(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == nth and not after:
            os._exit(DIED)
        result = real(*arguments, **named)
        if calls == nth:
            os._exit(DIED)
        return result

    setattr(module, step, dying)
    open_store(path, clock=StillClock()).close()


@pytest.mark.parametrize(
    ("step", "after", "nth"),
    [
        ("copy_tables", False, 1),
        ("fsync", False, 1),
        ("copy_tables", True, 1),
        ("replace", False, 1),
        ("replace", True, 1),
        ("fsync", True, 2),
        ("fsync", True, 3),
    ],
)
def test_a_crash_at_any_step_leaves_a_whole_state_and_the_next_start_cleans_it(
    path: Path, step: str, after: bool, nth: int
) -> None:
    """The old file or the new one; and nothing private after the next start."""
    purged(path)
    forking = multiprocessing.get_context("forkserver")
    process = forking.Process(target=die_at, args=(path, step, after, nth))
    process.start()
    process.join()
    assert process.exitcode == DIED
    whole(path)


def test_a_full_disk_keeps_nobody_from_opening_the_state(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again at the next start."""
    purged(path)

    def full(*_: object) -> None:
        raise duckdb.IOException("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(opening, "copy_tables", full)
        with open_store(path, clock=StillClock()) as store:
            store.commit(Commit(pairings=(pairing(50),)))
            assert store.count(ANN) == 39
        assert rewriting.mark_path(path).exists()
    with open_store(path, clock=StillClock()) as store:
        assert store.count(ANN) == 39
    assert traces(path) == []

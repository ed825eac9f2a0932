"""``exsync ledger``: what an operator sees of the ledger, and the exit code when it is not what was written (P17)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from runner.cli import _run
from runner.model.state import Commit
from runner.model.terms import Operation
from runner.store import open_store
from tests.store.samples import NOW, StillClock, entry


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state.duckdb"
    update = replace(entry(Operation.UPDATE), before={"title": "Lunch"}, after={"title": "Dinner"}, key="c7")
    with open_store(path, clock=StillClock()) as store:
        store.commit(Commit(ledger=(entry(), update)))
    return path


def said(capsys: pytest.CaptureFixture[str], state: Path, *words: str) -> tuple[int, str]:
    code = _run(["--state", str(state), "ledger", *words])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_writes_are_listed_and_shown_with_what_was_there_before(
    capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    code, told = said(capsys, state, "list", "--key", "c7", "-o", "json")
    [found] = json.loads(told)
    assert (code, found["before"], found["after"]) == (0, {"title": "Lunch"}, {"title": "Dinner"})
    code, told = said(capsys, state, "list")
    assert (code, told.count("crm ")) == (0, 2)
    code, told = said(capsys, state, "show", str(found["id"]))
    assert code == 0
    assert all(word in told for word in ("Lunch", "Dinner", "hq.yaml:3:1", f"{NOW:%Y-%m-%d}"))
    code, told = said(capsys, state, "show", "999")
    assert code == 64
    assert "ledger list" in told


def test_a_whole_ledger_says_so_with_its_head(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    code, told = said(capsys, state, "verify", "-o", "json")
    proof = json.loads(told)
    assert (code, proof["whole"], proof["entries"]) == (0, True, 2)
    code, told = said(capsys, state, "verify", "--head", proof["head"])
    assert code == 0
    assert "whole: 2 entries" in told
    code, told = said(capsys, state, "verify", "--head", "f" * 64)
    assert code == 74
    assert "not in the chain" in told


def test_a_changed_entry_ends_with_74_and_its_number(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    with duckdb.connect(state) as con:
        [(number,)] = con.execute("UPDATE ledger SET reason = 'x' WHERE key = 'c7' RETURNING id").fetchall()
    code, told = said(capsys, state, "verify")
    assert code == 74
    assert f"entry {number}: it is not what was written" in told


def test_what_guards_count_by_is_not_pruned(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    code, told = said(capsys, state, "prune", "--keep", "2")
    assert code == 64
    assert "--keep 7" in told
    code, told = said(capsys, state, "prune", "--keep", "7")
    assert (code, "entries were dropped" in told) == (0, True)

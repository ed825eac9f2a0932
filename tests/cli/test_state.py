"""``exsync state repair``: what an operator types after a damaged log or a restored backup."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner, Result

from runner.cli import exsync
from runner.model.errors import StateDamaged
from runner.store import open_store
from tests.store.committing import numbered
from tests.store.samples import StillClock


def typed(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(exsync, ["--state", str(path), *arguments])


def test_a_state_that_lost_its_newest_commits_is_carried_on_from_by_command(tmp_path: Path) -> None:
    """A8, A9: refused with the command that helps, copied before anything is changed, and told how much is lost."""
    path = tmp_path / "state.duckdb"
    with open_store(path, clock=StillClock()) as store:
        store.commit(numbered(1))
    assert "nothing to repair" in typed(path, "state", "repair").output
    backup = shutil.copy(path, tmp_path / "backup")
    with open_store(path, clock=StillClock()) as store:
        store.commit(numbered(2))
        store.commit(numbered(3))
    shutil.copy(backup, path)
    said = typed(path, "state", "repair")
    assert isinstance(said.exception, StateDamaged)
    assert "exsync state repair --yes" in (said.exception.remedy or "")
    said = typed(path, "state", "repair", "--yes")
    assert said.exit_code == 0, said.output
    assert "2 commits are lost" in said.output
    assert sorted(file.name for file in tmp_path.glob("state.duckdb.damaged-*/*")) == [
        "state.duckdb",
        "state.duckdb.counter",
    ]
    assert "state-repaired" in typed(path, "acts").output
    with open_store(path, clock=StillClock()) as store:
        assert store.crm_watermark("crm") == "1"
    assert "nothing to repair" in typed(path, "state", "repair", "--yes").output

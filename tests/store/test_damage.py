"""Damaged, shortened, swapped and missing files (faults A6 to A9): always told by name, never answered by an empty state."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from runner.model.errors import StateDamaged, StateError
from runner.store import open_store
from runner.store.repair import repair
from tests.store.committing import numbered
from tests.store.samples import ANN, NOW, StillClock, pairing
from tests.store.test_crash import check_whole

COMMITS = 5


@pytest.fixture
def wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


@pytest.fixture
def counter(path: Path) -> Path:
    return path.with_name(path.name + ".counter")


def filled(path: Path) -> None:
    """A state of some commits, closed in order."""
    with open_store(path, clock=StillClock()) as store:
        for number in range(1, COMMITS + 1):
            store.commit(numbered(number))


def killed(path: Path) -> None:
    """The same, but killed: its last commits are in the write-ahead log only."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.committing", str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == str(COMMITS):
                break
        process.kill()


def refused(path: Path, what: str) -> StateDamaged:
    """Opening is refused for this reason, the message names the file, and no byte in the directory changed."""
    before = {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    with pytest.raises(StateDamaged, match=what) as caught:
        open_store(path, clock=StillClock())
    assert {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()} == before
    assert str(path) in str(caught.value)
    assert "Nothing was changed" in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 74
    return caught.value


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def header_zeroed(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes(4096 * 3) + content[4096 * 3 :])


def header_garbled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for at in range(0x1000, 0x3000, 7):
        content[at] ^= 0x5A
    path.write_bytes(content)


def cut_to_its_head(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def replaced_by_text(path: Path) -> None:
    path.write_text("not a database\n" * 1000)


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (emptied, "empty"),
        (header_zeroed, "header is zeroed"),
        (header_garbled, "damaged"),
        (cut_to_its_head, "damaged"),
        (replaced_by_text, "not a DuckDB file"),
    ],
)
def test_a_damaged_file_is_refused(path: Path, harm: Callable[[Path], None], what: str) -> None:
    """A7."""
    filled(path)
    harm(path)
    refused(path, what)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused(path: Path, share: float) -> None:
    """A7."""
    filled(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "damaged")


def test_a_directory_in_its_place_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    refused(path, "directory")


def test_a_missing_file_is_noticed_by_its_counter(path: Path, counter: Path) -> None:
    filled(path)
    path.unlink()
    assert "delete" in (refused(path, f"missing; it held {COMMITS} commits").remedy or "")
    counter.unlink()
    open_store(path, clock=StillClock()).close()


def test_a_missing_file_is_noticed_by_its_log(path: Path, wal: Path, counter: Path) -> None:
    killed(path)
    path.unlink()
    counter.unlink()
    refused(path, "missing, and its write-ahead log")


def test_a_deleted_log_is_noticed_and_can_be_accepted(path: Path, wal: Path, counter: Path) -> None:
    """A8: DuckDB itself opens such a file without a word."""
    killed(path)
    wal.unlink()
    error = refused(path, r"the last \d+ commits are missing")
    assert "exsync state repair" in (error.remedy or "")
    counter.unlink()
    open_store(path, clock=StillClock()).close()


def test_an_older_copy_of_the_file_is_noticed(path: Path) -> None:
    """A9."""
    filled(path)
    copy = shutil.copy(path, path.with_name("backup"))
    with open_store(path, clock=StillClock()) as store:
        store.commit(numbered(COMMITS + 1))
    shutil.copy(copy, path)
    refused(path, "the last 1 commit is missing")


def test_a_counter_of_another_state_is_noticed(path: Path, counter: Path) -> None:
    filled(path)
    other = path.with_name("other.duckdb")
    filled(other)
    shutil.copy(other.with_name("other.duckdb.counter"), counter)
    refused(path, "belongs to another state")


def test_an_unreadable_counter_is_noticed(path: Path, counter: Path) -> None:
    filled(path)
    counter.write_bytes(b"\xff" * 69)
    refused(path, "commit counter .* does not read")


def test_a_state_that_is_ahead_of_its_counter_by_the_interrupted_commit_is_taken(path: Path, counter: Path) -> None:
    """The counter is written after the commit; a crash in between leaves it one behind."""
    filled(path)
    counter.write_text(counter.read_text().replace(f"{COMMITS:020d}", f"{COMMITS - 1:020d}"))
    with open_store(path, clock=StillClock()) as store:
        assert store.crm_watermark("crm") == str(COMMITS)
    assert counter.read_text().endswith(f"{COMMITS:020d}\n")


def test_a_garbled_log_is_refused_with_its_position(path: Path, wal: Path) -> None:
    """A8."""
    killed(path)
    content = bytearray(wal.read_bytes())
    content[len(content) // 2] ^= 0xFF
    wal.write_bytes(content)
    refused(path, rf"{wal} does not read at byte \d+")


def test_a_log_that_lost_its_tail_is_noticed(path: Path, wal: Path) -> None:
    """A8: a cut log opens with a clean prefix; the counter knows that there was more."""
    killed(path)
    content = wal.read_bytes()
    wal.write_bytes(content[: len(content) // 2])
    refused(path, r"commits? (are|is) missing")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_garbled_log_is_cut_where_it_does_not_read_any_more(path: Path, wal: Path, share: float) -> None:
    """A8: a clean prefix of the commits is carried on from, everything lies beside it as it was, and the loss is told."""
    killed(path)
    content = bytearray(wal.read_bytes())
    content[int(len(content) * share)] ^= 0xFF
    wal.write_bytes(content)
    parts = [path, wal, wal.with_name(f"{path.name}.counter")]
    before = {part.name: part.read_bytes() for part in parts}
    done = repair(path, NOW)
    assert done is not None
    assert (done.cut is None) == done.aside
    assert {file.name: file.read_bytes() for file in done.copies.iterdir()} == before
    with open_store(path, clock=StillClock()) as store:
        last = check_whole(store, 0)
        assert done.lost is not None
        assert last + done.lost >= COMMITS
        assert done.lost
        store.commit(numbered(last + 1))
    assert repair(path, NOW) is None


def test_a_deleted_log_is_carried_on_from_and_told(path: Path, wal: Path) -> None:
    """A8."""
    killed(path)
    wal.unlink()
    done = repair(path, NOW)
    assert done is not None
    assert (done.cut, done.aside) == (None, False)
    assert (done.lost or 0) >= COMMITS
    open_store(path, clock=StillClock()).close()


def test_what_only_a_backup_helps_against_is_not_repaired(path: Path) -> None:
    """A7: the damaged file stays as it is."""
    filled(path)
    emptied(path)
    with pytest.raises(StateDamaged, match="empty"):
        repair(path, NOW)
    refused(path, "empty")


def flipped(path: Path, text: bytes) -> None:
    """Change one byte wherever this text stands in the file."""
    content = bytearray(path.read_bytes())
    at = content.find(text)
    assert at >= 0
    while at >= 0:
        content[at + len(text) // 2] ^= 0x01
        at = content.find(text, at + 1)
    path.write_bytes(content)


def test_a_flipped_byte_in_a_block_is_noticed_when_it_is_read(path: Path) -> None:
    """A7."""
    filled(path)
    flipped(path, pairing(3).target_key.encode())

    def use() -> None:
        with open_store(path, clock=StillClock()) as store:
            store.pairings(ANN, crm_keys=["c3"])

    with pytest.raises(StateDamaged, match=str(path)):
        use()


@pytest.mark.parametrize(
    "change",
    [
        "target_key = 'other'",
        "crm_key = 'other'",
        "base_crm = replace(base_crm, 'Budget', 'Budgot')",
        "base_target = NULL",
        "target_version = target_version || '0'",
        "status = 'detached'",
        "stamp = NULL",
    ],
)
def test_a_row_that_is_not_what_was_written_is_noticed_by_its_checksum(path: Path, change: str) -> None:
    """A7: whatever changed a row behind the store's back, it is not synchronised from."""
    filled(path)
    with duckdb.connect(path) as con:
        con.execute(f"UPDATE pairing SET {change} WHERE crm_key = 'c3'").fetchall()  # noqa: S608

    with open_store(path, clock=StillClock()) as store, pytest.raises(StateDamaged, match="not what was written"):
        store.pairings(ANN, crm_keys=["c3"], target_keys=[pairing(3).target_key])


def test_a_full_disk_keeps_nothing_of_the_step_and_says_so(path: Path) -> None:
    """A6: the file-size limit stands in for a full disk; what was acknowledged before is there afterwards."""
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from runner.model.errors import StateError\n"
        "from runner.store import open_store\n"
        "from tests.store.committing import numbered\n"
        "from tests.store.samples import StillClock\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = open_store(Path(sys.argv[1]), clock=StillClock())\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "number = 0\n"
        "try:\n"
        "    while True:\n"
        "        number += 1\n"
        "        store.commit(numbered(number))\n"
        "except StateError as error:\n"
        "    print(number - 1, error, error.remedy)\n"
        "try:\n"
        "    store.commit(numbered(number))\n"
        "except StateError as error:\n"
        "    print(error)\n"
        "store.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    number, _, message = done.stdout.partition(" ")
    assert "could not be written" in message
    assert "make room" in message
    assert "not used any further" in message
    assert done.returncode == 0
    with open_store(path, clock=StillClock()) as store:
        assert store.crm_watermark("crm") == number


def test_an_error_of_ours_is_not_told_as_damage_and_undoes_its_commit(path: Path) -> None:
    """A value that is no text is a bug and must look like one."""
    with open_store(path, clock=StillClock()) as store:
        with pytest.raises((duckdb.Error, RuntimeError)) as caught:
            store.commit(replace(numbered(1), crm_watermarks={"crm": "\ud800"}))
        assert not isinstance(caught.value, StateError)
        assert store.links() == {}
        store.commit(numbered(1))
        assert store.count(ANN) == 1

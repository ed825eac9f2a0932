"""From a path to an open, trusted DuckDB connection; or an error that says what is wrong and that nothing was changed.

A damaged, truncated or missing file is never answered with an empty state: an empty state beside two filled sides would
mean duplicates or a mass conflict (fault A7). A new file is made under another name and put in place when it is whole,
so that a crash while it is created leaves nothing behind that looks like a damaged state.
"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import structlog

from runner.model.errors import StateBehind, StateError
from runner.store.connection import Connection
from runner.store.counter import CommitCounter, Count, counter_path, read_count
from runner.store.faults import damaged, explained, locked
from runner.store.migration import Migration, migrate, migrations, schema_of
from runner.store.rewriting import copy_tables, mark_path, sync, take_place

STORAGE_VERSION = "v1.5.0"
"""The storage format that every supported DuckDB can read."""

SETTINGS = {
    "threads": "1",
    "storage_compatibility_version": STORAGE_VERSION,
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_MEMORY_LIMIT = "36MB"
"""Keeps the process nearly as small with a hundred thousand items as with a thousand; a smaller cache costs nothing
measurable, since a pass joins one step's ids at a time."""
REHEARSAL_LIMIT = "192MB"
"""A rehearsal is one transaction over everything that a pass would note: in less it would spill to the disk."""
ROOMY_LIMIT = "1GB"
"""For states of items with long bodies: what a commit of them holds, and what is not in the file yet, stays in memory."""
_LONG_LOG = 12 << 20
"""Bytes of write-ahead log from which it is read back with room: the small cache could not hold what it brings."""
_FILE_SETTINGS = {
    "checkpoint_threshold": "1GB",
    "auto_checkpoint_skip_wal_threshold": "1000000000",
    "enable_optimistic_write": "false",
}
"""DuckDB's own checkpoint thresholds stall commits for up to a second: the store checkpoints by itself when it is idle.
Optimistic writes would leave blocks of a rehearsal that is never committed in the file."""

_MAGIC = slice(8, 12)
_HEADERS = 3 * 4096
"""Bytes before the first block of a DuckDB file."""
_open_here: set[Path] = set()

log = structlog.get_logger("exsync.state")


@dataclass(slots=True, weakref_slot=True)
class Opened:
    """An open state: the connection, for a file its path and commit counter, and otherwise the database's name."""

    con: Connection
    name: str
    path: Path | None = None
    counter: CommitCounter | None = None
    catalog: str | None = None

    def close(self, *, checkpoint: bool = True) -> None:
        """Close and give the file free; without ``checkpoint`` not a byte of it is written any more."""
        try:
            with private_files(), explained(self.name):
                if not checkpoint:
                    self.con.execute("PRAGMA disable_checkpoint_on_shutdown").fetchall()
                self.con.close()
        finally:
            if self.counter is not None:
                self.counter.close()
            if self.path is not None:
                _open_here.discard(self.path)


def wal_path(state: Path) -> Path:
    """DuckDB's write-ahead log of a state file."""
    return state.with_name(state.name + ".wal")


def copy_file(state: Path, to: Path) -> None:
    """Copy a state file that this process has open, by another process.

    DuckDB keeps others out with a POSIX lock, and a process loses such a lock as soon as it closes *any* descriptor of the
    file (fcntl(2)): reading the file here would let a second runner in. Raises ``OSError``.
    """
    done = subprocess.run(  # noqa: S603 - no shell, and the paths cannot be taken for options
        ["/bin/cp", "--", str(state), str(to)], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise OSError(errno.EIO, f"it cannot be copied to {to}: {done.stderr.decode(errors='replace').strip()}")


@contextmanager
def private_files() -> Iterator[None]:
    """Files that DuckDB creates inside are readable by their owner only."""
    old = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(old)


def open_file(path: Path, steps: Sequence[Migration] = ()) -> Opened:
    """Open the state file, creating it when there has never been one.

    Raises ``StateLocked``, ``StateDamaged``, ``StateTooNew``, or ``StateError`` when the place cannot be used.
    """
    steps = steps or migrations()
    try:
        path = path.resolve()
        if path in _open_here:
            raise locked(str(path), "this very process")
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
        with _alone(path.parent):
            for left in path.parent.glob(f".{path.name}.*.new*"):  # by a crash
                left.unlink()
            if _must_create(path, _count_of(path)):
                _create(path, steps)
            else:
                _check_header(path)
            opened = _open(path, steps, _count_of(path))
            if not mark_path(path).exists():
                return opened
            return _rewritten(opened, path, steps)
    except OSError as error:
        raise StateError(
            f"the state {path} cannot be opened: {error.strerror or error}", remedy="check the path and its permissions"
        ) from error


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process at a time opens a state of a directory: a file that is just being replaced is nobody's."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(
            OSError
        ):  # a file system without such locks has one machine's processes to fear, and DuckDB's own lock
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _rewritten(opened: Opened, path: Path, steps: Sequence[Migration]) -> Opened:
    """The state in a new file, without the bytes of what was purged (B-35); as it is when no new file can be written."""
    draft = _draft_of(path)
    try:
        with private_files():
            limit_memory(opened.con, rehearsing=True)
            copy_tables(opened.con, draft, STORAGE_VERSION)
        opened.close()
        if wal_path(path).exists():
            raise ValueError("its write-ahead log is still there")
        take_place(draft, path)
    except (duckdb.Error, OSError, ValueError) as error:
        log.warning("state.not_rewritten", state=str(path), reason=str(error))
        draft.unlink(missing_ok=True)
        if path in _open_here:
            limit_memory(opened.con, rehearsing=False)
            return opened
    return _open(path, steps, _count_of(path))


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")


def _count_of(path: Path) -> Count | None:
    try:
        return read_count(counter_path(path))
    except (ValueError, UnicodeDecodeError) as error:
        counter = counter_path(path)
        raise damaged(
            str(path),
            f"its commit counter {counter} does not read",
            remedy=f"restore {counter}, or delete it if {path} is certainly the newest state",
        ) from error


def _must_create(path: Path, count: Count | None) -> bool:
    if path.exists():
        return False
    if wal_path(path).exists():
        raise damaged(str(path), f"the file is missing, and its write-ahead log {wal_path(path)} is still there")
    if count is not None and count.commits:
        raise damaged(
            str(path),
            f"the file is missing; it held {count.commits} commits by its counter {counter_path(path)}",
            remedy=f"restore {path} from a backup; or, to start over (what is on both sides is paired anew and nothing is "
            f"deleted), delete {counter_path(path)} too",
        )
    return True


def _create(path: Path, steps: Sequence[Migration]) -> None:
    draft = _draft_of(path)
    try:
        with private_files(), explained(str(path), opening=True):
            con = connect(draft)
            try:
                migrate(con, steps, state=str(path))
                con.execute(
                    "INSERT INTO state (id, identity, commits, last_id) VALUES (1, ?, 0, 0)", [uuid.uuid4().hex]
                ).fetchall()
            finally:
                con.close()
        counter_path(path).unlink(missing_ok=True)
        os.link(draft, path)
    except FileExistsError as error:
        raise locked(str(path), "another process, which is just creating it") from error
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent)


def _check_header(path: Path) -> None:
    name = str(path)
    if path.is_dir():
        raise damaged(name, "it is a directory, not a file", remedy="give the path of the state file")
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise damaged(name, "the file is empty (0 bytes)")
    if head[_MAGIC] != b"DUCK":
        what = "its header is zeroed" if not any(head) else "it is not a DuckDB file"
        raise damaged(name, what)


def limit_memory(con: Connection, *, rehearsing: bool, roomy: bool = False) -> None:
    """Bound the cache: for passes, for a rehearsal, or for either over items with long bodies."""
    limit = ROOMY_LIMIT if roomy else REHEARSAL_LIMIT if rehearsing else _MEMORY_LIMIT
    con.execute("SET memory_limit = ?", [limit]).fetchall()


def connect(path: Path) -> Connection:
    """A connection with the settings of every state file; nothing of it has been checked. Raises DuckDB's errors."""
    log_file = wal_path(path)
    long = log_file.exists() and log_file.stat().st_size > _LONG_LOG
    limit = ROOMY_LIMIT if long else _MEMORY_LIMIT
    con = Connection(duckdb.connect(str(path), config={**SETTINGS, "memory_limit": limit}))
    for setting, value in _FILE_SETTINGS.items():
        con.execute(f"SET {setting} = '{value}'").fetchall()
    return con


def _open(path: Path, steps: Sequence[Migration], count: Count | None) -> Opened:
    name = str(path)
    with private_files(), explained(name, opening=True):
        con = connect(path)
    try:
        with private_files(), explained(name, opening=True):
            schema = schema_of(con)
            if schema is None:
                raise damaged(name, "it is a DuckDB file, but not a state of exsync")
            _check_length(con, path)
            identity, commits = _state_of(con, name)
            _compare(name, identity, commits, count, counter_path(path))
            if schema < steps[-1].number:
                con.execute("CHECKPOINT").fetchall()
                copy_file(path, path.with_name(f"{path.name}.before-{steps[-1].number:04d}"))
            migrate(con, steps, state=name)
        opened = Opened(con, name, path, CommitCounter(counter_path(path), identity, commits))
    except BaseException:  # an interrupt, too, must let go of a file that was not changed; it goes on up
        con.execute("PRAGMA disable_checkpoint_on_shutdown").fetchall()
        con.close()
        raise
    _open_here.add(path)
    return opened


def _check_length(con: Connection, path: Path) -> None:
    """DuckDB reads a block when it needs it; a file that was cut short is noticed here and not in the middle of a pass.

    Only blocks in use count: DuckDB itself cuts free ones off the end of the file, and still reports them in the total.
    """
    [(blocks, size)] = con.execute("SELECT used_blocks, block_size FROM pragma_database_size()").fetchall()
    missing = _HEADERS + blocks * size - path.stat().st_size
    if missing > 0:
        raise damaged(str(path), f"it is cut short, at least {missing} bytes are missing")


def _state_of(con: Connection, name: str) -> tuple[str, int]:
    rows = con.execute("SELECT identity, commits FROM state").fetchall()
    if len(rows) != 1:
        raise damaged(name, "the row that describes the state is missing")
    identity, commits = rows[0]
    return identity, commits


def _compare(name: str, identity: str, commits: int, count: Count | None, counter: Path) -> None:
    """Raise ``StateDamaged`` when the counter knows commits that the file does not have (fault A8).

    A missing counter is taken as it is: deleting it is how an operator says that an older state shall be carried on.
    """
    if count is None:
        return
    if count.identity != identity:
        raise damaged(
            name,
            f"its commit counter {counter} belongs to another state",
            remedy=f"put the state and the counter that belong together in place, or delete {counter}",
        )
    if count.commits > commits:
        lost = count.commits - commits
        raise damaged(
            name,
            f"the last {lost} commit{'s are' if lost > 1 else ' is'} missing: it ends with commit {commits}, and commit "
            f"{count.commits} was made. Its write-ahead log was deleted, or the file is an old copy",
            remedy=f"restore {name} and {name}.wal of the same moment; or carry on from this older state with "
            "`exsync state repair --yes`: what happened since is then found and paired again on both sides",
            kind=StateBehind,
        )

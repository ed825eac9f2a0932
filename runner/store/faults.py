"""DuckDB's faults as the errors of the product: locked, damaged, too new, or not written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from runner.model.errors import StateBehind, StateDamaged, StateError, StateLocked, StateTooNew

_HOLDER = re.compile(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_POSITION = re.compile(r"byte position (\d+)")
_NO_ROOM = re.compile(r"No space left|File too large|Disk quota|Could not write|Could not truncate", re.IGNORECASE)
_NOT_OURS_TO_EXPLAIN = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConstraintException,
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.ParserException,
    duckdb.TransactionException,
    duckdb.TypeMismatchException,
)

RESTORE = (
    "restore the newest backup of {state} (with its .wal and .counter files), or move all three aside to start over: "
    "the next pass then pairs what is on both sides anew and deletes nothing"
)


def damaged(
    state: str, what: str, *, remedy: str | None = None, kind: type[StateDamaged] = StateDamaged
) -> StateDamaged:
    """The error for a state that cannot be trusted: names the file, says that nothing was changed, and what to do."""
    return kind(
        f"the state {state} is damaged: {what}. Nothing was changed and nothing was synchronised",
        remedy=remedy or RESTORE.format(state=state),
    )


def locked(state: str, holder: str) -> StateLocked:
    """The error for a state that somebody else has open (invariant 9: one runner per state)."""
    return StateLocked(
        f"the state {state} is in use by {holder}",
        remedy="only one runner may work on a state at a time: wait for the other one to end, or stop it",
    )


@contextmanager
def explained(state: str, *, opening: bool = False) -> Iterator[None]:
    """Turns DuckDB's errors about the file into ``StateError``; errors that would be our own bugs pass through.

    Raises ``StateLocked`` (another process has the file), ``StateTooNew`` (a storage format of a later DuckDB),
    ``StateDamaged``, or plain ``StateError`` when there was no room to write.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise damaged(state, f"a text in it is no longer text ({error.reason})") from error
    except duckdb.Error as error:
        if isinstance(error, _NOT_OURS_TO_EXPLAIN) and not opening and not _NO_ROOM.search(str(error)):
            raise
        raise _explain(state, error) from error


def _explain(state: str, error: duckdb.Error) -> StateError:
    text = str(error)
    if "lock on file" in text:
        holder = _HOLDER.search(text)
        return locked(state, f"process {holder['pid']} ({holder['program']})" if holder else "another process")
    if isinstance(error, PermissionError) or "Permission denied" in text:
        return StateError(f"the state {state} may not be opened: permission denied", remedy="run as the file's owner")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StateError(f"the state {state} needs more memory than its limit allows; nothing of this step was kept")
    if _NO_ROOM.search(text):
        return StateError(
            f"the state {state} could not be written ({_first_line(text)}); nothing of this step was kept",
            remedy="make room on the disk, then run again: the next pass goes on where this one stopped",
        )
    if "version number" in text and "can only read" in text:
        return StateTooNew(
            f"the state {state} was written by a newer version ({_first_line(text)})",
            remedy="run the version that wrote it, or a later one",
        )
    log, position = log_position(error)
    if log:
        where = f" at byte {position}" if position is not None else ""
        return damaged(
            state,
            f"its write-ahead log {state}.wal does not read{where} ({_first_line(text)})",
            remedy="`exsync state repair --yes` carries on from the last commit that reads, after it has copied the files; "
            "a backup would be older",
            kind=StateBehind,
        )
    return damaged(state, _first_line(text))


def log_position(error: duckdb.Error) -> tuple[bool, int | None]:
    """Whether the write-ahead log does not read, and from which byte on, if DuckDB says so."""
    text = str(error)
    position = _POSITION.search(text)
    return "WAL" in text, int(position[1]) if position else None


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".") if text.strip() else "no reason given"

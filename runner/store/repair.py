"""A state whose newest commits cannot be read is carried on from the last one that can, after everything was copied (A8).

Never by itself: what operators decided in the lost commits (a suspension, a release) and the conflicts recorded in them are
lost with them, and a person has to know that before anything is synchronised again (docs/decisions/014). What both sides
hold is in no danger: older watermarks are read from again, and pairs are found again by stamp and identity.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from runner.model.errors import StateBehind
from runner.store.counter import counter_path, read_count
from runner.store.faults import explained, log_position
from runner.store.opening import connect, open_file, private_files, wal_path


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done. ``copies``: where the files lie as they were; ``cut``: the byte at which the log ends now, None when it
    was left alone; ``aside``: whether all of it was taken away; ``lost``: how many commits are gone, None when unknown."""

    copies: Path
    cut: int | None
    aside: bool
    lost: int | None


def repair(path: Path, now: datetime) -> Repaired | None:
    """Make a state readable that lacks its newest commits; None when it is sound, and then nothing was touched.

    Raises ``StateLocked`` when somebody has it open, and ``StateDamaged`` where only a backup helps: nothing is touched then.
    """
    path = path.resolve()
    try:
        open_file(path).close(checkpoint=False)
        return None
    except StateBehind:
        copies = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
        parts = [part for part in (path, wal_path(path), counter_path(path)) if part.exists()]
        _copy(parts, copies)
    cut, aside = _readable(path)
    lost = _lost(path)
    counter_path(path).unlink(missing_ok=True)
    open_file(path).close()
    return Repaired(copies, cut, aside, lost)


def _copy(parts: Sequence[Path], to: Path) -> None:
    to.mkdir(mode=0o700)
    for part in parts:
        shutil.copy2(part, to / part.name)
        with (to / part.name).open("rb") as file:
            os.fsync(file.fileno())


def _readable(path: Path) -> tuple[int | None, bool]:
    """Shorten the log until DuckDB reads all of it: cut where DuckDB says that it does not read, or taken away whole where it
    says no place. Every entry before that place was checked when it was read."""
    wal, cut = wal_path(path), None
    while True:
        try:
            with private_files():
                con = connect(path)
        except duckdb.Error as error:
            size = wal.stat().st_size if wal.exists() else 0
            damaged, at = log_position(error)
            if not damaged or not size:
                with explained(str(path), opening=True):
                    raise
            if at is None or not 0 < at < size:
                wal.unlink()
                cut = None
                with explained(str(path), opening=True), private_files():
                    connect(path).close()
                return None, True
            cut = at
            os.truncate(wal, at)
        else:
            con.execute("PRAGMA disable_checkpoint_on_shutdown").fetchall()
            con.close()
            return cut, False


def _lost(path: Path) -> int | None:
    try:
        count = read_count(counter_path(path))
    except (ValueError, UnicodeDecodeError):
        return None
    if count is None:
        return None
    with explained(str(path), opening=True):
        con = connect(path)
        try:
            rows = con.execute("SELECT identity, commits FROM state").fetchall()
        finally:
            con.execute("PRAGMA disable_checkpoint_on_shutdown").fetchall()
            con.close()
    own = [commits for identity, commits in rows if identity == count.identity]
    return max(0, count.commits - own[0]) if own else None

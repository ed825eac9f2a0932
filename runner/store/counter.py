"""The commit counter beside the state file: what notices a lost write-ahead log or an older copy of the file.

DuckDB opens a file whose log was deleted, or a restored old copy, without a word (fault A8). Therefore the number of the
last commit is kept in a second small file too, written after each commit and before that commit is acknowledged. The
state may be ahead of the counter by the commit that a crash interrupted, and never behind it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_FORM = "exsync-state 1 {identity} {commits:020d}\n"


@dataclass(frozen=True, slots=True)
class Count:
    """What a counter file says: which state it belongs to, and the number of that state's last commit."""

    identity: str
    commits: int


def counter_path(state: Path) -> Path:
    """The counter's place: ``<state>.counter``."""
    return state.with_name(state.name + ".counter")


def read_count(path: Path) -> Count | None:
    """The counter's content; None when there is no such file. Raises ``ValueError`` when it is not a counter."""
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return None
    words = text.split()
    if len(words) != 4 or words[:2] != ["exsync-state", "1"] or not words[3].isdigit():
        raise ValueError(f"{path} is not a commit counter")
    return Count(identity=words[2], commits=int(words[3]))


class CommitCounter:
    """The open counter file of one state. Its content always has the same length and is replaced in one write."""

    def __init__(self, path: Path, identity: str, commits: int) -> None:
        self._identity = identity
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(self._file, len(self._content(commits)))
            self.write(commits)
        except OSError:
            self.close()
            raise

    def write(self, commits: int) -> None:
        """Make a commit's number durable. Raises ``OSError``."""
        os.pwrite(self._file, self._content(commits), 0)
        os.fdatasync(self._file)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _content(self, commits: int) -> bytes:
        return _FORM.format(identity=self._identity, commits=commits).encode("ascii")

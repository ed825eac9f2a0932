"""A folder's change log, and the opaque synchronisation state that points into it.

A state is a window over the log: ``(low, high]`` is being told, newest first (Mailbox synchronization and EWS in
Exchange), and everything down to ``at`` has been told. When ``at`` reaches ``low`` the next call opens the window
``(high, now]``. So a call costs as much as it returns, and nothing at all when nothing changed.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

_FORMAT = struct.Struct(">16sIQQQ")


class Change(Enum):
    """What SyncFolderItems can say of an item."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    READ_FLAG = "ReadFlagChange"


@dataclass(slots=True)
class _Entry:
    item: str
    kind: Change
    next: int = 0
    """Sequence number of the item's next entry, 0 while this is its newest."""


@dataclass(slots=True)
class _Track:
    created: int
    last: int
    content: int
    """Newest change that was more than a read flag."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where a client stands. See the module."""

    low: int
    high: int
    at: int


@dataclass(slots=True)
class ChangeLog:
    """Everything that ever happened to the items of one folder."""

    entries: list[_Entry] = field(default_factory=list)
    tracks: dict[str, _Track] = field(default_factory=dict)

    @property
    def now(self) -> int:
        """Sequence number of the newest change."""
        return len(self.entries)

    def note(self, item: str, kind: Change) -> None:
        """Append one change."""
        self.entries.append(_Entry(item, kind))
        now = self.now
        track = self.tracks.get(item)
        if track is None:
            self.tracks[item] = _Track(now, now, now)
            return
        self.entries[track.last - 1].next = now
        track.last = now
        if kind is not Change.READ_FLAG:
            track.content = now

    def page(self, window: Window | None, limit: int) -> tuple[list[tuple[Change, str]], Window, bool]:
        """At most ``limit`` changes, the window behind them, and whether that is all there is."""
        if window is None:
            window = Window(0, self.now, self.now)
        elif window.at == window.low:
            window = Window(window.high, self.now, self.now)
        changes: list[tuple[Change, str]] = []
        at = window.at
        for seq, change, item in self._walk(window):
            if len(changes) == limit:
                break
            changes.append((change, item))
            at = seq - 1
        else:
            at = window.low
        done = at == window.low and window.high == self.now
        return changes, Window(window.low, window.high, at), done

    def _walk(self, window: Window) -> Iterator[tuple[int, Change, str]]:
        for seq in range(window.at, window.low, -1):
            entry = self.entries[seq - 1]
            if entry.next and entry.next <= window.high:
                continue
            track = self.tracks[entry.item]
            deleted = self.entries[track.last - 1].kind is Change.DELETE
            is_new = track.created > window.low
            if deleted:
                # Gone by now: told once, and only to a client that may know the item.
                if entry.kind is Change.DELETE and not is_new:
                    yield seq, Change.DELETE, entry.item
            elif is_new:
                yield seq, Change.CREATE, entry.item
            elif track.content <= window.low:
                yield seq, Change.READ_FLAG, entry.item
            else:
                yield seq, Change.UPDATE, entry.item


def write_state(folder: str, epoch: int, window: Window) -> str:
    """The opaque ``SyncState`` text. ``epoch`` goes up when the server forgets all states."""
    digest = hashlib.sha256(folder.encode()).digest()[:16]
    body = _FORMAT.pack(digest, epoch, window.low, window.high, window.at)
    return "H4sIAAAA" + base64.b64encode(body + hashlib.sha256(body).digest()).decode()


def read_state(text: str, folder: str, epoch: int, now: int) -> Window | None:
    """The window behind a state; None when the text is not a state of this folder (ErrorInvalidSyncStateData)."""
    if not text.startswith("H4sIAAAA"):
        return None
    try:
        raw = base64.b64decode(text[8:], validate=True)
    except ValueError:
        return None
    body, check = raw[: _FORMAT.size], raw[_FORMAT.size :]
    if len(body) != _FORMAT.size or hashlib.sha256(body).digest() != check:
        return None
    digest, its_epoch, low, high, at = _FORMAT.unpack(body)
    if digest != hashlib.sha256(folder.encode()).digest()[:16] or its_epoch != epoch or high > now:
        return None
    return Window(low, high, at)

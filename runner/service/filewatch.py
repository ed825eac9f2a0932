"""Hints that files below a root may have changed, whatever way they are changed in.

Watched are directories, never files: an editor renames a new file into place, Kubernetes swings the link ``..data``,
git-sync swings the link that is the root itself, and none of that is an event of the file that is read. Every event is only
a hint; what counts is a digest over the bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from runner.config.files import MAPPINGS, TARGETS

_SILENT = frozenset({"opened", "closed_no_write"})
"""Reading files is no change; our own reading would hint at itself for ever."""

log = structlog.get_logger("exsync.config")


@dataclass(frozen=True, slots=True)
class Place:
    """A directory to watch; ``name``: only this entry of it is of interest."""

    directory: str
    name: str | None = None


def places(root: Path) -> frozenset[Place]:
    """Where changes of a root show: its directories as they really are, and every link on the way to them."""
    found: set[Place] = set()
    absolute = root.absolute()
    for part in (absolute, *absolute.parents):
        if part.is_symlink():
            found.add(Place(str(part.parent.resolve()), part.name))
    real = absolute.resolve()
    found.add(Place(str(real)) if real.is_dir() else Place(str(real.parent), real.name))
    for name in (TARGETS, MAPPINGS):
        directory = real / name
        if directory.is_dir():
            found.add(Place(str(directory.resolve())))
            data = directory / "..data"
            if data.is_dir():
                found.add(Place(str(data.resolve())))
    return frozenset(found)


class FileWatch:
    """Calls ``hint`` whenever something may have changed below a root. :meth:`arm` it again after every change."""

    def __init__(self, root: Path, hint: Callable[[], None]) -> None:
        self._root, self._hint = root, hint
        self._observer: BaseObserver | None = None
        self._armed: frozenset[Place] = frozenset()

    def arm(self) -> bool:
        """Watch what there is to watch now; True when that is not what was watched before.

        Where the system refuses, regular looks alone must do; that is logged.
        """
        wanted = places(self._root)
        if wanted == self._armed:
            return False
        self.close()
        self._armed = wanted
        observer = Observer()
        try:
            for place in wanted:
                observer.schedule(_Handler(self._hint, place.name), place.directory, recursive=False)
            observer.start()
        except OSError as error:
            log.warning("config.not_watched", error=error.strerror, remedy="raise fs.inotify.max_user_watches")
        else:
            self._observer = observer
        return True

    def close(self) -> None:
        """Watch nothing any more."""
        observer, self._observer, self._armed = self._observer, None, frozenset()
        if observer is not None:
            observer.stop()
            observer.join()


class _Handler(FileSystemEventHandler):
    def __init__(self, hint: Callable[[], None], name: str | None) -> None:
        self._tell, self._name = hint, name

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Hint, unless the event is silent or about something else in the directory."""
        if event.event_type in _SILENT:
            return
        names = {Path(str(path)).name for path in (event.src_path, event.dest_path) if path}
        if self._name is None or self._name in names:
            self._tell()

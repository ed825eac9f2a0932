"""What the sandbox saw: one record per SOAP request, with counts by operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock


@dataclass(frozen=True, slots=True)
class Seen:
    """One request. ``mailbox`` is the impersonated (or own) address, ``items`` the ids it named, ``status`` HTTP's."""

    operation: str
    mailbox: str | None
    items: tuple[str, ...]
    status: int
    at: datetime
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class RequestLog:
    """A thread-safe list of requests."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def note(self, seen: Seen) -> None:
        """Append one."""
        with self._lock:
            self._seen.append(seen)
            self._counts[seen.operation] += 1

    @property
    def counts(self) -> Counter[str]:
        """Requests by operation since the last :meth:`clear`."""
        with self._lock:
            return Counter(self._counts)

    def count(self, operation: str) -> int:
        """How often an operation was asked for."""
        return self.counts[operation]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._seen.clear()
            self._counts.clear()

    def __iter__(self) -> Iterator[Seen]:
        with self._lock:
            return iter(list(self._seen))

    def __len__(self) -> int:
        with self._lock:
            return len(self._seen)

    def __getitem__(self, index: int) -> Seen:
        with self._lock:
            return self._seen[index]

"""Who is logged in: in memory only, so that a restart asks everybody again and nothing of it is ever on disk."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

MOST = 2000
"""Sessions at a time; the one that was used least recently goes first."""
TRIES = 5
"""Wrong passwords for one name, or from one address, before the next is not even looked at."""
PENALTY = 60.0
"""Seconds for which it is not."""
_NAMES = 5000


@dataclass(slots=True)
class Session:
    """One browser of one user. ``proof`` is what the log-in rested on (the stored hash, or the proxy's word): when that
    changes the session ends. ``notice`` is told once, on the next page."""

    id: str
    user: str
    proof: str
    seen: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    notice: tuple[str, str] | None = None

    def may(self, token: str) -> bool:
        """Whether a form's token is this session's, compared in constant time."""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """Sessions by their ids. Safe to use from several threads; ``now`` gives seconds that never jump back."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def begin(self, user: str, proof: str) -> Session:
        """A fresh session; its id is never one that was known before the log-in."""
        session = Session(secrets.token_urlsafe(32), user, proof, self._now())
        with self._lock:
            while len(self._sessions) >= MOST:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session.id] = session
        return session

    def find(self, number: str | None, idle: float) -> Session | None:
        """The session with this id, unless it was idle for longer; it counts as used now."""
        with self._lock:
            session = self._sessions.pop(number, None) if number else None
            if session is None or self._now() - session.seen > idle:
                return None
            session.seen = self._now()
            self._sessions[session.id] = session
            return session

    def end(self, session: Session) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(session.id, None)


class Tries:
    """Wrong passwords, by name and by address: after :data:`TRIES` of them nothing is looked at for a while."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failed: dict[str, tuple[int, float]] = {}

    def barred(self, *keys: str) -> float:
        """Seconds until the next try is looked at; 0: now."""
        with self._lock:
            now = self._now()
            waits = [last + PENALTY - now for key in keys for count, last in [self._failed.get(key, (0, 0.0))]
                     if count >= TRIES]  # fmt: skip
            return max(0.0, *waits) if waits else 0.0

    def failed(self, *keys: str) -> None:
        """A wrong password."""
        with self._lock:
            now = self._now()
            for key in keys:
                count, last = self._failed.pop(key, (0, now))
                self._failed[key] = (count + 1 if now - last <= PENALTY else 1, now)
            while len(self._failed) > _NAMES:
                del self._failed[next(iter(self._failed))]

    def succeeded(self, *keys: str) -> None:
        """The right one."""
        with self._lock:
            for key in keys:
                self._failed.pop(key, None)

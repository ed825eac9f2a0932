"""Time and chance, passed in so that a run can be replayed."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, passed in so that a run can be replayed."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump back."""
        ...


class Rng(Protocol):
    """Randomness, passed in so that a run can be replayed."""

    def token(self) -> str:
        """A fresh unguessable id of 26 to 32 lower-case letters and digits."""
        ...

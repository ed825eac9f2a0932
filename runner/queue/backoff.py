"""How long a failed message waits: exponential, with jitter, never shorter than the server asked for (B-23)."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b

FIRST = timedelta(seconds=5)
LONGEST = timedelta(minutes=15)
_MOST_DOUBLINGS = 16


def backoff(
    attempt: int, token: str, *, hint: float = 0.0, first: timedelta = FIRST, longest: timedelta = LONGEST
) -> timedelta:
    """The wait after this many failures in a row (from 1).

    Doubles from ``first`` up to ``longest``; between half and all of that, so that links that failed together do not come
    back together. ``token`` is fresh randomness (see the port ``Rng``); ``hint`` is the server's own wish in seconds, to
    which the jitter is added.
    """
    whole: timedelta = min(first * 2 ** min(max(attempt, 1) - 1, _MOST_DOUBLINGS), longest)
    jitter = whole / 2 * fraction(token)
    return max(whole / 2, timedelta(seconds=hint)) + jitter


def fraction(token: str) -> float:
    """A number in [0, 1) out of a random token."""
    return int.from_bytes(blake2b(token.encode(), digest_size=7).digest()) / (1 << 56)

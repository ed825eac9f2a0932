"""Randomness that a test can repeat."""

from __future__ import annotations

import random

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class SeededRng:
    """The port ``Rng`` from a seed: the same seed gives the same tokens in the same order."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable by purpose, used in tests only

    def token(self) -> str:
        """A fresh id of 26 lower-case letters and digits."""
        return "".join(self._random.choices(_ALPHABET, k=26))

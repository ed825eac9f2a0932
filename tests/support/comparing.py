"""Random sequences of operations over two sides that must give equal answers: a fake, and what it stands for."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar


class Differs(AssertionError):
    """The two sides gave different answers."""


class Side(Protocol):
    """One side: it knows its own id of everything that the sequence has a name for."""

    keys: dict[str, str]


S = TypeVar("S", bound=Side)


class Compared(Generic[S]):
    """One sequence over both sides, the fake first; every answer is compared at once."""

    def __init__(self, seed: int, fake: S, real: S) -> None:
        self.rng = random.Random(seed)
        self.sides = (fake, real)
        self.trace: list[str] = []
        self.count = 0

    def _both(self, step: str, effect: Callable[[S], Any], *, compared: bool = True) -> Any:
        self.trace.append(step)
        fake, real = (effect(side) for side in self.sides)
        if not compared:
            return fake, real
        self._demand(step, fake, real)
        return fake

    def _demand(self, step: str, fake: object, real: object) -> None:
        if fake != real:
            raise Differs(f"{step}\n  fake: {fake}\n  real: {real}\n  after: " + "; ".join(self.trace))

    def _named(self, step: str, name: str, effect: Callable[[S], str]) -> None:
        self.trace.append(step)
        for side in self.sides:
            side.keys[name] = effect(side)

    def _new(self) -> str:
        self.count += 1
        return f"Item {self.count}"

    def _pick(self, names: Iterable[str]) -> str | None:
        known = sorted(names)
        return self.rng.choice(known) if known else None

    def _any(self) -> str | None:
        return self._pick(self.sides[0].keys)


class Pair(Protocol):
    """Both sides, for as many sequences as one likes."""

    def carry_out(self, seed: int) -> None:
        """The sequence of this seed; raises :class:`Differs` where the sides do."""
        ...


def main(pair: Callable[[], AbstractContextManager[Pair]], what: str) -> int:
    """Carry out as many sequences as the command line asks for; 1 at the first difference."""
    parser = argparse.ArgumentParser(description=f"Compare {what}.")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    asked = parser.parse_args()
    with pair() as both:
        for seed in range(asked.first, asked.first + asked.count):
            try:
                both.carry_out(seed)
            except Differs as difference:
                print(difference, file=sys.stderr)
                return 1
    print(f"{asked.count} sequences from {asked.first}: equal answers from {what}")
    return 0

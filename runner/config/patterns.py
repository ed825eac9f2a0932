"""Regular expressions of operators that meet text of strangers: only those whose search cannot take for ever (E15)."""

from __future__ import annotations

import re
from typing import Any

_MOST_REPEATS = 3
"""Unbounded repeats of one expression. What is searched is an address of at most a few hundred characters."""
_UNBOUNDED = 20
"""A repeat with a larger bound counts as unbounded."""


def slow_part(pattern: str) -> str | None:
    """Why a search with this expression could take exponential time, or None. Raises ``re.error``.

    Python's engine tries every way to split a text between repeats. A repeat inside a repeat, or alternatives inside one,
    have exponentially many ways; a few repeats side by side have polynomially many, which short texts bear.
    """
    re.compile(pattern)
    parser: Any = re._parser  # type: ignore[attr-defined]  # the engine's own parser: no second one to keep in step
    return _Look().at(parser.parse(pattern), inside=False)


class _Look:
    def __init__(self) -> None:
        self.repeats = 0

    def at(self, parsed: Any, *, inside: bool) -> str | None:
        for operation, argument in parsed:
            name = str(operation)
            if found := self.part(name, argument, inside=inside):
                return found
        return None

    def part(self, name: str, argument: Any, *, inside: bool) -> str | None:
        if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            return self.repeat(argument, inside=inside)
        if name == "BRANCH":
            if inside:
                return "it has alternatives inside a repeat"
            return next((found for branch in argument[1] if (found := self.at(branch, inside=inside))), None)
        if name in {"GROUPREF", "GROUPREF_EXISTS"}:
            return "it refers back to a group"
        if name in {"SUBPATTERN", "ATOMIC_GROUP", "ASSERT", "ASSERT_NOT"}:
            return self.at(argument[-1] if isinstance(argument, tuple) else argument, inside=inside)
        return None

    def repeat(self, argument: Any, *, inside: bool) -> str | None:
        _, most, body = argument
        unbounded = int(most) > _UNBOUNDED
        if unbounded and inside:
            return "it has a repeat inside a repeat"
        self.repeats += unbounded
        if self.repeats > _MOST_REPEATS:
            return f"it has more than {_MOST_REPEATS} repeats without a bound"
        return self.at(body, inside=inside or int(most) > 1)

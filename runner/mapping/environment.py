"""The Jinja2 environment of mappings: immutable, sandboxed, without globals, loops, calls or unbounded operators.

The grammar (``grammar``) already refuses whatever is not needed, at compile time; this environment is the second wall:
it refuses the same at run time, so that a hole in one is not a hole in the product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runner.mapping.canonical import kind_of
from runner.mapping.filters import FILTERS, bounded, concat

CONCAT = "~"
"""The name under which ``~`` runs: no expression can write it as a filter."""

_LARGEST = 1 << 63
TESTS = ("none", "true", "false", "in", "eq", "ne", "lt", "le", "gt", "ge")
"""The tests that expressions may use (``crm.subject is none``)."""

_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "//": lambda left, right: left // right,
    "%": lambda left, right: left % right,
}


class MappingEnvironment(ImmutableSandboxedEnvironment):
    """See the module. One instance serves every mapping; it holds no state of any."""

    intercepted_binops = frozenset({*_ARITHMETIC, "**"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False)
        self.globals.clear()
        self.filters = {**FILTERS, CONCAT: concat}
        self.tests = {name: self.tests[name] for name in TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A record answers its fields, and nothing but its fields: ``crm.items`` is a column. Nothing else has any."""
        if isinstance(obj, Mapping):
            return obj.get(attribute)
        raise SecurityError(f"{kind_of(obj)} has no field {attribute!r}")

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``crm["field"]``, or one entry of a text or list; out of range is an error, never an attribute."""
        if isinstance(obj, Mapping):
            return obj.get(argument)
        if isinstance(obj, str | list | tuple) and isinstance(argument, int):
            return obj[argument]
        raise SecurityError(f"{kind_of(obj)} has no entry of that kind")

    def is_safe_callable(self, obj: Any) -> bool:
        """Nothing may be called."""
        return False

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers of machine size; ``+`` also joins two texts. No ``**``, no text times number."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            bounded(len(left) + len(right))
            return left + right
        if operator not in _ARITHMETIC or not (_number(left) and _number(right)):
            raise TypeError(f"{operator} does not work on {kind_of(left)} and {kind_of(right)}")
        result = _ARITHMETIC[operator](left, right)
        if abs(result) > _LARGEST:
            raise ValueError("the number is too large")
        return result


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

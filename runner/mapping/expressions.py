"""All computed fields of one mapping and direction as ONE compiled Jinja2 expression that gives a mapping.

One evaluation per record instead of one per field: some ten times as fast. When it fails, the fields are evaluated one
by one to name the culprit.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.environment import TemplateExpression

from runner.mapping.filters import LONGEST
from runner.mapping.grammar import ENVIRONMENT
from runner.mapping.steps import Slot
from runner.model.record import Fields, Value

_FAULTS = (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError)


class Bundle:
    """The step of every computed field of one direction. Immutable once made; threads may share it."""

    def __init__(self, scope: str, parts: tuple[tuple[Slot, nodes.Expr], ...]) -> None:
        self._scope = scope
        self._slots = tuple(slot for slot, _ in parts)
        self._whole = _compile(nodes.Dict([nodes.Pair(nodes.Const(slot.field), tree) for slot, tree in parts]))
        self._alone = tuple(_compile(tree) for _, tree in parts)

    def __call__(self, source: Fields, result: dict[str, Value]) -> None:
        """Evaluate, check every value against its field, and fill ``result``. Raises ``Invalid`` with the place."""
        scope: dict[str, Mapping[str, Value]] = {self._scope: MappingProxyType(source)}
        try:
            found: Mapping[str, Any] = self._whole(scope) or {}
        except _FAULTS:
            found = self._one_by_one(scope)
        for slot in self._slots:
            value = found[slot.field]
            if isinstance(value, str) and len(value) > LONGEST:
                raise slot.refuse(f"the result is longer than {LONGEST} characters")
            result[slot.field] = slot.settle(value)

    def _one_by_one(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for slot, expression in zip(self._slots, self._alone, strict=True):
            try:
                found[slot.field] = expression(scope)
            except _FAULTS as error:
                if not slot.lenient:
                    raise slot.refuse(f"the expression fails: {_reason(error)}") from None
                found[slot.field] = None
        return found


def _compile(tree: nodes.Expr) -> TemplateExpression:
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), tree, lineno=1)]
    template = ENVIRONMENT.from_string(nodes.Template(body, lineno=1))
    return TemplateExpression(template, undefined_to_none=False)


def _reason(error: Exception) -> str:
    """The kind of fault and, where the product wrote the sentence, the sentence: Python's own may quote values."""
    return f"{type(error).__name__}: {error}"

"""A condition over record fields: one sandboxed expression that says yes or no, such as a link's ``filter`` (B-47)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.mapping.expressions import Bundle
from runner.mapping.findings import Findings
from runner.mapping.grammar import parse
from runner.mapping.source import MappingSource, Path
from runner.mapping.steps import Slot
from runner.model.diagnostics import Diagnostic
from runner.model.record import Fields, Value

_RESULT = "filter"


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A compiled condition. Immutable; threads may share it."""

    text: str
    rule: str
    """``file:line:column`` of the expression."""
    step: Bundle

    def holds(self, record: Fields) -> bool:
        """Whether it holds for a record; an empty field is none. Raises ``Invalid`` when it says neither yes nor no."""
        result: dict[str, Value] = {}
        self.step(record, result)
        return bool(result[_RESULT])


def compile_condition(
    text: str, fields: Iterable[str], source: MappingSource, path: Path
) -> tuple[Condition | None, tuple[Diagnostic, ...]]:
    """Compile the expression that stands at ``path``, over ``record`` with these fields. Answers what was found, too."""
    findings = Findings(source)
    parsed = parse(text, "record", dict.fromkeys(fields, True), path, findings)
    if parsed is None:
        return None, findings.sorted()
    rule = str(source.span(path))
    step = Bundle("record", ((Slot(_RESULT, _truth, rule), parsed.tree),))
    return Condition(text, rule, step), findings.sorted()


def _truth(value: object) -> Value:
    if not isinstance(value, bool):
        raise ValueError("the condition gives neither true nor false")
    return value

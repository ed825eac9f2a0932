"""What became of tests: cases, the files they stand in, and what kept files from being run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.cli.mapping_cases import Difference
from runner.model.diagnostics import Diagnostic, Severity, Span


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case that was run. Without differences it holds."""

    name: str
    span: Span
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """One test file that was run. ``mapping`` is what it tests; None: the whole configuration."""

    file: str
    mapping: str | None
    cases: tuple[CaseResult, ...]

    @property
    def failed(self) -> int:
        """Number of cases that do not hold."""
        return sum(bool(case.differences) for case in self.cases)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the tests of one configuration root. With errors among the findings nothing was run."""

    suites: tuple[Suite, ...]
    diagnostics: tuple[Diagnostic, ...]
    texts: Mapping[str, str]
    untested: tuple[str, ...] = ()
    """Mappings without a test file."""

    @property
    def invalid(self) -> bool:
        """Whether files could not be run for what is wrong with them."""
        return any(each.severity is Severity.ERROR for each in self.diagnostics)

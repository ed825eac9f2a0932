"""Files of tests: how they are read, and what became of the cases in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.cli.mapping_cases import Difference
from runner.config import files
from runner.config.documents import Document, parse
from runner.config.findings import Findings
from runner.config.schema import packaged_schemas
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


def read_tests(
    root: Path, names: Iterable[str], kind: str, findings: Findings, texts: dict[str, str]
) -> list[Document]:
    """The sound ones among these files of tests (paths below ``root``) of one kind of document. What is wrong is noted in
    ``findings``, what they hold in ``texts``."""
    documents: list[Document] = []
    for name in names:
        file, unreadable = files.read_file(root / name, name)
        findings.add(*unreadable)
        if file is None:
            continue
        parsed = parse(file, packaged_schemas(), findings, kind)
        texts[name] = parsed.source.text
        if parsed.document is not None and parsed.document.sound:
            documents.append(parsed.document)
    return documents

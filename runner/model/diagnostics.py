"""Findings about files: where (file, line, column), what, and what to do. Rendering is ``config``'s and ``cli``'s work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A region of a file; lines and columns count from 1, the end column is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Severity(StrEnum):
    """How grave a finding is: an error stops, a warning stops only with ``--strict``."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. ``code`` is stable and kebab-case; ``hint`` says what to do; ``related`` names a second place."""

    severity: Severity
    code: str
    message: str
    span: Span
    hint: str | None = None
    pointer: str = ""
    related: Span | None = None

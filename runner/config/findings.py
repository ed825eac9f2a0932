"""A list of findings under construction: added in any order, handed out once each and in reading order."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from runner.model.diagnostics import Diagnostic, Severity, Span


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """``did you mean 'x'?`` for the closest option, or None when nothing is close."""
    close = difflib.get_close_matches(word, sorted(options), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None


def suggestion(word: str, options: Iterable[str], noun: str) -> str:
    """The closest option, or else what there is to choose from."""
    known = sorted(options)
    if not known:
        return f"there are no {noun}"
    return did_you_mean(word, known) or f"{noun}: {', '.join(known[:20])}{' …' if len(known) > 20 else ''}"


class Findings:
    """Collects diagnostics; equal ones count once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Span, str], Diagnostic] = {}

    def add(self, *diagnostics: Diagnostic) -> None:
        """Take over diagnostics that were made elsewhere."""
        for diagnostic in diagnostics:
            self._found.setdefault((diagnostic.code, diagnostic.span, diagnostic.message), diagnostic)

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str | None = None,
        pointer: str = "",
        related: Span | None = None,
    ) -> None:
        """Note a finding that forbids a plan."""
        self.add(Diagnostic(Severity.ERROR, code, message, span, hint, pointer, related))

    def warning(self, code: str, message: str, span: Span, *, hint: str | None = None, pointer: str = "") -> None:
        """Note a finding that only ``--strict`` minds."""
        self.add(Diagnostic(Severity.WARNING, code, message, span, hint, pointer))

    @property
    def has_errors(self) -> bool:
        """Whether anything noted so far forbids a plan."""
        return any(finding.severity is Severity.ERROR for finding in self._found.values())

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All findings by file, line and column."""
        return tuple(sorted(self._found.values(), key=lambda finding: (finding.span, finding.code, finding.message)))

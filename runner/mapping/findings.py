"""Collects what a compilation finds, each with its place and a hint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from runner.mapping.source import MappingSource, Path
from runner.model.diagnostics import Diagnostic, Severity, Span


def suggest(word: object, options: Iterable[object], *, listing: str = "known") -> str:
    """``did you mean …?``, or else every option."""
    names = sorted(str(option) for option in options)
    near = get_close_matches(str(word), names, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"{listing}: {', '.join(names) or 'none'}"


def pointer(path: Path) -> str:
    """The JSON Pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@dataclass(slots=True)
class Findings:
    """The findings of one compilation, in the order found."""

    source: MappingSource
    items: list[Diagnostic] = field(default_factory=list)
    errors: int = 0

    def error(
        self,
        code: str,
        message: str,
        path: Path,
        *,
        hint: str | None = None,
        span: Span | None = None,
        related: Span | None = None,
    ) -> None:
        """Note what stops the mapping from being used. ``span`` overrides the place of ``path``."""
        self.errors += 1
        place = span or self.source.span(path)
        self.items.append(Diagnostic(Severity.ERROR, code, message, place, hint, pointer(path), related))

    def warning(
        self, code: str, message: str, path: Path, *, hint: str | None = None, span: Span | None = None
    ) -> None:
        """Note what is allowed but likely not meant."""
        place = span or self.source.span(path)
        self.items.append(Diagnostic(Severity.WARNING, code, message, place, hint, pointer(path)))

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Everything found, by place."""
        return tuple(sorted(self.items, key=lambda found: (found.span, found.code, found.message)))

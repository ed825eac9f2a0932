"""Findings as text for people, as JSON, and as annotations for GitHub.

::

    targets.d/hq.yaml:4:1: error[unknown-key]: unknown key 'endpont'
     4 | endpont: https://mail.example.com/EWS/Exchange.asmx
       | ^^^^^^^
       = hint: did you mean 'endpoint'?

Texts are given with their secrets hidden already (``Loaded.texts``); nothing here looks at a file.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from runner.model.diagnostics import Diagnostic, Severity, Span

FORMATS = ("text", "json", "github")
_WIDEST = 160
_BEFORE = 60

Locate = Callable[[str], str]
"""From a path below the configuration's root to the path that the reader can open."""


def as_is(path: str) -> str:
    """The path below the root itself."""
    return path


def report(
    diagnostics: Iterable[Diagnostic],
    texts: Mapping[str, str] | None = None,
    *,
    output: str = "text",
    locate: Locate = as_is,
    err: bool = True,
) -> None:
    """Print findings in one of :data:`FORMATS`, to standard error unless ``err`` is False."""
    found = list(diagnostics)
    if output == "json":
        click.echo(json.dumps([as_data(each, locate) for each in found], indent=2, ensure_ascii=False), err=err)
    elif output == "github":
        for each in found:
            click.echo(as_annotation(each, locate), err=err)
    else:
        lines = {name: text.split("\n") for name, text in (texts or {}).items()}
        for each in found:
            click.echo(as_text(each, lines.get(each.span.file, ()), locate), err=err)


def as_text(diagnostic: Diagnostic, lines: Iterable[str] = (), locate: Locate = as_is) -> str:
    """One finding with its line, a caret and a hint; ``lines`` are those of its file."""
    span = diagnostic.span
    parts = [f"{_place(span, locate)}: {diagnostic.severity}[{diagnostic.code}]: {_printable(diagnostic.message)}"]
    margin = " " * (len(str(span.line)) + 1)
    line = next((line for number, line in enumerate(lines, start=1) if number == span.line), None)
    if line is not None and line.strip():
        shown, caret = _snippet(line, span)
        parts.append(f" {span.line} | {shown}")
        if caret:
            parts.append(f"{margin} | {caret}")
    if diagnostic.hint:
        parts.append(f"{margin} = hint: {_printable(diagnostic.hint)}")
    if diagnostic.related:
        parts.append(f"{margin} = see: {_place(diagnostic.related, locate)}")
    return "\n".join(parts)


def as_data(diagnostic: Diagnostic, locate: Locate = as_is) -> dict[str, Any]:
    """One finding as plain data; lines and columns count from 1, the end column is exclusive."""
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "pointer": diagnostic.pointer,
        "range": _range(diagnostic.span, locate),
        "related": _range(diagnostic.related, locate) if diagnostic.related else None,
    }


def as_annotation(diagnostic: Diagnostic, locate: Locate = as_is) -> str:
    """One finding as a GitHub workflow command, so that it appears at its line in a pull request."""
    span = diagnostic.span
    command = "error" if diagnostic.severity is Severity.ERROR else "warning"
    properties = {
        "file": locate(span.file),
        "line": span.line,
        "endLine": span.end_line,
        "col": span.column,
        "title": diagnostic.code,
    }
    if span.end_line == span.line:
        properties["endColumn"] = span.end_column
    told = ",".join(f"{name}={_escaped_property(str(value))}" for name, value in properties.items())
    message = f"{diagnostic.message}\n{diagnostic.hint}" if diagnostic.hint else diagnostic.message
    return f"::{command} {told}::{_escaped(message)}"


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """``2 errors, 1 warning``."""
    found = [each.severity for each in diagnostics]
    counts = [(found.count(severity), severity.value) for severity in Severity]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count)


def _place(span: Span, locate: Locate) -> str:
    return f"{_printable(locate(span.file))}:{span.line}:{span.column}"


def _range(span: Span, locate: Locate) -> dict[str, Any]:
    return {
        "file": locate(span.file),
        "start": {"line": span.line, "column": span.column},
        "end": {"line": span.end_line, "column": span.end_column},
    }


def _snippet(line: str, span: Span) -> tuple[str, str]:
    """The part of the line around the span, and the carets below it (none when a mask took the place away)."""
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    left = max(0, start - _BEFORE) if len(line) > _WIDEST else 0
    right = min(len(line), left + _WIDEST)
    shown = f"{'…' if left else ''}{line[left:right]}{'…' if right < len(line) else ''}"
    if start > len(line):
        return _printable(shown), ""
    indent = _width(("…" if left else "") + line[left:start])
    width = _width(line[start : min(max(end, start + 1), right)])
    return _printable(shown), " " * indent + "^" * max(1, width)


def _printable(text: str) -> str:
    """Tabs as one space; other characters that would steer a terminal as a replacement character."""
    return "".join(
        " " if char == "\t" else "\ufffd" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char
        for char in text
    )


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")

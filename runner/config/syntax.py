"""Syntax errors of YAML, told so that an operator sees the slip: place, cause, hint.

libyaml parses fast but tells little; a text that it rejects is parsed again in Python for the better message.
"""

from __future__ import annotations

import re

import yaml

from runner.config.findings import Findings
from runner.model.diagnostics import Span

LINE_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
"""Where YAML counts a new line."""
_REPARSE_LIMIT = 1024 * 1024


def place_of(before: str) -> tuple[int, int]:
    """Line and column of what follows a text, from 1."""
    lines = LINE_BREAK.split(before)
    return len(lines), len(lines[-1]) + 1


def tell(text: str, file: str, error: yaml.YAMLError, findings: Findings) -> None:
    """Note a syntax error where its cause is, with a hint for the classic slips."""
    if not isinstance(error, yaml.MarkedYAMLError):
        offset = getattr(error, "position", 0)
        line, column = place_of(text[:offset])
        code = getattr(error, "character", 0)
        message = f"the character U+{code:04X} is not allowed" if isinstance(code, int) else "unreadable character"
        span = Span(file, line, column, line, column + 1)
        findings.error("yaml-syntax", message, span, hint="remove it, or write it as an escape in double quotes")
        return
    error = _better_told(text, error)
    problem = error.problem or "not YAML"
    mark = error.problem_mark or error.context_mark
    hint = None
    if "quoted scalar" in (error.context or "") and "end of stream" in problem and error.context_mark:
        mark, hint = error.context_mark, "the quote that opens here is never closed"
    elif "mapping values are not allowed" in problem:
        hint = "quote a value that holds ': ', or mend the indentation"
    elif "tab" in problem or "'\\t'" in problem:
        hint = "indent with spaces; YAML does not allow tabs"
    elif "cannot start any token" in problem:
        hint = "quote the value: it starts with a character that YAML keeps for itself"
    elif "while scanning an a" in (error.context or ""):
        hint = "quote the value: '*' and '&' are characters that YAML keeps for itself"
    elif "while parsing a block" in (error.context or ""):
        hint = "is the indentation right, and is every quote and bracket before this place closed?"
    elif error.context and error.context_mark and "while parsing a flow" in error.context:
        hint = f"the bracket opens in line {error.context_mark.line + 1}"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = f"{problem} ({error.context})" if error.context else problem
    findings.error("yaml-syntax", message, Span(file, line, column, line, column + 1), hint=hint)


def _better_told(text: str, error: yaml.MarkedYAMLError) -> yaml.MarkedYAMLError:
    """The same error in the words of the Python parser, which names characters and tokens."""
    if len(text) > _REPARSE_LIMIT or error.problem_mark is None:
        return error
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
    except yaml.MarkedYAMLError as told:
        if told.problem_mark is not None and told.problem_mark.line == error.problem_mark.line:
            return told
    except yaml.YAMLError:
        return error
    return error

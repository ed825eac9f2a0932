"""Where a character of a YAML scalar's value stands in the file: columns inside expressions, in every scalar style.

YAML folds, unescapes and dedents; Jinja2 reports lines only. So the value is laid beside the raw text once more,
character by character, which is exact for plain, quoted, literal and folded scalars alike.
"""

from __future__ import annotations

import re

from runner.model.diagnostics import Span

_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # the line breaks that YAML's reader counts
_ESCAPED = {"x": 2, "u": 4, "U": 8}
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*(?:#[^\n]*)?")


class Alignment:
    """The value of one scalar laid beside the file's text."""

    def __init__(self, text: str, span: Span, value: str) -> None:
        self._span = span
        self._lines = _BREAKS.split(text)
        self._at = self._align(value)

    def span(self, start: int, end: int) -> Span:
        """The region of the file that holds ``value[start:end]``."""
        if not self._at:
            return self._span
        last = len(self._at) - 1
        line, column = self._at[min(start, last)]
        end_line, end_column = self._at[max(0, min(end - 1, last))]
        return Span(self._span.file, line + 1, column + 1, end_line + 1, end_column + 2)

    def _align(self, value: str) -> list[tuple[int, int]]:
        line, column = self._span.line - 1, self._span.column - 1
        if line >= len(self._lines) or column >= len(self._lines[line]):
            return []
        style = self._lines[line][column]
        if style in "|>" and _BLOCK_HEADER.fullmatch(self._lines[line][column:]):
            line, column = line + 1, 0
        elif style in "\"'":
            column += 1
        else:
            style = ""
        found: list[tuple[int, int]] = []
        for char in value:
            blank = char.isspace()
            line, column = self._skip(line, column, style, keep=char if blank else "")
            if line >= len(self._lines):
                return found  # the text is not the one that the value came from: give what is sure
            found.append((line, column))
            if not (blank and column >= len(self._lines[line])):
                column += self._width(line, column, style)
        return found

    def _skip(self, line: int, column: int, style: str, *, keep: str) -> tuple[int, int]:
        """Past raw white space, unless it is the very character looked for (or a line end that folds into it)."""
        while line < len(self._lines):
            row = self._lines[line]
            if column < len(row):
                if style == '"' and row[column] == "\\" and column + 1 == len(row):
                    line, column = line + 1, 0  # an escaped line end says nothing
                    continue
                if not row[column].isspace() or (keep and row[column] == keep):
                    return line, column
                if keep and not row[column:].strip():
                    return line, len(row)
                column += 1
                continue
            if keep:
                return line, len(row)  # a blank that stands for a line end
            line, column = line + 1, 0
        return line, column

    def _width(self, line: int, column: int, style: str) -> int:
        row = self._lines[line]
        if style == '"' and row[column] == "\\":
            return 2 + _ESCAPED.get(row[column + 1 : column + 2], 0)
        return 2 if style == "'" and row[column : column + 2] == "''" else 1

"""Text of strangers, made safe to show: in a terminal, in a log line, in a change set."""

from __future__ import annotations


def printable(raw: str) -> str:
    """Text in which every character shows: control and direction-changing ones as escapes."""
    if raw.isprintable():
        return raw
    return "".join(c if c.isprintable() else {"\n": "\\n", "\t": "\\t"}.get(c, f"\\u{{{ord(c):x}}}") for c in raw)

"""Texts fit to be shown: lines that hold a literal secret are cut off before it.

A secret in YAML is an error, and the error's own snippet must not print it. Lines are judged by their words first, so
that files with syntax errors are covered too; where the file could be read, the further lines of a secret are known and
hidden as well. A line that only might hold a secret is cut likewise.
"""

from __future__ import annotations

import re

from runner.config.syntax import LINE_BREAK
from runner.config.yamlsource import Source

MASK = "<hidden>"

_WORDS = "pass|pasw|psw|pwd|sword|secret|token|credential|api[_-]?key|private[_-]?key"
# Bounded repeats: a hostile line of megabytes must not cost more than one look at it.
_SECRET_KEY = re.compile(rf"(?i)(?:{_WORDS})[\w.-]{{0,40}}[\"']?\s{{0,40}}[:=]\s{{0,40}}")
_SECRET_NAME = re.compile(rf"(?i)(?:{_WORDS})")
_REFERENCE = re.compile(r"\{\s{0,40}(?:env|file)\s{0,40}:\s{0,40}[\w./+-]{1,1000}\s{0,40}\}")
_REFERENCE_LINE = re.compile(r"\s*(?:env|file)\s*:\s*[\w./+-]+\s*(?:#.*)?\Z")
_USERINFO = re.compile(r"(?P<user>://[^\s/@:]{0,256}:)\S{0,512}@")


def is_secret_key(key: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    return _SECRET_NAME.search(key) is not None


def shown(source: Source) -> str:
    """The source's text with every literal that may be a secret replaced by a mask; lines keep their numbers."""
    lines = LINE_BREAK.split(source.text)
    if not _SECRET_NAME.search(source.text) and "://" not in source.text:
        return "\n".join(lines)
    continued = _continued_lines(source)
    result = []
    hiding: int | None = None
    for number, line in enumerate(lines, start=1):
        indent = len(line) - len(line.lstrip())
        deeper = hiding is not None and bool(line.strip()) and indent > hiding
        if number in continued or (deeper and not _REFERENCE_LINE.match(line)):
            result.append(" " * indent + MASK)
            continue
        if line.strip() and not deeper:
            hiding = None
        cut, opened = _without_secret(line)
        if opened:
            hiding = indent
        result.append(_USERINFO.sub(lambda match: f"{match['user']}{MASK}@", cut))
    return "\n".join(result)


def _continued_lines(source: Source) -> set[int]:
    """Lines after the key's own of what a secret's key holds, however it is quoted or indented."""
    lines: set[int] = set()
    for path, key in source.keys.items() if source.complete else ():
        if is_secret_key(str(path[-1])) and path in source.values and not _is_reference(source.value(path)):
            _, _, last, column = source.values[path]
            lines.update(range(key[0] + 1, last + (column > 1)))
    return lines


def _is_reference(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return _REFERENCE.fullmatch("{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}") is not None


def _without_secret(line: str) -> tuple[str, bool]:
    """The line cut before its first literal secret, and whether following, deeper lines belong to it."""
    position = 0
    while match := _SECRET_KEY.search(line, position):
        start = match.end()
        if reference := _REFERENCE.match(line, start):
            position = reference.end()
        elif start == len(line) or line[start] == "#":
            return line, True
        else:
            return line[:start] + MASK, True
    return line, False

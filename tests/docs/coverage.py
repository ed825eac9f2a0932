"""Which test proves which rule: read out of the tests' names and docstrings, written to ``docs/coverage.md``.

``python -m tests.docs.coverage`` writes the page anew; ``tests/docs/test_coverage.py`` holds it to the tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coverage.md"
RULES = ROOT / "docs" / "rules.md"
SHOWN = 5
"""Tests named per rule; the others are counted."""

_RULE = re.compile(r"^- B-(\d+) (.+?)(?:[.:;] |[.:;]?$)", re.MULTILINE)
_CITED = re.compile(r"\bB-(\d+)\b(?:\s*[-–]\s*B-(\d+)\b)?")
_NAMED = re.compile(r"(?:^|_)b(\d+)(?=_|$)")

HEAD = """# Which test proves which rule

The rules are those of [rules.md](rules.md). A test counts for a rule when its name, its docstring or its module's
docstring cites the number. Written by `python -m tests.docs.coverage`; a test holds this page to the tests.

| Rule | What it says | Tests |
|---|---|---|
"""


def rules() -> dict[int, str]:
    """Every rule's number and the beginning of its text."""
    return {int(number): text.strip() for number, text in _RULE.findall(RULES.read_text(encoding="utf-8"))}


def cited(text: str) -> set[int]:
    """The rule numbers in a docstring; ``B-60 – B-64`` names all between."""
    found: set[int] = set()
    for first, last in _CITED.findall(text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def tests() -> Iterator[tuple[str, set[int]]]:
    """``path::name`` of every test with the rules that it cites."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        whole = cited(ast.get_docstring(module) or "")
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = cited(ast.get_docstring(node) or "") | {int(number) for number in _NAMED.findall(node.name)}
                yield f"{path.relative_to(ROOT)}::{node.name}", own | whole


def by_rule() -> dict[int, list[str]]:
    """Rule → its tests."""
    found: dict[int, list[str]] = {number: [] for number in rules()}
    for name, numbers in tests():
        for number in numbers & found.keys():
            found[number].append(name)
    return found


def page() -> str:
    """The page as it has to be."""
    texts = rules()
    return HEAD + "".join(
        f"| B-{number} | {texts[number].replace('|', chr(92) + '|')} | {_shown(names)} |\n"
        for number, names in by_rule().items()
    )


def _shown(names: list[str]) -> str:
    if not names:
        return "not there yet"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "<br>".join(f"`{name.removeprefix('tests/')}`" for name in names[:SHOWN]) + more


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

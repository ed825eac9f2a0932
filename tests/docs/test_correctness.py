"""Every fault has its row, and the tests that the page names are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "correctness.md").read_text(encoding="utf-8")
FAULTS = {
    *(f"A{n}" for n in range(1, 14)),
    *(f"B{n}" for n in range(1, 8)),
    *(f"C{n}" for n in range(1, 14)),
    *(f"D{n}" for n in range(1, 16)),
    *(f"E{n}" for n in range(1, 16)),
}


def test_every_fault_has_a_row_with_a_test_or_a_reason() -> None:
    rows = dict(re.findall(r"^\| ([A-E]\d+) \| .*? \| (.+) \|$", TEXT, re.MULTILINE))
    assert rows.keys() == FAULTS
    assert all(len(held) > 8 for held in rows.values())


def test_the_named_tests_are_there() -> None:
    named = set(re.findall(r"`([a-z_0-9]+/test_[a-z_0-9]+\.py)(?:::(test_[a-z_0-9]+))?`", TEXT))
    assert len(named) > 60
    for file, test in sorted(named):
        source = ROOT / "tests" / file
        assert source.is_file(), file
        assert not test or f"def {test}(" in source.read_text(encoding="utf-8"), f"{file}::{test}"


def test_the_named_mutants_are_there() -> None:
    mutants = (ROOT / "tests" / "sim" / "mutants.py").read_text(encoding="utf-8")
    named = re.findall(r"mutants? `([a-z_]+)`", TEXT)
    assert named
    assert all(f"def {name}(" in mutants for name in named)

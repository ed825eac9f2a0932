"""The page that says which test proves which rule says the truth."""

import re

import pytest

from tests.docs.coverage import PAGE, by_rule, cited

PAGE_ROWS = dict(re.findall(r"^\| B-(\d+) \| .*? \| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
WRITE = "write it anew: python -m tests.docs.coverage"


def test_every_rule_has_its_row() -> None:
    assert {int(number) for number in PAGE_ROWS} == by_rule().keys(), WRITE


@pytest.mark.parametrize(
    ("rule", "tests"), sorted(by_rule().items()), ids=lambda value: str(value) if isinstance(value, int) else ""
)
def test_the_tests_of_a_rule_are_there_and_cite_it(rule: int, tests: list[str]) -> None:
    named = set(re.findall(r"`([^`]+)`", PAGE_ROWS[str(rule)]))
    assert named <= {name.removeprefix("tests/") for name in tests}, WRITE
    assert bool(named) is bool(tests), WRITE


def test_a_range_of_rules_cites_all_of_them() -> None:
    assert cited("B-60 – B-62, and B-5.") == {60, 61, 62, 5}

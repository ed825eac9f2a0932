"""The parts of ``make bench`` that are processes of their own still run: small, and for what they print, not for speed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("arguments", "figures"),
    [
        (("memory", "40"), {"items", "peak_mb"}),
        (("console", "10", "2000"), {"first_page", "searched", "by_day_and_operation", "by_user_and_operation"}),
    ],
)
def test_a_part_of_the_bench_prints_its_figures(arguments: tuple[str, ...], figures: set[str]) -> None:
    module, *rest = arguments
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", *rest], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert figures <= told.keys()
    assert all(told[name] > 0 for name in figures)

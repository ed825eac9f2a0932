"""Tokens of a process: each one unguessable, and given out once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from runner.cli.context import SystemRng


def test_no_token_comes_twice_whoever_draws_it() -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: SystemRng().token(), range(5000)))
    assert len(set(tokens)) == 5000
    assert all(len(token) == 32 and int(token, 16) >= 0 for token in tokens)


FORKING = """
import os
from runner.cli.context import SystemRng

print(SystemRng().token(), flush=True)
if os.fork() == 0:
    print(*[SystemRng().token() for _ in range(64)], flush=True)
    os._exit(0)
os.wait()
print(*[SystemRng().token() for _ in range(64)])
"""


def test_a_process_that_forks_hands_no_token_on() -> None:
    """Two processes with one token would take each other's records for their own."""
    drawn = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True).stdout.split()
    assert len(drawn) == len(set(drawn)) == 1 + 64 + 64

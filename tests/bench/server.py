"""A sandbox in a process of its own, so that only the client's CPU is measured. Ends when its standard input closes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runner.sandbox.exchange import Sandbox

USER = "ann.lee@example.com"
PASSWORD = "bench"


@contextmanager
def served(count: int) -> Iterator[str]:
    """The URL of a sandbox whose user has ``count`` appointments."""
    command = [sys.executable, "-m", "tests.bench.server", str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def main(count: int) -> None:
    """Serve until told to stop."""
    with Sandbox(password=PASSWORD) as sandbox:
        sandbox.add_mailbox(USER).fill(count)
        print(sandbox.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""How ten thousand streaming links do: connections, memory, idle CPU, and what a reload of one link costs.

The sandbox and the service are processes of their own. Prints one JSON object; takes some minutes, most of them for the first
passes. ``python -m tests.bench.crowd [LINKS]``.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.sandbox.exchange import Sandbox
from runner.sandbox.limits import Limits
from tests.e2e import operator as desk
from tests.e2e import served as service

LINKS = 10_000
IDLE = 60.0
"""Seconds over which idle CPU is measured."""
PATIENCE = 3600.0
_TICKS = os.sysconf("SC_CLK_TCK")


def address(number: int) -> str:
    """The mailbox of a number."""
    return f"user{number:05}@example.com"


class Crowd:
    """A sandbox with many mailboxes in a process of its own; asked by lines, answers in JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = str(self.ask("url"))
        self.password = "right"

    def ask(self, word: str) -> Any:
        """One question."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def crowd(count: int) -> Iterator[Crowd]:
    """A running one."""
    command = [sys.executable, "-m", "tests.bench.crowd", "--serve", str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Crowd(process)
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(60)


def serve(count: int) -> None:
    """The sandbox's process."""
    with Sandbox(password="right", limits=Limits()) as sandbox:
        for number in range(count):
            sandbox.add_mailbox(address(number))
        for line in sys.stdin:
            word = line.strip()
            if word == "url":
                told: Any = sandbox.url
            elif word == "stats":
                told = {
                    "connections": sandbox.connections_open,
                    "subscriptions": len(list(sandbox.notices.subscriptions)),
                    "streams": len(sandbox.notices.streams),
                    "requests": dict(sandbox.requests.counts),
                }
            else:
                event = {"Start": "2026-12-01T09:00:00Z", "End": "2026-12-01T10:00:00Z"}
                told = sandbox.mailbox(word).create(Subject="Heard", **event)
            print(json.dumps(told), flush=True)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mb(pid: int) -> float:
    """The most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def waited(condition: Any) -> float:
    """Seconds until something comes true."""
    begun = time.perf_counter()
    while not condition():
        if time.perf_counter() - begun > PATIENCE:
            raise TimeoutError
        time.sleep(0.5)
    return time.perf_counter() - begun


def measure(count: int) -> dict[str, float]:
    """The figures."""
    service.PATIENCE = PATIENCE
    with tempfile.TemporaryDirectory() as home, crowd(count) as server:
        operator = desk.Operator(Path(home), server)  # type: ignore[arg-type]
        target = Path(home) / "targets.d/sandbox.yaml"
        head = target.read_text().split("links:")[0]
        target.write_text(head + "links:\n" + "".join(f"- user: {address(number)}\n" for number in range(count)))
        with sqlite3.connect(operator.crm_file) as crm:
            crm.execute("DELETE FROM appointment")
            crm.execute("DELETE FROM crm_user")
            rows = [(f"User {number}", address(number)) for number in range(count)]
            crm.executemany("INSERT INTO crm_user (name, email) VALUES (?, ?)", rows)
        crm.close()
        operator.ready()
        with service.Served(operator, "--log-level", "warning") as served:
            assert served.process
            pid = served.process.pid
            streaming = waited(lambda: server.ask("stats")["subscriptions"] == count)
            idle = waited(lambda: not served.remote.get("/api/v1/queue")["messages"])
            time.sleep(10)
            begun, used = time.perf_counter(), cpu_seconds(pid)
            time.sleep(IDLE)
            busy = (cpu_seconds(pid) - used) / (time.perf_counter() - begun)
            before = server.ask("stats")
            found = {"connections": before["connections"], "streams": before["streams"]}
            target.write_text(target.read_text().replace(f"{address(7)}\n", f"{address(7)}\n  enabled: false\n"))
            begun = time.perf_counter()
            served.remote.post("/-/reload", {})
            reload = time.perf_counter() - begun
            time.sleep(5)
            after = server.ask("stats")
            disturbed = sum((after["requests"][name] - before["requests"].get(name, 0)) for name in after["requests"])
            told = {
                "links": count,
                **found,
                "subscribing_seconds": streaming,
                "first_passes_seconds": streaming + idle,
                "peak_mb": peak_mb(pid),
                "idle_cpu": busy,
                "reload_seconds": reload,
                "requests_after_reload": disturbed,
            }
            served.stop()
    return told


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(int(sys.argv[2]))
    else:
        print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else LINKS)))

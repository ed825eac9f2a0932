"""A running ``exsync serve`` beside an operator: a process of its own, with its socket in a short place."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.cli.remote import Remote, running_service
from runner.service.edges import QUIET
from tests.e2e.operator import Operator

PATIENCE = 60.0


def until(what: str, condition: Callable[[], object]) -> None:
    """Wait for something that happens by itself."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it did not come to pass within {PATIENCE:.0f} s: {what}"
        time.sleep(0.02)


class Served:
    """The service as an operator runs it; use as a context manager. Its log is read as data."""

    def __init__(self, operator: Operator, *options: str) -> None:
        self.operator, self.options = operator, options
        self._home = Path(tempfile.mkdtemp(prefix="exs-"))
        operator.environ["EXSYNC_SOCKET"] = str(self._home / "s")
        self.socket = self._home / "s"
        self.log_file = operator.home / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Served:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        shutil.rmtree(self._home, ignore_errors=True)

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "runner",
                    "serve",
                    "--log-format",
                    "json",
                    "--log-level",
                    "debug",
                    *self.options,
                ],
                env=self.operator.environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until("the service answers", self._up)

    def _up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log_file.read_text()
        return running_service(self.socket) is not None

    @property
    def remote(self) -> Remote:
        return Remote(self.socket)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = self.remote.get("/api/v1/status")
        return told

    def metrics(self) -> bytes:
        """What ``/metrics`` gives out."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.socket))
        connection.request("GET", "/metrics")
        answer = connection.getresponse().read()
        connection.close()
        return answer

    def log(self, event: str) -> list[dict[str, Any]]:
        """Every line of the log with this event."""
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def told_of(self) -> bool:
        """Whether no link waits to be subscribed: changes of all are told of, or their target tells none."""
        links = [
            link["subscription"] for link in self.status()["links"] if link["configured"] and "subscription" in link
        ]
        return all(subscription is None or subscription["state"] in ("live", "refused") for subscription in links)

    def idle(self) -> None:
        """Wait until every link is told of and has had a pass, and nothing waits or runs; what our own writes make the
        server tell has come back by then, too."""

        def quiet() -> bool:
            told = self.status()
            passed = all(link.get("last_pass") for link in told["links"] if link["configured"])
            busy = told["service"]["passes_running"] or self.remote.get("/api/v1/queue")["messages"]
            return passed and self.told_of() and not busy

        def settled() -> bool:
            if not quiet():
                return False
            time.sleep(QUIET + 0.1)
            return quiet()

        until("the service has nothing to do", settled)

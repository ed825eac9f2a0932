"""Threads that are looked after, the gate, and what systemd is told."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from runner.model.errors import StateError
from runner.service import supervision
from runner.service.gate import Gate
from runner.service.sdnotify import sd_notify
from runner.service.supervision import Supervisor
from runner.service.timekeeper import Polls
from runner.testing.clock import FakeClock


class WallClock(FakeClock):
    def monotonic(self) -> float:
        return time.monotonic()


def test_a_thread_that_dies_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_PAUSE", 0.0)
    supervisor, lives, lived = Supervisor(WallClock()), [0], threading.Event()

    def task() -> None:
        lives[0] += 1
        if lives[0] == 1:
            raise RuntimeError("a bug")
        lived.set()
        supervisor.stopping.wait()

    supervisor.start("task", task)
    assert lived.wait(10)
    assert supervisor.alive
    assert supervisor.stop(10) == []
    assert supervisor.failure is None


def test_a_thread_that_keeps_dying_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_PAUSE", 0.0)
    supervisor = Supervisor(WallClock())

    def task() -> None:
        raise RuntimeError("a bug")

    supervisor.start("task", task)
    assert supervisor.ended.wait(10)
    assert "task" in str(supervisor.failure)
    assert not supervisor.alive


def test_a_state_that_cannot_be_used_ends_the_process_at_once() -> None:
    supervisor = Supervisor(WallClock())

    def task() -> None:
        raise StateError("the disk is full")

    supervisor.start("task", task)
    assert supervisor.ended.wait(10)
    assert isinstance(supervisor.failure, StateError)


def test_a_thread_that_does_not_return_is_named() -> None:
    supervisor, hold = Supervisor(WallClock()), threading.Event()
    supervisor.start("stuck", lambda: hold.wait(30) and None)
    assert supervisor.stop(0.05) == ["stuck"]
    hold.set()


def test_the_gate_lets_many_in_or_one_alone() -> None:
    """Rewriting what passes write waits for the passes that run, and goes before those that come."""
    gate, inside, order = Gate(), threading.Event(), []
    leave = threading.Event()

    def share() -> None:
        with gate.shared():
            inside.set()
            leave.wait(10)
            order.append("first pass")

    def alone() -> None:
        with gate.alone():
            order.append("alone")

    def later() -> None:
        with gate.shared():
            order.append("second pass")

    threads = [threading.Thread(target=share), threading.Thread(target=alone), threading.Thread(target=later)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    while not gate._wanted_alone:
        time.sleep(0.001)
    threads[2].start()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first pass", "alone", "second pass"]


def test_polls_come_when_they_are_due_and_once() -> None:
    """B-11: every link is looked at from time to time; a pass in between moves its time."""
    polls = Polls()
    polls.set("a", 10.0)
    polls.set("b", 11.0)
    polls.set("a", 12.0)
    assert polls.due(9.0) == []
    assert polls.due(11.0) == ["b"]
    polls.set("c", 5.0)
    polls.keep_only(frozenset({"a", "b"}))
    assert polls.due(100.0) == ["a"]
    assert polls.due(100.0) == []


def test_systemd_is_told_where_it_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "n"))
        assert sd_notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "n")})
        assert told.recv(100) == b"READY=1"
    assert not sd_notify("READY=1", {})
    assert not sd_notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})

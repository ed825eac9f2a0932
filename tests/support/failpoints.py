"""exsync as a process that dies at a chosen call, as power cuts and ``kill -9`` end one.

``EXSYNC_FAILPOINT=target.write.after:3`` kills it right after the third write to the target took effect, before anybody heard
of it; ``store.commit.before:1`` right before its first commit. ``EXSYNC_LATER=180`` sets its clock three minutes on, so that
nothing has to wait until a write without an answer is given up. The product knows neither of them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import runner.connectors.crm
import runner.connectors.exchange
from runner.cli import context, main
from runner.model.items import LinkRef, Write, WriteResult
from runner.model.state import Commit

POINT, LATER = "EXSYNC_FAILPOINT", "EXSYNC_LATER"


class Failpoint:
    """Counts the moments of one kind and ends the process at one of them."""

    def __init__(self, text: str) -> None:
        self._moment, _, count = text.partition(":")
        self._left = int(count or 1)

    def passed(self, moment: str) -> None:
        """This moment has come; when it is the chosen one, nothing comes after it."""
        if moment == self._moment:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class _Part:
    """A store or a connector between its moments; whatever does not change anything goes straight through."""

    def __init__(self, part: Any, point: Failpoint, name: str) -> None:
        self._part, self._point, self._name = part, point, name

    def commit(self, commit: Commit) -> None:
        """A commit between two moments."""
        self._point.passed(f"{self._name}.commit.before")
        self._part.commit(commit)
        self._point.passed(f"{self._name}.commit.after")

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        """Writes, each between two moments."""
        results = iter(self._part.write(link, writes))
        for _ in writes:
            self._point.passed(f"{self._name}.write.before")
            result = next(results)
            self._point.passed(f"{self._name}.write.after")
            yield result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


def arm(point: Failpoint, later: timedelta) -> None:
    """Let the runners of this process work between the failpoint's moments, at a later time."""
    runner, target = context.Session.runner.func, context.Session.target

    def guarded(session: context.Session) -> Any:
        made = runner(session)
        made.store, made.crm = _Part(made.store, point, "store"), _Part(made.crm, point, "crm")
        made.targets = lambda name: _Part(target(session, name), point, "target")
        return made

    patched = cached_property(guarded)
    patched.__set_name__(context.Session, "runner")
    context.Session.runner = patched
    context.SystemClock.now = lambda self: datetime.now(UTC) + later  # type: ignore[method-assign]


def exsync(arguments: Sequence[str], environ: Mapping[str, str], told: str) -> None:
    """One command in a process of its own, forked from one that has loaded everything; what it prints goes into a file."""
    os.environ.update(environ)
    with Path(told).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["exsync", *arguments]
    arm(Failpoint(environ.get(POINT, "")), timedelta(seconds=int(environ.get(LATER, "0"))))
    main()


__all__ = ["LATER", "POINT", "Failpoint", "arm", "exsync", "runner"]

"""What somebody who waits for a long answer may see meanwhile: how far each link of it has come.

Whoever asks names his question, and asks under that name how far it is. What is known is gone with the answer; how far
snapshots have come that outlast their question stands in the state (:mod:`runner.model.headway`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from runner.engine.passes import Progress
from runner.service.views import Data

_QUESTION: ContextVar[str] = ContextVar("question", default="")


@dataclass(slots=True)
class Watching:
    """The questions that wait for their answers. Safe to share between threads."""

    _seen: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """By question: what is done, and how much of it there is, by what it is."""
    _runs: dict[str, str] = field(default_factory=dict)
    """Runs that workers carry out for a question."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def asked(self, question: str) -> Iterator[None]:
        """A question is answered as long as this lasts, by this thread and by the runs that follow it. "" is none."""
        if not question:
            yield
            return
        with self._lock:
            self._seen[question] = {}
        before = _QUESTION.set(question)
        try:
            yield
        finally:
            _QUESTION.reset(before)
            with self._lock:
                del self._seen[question]
                self._runs = {run: one for run, one in self._runs.items() if one != question}

    def follow(self, run: str) -> None:
        """Workers carry out this run for the question of this thread."""
        with self._lock:
            if question := _QUESTION.get():
                self._runs[run] = question

    def mine(self) -> Progress | None:
        """What this thread's work tells its progress to; None when nobody is watching."""
        return self._progress(_QUESTION.get())

    def of(self, run: str) -> Progress | None:
        """What a run tells its progress to."""
        with self._lock:
            question = self._runs.get(run, "")
        return self._progress(question)

    def told(self, question: str) -> Data:
        """How far a question's answer is; nothing for one that is not known."""
        with self._lock:
            seen = self._seen.get(question, {})
            return {"work": [{"what": what, "done": done, "of": due} for what, (done, due) in seen.items()]}

    def _progress(self, question: str) -> Progress | None:
        if not question:
            return None

        def note(what: str, done: int, due: int) -> None:
            with self._lock:
                if question in self._seen:
                    self._seen[question][what] = (done, max(done, due))

        return note

"""What moves, told as server-sent events: that something changed, never what; the page then asks for itself anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse

EVERY = 1.0
"""Seconds between two looks."""
QUIET = 20.0
"""Seconds after which a comment keeps the connection open."""
MOST = 200
"""Browsers that listen at a time."""


class Events:
    """The stream of one console."""

    def __init__(self, pulse: Callable[[], str], ended: Callable[[], bool]) -> None:
        self._pulse, self._ended = pulse, ended
        self._listening = 0

    def stream(self) -> StreamingResponse:
        """One browser's stream, or a refusal when too many listen."""
        if self._listening >= MOST:
            return StreamingResponse(iter(()), 503)
        return StreamingResponse(self._told(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _told(self) -> AsyncIterator[str]:
        self._listening += 1
        try:
            seen, quiet = self._pulse(), 0.0
            yield "retry: 3000\nevent: hello\ndata: \n\n"
            while not self._ended():
                await asyncio.sleep(EVERY)
                now, quiet = self._pulse(), quiet + EVERY
                if now != seen:
                    seen, quiet = now, 0.0
                    yield f"event: changed\ndata: {now}\n\n"
                elif quiet >= QUIET:
                    quiet = 0.0
                    yield ": still here\n\n"
        finally:
            self._listening -= 1

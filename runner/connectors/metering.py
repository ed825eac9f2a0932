"""How requests to servers are counted, whatever the protocol: how long each took, and what the server said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from runner.model.errors import ConnectorError
from runner.model.ports import Meter


@dataclass(slots=True)
class Answered:
    """What became of a request: ``code`` is what the protocol says of success, until the answer says something else."""

    code: str


@contextmanager
def metered(meter: Meter | None, target: str, operation: str, success: str) -> Iterator[Answered]:
    """Inside, one request is sent and its answer read; ``meter`` is told of it, with an error's code when one is raised."""
    seen, begun = Answered(success), monotonic()
    try:
        yield seen
    except ConnectorError as error:
        seen.code = error.code
        raise
    finally:
        if meter is not None:
            meter(target, operation, seen.code, monotonic() - begun)

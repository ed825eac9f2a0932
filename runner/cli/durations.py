"""Lengths of time on the command line."""

from __future__ import annotations

from datetime import timedelta

from runner.config.durations import timedelta_of
from runner.model.errors import UsageError


def duration_asked(text: str) -> timedelta | None:
    """The length of time that a flag says; None for none at all. Raises ``UsageError`` for what is no length."""
    try:
        return timedelta_of(text) or None
    except ValueError as error:
        raise UsageError(str(error), remedy="write for example 90m, 12h or 7d") from None

"""Instants as operators write them: a time, or how long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runner.config.durations import timedelta_of
from runner.model.errors import UsageError


def moment_asked(text: str, now: datetime, flag: str) -> datetime:
    """The instant that ``text`` means: ISO (UTC unless it says otherwise), or a length of time before ``now`` such as
    ``90m`` or ``2d``; with ``+`` after it. Raises ``UsageError`` that names the flag."""
    ahead = text.startswith("+")
    try:
        length: timedelta | None = timedelta_of(text.removeprefix("+"))
    except ValueError:
        length = None
    if length is not None:
        return now + length if ahead else now - length
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{flag} {text!r} is neither a time nor a duration", remedy="write 2026-11-27T08:00 (UTC) or 90m"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

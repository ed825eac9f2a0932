"""Lengths of time as operators write them: ``90s``, ``20m``, ``2h``, ``30d``."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def timedelta_of(text: str) -> timedelta:
    """The length of a duration. Raises ``ValueError`` when the text is none."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a duration such as 20m or 30d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def duration_text(length: timedelta) -> str:
    """The shortest way to write a length of whole seconds."""
    seconds = int(length.total_seconds())
    for unit in "dhm":
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"

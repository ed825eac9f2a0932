"""Whether this machine and a server agree on the time."""

from __future__ import annotations

from datetime import timedelta

from runner.model.checkup import Diagnosis, Reading, doubtful, failed, sound

TOLERATED = timedelta(minutes=1)
"""Nothing minds so much."""
LARGEST = timedelta(minutes=5)
"""Kerberos refuses tickets over it (RFC 4120 8.2); tokens and windows go wrong too."""
_GRAIN = timedelta(seconds=1)
"""An HTTP date has whole seconds."""


def clock(subject: str, reading: Reading) -> Diagnosis:
    """The least difference that the reading proves: half of a slow answer's time is nobody's fault."""
    off = _difference(reading)
    if off < _GRAIN:
        return sound(subject, "clock", "this machine and the server agree")
    ahead = "behind" if reading.theirs > reading.after else "ahead of"
    told = f"this machine's clock is {_words(off)} {ahead} the server's"
    remedy = "let both follow the same time servers (chrony, systemd-timesyncd, the domain's hierarchy)"
    if off > LARGEST:
        return failed(subject, "clock", f"{told}: log-ons and tokens fail over five minutes", remedy)
    if off > TOLERATED:
        return doubtful(subject, "clock", f"{told}: newest_wins cannot compare times", remedy)
    return sound(subject, "clock", f"{told}, which nothing minds")


def _difference(reading: Reading) -> timedelta:
    """Between the server's reading and the nearest moment at which it can have been taken."""
    if reading.theirs > reading.after:
        return reading.theirs - reading.after
    if reading.theirs + _GRAIN < reading.before:
        return reading.before - reading.theirs - _GRAIN
    return timedelta()


def _words(off: timedelta) -> str:
    seconds = round(off.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"

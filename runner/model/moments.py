"""Dates, instants and zones in canonical form (B-46): the one place where local time and UTC meet.

An instant in the second hour of an autumn clock change has no unambiguous local time in its own zone; it is carried in
``Etc/UTC`` instead, by both sides alike, so that no hour is lost and no ping-pong starts.

Conversions are remembered: within one step of a pass the same moments are asked for by both sides and by the rules.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

UTC_ZONE = "Etc/UTC"
_DURATION = re.compile(r"^(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises ``ValueError`` for a name that the tz database does not know."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"unknown time zone {name!r}") from error


@lru_cache(maxsize=4096)
def instant_of(moment: datetime) -> str:
    """Canonical instant of an aware datetime: ``2026-03-29T08:00:00Z`` (fractions of a second are cut)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


@lru_cache(maxsize=4096)
def moment_of(instant: str) -> datetime:
    """The aware UTC datetime of a canonical instant. Raises ``ValueError`` when it is none."""
    moment = datetime.fromisoformat(instant)
    if moment.tzinfo is None:
        raise ValueError(f"{instant!r} names no zone")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


@lru_cache(maxsize=4096)
def local_of(moment: datetime, zone: str) -> tuple[str, str]:
    """``(local, zone)`` of an aware datetime in its zone; ``Etc/UTC`` for the ambiguous second hour (see module)."""
    local = moment.astimezone(zone_of(zone))
    if local.fold:
        local, zone = moment.astimezone(UTC), UTC_ZONE
    return local.replace(tzinfo=None).isoformat(timespec="seconds"), zone


@lru_cache(maxsize=4096)
def moment_at(local: str, zone: str) -> datetime:
    """The UTC datetime of a local time in a zone; inside a spring gap the clock's jump is added (RFC 8984 §1.4.4)."""
    return datetime.fromisoformat(local).replace(tzinfo=zone_of(zone)).astimezone(UTC)


@lru_cache(maxsize=4096)
def duration_of(length: timedelta, *, whole_days: bool = False) -> str:
    """Canonical duration: hours, minutes and seconds (``PT26H``), or days when ``whole_days`` (``P2D``)."""
    seconds = int(length.total_seconds())
    if whole_days:
        return f"P{seconds // 86400}D"
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    return f"{sign}PT{parts or '0S'}"


@lru_cache(maxsize=4096)
def length_of(duration: str) -> timedelta:
    """The length of a canonical duration. Raises ``ValueError`` when it is none."""
    match = _DURATION.match(duration)
    if not match or duration.endswith(("P", "T")):
        raise ValueError(f"{duration!r} is not a duration")
    sign, days, hours, minutes, seconds = match.groups()
    length = timedelta(days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=int(seconds or 0))
    return -length if sign else length


def date_of(day: date) -> str:
    """Canonical date, ``2026-03-29``."""
    return day.isoformat()

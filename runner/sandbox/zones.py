"""Windows time zone ids and what their clocks say, through the CLDR table (``icalendar`` ships it)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EXTRA = {"UTC": "Etc/UTC", "Greenwich Standard Time": "Atlantic/Reykjavik"}


@cache
def windows_zones() -> Mapping[str, str]:
    """Windows id to IANA name."""
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    return {**WINDOWS_TO_OLSON, **_EXTRA}


@cache
def _windows_of() -> Mapping[str, str]:
    return {iana: windows for windows, iana in windows_zones().items()}


def _clock(zone: tzinfo, around: datetime) -> tuple[timedelta | None, ...]:
    # Sampling each week of a bit more than a year tells zones with the same clock apart from others.
    return tuple((around + timedelta(weeks=week)).astimezone(zone).utcoffset() for week in range(-28, 28))


_NOW = datetime(2025, 1, 1, tzinfo=UTC)


@cache
def windows_id(name: str) -> str | None:
    """The Windows id for an IANA name (or for a Windows id itself); None when no Windows zone keeps the same clock."""
    if name in windows_zones():
        return name
    if found := _windows_of().get(name):
        return found
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return windows_id_by_clock(zone, _NOW, name.partition("/")[0])


def windows_id_by_clock(zone: tzinfo, around: datetime, region: str = "") -> str | None:
    """A Windows zone that keeps the same time as ``zone`` in the half years before and after an instant, if any."""
    wanted = _clock(zone, around)
    same = [(iana, windows) for iana, windows in _windows_of().items() if _clock(ZoneInfo(iana), around) == wanted]
    same.sort(key=lambda pair: (not pair[0].startswith(region + "/"), pair[0]))
    return same[0][1] if same else None


@cache
def zone_of(windows: str | None) -> ZoneInfo | None:
    """The clock behind a Windows id, None for ids that the CLDR table does not know."""
    iana = windows_zones().get(windows or "")
    return ZoneInfo(iana) if iana else None


def parse_instant(text: str, zone: ZoneInfo | None) -> datetime:
    """An ``xs:dateTime`` of a request in UTC; without an offset it is wall time of ``zone`` (UTC if None).

    Raises ``ValueError`` for anything else.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    return moment.astimezone(UTC)


def render_instant(moment: datetime) -> str:
    """An instant as Exchange writes it: UTC, whole seconds, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

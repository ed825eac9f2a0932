"""The days of tasks (B-50): dates in records, instants on the wire, and no day ever shifted.

Exchange keeps a day as midnight UTC ([MS-OXOTASK] 2.2.2.2.4). Old items and other programs hold the midnight of some
zone instead, or a time around noon. So a day is written as an instant that lies on it both in UTC and in the mailbox's
zone, whichever the server goes by, and an instant is read as the day whose midnight it most likely stands for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from runner.connectors.exchange.item import moment_of
from runner.model.moments import instant_of, moment_at, zone_of

_NOON = timedelta(hours=12)


@lru_cache(maxsize=4096)
def day_of(text: str, zone: str) -> str:
    """The day that an xs:dateTime of a task stands for: of midnight UTC, of the mailbox's midnight, or the nearest one.

    Zones more than 12 hours ahead are served by the mailbox's own midnight only. Raises ``ValueError``.
    """
    moment = moment_of(text).astimezone(UTC)
    if moment.hour or moment.minute:
        local = moment.astimezone(zone_of(zone))
        if not local.hour and not local.minute:
            return local.date().isoformat()
        moment += _NOON
    return moment.date().isoformat()


@lru_cache(maxsize=4096)
def instant_on(day: str, zone: str) -> str:
    """The first instant that lies on this day in UTC as well as in the zone. Raises ``ValueError``."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return instant_of(max(midnight, moment_at(f"{day}T00:00:00", zone)))

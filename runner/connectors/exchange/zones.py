"""Windows time-zone ids ↔ IANA names, through CLDR's table as exchangelib ships it (B-46).

Several IANA zones share one Windows id. Where the mailbox's own zone is among them it is meant: a Viennese mailbox
reads ``W. Europe Standard Time`` as Europe/Vienna, any other one as CLDR's Europe/Berlin.
"""

from __future__ import annotations

from functools import lru_cache

from exchangelib.winzone import IANA_TO_MS_TIMEZONE_MAP, MS_TIMEZONE_TO_IANA_MAP

from runner.model.moments import UTC_ZONE, zone_of

_RETIRED = {
    # Ids that older Windows and Outlook versions wrote and CLDR no longer lists.
    "Armenian Standard Time": "Asia/Yerevan",
    "Kamchatka Standard Time": "Asia/Kamchatka",
    "Mexico Standard Time": "America/Mexico_City",
    "Mexico Standard Time 2": "America/Chihuahua",
    "Mid-Atlantic Standard Time": "Etc/GMT+2",
    "tzone://Microsoft/Utc": UTC_ZONE,
    "tzone://Microsoft/UTC": UTC_ZONE,
}


@lru_cache(maxsize=1024)
def iana_of(windows_id: str, own: str) -> str:
    """The IANA name of a Windows id, ``own`` (the mailbox's zone) when it shares that id.

    Exchange also returns IANA names for items that came from elsewhere: they stand for themselves. Raises
    ``ValueError`` for ids that nobody knows (custom zones, localised display names).
    """
    entry = IANA_TO_MS_TIMEZONE_MAP.get(own)
    if entry is not None and entry[0] == windows_id:
        return own
    name = _RETIRED.get(windows_id) or MS_TIMEZONE_TO_IANA_MAP.get(windows_id)
    if name is None and ("/" in windows_id and "://" not in windows_id):
        name = windows_id
    if name is None:
        raise ValueError(f"unknown time zone {windows_id!r}")
    zone_of(name)
    return str(name)


@lru_cache(maxsize=1024)
def windows_of(iana: str) -> str:
    """The Windows id of an IANA name. Raises ``ValueError`` when Windows has none for it."""
    entry = IANA_TO_MS_TIMEZONE_MAP.get(iana)
    if entry is None:
        raise ValueError(f"unknown time zone {iana!r}")
    return str(entry[0])

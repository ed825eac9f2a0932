"""Exchange Online by its hosts, and the day on which it switches EWS off for good (Exchange team, February 2026)."""

from __future__ import annotations

from datetime import date

END_OF_EWS = date(2027, 4, 1)
_HOSTS = (
    "office365.com",
    "office.com",
    "office365.us",
    "office.de",
    "outlook.com",
    "partner.outlook.cn",
    "apps.mil",
)


def is_online(host: str) -> bool:
    """Whether a host (lower case) is one of Exchange Online's."""
    return any(host == suffix or host.endswith(f".{suffix}") for suffix in _HOSTS)

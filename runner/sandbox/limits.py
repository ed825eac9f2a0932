"""What the server allows, as its throttling policy and its documentation say; each can be set otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """``page`` caps SyncFolderItems below the documented 512; ``find`` and ``find_restricted`` cap FindItem (EWS throttling
    in Exchange: 1000, and 250 with a restriction). ``subscriptions`` of one mailbox (EWSMaxSubscriptions), ``streams`` of
    one caller (HangingConnectionLimit), ``events`` that wait for a subscriber before some are lost; ``heartbeat`` of a
    stream and the length of a ``minute``, both in seconds, so that tests need not wait."""

    page: int = 512
    find: int = 1000
    find_restricted: int = 250
    subscriptions: int = 5000
    streams: int = 10
    events: int = 5000
    heartbeat: float = 45.0
    minute: float = 60.0

"""How far a directory was read: which server, up to which version, what the groups were, when all of it was last compared.

Versions belong to one server: Active Directory's ``uSNChanged`` means something only beside the invocation id of the domain
controller that gave it (MS-ADTS 3.1.1.1.9). Another server, other groups or an age over ``full_every`` mean that everything
is compared anew. ``at`` moves only when an entry of ours moved, so that a quiet directory writes nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from runner.model.errors import WatermarkInvalid

OVERLAP = timedelta(seconds=60)
"""How far behind its end a server whose versions are times is read again, since changes may arrive late."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """A position in a directory's history. Versions are compared as numbers or as times, by the kind of server."""

    server: str
    at: str
    groups: str
    full: str
    """When all of it was last compared (UTC); empty where that is done every time."""

    def text(self) -> str:
        """As the state keeps it."""
        return json.dumps(asdict(self), separators=(",", ":"))


def parsed(text: str) -> Watermark:
    """A watermark as the state kept it. Raises ``WatermarkInvalid``."""
    try:
        held = json.loads(text)
        mark = Watermark(**{name: str(held[name]) for name in ("server", "at", "groups", "full")})
        if mark.full:
            datetime.fromisoformat(mark.full)
    except (ValueError, TypeError, KeyError):
        raise WatermarkInvalid("the watermark is not one of a directory") from None
    return mark


def is_young(mark: Watermark, now: datetime, longest: timedelta) -> bool:
    """Whether everything was compared within this time."""
    return bool(mark.full) and timedelta(0) <= now - datetime.fromisoformat(mark.full) < longest


def moment(now: datetime) -> str:
    """A moment as watermarks keep it."""
    return now.astimezone(UTC).isoformat(timespec="seconds")


def since_number(at: str) -> str:
    """The first number that was not read."""
    return str(int(at) + 1)


def since_time(at: str) -> str:
    """A generalized time, or a change sequence number that begins with one (OpenLDAP), moved back by the overlap."""
    head = at[:14]
    back = datetime.strptime(head, "%Y%m%d%H%M%S").replace(tzinfo=UTC) - OVERLAP
    return f"{back:%Y%m%d%H%M%S}{at[14:]}"

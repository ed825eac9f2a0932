"""The addresses to which a server posts, one for each subscription, with a secret in it that nobody can guess (B-11)."""

from __future__ import annotations

import hmac
from collections.abc import Container
from dataclasses import dataclass


@dataclass(slots=True)
class Door:
    """Where a server posts for one link, and the subscription once that is known."""

    secret: str
    link: str
    subscription: str | None = None
    early: frozenset[str] = frozenset()
    """What the server has posted for before it had answered Subscribe."""


class Doors:
    """One target's doors, each under a public handle. Not safe to share between threads."""

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}

    def at(self, handle: str, secret: str) -> Door | None:
        """The door of this address; the secret is compared in constant time."""
        door = self._doors.get(handle)
        expected = door.secret if door is not None else ""
        return door if hmac.compare_digest(expected.encode(), secret.encode()) and secret else None

    def open(self, handle: str, secret: str, link: str) -> Door:
        """A new door for a link, whose old ones are shut."""
        self._doors = {known: door for known, door in self._doors.items() if door.link != link}
        door = self._doors[handle] = Door(secret, link)
        return door

    def __contains__(self, door: Door) -> bool:
        return any(known is door for known in self._doors.values())

    def shut(self, door: Door) -> None:
        """Nothing is taken at this one any more."""
        self._doors = {known: other for known, other in self._doors.items() if other is not door}

    def keep(self, links: Container[str]) -> None:
        """Shut the doors of all other links."""
        self._doors = {handle: door for handle, door in self._doors.items() if door.link in links}

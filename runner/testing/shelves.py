"""One folder of the in-memory mail server: its items, and the change log that watermarks are about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from runner.model.items import ChangePage, Found, Identity, Ref
from runner.model.terms import Place
from runner.testing.held import Held


class Shelf(StrEnum):
    """Where in a mailbox an item lies."""

    HOME = "home"
    """The folder that links name."""
    OTHER = "other"
    """Another folder of the same class."""
    DELETED = "deleted"
    RECOVERABLE = "recoverable"

    @property
    def place(self) -> Place:
        """The same in the port's words."""
        return _PLACES.get(self, Place.DELETED)


_PLACES = {Shelf.HOME: Place.FOLDER, Shelf.OTHER: Place.ELSEWHERE}


def change_key(held: Held) -> str:
    """The version that the server tells of an item."""
    return f"CQ{held.version}"


@dataclass(slots=True)
class Container:
    """One folder: its items and its change log of (sequence, key)."""

    items: dict[str, Held] = field(default_factory=dict)
    log: list[tuple[int, str]] = field(default_factory=list)
    arrived: dict[str, int] = field(default_factory=dict)
    """Key → sequence at which it came into this folder: who never saw it is not told that it is gone."""
    epoch: int = 0
    """Raised to make every older watermark invalid."""

    def page(self, stand: str, size: int, cursor: str) -> ChangePage:
        """What changed behind ``stand``, each id once with its latest state, at most ``size`` ids; watermarks are ``cursor``
        and a stand.

        A stand is ``low.high.at``: the window of the log that its reader is told, and up to where he was. Who is told a
        page at a time was not yet told what came in behind ``low``, so nobody tells him that it is gone; what happens
        meanwhile is in the next window. An empty stand is that of a new reader.
        """
        now = max((at for at, _ in self.log), default=0)
        low, high, told = (int(part) for part in stand.split(".")) if stand else (0, now, 0)
        if told == high:
            low, high = high, now
        latest = {key: at for at, key in self.log}
        within = {key: at for at, key in self.log if told < at <= high}
        new = [
            (at, key)
            for key, at in within.items()
            if key in self.items or (self.arrived[key] <= low and latest[key] <= high)
        ]
        new.sort()
        page, rest = new[:size], new[size:]
        # A window that is read out stands at its end, so that a deletion seen by nobody is not reported later.
        behind = page[-1][0] if rest else high
        low = low if rest else high
        keys = [key for _, key in reversed(page)]
        return ChangePage(
            changed=tuple(Ref(key, change_key(self.items[key])) for key in keys if key in self.items),
            deleted=tuple(key for key in keys if key not in self.items),
            watermark=f"{cursor}{low}.{high}.{behind}",
            complete=not rest and high == now,
        )

    def holders(self, identities: Sequence[Identity], shelf: Shelf) -> Iterator[Found]:
        """Its items that have one of these identities; ``shelf`` is where it stands itself."""
        for held in self.items.values():
            for identity in identities:
                same_stamp = identity.stamp is not None and identity.stamp == held.stamp
                same_native = identity.native is not None and identity.native == held.native
                if same_stamp or same_native:
                    yield Found(identity, shelf.place, held.key, change_key(held))

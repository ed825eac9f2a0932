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

    def page(self, start: int, size: int, cursor: str) -> ChangePage:
        """What changed after the sequence ``start``, each id once with its latest state, at most ``size`` ids; watermarks
        begin with ``cursor``."""
        latest = {key: at for at, key in self.log}
        new = [
            (at, key) for key, at in latest.items() if at > start and (key in self.items or self.arrived[key] <= start)
        ]
        new.sort()
        page, rest = new[:size], new[size:]
        # An exhausted feed stands at the end of the log, so that a deletion seen by nobody is not reported later.
        behind = page[-1][0] if rest else max((at for at, _ in self.log), default=start)
        keys = [key for _, key in reversed(page)]
        return ChangePage(
            changed=tuple(Ref(key, change_key(self.items[key])) for key in keys if key in self.items),
            deleted=tuple(key for key in keys if key not in self.items),
            watermark=f"{cursor}{behind}",
            complete=not rest,
        )

    def holders(self, identities: Sequence[Identity], shelf: Shelf) -> Iterator[Found]:
        """Its items that have one of these identities; ``shelf`` is where it stands itself."""
        for held in self.items.values():
            for identity in identities:
                same_stamp = identity.stamp is not None and identity.stamp == held.stamp
                same_native = identity.native is not None and identity.native == held.native
                if same_stamp or same_native:
                    yield Found(identity, shelf.place, held.key, change_key(held))

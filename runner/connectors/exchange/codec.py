"""A codec: everything that the connector must know of one entity to carry it. The registry is in ``codecs``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runner.connectors.exchange.attachments import Attached
from runner.connectors.exchange.identity import Native
from runner.connectors.exchange.item import Property
from runner.connectors.exchange.master import Master
from runner.connectors.exchange.names import Element
from runner.model.errors import ConnectorError
from runner.model.items import Item, LinkRef, Write
from runner.model.record import Fields

Decode = Callable[[Element], Item | Master | Attached | ConnectorError]


@dataclass(frozen=True, slots=True)
class Advance:
    """Of entities whose recurring items are their outstanding occurrence: how an update that means "the next one" is told,
    so that Exchange takes the item there itself."""

    possible: Callable[[Write], bool]
    meant: Callable[[Fields, Write], bool]
    """By what the item holds now."""
    deletion: Mapping[str, str]
    """What DeleteItem says to delete the outstanding occurrence alone."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How the items of one entity are asked for, read, written and recognised."""

    element: str
    """Exchange's name of the item class: ``CalendarItem``."""
    shape: Callable[[frozenset[str]], Element]
    """The ItemShape for these record fields."""
    decoder: Callable[[LinkRef], Decode]
    """Reads the elements of one link's items; a :class:`ConnectorError` stands in place of what cannot be carried, and a
    :class:`Master` in place of a series whose occurrences are still to be read (an :class:`Attached` around either, where
    attached files are)."""
    properties: Callable[[Write, LinkRef], list[Property]]
    """What a create or an update states. Raises ``Invalid`` for values that Exchange cannot hold."""
    order: tuple[str, ...]
    """The order that the schema prescribes for the properties' elements."""
    native: Native
    deletion: Mapping[str, str] = field(default_factory=dict)
    """What DeleteItem must say of this class beside where items go."""
    advance: Advance | None = None

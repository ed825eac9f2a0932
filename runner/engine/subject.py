"""What one step of a pass deals with: marks joined to pairings and to what both sides hold now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runner.model.errors import ConnectorError
from runner.model.items import Item
from runner.model.state import Pairing
from runner.model.terms import Side


@dataclass(slots=True)
class Subject:
    """One item as both sides hold it: a pairing, or a lone item of one side. None on a side = positively absent."""

    marks: list[int]
    pairing: Pairing | None
    crm: Item | None = None
    target: Item | None = None
    copy: bool = False
    """A second live holder of somebody's stamp or identity: an item of its own (D8)."""
    left: bool = False
    """The CRM record is there, but the link's user holds it no longer (``crm`` is None)."""
    departed: str | None = None
    """The directory has the entry, and the link asks for it no longer, for this reason (``target`` is None)."""
    elsewhere: bool = False
    """Private on the target, while another link holds its CRM record too (B-35)."""

    @property
    def crm_key(self) -> str | None:
        """The CRM key, if any."""
        return self.pairing.crm_key if self.pairing else (self.crm.key if self.crm else None)

    @property
    def target_key(self) -> str | None:
        """The target id, if any."""
        return self.pairing.target_key if self.pairing else (self.target.key if self.target else None)


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be read, mapped or written; its marks and where it failed."""

    marks: tuple[int, ...]
    side: Side
    key: str
    error: ConnectorError


@dataclass(slots=True)
class Gathered:
    """Everything one step read: subjects to decide, and what needs no decision."""

    subjects: list[Subject] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    """Marks that turned out to be nothing: echoes, strangers, items that came and went."""
    rebound: list[Pairing] = field(default_factory=list)
    """Pairings whose item is known under a new id."""
    detached: list[Pairing] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    """Ids of detached pairings whose record begins anew."""
    failures: list[Failure] = field(default_factory=list)
    parked: list[tuple[int, datetime]] = field(default_factory=list)
    """Marks of items that will enter the window later."""

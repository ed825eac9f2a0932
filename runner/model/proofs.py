"""What an audit of a link has found, and how far it has come: values (B-100)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Finding(StrEnum):
    """What is not as it should be, although nothing waits to put it right."""

    DRIFT = "drift"
    """Both sides hold the item and say different things, and no rule wants it so."""
    MISSING = "missing"
    """One side of a pair does not hold its item any more."""
    DUPLICATE = "duplicate"
    """Another item of the folder bears the same stamp or identity as a paired one."""
    ORPHAN = "orphan"
    """An item that takes part and has no counterpart."""
    UNREADABLE = "unreadable"
    """An item that cannot be read or mapped, and is not set aside."""
    WATERMARK = "watermark"
    """The cursor of the target's folder is not taken any more: changes are no longer heard of."""


class Phase(StrEnum):
    """How far an audit has come."""

    PAIRS = "pairs"
    TARGET = "target"
    CRM = "crm"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Found:
    """One finding; keys only, never what an item says."""

    finding: Finding
    crm_key: str | None = None
    target_key: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """One link's newest audit. ``cursor`` is where it goes on (a pairing's id, or a watermark of the target's folder);
    ``proven`` when both sides were last found equal, ``finished`` when the audit ended."""

    link: str
    started: datetime
    phase: Phase = Phase.PAIRS
    cursor: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    found: tuple[Found, ...] = ()
    finished: datetime | None = None
    proven: datetime | None = None

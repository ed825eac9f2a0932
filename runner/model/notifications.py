"""How a target tells of changes, as values (B-11, B-13). What it tells carries nothing that anybody trusts: it is a hint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.model.errors import ConnectorError


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a server made of the wish to hear of one link's folder.

    ``group``: subscriptions of the same group may share a connection (B-14). ``user`` is the mailbox that it is about.
    """

    id: str
    user: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class PushTo:
    """Where a server shall post to, and how many minutes may pass between two signs of life (B-11)."""

    url: str
    every: int


@dataclass(frozen=True, slots=True)
class Told:
    """One thing heard over a connection: ids of subscriptions whose folders changed, and of those that are no more, with
    the reason. Neither: a sign of life."""

    changed: frozenset[str] = frozenset()
    lost: Mapping[str, ConnectorError] = field(default_factory=dict)

"""How much text a commit carries: a step of items with long bodies needs more memory than the cache is given otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from runner.model.record import Fields
from runner.model.state import Commit

HEAVY = 2_000_000
"""Characters from which a commit is heavy. Some hundred items of ordinary text have a tenth of it."""


def is_heavy(commit: Commit) -> bool:
    """Whether a commit carries so much text that it is written with more memory."""
    total, known = 0, dict[int, int]()
    for fields in _carried(commit):
        if fields:
            length = known.get(id(fields))  # mostly one object is both bases and the ledger's
            if length is None:
                length = known[id(fields)] = sum([len(value) for value in fields.values() if type(value) is str])
            total += length
    return total > HEAVY


def _carried(commit: Commit) -> Iterator[Fields | None]:
    for pairing in commit.pairings:
        if pairing.base is not None:
            yield pairing.base.crm
            yield pairing.base.target
    for intent in commit.intents:
        yield intent.record
    for entry in commit.ledger:
        yield entry.before
        yield entry.after
    for conflict in commit.conflicts:
        yield from (conflict.base, conflict.crm, conflict.target)

"""How much text a commit carries: a step of items with long bodies needs more memory than the cache is given otherwise."""

from __future__ import annotations

from runner.model.record import Fields
from runner.model.state import Commit

HEAVY = 2_000_000
"""Characters from which a commit is heavy. Some hundred items of ordinary text have a tenth of it."""


def is_heavy(commit: Commit) -> bool:
    """Whether a commit carries so much text that it is written with more memory."""
    carried = _carried(commit)
    distinct = {id(fields): fields for fields in carried}  # mostly one object is both bases and the ledger's
    length = {
        number: sum([len(value) for value in fields.values() if type(value) is str]) if fields else 0
        for number, fields in distinct.items()
    }
    return sum([length[id(fields)] for fields in carried]) > HEAVY


def _carried(commit: Commit) -> list[Fields | None]:
    bases = [pairing.base for pairing in commit.pairings if pairing.base is not None]
    return [
        *(base.crm for base in bases),
        *(base.target for base in bases),
        *(intent.record for intent in commit.intents),
        *(entry.before for entry in commit.ledger),
        *(entry.after for entry in commit.ledger),
        *(fields for one in commit.conflicts for fields in (one.base, one.crm, one.target)),
    ]

"""How much text a commit carries: a step of items with long bodies needs more memory than the cache is given otherwise."""

from __future__ import annotations

from runner.model.record import Fields
from runner.model.state import Commit
from runner.store.rows import Texts

HEAVY = 1_800_000
"""Characters of JSON from which a commit is heavy. A step of items with ordinary texts has half of it."""


def is_heavy(commit: Commit, texts: Texts) -> bool:
    """Whether a commit carries so much text that it is written with more memory."""
    return sum([len(texts.of(fields) or "") for fields in _carried(commit)]) > HEAVY


def _carried(commit: Commit) -> list[Fields | None]:
    bases = [pairing.base for pairing in commit.pairings if pairing.base is not None]
    return [
        *(base.crm for base in bases),
        *(base.target for base in bases if base.target is not base.crm),
        *(intent.record for intent in commit.intents),
        *(entry.before for entry in commit.ledger),
        *(entry.after for entry in commit.ledger),
        *(fields for one in commit.conflicts for fields in (one.base, one.crm, one.target)),
    ]

"""First sync: which lone items of both sides are one (B-72). Declared keys only, and only when unique on both sides.

Keys are compared by digest, so that the state holds no content for items that never pair. A digest that two items of
one side share proves nothing about either, not even after one of them was paired by a more trusted key: all of them
are doubtful, are left alone and are listed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from runner.model.record import Fields
from runner.model.state import MatchCandidate
from runner.model.terms import Side


def digest(fields: Sequence[str], record: Fields) -> str | None:
    """The digest (32 hex digits) of one declared key of a record; None when any of its fields is empty."""
    values = [record.get(name) for name in fields]
    if not fields or any(value is None for value in values):
        return None
    text = json.dumps([list(fields), values], ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, order=True)
class Unsure:
    """Items that share a declared key without being a clear pair: the key's rank, and the keys on both sides."""

    rule: int
    crm: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """The outcome: clear pairs as (CRM key, target key), in order, and what a person has to look at."""

    pairs: tuple[tuple[str, str], ...]
    unsure: tuple[Unsure, ...]


def match(candidates: Iterable[MatchCandidate]) -> Matches:
    """Pair one link's candidates, the most trusted key (lowest rule) first. The order of the input does not matter."""
    groups: dict[tuple[int, str], dict[Side, set[str]]] = defaultdict(lambda: {side: set() for side in Side})
    for candidate in candidates:
        groups[candidate.rule, candidate.digest][candidate.side].add(candidate.key)
    taken: dict[Side, set[str]] = {side: set() for side in Side}
    pairs: list[tuple[str, str]] = []
    for _, group in sorted(groups.items(), key=lambda entry: entry[0]):
        if all(len(keys) == 1 for keys in group.values()) and not any(group[side] & taken[side] for side in Side):
            pairs.append((min(group[Side.CRM]), min(group[Side.TARGET])))
            for side in Side:
                taken[side] |= group[side]
    doubts = {
        Unsure(rule, *(tuple(sorted(group[side] - taken[side])) for side in Side))
        for (rule, _), group in groups.items()
        if max(map(len, group.values())) > 1 and all(group[side] - taken[side] for side in Side)
    }
    return Matches(tuple(sorted(pairs)), tuple(sorted(doubts)))

"""First sync: pair what exists on both sides before anything is created (B-72).

In order of trust: our own stamps and the CRM's key table (a state that was lost is rebuilt from them), then the mapping's
declared keys, only where they are unique on both sides. Runs once per link, and only when both sides hold items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.config.plan import LinkPlan
from runner.engine.identity import crm_key_of, native_key
from runner.engine.parts import STEP, Parts, mapped
from runner.model.items import Identity, Item, LinkRef
from runner.model.state import Commit, Mark, MatchCandidate, Pairing
from runner.model.terms import Direction, Place, Side
from runner.reconcile.matching import digest


def match(parts: Parts, link: LinkPlan, ref: LinkRef, until: int) -> int:
    """Pair existing items of both sides; returns the number of pairs. They have no base yet: their first merge makes it."""
    pairs = 0
    for marks in _pages(parts, link.name, Side.TARGET, until):
        pairs += _by_identity(parts, link, ref, [mark.key for mark in marks])
    for side in Side:
        for marks in _pages(parts, link.name, side, until):
            _candidates(parts, link, ref, side, [mark.key for mark in marks])
    made = tuple(Pairing(link.name, link.entity, crm, target) for crm, target in parts.store.matches(link.name))
    parts.store.commit(Commit(pairings=made, matched=(link.name,)))
    return pairs + len(made)


def pair_ahead(parts: Parts, link: LinkPlan, ref: LinkRef, until: int) -> None:
    """Before more changes than one step holds: what the state has lost of them, since it is an older copy, is paired again
    first (A9). A step that saw the records without their items would make all of them a second time."""
    for marks in _pages(parts, link.name, Side.TARGET, until):
        keys = [mark.key for mark in marks]
        paired = {pairing.target_key for pairing in parts.store.pairings(link.name, target_keys=keys)}
        if lone := [key for key in keys if key not in paired]:
            _by_identity(parts, link, ref, lone)


def both_sides_hold(parts: Parts, link: str) -> bool:
    """Whether a first sync finds items on both sides."""
    return parts.store.mark_counts(link, parts.clock.now()).sides == frozenset(Side)


def nothing_pairs(parts: Parts, link: LinkPlan) -> bool:
    """Whether a link without a pair has items on both sides, flows both ways, and declares no keys that would pair them: a
    first sync would make all of them a second time (B-101)."""
    return not link.mapping.match and link.rules.direction is Direction.BOTH and both_sides_hold(parts, link.name)


def _pages(parts: Parts, link: str, side: Side, until: int) -> Iterator[list[Mark]]:
    after, now = 0, parts.clock.now()
    while marks := parts.store.marks(link, after=after, until=until, limit=STEP, now=now):
        after = marks[-1].seq
        if mine := [mark for mark in marks if mark.side is side and not mark.deleted]:
            yield mine


def _by_identity(parts: Parts, link: LinkPlan, ref: LinkRef, keys: Sequence[str]) -> int:
    items = [item for item in parts.target.get(ref, keys).values() if isinstance(item, Item)]
    return len(pair_by_identity(parts, ref, items))


def pair_by_identity(parts: Parts, ref: LinkRef, items: Sequence[Item]) -> Sequence[str]:
    """Pair target items with the records that bear their identity or that their stamp names, where neither is paired;
    returns the CRM keys."""
    natives = {native: item for item in items if (native := native_key(ref, item))}
    partner: dict[str, str] = {}
    for hit in parts.crm.find(ref, [Identity(native=native) for native in natives]) if natives else ():
        if hit.key and hit.place is Place.FOLDER and hit.identity.native in natives:
            partner[natives[hit.identity.native].key] = hit.key
    for item in items:  # the key table first: a copy made in Outlook bears the stamp of its original
        if item.stamp and item.key not in partner and crm_key_of(item.stamp) not in partner.values():
            partner[item.key] = crm_key_of(item.stamp)
    if not partner:
        return ()
    there = parts.crm.get(ref, sorted(set(partner.values())))
    taken = {p.crm_key for p in parts.store.pairings(ref.name, crm_keys=list(there))}
    made: dict[str, Pairing] = {}
    for item in items:
        crm_key = partner.get(item.key, "")
        if isinstance(there.get(crm_key), Item) and crm_key not in taken and crm_key not in made:
            made[crm_key] = Pairing(ref.name, ref.entity, crm_key, item.key, stamp=item.stamp, native=item.native)
    if made:
        parts.store.commit(Commit(pairings=tuple(made.values())))
    return tuple(made)


def _candidates(parts: Parts, link: LinkPlan, ref: LinkRef, side: Side, keys: Sequence[str]) -> None:
    """Note the digests of one side's unpaired items. Items that cannot be read or mapped match nothing."""
    store = parts.store
    if side is Side.CRM:
        paired = {p.crm_key for p in store.pairings(link.name, crm_keys=keys)}
        items = parts.crm.get(ref, [key for key in keys if key not in paired])
    else:
        paired = {p.target_key for p in store.pairings(link.name, target_keys=keys)}
        items = parts.target.get(ref, [key for key in keys if key not in paired])
    found: list[MatchCandidate] = []
    for key, item in items.items():
        if isinstance(item, Item) and item.masked:
            continue  # not even a digest is kept of what is private (B-35)
        record = mapped(link, side, item)
        for rule, fields in enumerate(link.mapping.match):
            value = digest(fields, record) if record is not None else None
            if value is not None:
                found.append(MatchCandidate(link.name, side, key, rule, value))
    if found:
        store.commit(Commit(candidates=tuple(found)))

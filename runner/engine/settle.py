"""Open intents: writes that were made durable and whose outcome nobody recorded. They are settled before anything else.

A create is looked up by its stamp, also among deleted items and tombstones (L4, L5); an adopted one gets the payload that
was sent as its base on both sides (L1, L2), so that every edit or delete made meanwhile is an ordinary change. A target takes
a series in several requests, and each attachment in one: what of them is not there may be a user's edit or a request that
was never sent, so it is agreed no more and filled from both sides (docs/decisions/004).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from runner.config.plan import LinkPlan
from runner.engine.identity import DELETED, joined, native_of
from runner.engine.likeness import items_of, likest
from runner.engine.memory import remembered
from runner.engine.parts import Parts, mapped
from runner.model.errors import ConnectorError, Gone
from runner.model.files import ATTACHMENTS
from runner.model.items import Found, Identity, Item, LinkRef
from runner.model.overrides import OVERRIDES, is_series, patches_of
from runner.model.record import Fields
from runner.model.state import Base, Commit, Intent, LedgerEntry, Mark, Pairing, PairingStatus
from runner.model.terms import Operation, Place, Side

GRACE = timedelta(seconds=120)
"""How long a write without an answer may still take effect on its server: before that, "not found" proves nothing."""

Spot = tuple[Side, str]
_OCCURRENCES = frozenset({OVERRIDES})


def settle(parts: Parts, link: LinkPlan, ref: LinkRef, run: str) -> frozenset[Spot]:
    """Settle the link's open intents; returns the (side, key) places that must not be touched yet."""
    intents = parts.store.intents(link.name)
    if not intents:
        return frozenset()
    now = parts.clock.now()
    commits = [_settle_creates(parts, link, ref, side, intents, run, now) for side in Side]
    commits += [
        _settle_change(parts, link, ref, intent, run, now)
        for intent in intents
        if intent.operation is not Operation.CREATE
    ]
    for commit in commits:
        if commit:
            parts.store.commit(commit)
    waiting = parts.store.intents(link.name)
    return frozenset((intent.side.other, intent.source_key) for intent in waiting if intent.source_key)


def _settle_creates(
    parts: Parts, link: LinkPlan, ref: LinkRef, side: Side, intents: Sequence[Intent], run: str, now: datetime
) -> Commit:
    mine = [intent for intent in intents if intent.side is side and intent.operation is Operation.CREATE]
    if not mine:
        return Commit()
    made = _made(parts, ref, side, mine)
    closed: list[str] = []
    pairings: list[Pairing] = []
    marks: list[Mark] = []
    ledger: list[LedgerEntry] = []
    for intent in mine:
        held, item = made.get(intent.token, (None, None))
        pair = None if held else _joined(parts, ref, intent)
        if pair:
            closed.append(intent.token)
            pairings.append(pair)
            marks += (Mark(intent.link, side.other, pair.target_key), Mark(intent.link, side, pair.crm_key))
            continue
        if held is None and now - intent.at < GRACE:
            continue
        closed.append(intent.token)
        marks.append(Mark(intent.link, side.other, intent.source_key or ""))
        if held is None:
            continue
        pairing = _adopted(link, ref, intent, held, item)
        known = parts.store.pairings(ref.name, crm_keys=[pairing.crm_key], target_keys=[pairing.target_key])
        # An item that was re-created (its edit won against a delete) keeps its pairing: known by the source's key.
        known = sorted(known, key=lambda p: (p.target_key if side is Side.CRM else p.crm_key) != intent.source_key)
        pairings.append(_instead_of(known[0], pairing, side) if known else pairing)
        marks.append(Mark(intent.link, side, pairing.crm_key if side is Side.CRM else pairing.target_key))
        ledger.append(_entry(intent, pairing, run, now))
    return Commit(pairings=tuple(pairings), marks=tuple(marks), closed=tuple(closed), ledger=tuple(ledger))


def _made(parts: Parts, ref: LinkRef, side: Side, intents: Sequence[Intent]) -> Mapping[str, tuple[Found, Item | None]]:
    """By token, what a create has made; of a target's, how it is now.

    A user's copy bears the stamp, too, and nobody knows the native identity yet: see :mod:`runner.engine.likeness`.
    """
    connector = parts.crm if side is Side.CRM else parts.target
    found: dict[str, list[Found]] = {}
    for hit in connector.find(ref, [Identity(stamp=intent.token) for intent in intents]):
        found.setdefault(hit.identity.stamp or "", []).append(hit)
    items = items_of(connector, ref, [hit for hits in found.values() for hit in hits]) if side is Side.TARGET else {}
    made = {}
    for intent in intents:
        if hits := found.get(intent.token):
            nearest = likest(intent.record, hits, items)
            made[intent.token] = nearest, items.get(nearest.key or "")
    return made


def _joined(parts: Parts, ref: LinkRef, intent: Intent) -> Pairing | None:
    """The pair of an item whose create found that its record was there already, and made this user one of its holders: no
    token of ours leads to such a record, its native identity does (B-41). Its first merge makes the base. A record that is
    not his was never joined: the create is sent again. An item whose own record is gone keeps its pairing."""
    if intent.side is not Side.CRM or intent.native is None or intent.source_key is None:
        return None
    found = parts.crm.find(ref, [Identity(native=intent.native)])
    key = next((hit.key for hit in found if hit.place is Place.FOLDER and hit.key), None)
    if key is None or parts.store.pairings(ref.name, crm_keys=[key]):
        return None
    known = parts.store.pairings(ref.name, target_keys=[intent.source_key])
    read = parts.crm.get(ref, [key, *(pairing.crm_key for pairing in known)])
    if not isinstance(read[key], Item):
        return None
    if known:
        return joined(known[0], key) if isinstance(read[known[0].crm_key], Gone) else None
    return Pairing(intent.link, ref.entity, key, intent.source_key, native=native_of(ref, intent.native))


def _adopted(link: LinkPlan, ref: LinkRef, intent: Intent, hit: Found, item: Item | None) -> Pairing:
    key = hit.key or intent.token
    if intent.side is Side.TARGET and hit.place is Place.DELETED:
        key = f"{DELETED}{key}"
    moved = intent.side is Side.TARGET and hit.place is Place.ELSEWHERE
    base = Base(intent.record, intent.record)
    if intent.side is Side.TARGET and patches_of(intent.record):
        base = base.without(_OCCURRENCES)
    if intent.side is Side.TARGET and intent.record.get(ATTACHMENTS):
        base = base.without(frozenset({ATTACHMENTS}))
    source = intent.source_key or ""
    return Pairing(
        link=intent.link,
        entity=ref.entity,
        crm_key=key if intent.side is Side.CRM else source,
        target_key=key if intent.side is Side.TARGET else source,
        stamp=intent.token if intent.side is Side.TARGET else None,
        native=(item.native if item else None) or native_of(ref, intent.native),
        base=remembered(link, base, made=intent.side),
        status=PairingStatus.DETACHED if moved else PairingStatus.ACTIVE,
        reason="moved to another folder" if moved else None,
    )


def _instead_of(known: Pairing, adopted: Pairing, side: Side) -> Pairing:
    """The adopted pair in the place of a known one; a target item that is the same is still known by the same."""
    if side is Side.TARGET or known.target_key != adopted.target_key:
        return replace(adopted, id=known.id)
    return replace(adopted, id=known.id, stamp=known.stamp, native=adopted.native or known.native)


def _entry(intent: Intent, pairing: Pairing, run: str, now: datetime) -> LedgerEntry:
    return LedgerEntry(
        run=run,
        link=intent.link,
        side=intent.side,
        operation=intent.operation,
        key=pairing.crm_key if intent.side is Side.CRM else pairing.target_key,
        counterpart=intent.source_key,
        before=None,
        after=intent.record,
        reason="created by an earlier pass whose outcome had been unknown; found by its stamp",
        rule="",
        at=now,
    )


def _settle_change(parts: Parts, link: LinkPlan, ref: LinkRef, intent: Intent, run: str, now: datetime) -> Commit:
    """An update that did happen moves both bases for its fields; otherwise nothing is known and the item is read again.

    What is found to have happened is noted in the ledger like any other write (P17).
    """
    marks = (
        Mark(intent.link, intent.side, intent.key or ""),
        Mark(intent.link, intent.side.other, intent.source_key or ""),
    )
    commit = Commit(closed=(intent.token,), marks=tuple(mark for mark in marks if mark.key))
    if not intent.key:
        return commit
    keys = [intent.key]
    known = (
        parts.store.pairings(link.name, crm_keys=keys)
        if intent.side is Side.CRM
        else parts.store.pairings(link.name, target_keys=keys)
    )
    base = known[0].base if known else None
    if base is None:
        return commit
    connector = parts.crm if intent.side is Side.CRM else parts.target
    held = connector.get(ref, keys)[intent.key]
    if intent.operation is Operation.DELETE:
        return (
            replace(commit, ledger=(_found(intent, base.of(intent.side), None, run, now),))
            if isinstance(held, Gone)
            else commit
        )
    record = mapped(link, intent.side, held)
    partly = intent.side is Side.TARGET and _lacks_occurrences(intent, held, record)
    if record is None or any(record.get(name) != intent.record.get(name) for name in intent.fields):
        if not partly or (isinstance(held, Item) and held.version == known[0].target_version):
            return commit
        doubtful = replace(known[0], base=base.without(_OCCURRENCES), crm_version=None, target_version=None)
        return replace(commit, pairings=(doubtful,))
    payload = {name: intent.record.get(name) for name in sorted(intent.fields)}
    before = {name: base.of(intent.side).get(name) for name in payload}
    merged = remembered(link, Base({**base.crm, **payload}, {**base.target, **payload}))
    merged = merged.without(_OCCURRENCES) if partly else merged
    agreed = replace(known[0], base=merged, crm_version=None, target_version=None)
    return replace(commit, pairings=(agreed,), ledger=(_found(intent, before, payload, run, now),))


def _lacks_occurrences(intent: Intent, held: Item | ConnectorError, record: Fields | None) -> bool:
    """Whether a series may stand on the target without some of what was to be written of its occurrences."""
    if isinstance(held, Gone) or not (is_series(intent.record) or (record and is_series(record))):
        return False
    return record is None or record.get(OVERRIDES) != intent.record.get(OVERRIDES)


def _found(intent: Intent, before: Fields, after: Fields | None, run: str, now: datetime) -> LedgerEntry:
    return LedgerEntry(
        run=run,
        link=intent.link,
        side=intent.side,
        operation=intent.operation,
        key=intent.key or "",
        counterpart=intent.source_key,
        before=before,
        after=after,
        reason=f"{intent.operation}d by an earlier pass whose outcome had been unknown; found done",
        rule="",
        at=now,
    )

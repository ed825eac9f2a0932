"""What both sides are known to hold after a step's writes: pairings with their bases and versions.

A read-back becomes that side's base only when its version is the one the write returned; else the base is the payload that
was sent and the item stays dirty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided, leaves_window
from runner.engine.identity import crm_key_of
from runner.engine.memory import remembered
from runner.engine.parts import Parts
from runner.engine.sending import Sending
from runner.model.errors import Invalid
from runner.model.items import Item
from runner.model.privacy import veiled
from runner.model.record import Fields
from runner.model.state import Base, Pairing, PairingStatus
from runner.model.terms import Operation, Side


class Agreement:
    """Makes one link's pairings anew from what its writes came to."""

    def __init__(self, parts: Parts, link: LinkPlan) -> None:
        self.parts, self.link = parts, link
        self.adopted: set[str] = set()

    def begin(self, planned: Iterable[Sending]) -> None:
        """A new step: the records that it made are nobody else's."""
        made = {p.result.key for p in planned if p.result and p.result.key and not p.result.adopted}
        self.adopted = {key for key in made if key}

    def after(self, item: Decided, done: Sequence[Sending], now: datetime) -> Pairing | None:
        """The pairing as it stands after the writes that succeeded; None when none remains."""
        subject, decision = item.subject, item.decision
        by_side: dict[Side, Sending] = {}
        created: Sending | None = None
        removed = False
        for entry in done:
            by_side[entry.change.side] = entry
            if entry.change.operation is Operation.CREATE:
                created = created or entry
            elif entry.change.operation is Operation.DELETE:
                removed = True
        if decision.detach and subject.pairing:
            if len(done) < len(decision.changes):
                return subject.pairing
            pair = self._with_key(subject.pairing, created) if created else subject.pairing
            base = decision.base if decision.purge else subject.pairing.base
            # Who departed and comes back may do so with the very version that he left with.
            version = None if subject.departed else pair.target_version
            return replace(
                pair, base=base, target_version=version, status=PairingStatus.DETACHED, reason=decision.detach
            )
        if removed or decision.base is None:
            return None if len(done) == len(decision.changes) else subject.pairing
        pairing = subject.pairing or self._new_pairing(item, created)
        if pairing is None:
            return None
        made = created if created and created.result else None
        if made and subject.pairing:
            pairing = self._with_key(pairing, made)
        if made and made.result and made.result.adopted:
            return None if self._is_taken(made) else replace(pairing, base=None)
        if len(done) < len(decision.changes):
            return self._partly(pairing, decision.base, done)
        crm = self._held(Side.CRM, item, by_side.get(Side.CRM), decision.base.crm)
        target = self._held(Side.TARGET, item, by_side.get(Side.TARGET), decision.base.target)
        stamp, native = pairing.stamp, pairing.native
        written = by_side.get(Side.TARGET)
        seen = written.held if written and written.held else subject.target
        if seen:
            stamp = seen.stamp if seen.stamp and crm_key_of(seen.stamp) == pairing.crm_key else stamp
            native = seen.native or native
        if written and written.native:
            native = written.native
        reason = leaves_window(self.link, crm[0], now) if subject.pairing else None
        return Pairing(
            link=pairing.link,
            entity=pairing.entity,
            crm_key=pairing.crm_key,
            target_key=pairing.target_key,
            crm_version=crm[1],
            target_version=target[1],
            stamp=stamp,
            native=native,
            base=remembered(self.link, Base(crm[0], target[0])),
            status=PairingStatus.DETACHED if reason else PairingStatus.ACTIVE,
            reason=reason,
            id=pairing.id,
        )

    def _is_taken(self, made: Sending) -> bool:
        """Whether the record that a create found is another item's already: then this item is a copy of that one."""
        key = made.result.key if made.result else None
        if key is None or key in self.adopted or self.parts.store.pairings(self.link.name, crm_keys=[key]):
            return True
        self.adopted.add(key)
        return False

    def _new_pairing(self, item: Decided, made: Sending | None) -> Pairing | None:
        subject = item.subject
        if made is None or made.result is None or not made.result.key:
            return None
        key = made.result.key
        if made.change.side is Side.CRM:
            return Pairing(self.link.name, self.link.entity, key, subject.target_key or "")
        return Pairing(self.link.name, self.link.entity, subject.crm_key or "", key, stamp=made.write.stamp)

    def _with_key(self, pairing: Pairing, made: Sending) -> Pairing:
        key = made.result.key if made.result and made.result.key else ""
        if made.change.side is Side.CRM:
            return replace(pairing, crm_key=key)
        return replace(pairing, target_key=key, stamp=made.write.stamp, native=None)

    def _partly(self, pairing: Pairing, agreed: Base, done: Sequence[Sending]) -> Pairing:
        """Only some of an item's writes happened: both bases move for their fields alone, so that the rest stays a change
        of the side that made it. Versions are forgotten: the item is read again."""
        if pairing.base is None or not done:
            return pairing
        names = frozenset().union(*(entry.change.fields for entry in done))
        crm, target = (
            {**pairing.base.of(side), **{name: agreed.of(side).get(name) for name in names}} for side in Side
        )
        return replace(pairing, base=remembered(self.link, Base(crm, target)), crm_version=None, target_version=None)

    def _held(self, side: Side, item: Decided, entry: Sending | None, agreed: Fields) -> tuple[Fields, str | None]:
        """(base, version) of one side: what was read back, the payload sent, or what was read and not written."""
        if entry is None:
            read = item.subject.crm if side is Side.CRM else item.subject.target
            return agreed, read.version if read else None
        if entry.held is None:
            return agreed, None
        if entry.held.masked:  # written by us, and private by now: what we sent is not kept either (B-35)
            seen = {name: entry.held.values.get(name) for name in entry.change.fields}
            return veiled({**agreed, **seen}), entry.held.version
        record = self._record_of(side, entry.held)
        if record is None:
            return agreed, None
        made = entry.change.operation is Operation.CREATE
        if record == agreed or (made and agreed.items() <= record.items()):
            return agreed, entry.held.version  # the very same object: the state writes it as one text
        before = item.crm if side is Side.CRM else item.target
        if entry.change.operation is Operation.UPDATE and any(
            record.get(name) != value for name, value in (before or {}).items() if name not in entry.change.fields
        ):
            # The side did more than it was told (a completed task got its day): that is a change of its own, to be merged.
            entry.held = None
            return agreed, None
        if all(record.get(name) == agreed.get(name) for name in entry.change.fields):
            return agreed, entry.held.version
        return {**agreed, **{name: record.get(name) for name in entry.change.fields}}, entry.held.version

    def _record_of(self, side: Side, item: Item) -> Fields | None:
        if side is Side.TARGET:
            return item.values
        try:
            return self.link.mapping.outbound(item.values)
        except Invalid:
            return None  # a trigger made something unmappable of it: the payload stays the base, the item stays dirty


def disagreed(pairing: Pairing, names: frozenset[str]) -> Pairing:
    """A pairing of which these fields are no longer agreed: a later pass fills them from both sides (decision 004)."""
    base = pairing.base.without(names) if pairing.base else None
    return replace(pairing, base=base, crm_version=None, target_version=None)

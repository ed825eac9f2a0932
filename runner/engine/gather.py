"""Marks → subjects: read what both sides hold now, in batches, and follow items whose id changed.

A paired item that anybody touched is read on both sides: a base is what was agreed, not what is there. A missing item is
searched by identity before its absence is believed: found elsewhere = it left the link's scope = detached (invariant 2).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from runner.engine.identity import DELETED, crm_key_of, joined, native_of
from runner.engine.likeness import items_of, likest
from runner.engine.match import pair_by_identity
from runner.engine.parts import Parts
from runner.engine.subject import Failure, Gathered, Subject
from runner.model.errors import NOT_OWNED, OTHER_CLASS, OUT_OF_SCOPE, ConnectorError, Gone, Invalid
from runner.model.items import Found, Identity, Item, LinkRef
from runner.model.state import Commit, Mark, Pairing, PairingStatus
from runner.model.terms import Entity, Place, Side
from runner.reconcile.discretion import HIDDEN
from runner.reconcile.leaving import LEFT

Read = Mapping[str, Item | ConnectorError]
_NOBODYS = frozenset({NOT_OWNED, OTHER_CLASS, OUT_OF_SCOPE})
_AWAY = {Side.CRM: NOT_OWNED, Side.TARGET: OUT_OF_SCOPE}
"""Code by which either side says that it has an item, and that the link has nothing to do with it any more."""
AGED, FILTERED = "window: ", "filter: "
"""Starts of the reasons of pairs that left the window or the filter; they are taken up again when they come back."""


class _Gather:
    def __init__(self, parts: Parts, ref: LinkRef, marks: Sequence[Mark], forced: Collection[str] | None) -> None:
        self.parts, self.ref, self.forced = parts, ref, forced
        self.seq = {(mark.side, mark.key): mark.seq for mark in marks}
        self.out = Gathered()

    def marked(self, side: Side) -> list[str]:
        return [key for where, key in self.seq if where is side]

    def run(self) -> Gathered:
        crm_keys, target_keys = self.marked(Side.CRM), self.marked(Side.TARGET)
        pairings = self.parts.store.pairings(self.ref.name, crm_keys=crm_keys, target_keys=target_keys)
        by_crm = {pairing.crm_key: pairing for pairing in pairings}
        by_target = {pairing.target_key: pairing for pairing in pairings}
        lone_crm = [key for key in crm_keys if key not in by_crm]
        lone_target = [key for key in target_keys if key not in by_target]
        crm = dict(self.parts.crm.get(self.ref, crm_keys)) if crm_keys else {}
        if lone_crm and (found := self._joined(lone_crm, crm)):
            pairings = [*self._without_former(pairings, found), *found]
            there = {key for pairing in found for key in (pairing.crm_key, pairing.target_key)}
            lone_crm = [key for key in lone_crm if key not in there]
            lone_target = [key for key in lone_target if key not in there]
        pairs = [pairing for pairing in pairings if not self._echo(pairing, crm.get(pairing.crm_key))]
        wanted = [p.target_key for p in pairs if not p.target_key.startswith(DELETED)]
        target = dict(self.parts.target.get(self.ref, [*lone_target, *wanted])) if lone_target or wanted else {}
        pairs = [pairing for pairing in pairs if not self._target_echo(pairing, target.get(pairing.target_key))]
        missing = [pairing.crm_key for pairing in pairs if pairing.crm_key not in crm]
        if missing:
            crm.update(self.parts.crm.get(self.ref, missing))
        if lone_target and (again := self._paired_again(lone_target, target, bool(lone_crm))):
            pairs += again
            there = {key for pairing in again for key in (pairing.crm_key, pairing.target_key)}
            lone_crm = [key for key in lone_crm if key not in there]
            lone_target = [key for key in lone_target if key not in there]
            unread = [pairing.crm_key for pairing in again if pairing.crm_key not in crm]
            crm.update(self.parts.crm.get(self.ref, unread) if unread else {})
        followed = self._lone_target(lone_target, target, crm)
        known = {pairing.id for pairing in followed}
        pairs = [pairing for pairing in pairs if pairing.id not in known] + followed
        self._pairs(pairs, crm, target)
        for key in lone_crm:
            self._lone(Side.CRM, key, crm[key])
        self._note_elsewhere()
        return self.out

    def _joined(self, keys: Sequence[str], crm: Read) -> Sequence[Pairing]:
        """Records whose item already lies in this mailbox are paired with it, and no second one is made: what they were made
        from, when the state has lost the pair (A9), and meetings that other links hold, whatever became of the pass that
        joined this user to the record (B-41); also such whose own record is gone."""
        if self.ref.entity in (Entity.USER, Entity.GROUP):
            return ()
        store = self.parts.store
        records = [item for key in keys if isinstance(item := crm.get(key), Item)]
        natives = {native: item.key for item in records if (native := native_of(self.ref, item.native))}
        if self.ref.entity is Entity.SCHEDULE_ITEM:
            natives |= {
                pairing.native: key
                for key, names in store.paired_links([item.key for item in records]).items()
                for other in sorted(names - {self.ref.name})
                for pairing in store.pairings(other, crm_keys=[key])
                if pairing.native
            }
        if not natives:
            return ()
        found = self.parts.target.find(self.ref, [Identity(native=native) for native in natives])
        here = {
            hit.key: natives.get(hit.identity.native or "") for hit in found if hit.key and hit.place is Place.FOLDER
        }
        taken = {p.target_key: p for p in store.pairings(self.ref.name, target_keys=list(here))} if here else {}
        former = self.parts.crm.get(self.ref, [pairing.crm_key for pairing in taken.values()]) if taken else {}
        made: dict[str, Pairing] = {}
        for key, crm_key in here.items():
            if crm_key is None:
                continue
            if key not in taken:
                made.setdefault(crm_key, Pairing(self.ref.name, self.ref.entity, crm_key, key))
            elif isinstance(former[taken[key].crm_key], Gone):
                made.setdefault(crm_key, joined(taken[key], crm_key))
        if not made:
            return ()
        store.commit(Commit(pairings=tuple(made.values())))
        return store.pairings(self.ref.name, crm_keys=list(made))

    def _paired_again(self, keys: Sequence[str], target: Read, beside_records: bool) -> Sequence[Pairing]:
        """Items whose pair the state has lost, or does not know yet since it is an older copy: they bear our stamp, or their
        record stands in the CRM's key table (A9). Most steps have none, and ask nothing."""
        items = [item for key in keys if isinstance(item := target[key], Item)]
        named = {crm_key_of(item.stamp) for item in items if item.stamp}
        known = (
            {p.crm_key for p in self.parts.store.pairings(self.ref.name, crm_keys=sorted(named))} if named else set()
        )
        lost = [item for item in items if beside_records or (item.stamp and crm_key_of(item.stamp) not in known)]
        made = pair_by_identity(self.parts, self.ref, lost) if lost else ()
        return self.parts.store.pairings(self.ref.name, crm_keys=list(made)) if made else ()

    def _without_former(self, pairings: Sequence[Pairing], found: Sequence[Pairing]) -> list[Pairing]:
        """The pairings that are not of items which have joined other records; what was heard of those items' former ones is
        settled."""
        again = {pairing.id for pairing in found}
        for pairing in pairings:
            if pairing.id in again and (seq := self.seq.pop((Side.CRM, pairing.crm_key), None)) is not None:
                self.out.settled.append(seq)
        return [pairing for pairing in pairings if pairing.id not in again]

    def _note_elsewhere(self) -> None:
        """Of private items: which records do other links hold too? Most steps have none of them."""
        hidden = [s for s in self.out.subjects if s.target is not None and s.target.masked and s.crm is not None]
        links = self.parts.store.paired_links([s.crm_key for s in hidden if s.crm_key]) if hidden else {}
        for subject in hidden:
            subject.elsewhere = bool(links.get(subject.crm_key or "", frozenset()) - {self.ref.name})

    def marks_of(self, pairing: Pairing) -> list[int]:
        places = ((Side.CRM, pairing.crm_key), (Side.TARGET, pairing.target_key))
        return [self.seq[place] for place in places if place in self.seq]

    def _forced(self, pairing: Pairing) -> bool:
        """Whether both sides are to be read whatever their versions: an unknown one (of an item that went on to something
        else under our own write) is no version to compare with."""
        unknown = pairing.base is None or pairing.crm_version is None or pairing.target_version is None
        return self.forced is None or unknown or pairing.crm_key in self.forced

    def _echo(self, pairing: Pairing, item: Item | ConnectorError | None) -> bool:
        """A CRM mark alone whose record still has the version that we know (B-12)."""
        if (Side.TARGET, pairing.target_key) in self.seq or self._forced(pairing) or _left(pairing):
            return False
        if not isinstance(item, Item) or item.version != pairing.crm_version:
            return False
        self.out.settled += self.marks_of(pairing)
        return True

    def _target_echo(self, pairing: Pairing, item: Item | ConnectorError | None) -> bool:
        if (Side.CRM, pairing.crm_key) in self.seq or self._forced(pairing):
            return False
        if not isinstance(item, Item) or item.version != pairing.target_version:
            return False
        self.out.settled += self.marks_of(pairing)
        return True

    def _lone(self, side: Side, key: str, read: Item | ConnectorError) -> None:
        mark = self.seq[side, key]
        if isinstance(read, Item):
            subject = Subject([mark], None)
            if side is Side.CRM:
                subject.crm = read
            else:
                subject.target = read
            self.out.subjects.append(subject)
        elif isinstance(read, Gone) or read.code in _NOBODYS:
            self.out.settled.append(mark)
        else:
            self.out.failures.append(Failure((mark,), side, key, read))

    def _lone_target(self, keys: Sequence[str], target: Read, crm: dict[str, Item | ConnectorError]) -> list[Pairing]:
        """Unpaired target items: some are paired ones under a new id (moved out and back), some are copies."""
        items = [item for key in keys if isinstance(item := target[key], Item)]
        for key in keys:
            if not isinstance(target[key], Item):
                self._lone(Side.TARGET, key, target[key])
        holders = self._holders(items)
        known = {p.target_key for held in holders.values() for p in held if not p.target_key.startswith(DELETED)}
        live = self.parts.target.get(self.ref, sorted(known)) if known else {}
        followed: list[Pairing] = []
        for item in items:
            held = [p for p in holders.get(item.key, ()) if not _another(live.get(p.target_key), item)]
            lost = [p for p in held if isinstance(live.get(p.target_key, Gone("")), Gone) and self._may_be(p, item)]
            pairing = next((p for p in lost if all(other.id != p.id for other in followed)), None)
            if not held:
                self._lone(Side.TARGET, item.key, item)
            elif pairing is None:
                self.out.subjects.append(Subject([self.seq[Side.TARGET, item.key]], None, target=item, copy=True))
            else:
                self._settle_old_id(pairing)
                followed.append(self._rebind(pairing, item))
        unread = [p.crm_key for p in followed if p.crm_key not in crm]
        if unread:
            crm.update(self.parts.crm.get(self.ref, unread))
        return followed

    def _may_be(self, pairing: Pairing, item: Item) -> bool:
        """Whether an item that a pair's native identity or stamp leads to is the pair's: where only the stamp is known, the
        original may lie elsewhere, and say what was agreed. An item that moved since it was read is not found as itself."""
        if pairing.native or pairing.base is None:
            return True
        hits = self.parts.target.find(self.ref, [Identity(stamp=pairing.stamp)])
        itself = any(hit.key == item.key for hit in hits)
        return not itself or self._likest(pairing, hits).key == item.key

    def _likest(self, pairing: Pairing, hits: Sequence[Found]) -> Found:
        base = pairing.base.target if pairing.base else {}
        return likest(base, hits, items_of(self.parts.target, self.ref, hits))

    def _settle_old_id(self, pairing: Pairing) -> None:
        seq = self.seq.pop((Side.TARGET, pairing.target_key), None)
        if seq is not None:
            self.out.settled.append(seq)

    def _holders(self, items: Sequence[Item]) -> dict[str, list[Pairing]]:
        """For each unpaired item the pairings whose native identity it has or, where that is not known, whose stamp. A copy
        made in Outlook bears our stamp too: what has another native identity is not the item that the stamp was made for.
        Copies of tasks and contacts share their original's native identity, so there can be several."""
        stamps = [item.stamp for item in items if item.stamp]
        natives = [item.native for item in items if item.native]
        if not stamps and not natives:
            return {}
        pairings = self.parts.store.pairings(self.ref.name, stamps=stamps, natives=natives)
        by_native: dict[str, list[Pairing]] = {}
        by_stamp: dict[str, list[Pairing]] = {}
        for pairing in pairings:
            by_native.setdefault(pairing.native or "", []).append(pairing)
            by_stamp.setdefault(pairing.stamp or "", []).append(pairing)
        held: dict[str, list[Pairing]] = {}
        for item in items:
            mine = by_native.get(item.native, []) if item.native else []
            if not mine and item.stamp:
                mine = [p for p in by_stamp.get(item.stamp, ()) if not (p.native and item.native)]
            if mine:
                held[item.key] = mine
        return held

    def _rebind(self, pairing: Pairing, item: Item) -> Pairing:
        back = (
            pairing.status is PairingStatus.DETACHED
            and pairing.reason is not None
            and pairing.reason.startswith("moved")
        )
        bound = replace(
            pairing,
            target_key=item.key,
            target_version=None,
            status=PairingStatus.ACTIVE if back else pairing.status,
            reason=None if back else pairing.reason,
        )
        self.out.rebound.append(bound)
        return bound

    def _pairs(self, pairs: Iterable[Pairing], crm: Read, target: Read) -> None:
        gone: list[Subject] = []
        for pairing in pairs:
            marks = self.marks_of(pairing)
            sides: dict[Side, Item | ConnectorError] = {
                Side.CRM: crm[pairing.crm_key],
                Side.TARGET: target.get(pairing.target_key, Gone("in Deleted Items")),
            }
            if pairing.status is PairingStatus.DETACHED and not self._may_return(pairing, sides.values()):
                if not self._begins_anew(pairing, marks, sides):
                    self.out.settled += marks
                continue
            failed = self._unreadable(pairing, marks, sides)
            if failed:
                continue
            held = {side: read if isinstance(read, Item) else None for side, read in sides.items()}
            left = not isinstance(sides[Side.CRM], Item | Gone)
            away = sides[Side.TARGET]
            departed = str(away) if not isinstance(away, Item) and away.code == OUT_OF_SCOPE else None
            subject = Subject(marks, pairing, held[Side.CRM], held[Side.TARGET], left=left, departed=departed)
            if subject.target is None and not (left or departed or pairing.target_key.startswith(DELETED)):
                gone.append(subject)
            else:
                self.out.subjects.append(subject)
        if gone:
            self._search(gone)

    def _may_return(self, pairing: Pairing, sides: Iterable[Item | ConnectorError]) -> bool:
        """Pairs that left the window or their user come back, and those whose item is private no longer; but only while both
        items exist: detached means never re-created."""
        if not all(isinstance(side, Item) for side in sides):
            return False
        if pairing.entity in (Entity.USER, Entity.GROUP):
            return True
        reason = pairing.reason or ""
        hidden = any(isinstance(side, Item) and side.masked for side in sides)
        return reason.startswith((AGED, FILTERED)) or _left(pairing) or (reason.startswith(HIDDEN) and not hidden)

    def _begins_anew(self, pairing: Pairing, marks: list[int], sides: Mapping[Side, Item | ConnectorError]) -> bool:
        """A record that its user was given again, and whose former copy he has deleted: he gets another (B-50)."""
        record = sides[Side.CRM]
        if not _left(pairing) or not isinstance(record, Item) or not isinstance(sides[Side.TARGET], Gone):
            return False
        self.out.forgotten.append(pairing.id)
        self.out.subjects.append(Subject(marks, None, crm=record))
        return True

    def _unreadable(self, pairing: Pairing, marks: list[int], sides: Mapping[Side, Item | ConnectorError]) -> bool:
        for side, read in sides.items():
            if isinstance(read, Item | Gone) or read.code == _AWAY[side]:
                continue
            crm = sides[Side.CRM]
            if isinstance(read, Invalid) and isinstance(crm, ConnectorError) and crm.code == NOT_OWNED:
                self._detach(pairing, marks, f"{LEFT}, and the item on the target cannot be read")
            else:
                key = pairing.crm_key if side is Side.CRM else pairing.target_key
                self.out.failures.append(Failure(tuple(marks), side, key, read))
            return True
        return False

    def _detach(self, pairing: Pairing, marks: Iterable[int], reason: str) -> None:
        self.out.detached.append(replace(pairing, status=PairingStatus.DETACHED, reason=reason))
        self.out.settled += marks

    def _search(self, subjects: Sequence[Subject]) -> None:
        """Missing target items: where is their identity now?"""
        asked = dict.fromkeys(known for s in subjects if s.pairing and (known := _known_by(s.pairing)))
        found: dict[Identity, list[Found]] = {}
        for hit in self.parts.target.find(self.ref, list(asked)) if asked else ():
            found.setdefault(hit.identity, []).append(hit)
        for subject in subjects:
            pairing = subject.pairing
            assert pairing is not None  # noqa: S101 - by construction: only pairs are searched
            known = _known_by(pairing)
            hits = [h for h in found.get(known, ()) if h.key and h.key != pairing.target_key] if known else []
            if len(hits) > 1 and not pairing.native and pairing.base:
                hits = [self._likest(pairing, hits)]
            here = [hit.key for hit in hits if hit.place is Place.FOLDER and hit.key]
            taken = (
                {p.target_key for p in self.parts.store.pairings(self.ref.name, target_keys=here)} if here else set()
            )
            free = next((key for key in here if key not in taken), None)
            if free:
                self._follow(subject, pairing, free)
            elif any(hit.place is Place.ELSEWHERE for hit in hits):
                self._detach(pairing, subject.marks, "moved to another folder")
            else:
                self.out.subjects.append(subject)

    def _follow(self, subject: Subject, pairing: Pairing, key: str) -> None:
        read = self.parts.target.get(self.ref, [key])[key]
        if not isinstance(read, Item):
            self.out.failures.append(Failure(tuple(subject.marks), Side.TARGET, key, read))
            return
        subject.pairing, subject.target = self._rebind(pairing, read), read
        self.out.subjects.append(subject)


def _left(pairing: Pairing) -> bool:
    """Whether the pair ended because its user held the record no longer."""
    return pairing.status is PairingStatus.DETACHED and (pairing.reason or "").startswith(LEFT)


def _another(original: Item | ConnectorError | None, item: Item) -> bool:
    """Whether a pairing's own item is there, and is not what this item is or was copied from."""
    return isinstance(original, Item) and bool(original.native) and original.native != item.native


def _known_by(pairing: Pairing) -> Identity | None:
    """What a pair's item is looked up by: its native identity, which a copy does not share, or else its stamp."""
    if pairing.native:
        return Identity(native=pairing.native)
    return Identity(stamp=pairing.stamp) if pairing.stamp else None


def gather(parts: Parts, ref: LinkRef, marks: Sequence[Mark], forced: Collection[str] | None = ()) -> Gathered:
    """Join marks to what both sides hold now. ``forced`` names CRM keys whose unchanged version is not an echo (None:
    all of them, after a change of the mapping)."""
    return _Gather(parts, ref, marks, forced).run()

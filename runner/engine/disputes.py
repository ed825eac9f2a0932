"""The conflict ledger of one link during one pass (B-62): what is found, what stays held, what is closed and how.

Conflicts become durable before the writes that decide them, so that a losing value is never only in memory. A held one
keeps its id and its date from pass to pass and shows the values of now. One that was decided is the same one as long as both
sides hold what they held, however often its write has to be tried. A held one is closed only when an operator's decision was
carried out whole, or when the sides came to agree by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

from runner.config.plan import LinkPlan
from runner.engine.decide import Decided
from runner.engine.parts import Parts
from runner.model.state import Conflict, Resolution
from runner.reconcile.decision import Clash

AGREED = "agreed"
"""Resolution of a held conflict that is none any more: both sides hold the same, or only one of them differs."""


class Disputes:
    """One link's conflicts; reads the ledger once for each pass that has something to decide. True while any is open."""

    def __init__(self, parts: Parts, link: LinkPlan, run: str, resolutions: Mapping[str, Sequence[Resolution]]) -> None:
        self.parts, self.link, self.run, self.resolutions = parts, link, run, resolutions
        self._held: dict[tuple[str | None, str | None], Conflict] | None = None
        self._asked: dict[str, Conflict] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything that could end: an operator's decision, or a held conflict."""
        return bool(self.resolutions) or bool(self._of_held())

    def found(self, decided: Iterable[Decided], now: datetime) -> tuple[Conflict, ...]:
        """What must be durable before these items are written."""
        fresh = [self._found(item, clash, now) for item in decided for clash in item.decision.clashes]
        return tuple(conflict for conflict in fresh if conflict is not None)

    def closed(self, item: Decided, now: datetime) -> tuple[Conflict, ...]:
        """What ends because this item's decision was carried out whole."""
        closed = []
        for resolution in self.of(item):
            conflict = self._original(resolution)
            if conflict is not None:
                self._of_held().pop((conflict.crm_key, conflict.field), None)
                closed.append(replace(conflict, resolved_at=now, resolution=resolution.take))
        clashing = {clash.unit for clash in item.decision.clashes if clash.winner is None and not clash.settled}
        key = item.subject.crm_key
        over = [place for place in self._of_held() if place[0] == key and place[1] not in clashing]
        closed += [replace(self._of_held().pop(place), resolved_at=now, resolution=AGREED) for place in over]
        return tuple(closed)

    def of(self, item: Decided) -> Sequence[Resolution]:
        """The operators' decisions about this item."""
        return self.resolutions.get(item.subject.crm_key or "", ())

    def _found(self, item: Decided, clash: Clash, now: datetime) -> Conflict | None:
        if clash.settled:
            return self._overridden(item, clash, now)
        conflict = self._conflict(item, clash, now)
        if clash.winner is not None:
            return replace(conflict, id=_observed(conflict, item))
        place = conflict.crm_key, conflict.field
        known = self._of_held().get(place)
        if known is not None:
            conflict = replace(conflict, id=known.id, run=known.run, at=known.at)
        self._of_held()[place] = conflict
        return conflict if conflict != known else None

    def _overridden(self, item: Decided, clash: Clash, now: datetime) -> Conflict | None:
        """What an operator's decision overwrites: the conflict itself with the values of now, or, where it had been decided
        and edited since, a conflict of its own."""
        resolution = next((entry for entry in self.of(item) if entry.field == clash.unit), None)
        original = self._original(resolution) if resolution else None
        if resolution is None or original is None:
            return replace(self._conflict(item, clash, now), resolved_at=now)
        if original.winner is None:
            refreshed = replace(original, crm=clash.crm, target=clash.target)
            self._asked_for()[original.id] = refreshed
            return refreshed if refreshed != original else None
        if all(values in (original.crm, original.target) for values in (clash.crm, clash.target)):
            return None
        return replace(self._conflict(item, clash, now), winner=None, resolved_at=now, resolution=resolution.take)

    def _of_held(self) -> dict[tuple[str | None, str | None], Conflict]:
        if self._held is None:
            conflicts = self.parts.store.conflicts(self.link.name, open_only=True)
            self._held = {(conflict.crm_key, conflict.field): conflict for conflict in conflicts}
        return self._held

    def _asked_for(self) -> dict[str, Conflict]:
        if self._asked is None:
            wanted = {entry.conflict for entries in self.resolutions.values() for entry in entries}
            self._asked = {c.id: c for c in self.parts.store.conflicts(self.link.name) if c.id in wanted}
        return self._asked

    def _original(self, resolution: Resolution) -> Conflict | None:
        return self._asked_for().get(resolution.conflict)

    def _conflict(self, item: Decided, clash: Clash, now: datetime) -> Conflict:
        subject = item.subject
        return Conflict(
            id=self.parts.rng.token(),
            link=self.link.name,
            crm_key=subject.crm_key,
            target_key=subject.target_key,
            field=clash.unit,
            base=clash.base,
            crm=clash.crm,
            target=clash.target,
            policy=clash.policy,
            winner=clash.winner,
            rule=clash.rule,
            run=self.run,
            at=now,
            crm_modified=subject.crm.modified if subject.crm else None,
            target_modified=subject.target.modified if subject.target else None,
        )


def _observed(conflict: Conflict, item: Decided) -> str:
    """The id of a decided conflict: the same for the same versions of the same items. No value goes into it: what becomes
    private is to leave nothing behind (B-35)."""
    subject = item.subject
    versions = [side.version if side else None for side in (subject.crm, subject.target)]
    seen = [conflict.link, conflict.crm_key, conflict.target_key, conflict.field, str(conflict.winner), *versions]
    return blake2b(repr(seen).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

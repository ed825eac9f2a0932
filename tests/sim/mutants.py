"""Engines with one safeguard taken out: what the simulation must catch, or it proves nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from runner.config.plan import LinkPlan
from runner.engine import agreement, aside, disputes, gather, match, observe, passes, settle, write
from runner.model import privacy
from runner.model.items import Found, Identity, Item, LinkRef, Write
from runner.model.state import Commit, Pairing
from runner.model.terms import Direction, Operation, Place, Side
from runner.reconcile import merge
from runner.testing.crm import FakeCrm
from runner.testing.store import MemoryStore
from runner.testing.target import FakeTarget
from tests.sim.simulation import failure_of

Patch = pytest.MonkeyPatch
BUDGET = 1500
"""Seeds within which every mutant must be caught."""


def no_look_up(patch: Patch) -> None:
    """An unknown create is simply made again."""
    patch.setattr(FakeTarget, "find", lambda *_: ())
    patch.setattr(FakeCrm, "find", lambda *_: ())


def no_intents(patch: Patch) -> None:
    """Nothing is durable before a write."""
    patch.setattr(MemoryStore, "intents", lambda *_: ())


def no_payload(patch: Patch) -> None:
    """L1: an adopted pair starts from what both sides hold by now."""
    adopted = settle._adopted

    def without_base(link: LinkPlan, ref: LinkRef, intent: Any, hit: Found, item: Item | None) -> Pairing:
        return replace(adopted(link, ref, intent, hit, item), base=None)

    patch.setattr(settle, "_adopted", without_base)


def no_deleted_items(patch: Patch) -> None:
    """L5: the look-up sees neither Deleted Items nor tombstones."""
    for fake in (FakeTarget, FakeCrm):
        find = fake._find

        def living(self: Any, link: LinkRef, asked: Sequence[Identity], find: Any = find) -> list[Found]:
            return [hit for hit in find(self, link, asked) if hit.place in {Place.FOLDER, Place.ELSEWHERE}]

        patch.setattr(fake, "_find", living)


def no_native_identity(patch: Patch) -> None:
    """L3: an item that never got our stamp is forgotten when its id changes."""
    patch.setattr(gather, "_known_by", lambda pairing: Identity(stamp=pairing.stamp) if pairing.stamp else None)
    patch.setattr(gather._Gather, "_holders", lambda self, items: {})


def copies_pass_for_originals(patch: Patch) -> None:
    """D8: the stamp alone says who an item is."""
    patch.setattr(gather, "_known_by", lambda pairing: Identity(pairing.stamp) if pairing.stamp else None)
    patch.setattr(agreement, "crm_key_of", lambda stamp: _Anything())


class _Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def blind_writes(patch: Patch) -> None:
    """Writes go without their precondition: whatever is there is overwritten."""
    for fake in (FakeTarget, FakeCrm):
        effect = fake._write

        def forced(self: Any, link: LinkRef, write: Write, effect: Any = effect) -> Any:
            item = self.item(write.key) if write.key else None
            return effect(self, link, replace(write, version=item.version) if item else write)

        patch.setattr(fake, "_write", forced)


def silent_conflicts(patch: Patch) -> None:
    """The losing value is recorded nowhere."""
    patch.setattr(disputes.Disputes, "found", lambda self, decided, now: ())


def deletes_win_silently(patch: Patch) -> None:
    """An edit is no reason to keep what the other side deleted."""
    patch.setattr(merge, "edited", lambda *_: False)


def private_items_leak(patch: Patch) -> None:
    """B-35 is not asked."""
    patch.setattr(privacy, "PRIVATE", frozenset())


def watermark_before_marks(patch: Patch) -> None:
    """A4: the cursor is durable before what it has seen."""
    commit = MemoryStore.commit

    def torn(self: MemoryStore, todo: Commit) -> None:
        if todo.marks and todo.links:
            commit(self, replace(todo, marks=()))
            self.torn = todo.marks  # type: ignore[attr-defined]
        else:
            marks, self.torn = getattr(self, "torn", ()), ()  # type: ignore[attr-defined]
            commit(self, replace(todo, marks=(*marks, *todo.marks)))

    def lost(self: MemoryStore) -> Sequence[Any]:
        self.torn = ()  # type: ignore[attr-defined]
        return ()

    links = MemoryStore.links

    def reopened(self: MemoryStore) -> Mapping[str, Any]:
        lost(self)
        return links(self)

    patch.setattr(MemoryStore, "commit", torn)
    patch.setattr(MemoryStore, "links", reopened)


def absence_is_a_delete(patch: Patch) -> None:
    """A dead watermark forgets every pair whose item it does not name, without asking for it."""

    def forget(parts: Any, ref: LinkRef, side: Side, seen: set[int]) -> None:
        page = parts.store.paired_keys(ref.name, side, after=0, limit=10_000)
        parts.store.commit(Commit(unpaired=tuple(number for number, key in page if hash(key) not in seen)))

    patch.setattr(observe, "_recheck", forget)


def no_reread_after_resync(patch: Patch) -> None:
    """A dead watermark is started anew, and what was deleted in its gap stays unknown."""
    patch.setattr(observe, "_recheck", lambda *_: None)


def resync_forgets_pairs(patch: Patch) -> None:
    """A dead watermark throws the pairings away."""
    whole = observe._observe_target

    def forgetful(parts: Any, ref: LinkRef, state: Any, direction: Any) -> Any:
        if not state.target_complete:
            page = parts.store.paired_keys(ref.name, Side.TARGET, after=0, limit=10_000)
            parts.store.commit(Commit(unpaired=tuple(number for number, _ in page)))
        return whole(parts, ref, state, direction)

    patch.setattr(observe, "_observe_target", forgetful)


def failures_are_forgotten(patch: Patch) -> None:
    """What could not be read or written is not tried again."""
    put = aside.Aside.put

    def dropped(self: Any, *args: Any) -> Any:
        return [], put(self, *args)[1]

    patch.setattr(aside.Aside, "put", dropped)


def fresh_items_are_not_read_again(patch: Patch) -> None:
    """An item that is deleted right after we made it is in no feed."""
    patch.setattr(passes.Pass, "_created", lambda self, outcome: ())


def moved_is_deleted(patch: Patch) -> None:
    """What is not in the folder is gone."""
    patch.setattr(gather._Gather, "_search", lambda self, subjects: self.out.subjects.extend(subjects))


def a_bad_item_stops_the_folder(patch: Patch) -> None:
    """B-23: the first item that cannot be carried ends the pass."""
    step = passes.Pass._decide

    def poisoned(self: Any, marks: Any) -> Any:
        gathered, verdicts = step(self, marks)
        for failure in (*gathered.failures, *verdicts.failures):
            raise failure.error
        return gathered, verdicts

    patch.setattr(passes.Pass, "_decide", poisoned)


def matching_ignores_identity(patch: Patch) -> None:
    """First sync goes by titles alone, and makes what is there already; what a lost state forgot is not paired again."""
    patch.setattr(match, "_by_identity", lambda *_: 0)
    patch.setattr(gather, "pair_by_identity", lambda *_: ())


def deletes_of_changed_items(patch: Patch) -> None:
    """P7: a delete goes without its precondition."""
    effect = FakeTarget._write

    def forced(self: Any, link: LinkRef, write: Write) -> Any:
        item = self.item(write.key) if write.key else None
        blind = item and write.operation is Operation.DELETE
        return effect(self, link, replace(write, version=item.version) if item and blind else write)

    patch.setattr(FakeTarget, "_write", forced)


def each_mailbox_makes_its_own_record(patch: Patch) -> None:
    """B-41: two links create one meeting."""
    patch.setattr(write, "native_key", lambda link, item, *_: f"{link.user}:{item.native}")


def read_back_without_version(patch: Patch) -> None:
    """What is there after a write is taken for what was written, whoever wrote it."""

    def blind(self: Any, side: Side, planned: Sequence[Any]) -> None:
        connector = self.parts.crm if side is Side.CRM else self.parts.target
        for entry in planned:
            if entry.result and entry.result.key and entry.result.version and not entry.result.adopted:
                item = connector.get(self.ref, [entry.result.key])[entry.result.key]
                entry.held = item if isinstance(item, Item) else None

    patch.setattr(write.Writer, "_read_back", blind)


def both_directions_always(patch: Patch) -> None:
    """P6: one-way links write both sides."""
    patch.setattr(Direction, "writes", lambda self, side: True)


def joining_is_forgotten(patch: Patch) -> None:
    """A user who was made a holder of a record that was there already is not found by a settled create."""
    patch.setattr(settle, "_joined", lambda *_: None)
    patch.setattr(gather._Gather, "_joined", lambda *_: ())


MUTANTS: tuple[Callable[[Patch], None], ...] = (
    no_look_up,
    no_intents,
    no_payload,
    no_deleted_items,
    no_native_identity,
    copies_pass_for_originals,
    blind_writes,
    silent_conflicts,
    deletes_win_silently,
    private_items_leak,
    watermark_before_marks,
    absence_is_a_delete,
    no_reread_after_resync,
    resync_forgets_pairs,
    failures_are_forgotten,
    fresh_items_are_not_read_again,
    moved_is_deleted,
    a_bad_item_stops_the_folder,
    deletes_of_changed_items,
    matching_ignores_identity,
    each_mailbox_makes_its_own_record,
    read_back_without_version,
    both_directions_always,
    joining_is_forgotten,
)
RARE = {"joining_is_forgotten": 405, "no_deleted_items": 395, "blind_writes": 155, "deletes_of_changed_items": 270}
"""Mutants that few seeds notice, with a seed shortly before one that does: the commit gate begins there."""


def seeds_for(mutant: Callable[[Patch], None], budget: int) -> Sequence[int]:
    """The seeds of a budget in the order in which they are tried."""
    first = RARE.get(mutant.__name__, 0)
    return [*range(first, budget), *range(first)]


def catch(mutant: Callable[[Patch], None], seeds: Sequence[int]) -> tuple[int, str] | None:
    """The first seed that notices a mutant by a property or by what may not reach a side, and what it says. An error of the
    mutant's own is no notice."""
    for seed in seeds:
        failure = failure_of(seed)
        if failure and re.match(r"P\d+: |ContractViolation: ", failure):
            return seed, failure
    return None


def main() -> int:
    """Show for each mutant how many seeds it takes, from the first one on; 1 when one survives its budget."""
    survivors = 0
    for mutant in MUTANTS:
        with Patch.context() as patch:
            mutant(patch)
            caught = catch(mutant, range(BUDGET))
        survivors += caught is None
        print(f"{mutant.__name__:36} {f'seed {caught[0]}: {caught[1][:100]}' if caught else 'SURVIVED'}", flush=True)
    print(f"{len(MUTANTS)} mutants, {survivors} survived {BUDGET} seeds")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a target promises beyond what both sides do: a cursor per folder, ids that change, holders of one stamp."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.model.errors import Invalid, WatermarkInvalid
from runner.model.items import Identity, Item, Write
from runner.model.terms import Entity, Operation, Place
from runner.testing.contract.bench import ContractBroken, TargetBench
from runner.testing.contract.both import SHARED_CHECKS
from runner.testing.contract.words import create, demand, done, find, item_of, one, only, summed


def writes_are_sent_lazily(bench: TargetBench) -> None:
    """A consumer that stops after the first result has sent only the first write (the CRM may send a group at a time, in one
    transaction: what it has not answered then is known to be done or known to be undone)."""
    first, second = bench.token(), bench.token()
    writes = [
        Write(Operation.CREATE, None, None, values, frozenset(values), stamp)
        for stamp, values in ((first, bench.sample("First")), (second, bench.sample("Second")))
    ]
    results = iter(bench.connector.write(bench.link, writes))
    done(next(results))
    demand(bool(find(bench, Identity(stamp=first))), "the first write was not carried out")
    demand(not find(bench, Identity(stamp=second)), "the second write was sent before it was asked for")


def an_empty_folder_reads_to_its_end(bench: TargetBench) -> None:
    """An empty folder gives a watermark to go on from."""
    pages = list(bench.connector.changes(bench.link, None))
    demand(bool(pages) and pages[-1].complete, "the feed does not end")
    demand(not any(page.changed or page.deleted for page in pages), "changes in an empty folder")
    demand(bool(pages[-1].watermark), "no watermark")


def the_first_read_names_every_item(bench: TargetBench) -> None:
    """Since None: every live item, each with the version that a get returns, page by page to ``complete``."""
    early = bench.user_create("Made first, deleted last")
    keys = {bench.user_create(f"Item {n}") for n in range(5)}
    gone = bench.user_create("Deleted before")
    bench.user_delete(gone)
    bench.user_delete(early)
    changed, deleted, _ = _read(bench, None)
    demand(set(changed) == keys, f"changed {sorted(changed)}, expected {sorted(keys)}")
    demand(not deleted, f"a new reader is told that {sorted(deleted)} are gone, which he never saw")
    for key in keys:
        demand(changed[key] == item_of(bench, key).version, "the feed's version is not the item's")


def a_write_comes_back_with_the_written_version(bench: TargetBench) -> None:
    """B-12: the echo of our own write carries the version that the write returned."""
    _, _, watermark = _read(bench, None)
    made = create(bench, bench.sample("Ours"))
    changed, deleted, watermark = _read(bench, watermark)
    demand((changed, deleted) == ({made.key: made.version}, set()), f"after a create: {changed} {deleted}")
    change = bench.retitled("Ours again")
    updated = one(bench, Write(Operation.UPDATE, made.key, made.version, change, frozenset(change)))
    changed, deleted, _ = _read(bench, watermark)
    demand((changed, deleted) == ({updated.key: updated.version}, set()), f"after an update: {changed} {deleted}")


def a_quiet_folder_reports_nothing(bench: TargetBench) -> None:
    """Reading behind the last watermark gives nothing, as often as one likes."""
    bench.user_create("Seen")
    _, _, watermark = _read(bench, None)
    for _ in range(2):
        changed, deleted, watermark = _read(bench, watermark)
        demand(not changed and not deleted, f"changes in a quiet folder: {changed} {deleted}")


def edits_and_deletes_are_reported(bench: TargetBench) -> None:
    """An edit is reported as changed, a delete as deleted, and what nobody touched not at all."""
    edited, deleted_key = bench.user_create("To be edited"), bench.user_create("To be deleted")
    bench.user_create("Left alone")
    _, _, watermark = _read(bench, None)
    bench.user_edit(edited, "Edited")
    bench.user_delete(deleted_key)
    changed, deleted, _ = _read(bench, watermark)
    demand((set(changed), deleted) == ({edited}, {deleted_key}), f"changed {changed}, deleted {deleted}")


def a_page_watermark_resumes_behind_its_page(bench: TargetBench) -> None:
    """A reader that stops after the first page goes on from its watermark without losing an item."""
    keys = {bench.user_create(f"Item {n}") for n in range(5)}
    pages = iter(bench.connector.changes(bench.link, None))
    first = next(pages)
    seen = {ref.key for ref in first.changed}
    if not first.complete:
        changed, _, _ = _read(bench, first.watermark)
        seen |= set(changed)
    demand(seen == keys, f"seen {sorted(seen)}, expected {sorted(keys)}")


def a_watermark_survives_a_restart(bench: TargetBench) -> None:
    """A watermark belongs to the folder, not to the connector that read it."""
    bench.user_create("Seen")
    _, _, watermark = _read(bench, None)
    new = bench.user_create("New")
    other = bench.reopened()
    try:
        changed, _ = summed(list(other.changes(bench.link, watermark)))
    finally:
        other.close()
    demand(set(changed) == {new}, f"changed {changed}")


def a_foreign_watermark_is_refused(bench: TargetBench) -> None:
    """B-74: what is no watermark of this folder raises ``WatermarkInvalid``, never an empty feed."""
    bench.user_create("Here")
    try:
        pages = list(bench.connector.changes(bench.link, "bm90IGEgc3luYyBzdGF0ZQ=="))
    except WatermarkInvalid:
        return
    raise ContractBroken(f"rubbish was taken as a watermark and answered with {pages!r}")


def an_unreadable_item_is_named_and_invalid(bench: TargetBench) -> None:
    """B-23: the feed names it, a get says ``Invalid``, its neighbours are not touched by it."""
    good, bad = bench.user_create("Good"), bench.unreadable()
    changed, _, _ = _read(bench, None)
    demand({good, bad} <= set(changed), f"changed {sorted(changed)}")
    answers = bench.connector.get(bench.link, [good, bad])
    demand(isinstance(answers[good], Item), f"the neighbour: {answers[good]!r}")
    demand(isinstance(answers[bad], Invalid), f"the unreadable item: {answers[bad]!r}")


def a_users_item_has_a_native_identity(bench: TargetBench) -> None:
    """L3: an item that bears no stamp of ours is known by its own identity, and found by it."""
    key = bench.user_create("Users own")
    item = item_of(bench, key)
    demand(item.stamp is None and bool(item.native), f"stamp {item.stamp!r}, native {item.native!r}")
    found = only(find(bench, Identity(native=item.native)))
    demand((found.place, found.key) == (Place.FOLDER, key), f"found {found!r}")


def a_moved_item_is_found_elsewhere(bench: TargetBench) -> None:
    """D7: a move changes the id and keeps stamp and native identity; it is gone here and found elsewhere."""
    stamp = bench.token()
    made = create(bench, bench.sample("Moved"), stamp)
    native = item_of(bench, made.key).native
    _, _, watermark = _read(bench, None)
    moved = bench.user_move(made.key or "")
    _, deleted, _ = _read(bench, watermark)
    demand(deleted == {made.key}, f"deleted {deleted}")
    for identity in (Identity(stamp=stamp), Identity(native=native)):
        found = only(find(bench, identity))
        demand((found.place, found.key) == (Place.ELSEWHERE, moved), f"found {found!r} for {identity!r}")


def a_copy_is_a_second_holder(bench: TargetBench) -> None:
    """D8: a copy bears our stamp too. It is told apart by its id; by its native identity only where that is a UID, which
    Outlook gives a copy anew, while PidTagSearchKey is copied along."""
    stamp = bench.token()
    made = create(bench, bench.sample("Copied"), stamp)
    copy = bench.user_copy(made.key or "")
    hits = find(bench, Identity(stamp=stamp))
    demand({hit.key for hit in hits} == {made.key, copy}, f"holders {hits!r}")
    theirs, ours = item_of(bench, copy).native, item_of(bench, made.key).native
    own = bench.link.entity is Entity.SCHEDULE_ITEM
    demand((theirs != ours) is own, f"the copy's native identity is {theirs!r}, the original's {ours!r}")


def our_delete_leaves_the_item_in_deleted_items(bench: TargetBench) -> None:
    """Our deletes can be undone by the user: the item is found as deleted by its stamp."""
    stamp = bench.token()
    made = create(bench, bench.sample("Deleted by us"), stamp)
    done(one(bench, Write(Operation.DELETE, made.key, made.version)))
    demand(only(find(bench, Identity(stamp=stamp))).place is Place.DELETED, "not found in Deleted Items")


def an_update_can_stamp_a_users_item(bench: TargetBench) -> None:
    """Design §9: others' items are stamped only in a write that is made anyway."""
    key, stamp = bench.user_create("Users own"), bench.token()
    seen = item_of(bench, key)
    change = bench.retitled("Ours")
    done(one(bench, Write(Operation.UPDATE, key, seen.version, change, frozenset(change), stamp)))
    item = item_of(bench, key)
    demand((item.stamp, item.native) == (stamp, seen.native), f"stamp {item.stamp!r}, native {item.native!r}")
    demand(only(find(bench, Identity(stamp=stamp))).key == key, "not found by its new stamp")


TARGET_CHECKS: tuple[Callable[[TargetBench], None], ...] = (
    *SHARED_CHECKS,
    writes_are_sent_lazily,
    an_empty_folder_reads_to_its_end,
    the_first_read_names_every_item,
    a_write_comes_back_with_the_written_version,
    a_quiet_folder_reports_nothing,
    edits_and_deletes_are_reported,
    a_page_watermark_resumes_behind_its_page,
    a_watermark_survives_a_restart,
    a_foreign_watermark_is_refused,
    an_unreadable_item_is_named_and_invalid,
    a_users_item_has_a_native_identity,
    a_moved_item_is_found_elsewhere,
    a_copy_is_a_second_holder,
    our_delete_leaves_the_item_in_deleted_items,
    an_update_can_stamp_a_users_item,
)
"""What a target promises."""


def _read(bench: TargetBench, since: str | None) -> tuple[Mapping[str, str | None], set[str], str]:
    pages = list(bench.connector.changes(bench.link, since))
    demand(bool(pages) and pages[-1].complete, "the feed does not end with a complete page")
    changed, deleted = summed(pages)
    return changed, deleted, pages[-1].watermark

"""What both sides promise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from runner.model.errors import Gone, VersionMoved
from runner.model.items import Identity, Item, Write
from runner.model.terms import Operation, Place
from runner.testing.contract.bench import Bench
from runner.testing.contract.words import create, demand, demand_held, done, find, item_of, one, only, refused


def a_created_item_is_read_back_as_written(bench: Bench) -> None:
    """What a create wrote is what a get returns, under the key and version of the result."""
    values = bench.sample("Made here")
    result = create(bench, values)
    item = item_of(bench, result.key)
    demand(item.version == result.version, f"version {item.version!r} read, {result.version!r} returned")
    demand_held(item, values)
    demand(result.item in (None, item), f"the result's item {result.item!r} is not the one that is read: {item!r}")
    demand(not result.adopted, "a fresh create says that it was adopted")


def get_answers_for_every_key(bench: Bench) -> None:
    """Every key is answered: with the item, or ``Gone`` when it is positively absent."""
    here, gone = bench.user_create("Here"), bench.user_create("Going")
    bench.user_delete(gone)
    answers = bench.connector.get(bench.link, [here, gone])
    demand(set(answers) == {here, gone}, f"answers for {sorted(answers)}")
    demand(isinstance(answers[here], Item), f"the item that is there: {answers[here]!r}")
    demand(isinstance(answers[gone], Gone), f"the item that is not there: {answers[gone]!r}")


def get_of_nothing_is_empty(bench: Bench) -> None:
    """No keys, no answers, no error."""
    demand(dict(bench.connector.get(bench.link, [])) == {}, "answers to no question")


def an_update_changes_only_its_fields(bench: Bench) -> None:
    """Fields that a write does not name stay as they are, even when its values say otherwise."""
    values = bench.sample("Before")
    made = create(bench, values)
    change = bench.retitled("After")
    others = bench.sample("Ignored", place="Not to be written")
    result = one(bench, Write(Operation.UPDATE, made.key, made.version, others | change, frozenset(change)))
    done(result)
    item = item_of(bench, made.key)
    demand(item.version == result.version, f"version {item.version!r} read, {result.version!r} returned")
    demand(result.item in (None, item), f"the result's item {result.item!r} is not the one that is read: {item!r}")
    demand_held(item, values | change)


def an_update_moves_the_version_on(bench: Bench) -> None:
    """No two states of an item have the same version."""
    made = create(bench, bench.sample("Before"))
    change = bench.retitled("After")
    result = one(bench, Write(Operation.UPDATE, made.key, made.version, change, frozenset(change)))
    done(result)
    demand(result.version not in {None, made.version}, f"version {result.version!r} after {made.version!r}")


def a_users_edit_moves_the_version_on(bench: Bench) -> None:
    """An edit is seen in the version, and when the side tells the time of changes, not before the create."""
    key = bench.user_create("Before")
    before = item_of(bench, key)
    bench.user_edit(key, "After")
    after = item_of(bench, key)
    demand(after.version != before.version, f"version {after.version!r} before and after an edit")
    demand_held(after, bench.retitled("After"))
    if before.modified and after.modified:
        demand(after.modified >= before.modified - timedelta(seconds=1), "the edit is older than the item")


def a_conditional_update_is_refused_on_a_stale_version(bench: Bench) -> None:
    """B-64: the user edited meanwhile: ``VersionMoved``, and his text stands."""
    key = bench.user_create("Seen")
    seen = item_of(bench, key)
    bench.user_edit(key, "Users own")
    change = bench.retitled("Ours")
    refused(one(bench, Write(Operation.UPDATE, key, seen.version, change, frozenset(change))), VersionMoved)
    demand_held(item_of(bench, key), bench.retitled("Users own"))


def a_conditional_delete_is_refused_on_a_stale_version(bench: Bench) -> None:
    """The user edited what we were about to delete: ``VersionMoved``, and the item stays."""
    key = bench.user_create("Seen")
    seen = item_of(bench, key)
    bench.user_edit(key, "Users own")
    refused(one(bench, Write(Operation.DELETE, key, seen.version)), VersionMoved)
    demand_held(item_of(bench, key), bench.retitled("Users own"))


def an_update_of_a_missing_item_is_gone(bench: Bench) -> None:
    """Deleted meanwhile: ``Gone``, not ``VersionMoved``, and nothing is made anew."""
    key = bench.user_create("Seen")
    seen = item_of(bench, key)
    bench.user_delete(key)
    change = bench.retitled("Ours")
    refused(one(bench, Write(Operation.UPDATE, key, seen.version, change, frozenset(change))), Gone)


def a_delete_of_a_missing_item_is_gone(bench: Bench) -> None:
    """Deleting twice is ``Gone`` the second time."""
    made = create(bench, bench.sample("Short-lived"))
    done(one(bench, Write(Operation.DELETE, made.key, made.version)))
    refused(one(bench, Write(Operation.DELETE, made.key, made.version)), Gone)


def a_deleted_item_is_gone(bench: Bench) -> None:
    """After our delete a direct read says ``Gone``."""
    made = create(bench, bench.sample("Short-lived"))
    result = one(bench, Write(Operation.DELETE, made.key, made.version))
    done(result)
    demand(result.version is None, f"a deleted item has version {result.version!r}")
    key = made.key or ""
    demand(isinstance(bench.connector.get(bench.link, [key])[key], Gone), "the deleted item can still be read")


def one_result_for_each_write_in_order(bench: Bench) -> None:
    """A refused write does not stop its neighbours, and results stand in the order of the writes."""
    key = bench.user_create("Stale")
    stale = item_of(bench, key)
    bench.user_edit(key, "Newer")
    change = bench.retitled("Ours")
    sample = bench.sample("Fresh")
    results = list(
        bench.connector.write(
            bench.link,
            [
                Write(Operation.UPDATE, key, stale.version, change, frozenset(change)),
                Write(Operation.CREATE, None, None, sample, frozenset(sample), bench.token()),
            ],
        )
    )
    demand(len(results) == 2, f"{len(results)} results for 2 writes")
    refused(results[0], VersionMoved)
    done(results[1])
    demand_held(item_of(bench, results[1].key), sample)


def a_created_item_is_found_by_its_stamp(bench: Bench) -> None:
    """The look-up that settles an unknown create (B-72, reliability L1)."""
    stamp = bench.token()
    made = create(bench, bench.sample("Stamped"), stamp)
    found = only(find(bench, Identity(stamp=stamp)))
    demand((found.place, found.key) == (Place.FOLDER, made.key), f"found {found!r}, made {made.key!r}")
    demand(found.identity.stamp == stamp, f"the answer names the identity {found.identity!r}")


def an_unknown_identity_is_not_found(bench: Bench) -> None:
    """Nothing is found for a stamp that was never used."""
    bench.user_create("Somebody else's")
    demand(not find(bench, Identity(stamp=bench.token())), "a stranger was found")


def a_deleted_item_is_found_as_deleted(bench: Bench) -> None:
    """L5: created, then deleted by a user before anybody looked: the look-up tells it from never created."""
    stamp = bench.token()
    made = create(bench, bench.sample("Deleted by a user"), stamp)
    bench.user_delete(made.key or "")
    found = only(find(bench, Identity(stamp=stamp)))
    demand(found.place in {Place.DELETED, Place.TOMBSTONE}, f"found in {found.place}")


def find_answers_for_several_identities(bench: Bench) -> None:
    """Each hit names the identity that was asked for, so that the asker can tell them apart."""
    stamps = [bench.token() for _ in range(3)]
    keys = {stamp: create(bench, bench.sample(f"Item {n}"), stamp).key for n, stamp in enumerate(stamps)}
    hits = bench.connector.find(bench.link, [Identity(stamp=stamp) for stamp in [*stamps, bench.token()]])
    demand({hit.identity.stamp: hit.key for hit in hits} == keys, f"hits {hits!r}")


def check_passes_when_all_is_well(bench: Bench) -> None:
    """``check`` raises nothing over a link that works."""
    bench.connector.check(bench.link)


SHARED_CHECKS: tuple[Callable[[Bench], None], ...] = (
    a_created_item_is_read_back_as_written,
    get_answers_for_every_key,
    get_of_nothing_is_empty,
    an_update_changes_only_its_fields,
    an_update_moves_the_version_on,
    a_users_edit_moves_the_version_on,
    a_conditional_update_is_refused_on_a_stale_version,
    a_conditional_delete_is_refused_on_a_stale_version,
    an_update_of_a_missing_item_is_gone,
    a_delete_of_a_missing_item_is_gone,
    a_deleted_item_is_gone,
    one_result_for_each_write_in_order,
    a_created_item_is_found_by_its_stamp,
    an_unknown_identity_is_not_found,
    a_deleted_item_is_found_as_deleted,
    find_answers_for_several_identities,
    check_passes_when_all_is_well,
)
"""What both sides promise."""

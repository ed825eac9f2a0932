"""What the engine may rely on from any store. Written against the port only, so that another store can run it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from runner.model.ports import Store
from runner.model.state import (
    Act,
    Base,
    Commit,
    LinkCondition,
    LinkState,
    Mark,
    MarkCounts,
    MatchCandidate,
    PairingStatus,
    Purge,
    Scope,
    Suspension,
)
from runner.model.terms import Operation, Side
from tests.store.samples import (
    ANN,
    BOB,
    HOUR,
    NASTY,
    NOW,
    RECORD,
    aside,
    conflict,
    entry,
    intent,
    pairing,
    resolution,
    run,
)

EVER = 1 << 62


def marks_of(store: Store, link: str = ANN, now: timedelta = timedelta()) -> list[Mark]:
    return list(store.marks(link, after=0, until=EVER, limit=1000, now=NOW + now))


def test_an_unknown_link_has_a_fresh_state_and_nothing_else(store: Store) -> None:
    assert store.links() == {}
    assert store.link(ANN) == LinkState(ANN)
    assert store.links() == {}
    assert store.last_mark(ANN) == 0
    assert marks_of(store) == []
    assert list(store.pairings(ANN, crm_keys=["c1"])) == []
    assert store.echoes(ANN, Side.CRM, {"c1": "1"}) == frozenset()
    assert store.count(ANN) == 0
    assert store.paired_links(["c1"]) == {"c1": frozenset()}
    assert list(store.matches(ANN)) == []
    assert list(store.intents(ANN)) == []
    assert list(store.resolutions(ANN)) == []
    assert store.writes_since(ANN, NOW) == {}
    assert store.crm_watermark("crm") is None
    assert store.mark_counts(ANN, NOW) == MarkCounts(0)
    assert store.paired_marks(ANN, NOW) == 0
    assert list(store.paired_keys(ANN, Side.CRM, after=0, limit=9)) == []


def test_a_link_state_comes_back_as_it_was_written(store: Store) -> None:
    state = LinkState(
        ANN,
        condition=LinkCondition.STOPPED,
        target_watermark="H4sI" * 50_000,
        target_complete=True,
        listed=True,
        matched=True,
        mapping_digest="abc",
        reason=NASTY,
        last_pass=NOW,
    )
    store.commit(Commit(links=(LinkState(ANN), state)))
    assert store.link(ANN) == state
    assert store.links() == {ANN: state}
    later = replace(state, condition=LinkCondition.ACTIVE, reason=None, target_watermark=None)
    store.commit(Commit(links=(later,)))
    assert store.link(ANN) == later


def test_crm_watermarks_are_kept_apart_and_replaced(store: Store) -> None:
    store.commit(Commit(crm_watermarks={"crm": "1", "other": "x" * 100_000}))
    store.commit(Commit(crm_watermarks={"crm": "2"}))
    assert store.crm_watermark("crm") == "2"
    assert store.crm_watermark("other") == "x" * 100_000


def test_marks_come_in_order_of_seq_within_their_bounds(store: Store) -> None:
    store.commit(Commit(marks=tuple(Mark(ANN, Side.TARGET, f"t{number}") for number in range(10))))
    store.commit(Commit(marks=(Mark(BOB, Side.CRM, "c1"),)))
    all_marks = marks_of(store)
    assert [mark.key for mark in all_marks] == [f"t{number}" for number in range(10)]
    seqs = [mark.seq for mark in all_marks]
    assert seqs == sorted(set(seqs))
    assert store.last_mark(ANN) == seqs[-1]
    middle = store.marks(ANN, after=seqs[2], until=seqs[7], limit=3, now=NOW)
    assert [mark.seq for mark in middle] == seqs[3:6]
    assert [mark.key for mark in marks_of(store, BOB)] == ["c1"]


def test_a_mark_that_is_not_due_waits(store: Store) -> None:
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c1", due=NOW + HOUR), Mark(ANN, Side.CRM, "c2", due=NOW))))
    assert [mark.key for mark in marks_of(store)] == ["c2"]
    assert [mark.due for mark in marks_of(store, now=HOUR)] == [NOW + HOUR, NOW]
    assert store.last_mark(ANN) == max(mark.seq for mark in marks_of(store, now=HOUR))
    assert store.mark_counts(ANN, NOW) == MarkCounts(due=1)
    assert store.paired_marks(ANN, NOW) == 0


def test_what_waits_does_not_hold_up_what_was_observed_meanwhile(store: Store) -> None:
    """A pass puts an item off (its failure, or it lies beyond the window) while the same item is edited: the edit is due."""
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c1"), Mark(ANN, Side.CRM, "c2"))))
    first, second = marks_of(store)
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c1"),)))
    late = (replace(first, due=NOW + HOUR), replace(second, due=NOW + HOUR))
    store.commit(Commit(marks=late, settled=(first.seq,)))
    assert [mark.key for mark in marks_of(store)] == ["c1"]
    assert {mark.key for mark in marks_of(store, now=HOUR)} == {"c1", "c2"}
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c2", due=NOW + 2 * HOUR),)))
    assert {mark.key for mark in marks_of(store, now=HOUR)} == {"c1", "c2"}


def test_suspensions_and_acts_are_kept(store: Store) -> None:
    """B-15: who, when, what; a suspension holds until it is resumed."""
    hq, everything = Suspension(Scope.TARGET, "hq", "ann", NOW, NASTY), Suspension(Scope.ALL, "", "bob", NOW)
    acts = tuple(Act(NOW, "ann", "suspend", f"target {name}", None) for name in ("hq", "lab"))
    store.commit(Commit(suspended=(hq, everything), acts=acts))
    assert list(store.suspensions()) == [hq, everything]
    assert list(store.acts(1)) == [acts[1]]
    again = replace(hq, reason="moving")
    store.commit(Commit(suspended=(again,), resumed=((Scope.ALL, ""), (Scope.LINK, "unknown"))))
    assert list(store.suspensions()) == [again]


def test_a_newer_mark_replaces_the_older_one_and_keeps_its_tries(store: Store) -> None:
    store.commit(Commit(marks=(Mark(ANN, Side.TARGET, "t1", deleted=True, due=NOW + HOUR, tries=3),)))
    [old] = marks_of(store, now=HOUR)
    store.commit(Commit(marks=(Mark(ANN, Side.TARGET, "t1"), Mark(ANN, Side.CRM, "t1"), Mark(BOB, Side.TARGET, "t1"))))
    marks = {mark.side: mark for mark in marks_of(store)}
    assert (marks[Side.TARGET].deleted, marks[Side.TARGET].due, marks[Side.TARGET].tries) == (False, None, 3)
    assert marks[Side.TARGET].seq > old.seq
    assert (marks[Side.CRM].tries, len(marks)) == (0, 2)
    assert marks_of(store, BOB)[0].tries == 0


def test_of_two_marks_of_one_key_in_one_commit_the_later_counts(store: Store) -> None:
    store.commit(
        Commit(
            marks=(
                Mark(ANN, Side.CRM, "c1", tries=2),
                Mark(ANN, Side.CRM, "c2"),
                Mark(ANN, Side.CRM, "c1", deleted=True),
            )
        )
    )
    assert [(mark.key, mark.deleted, mark.tries) for mark in marks_of(store)] == [("c2", False, 0), ("c1", True, 2)]


def test_settling_removes_a_mark_but_not_the_newer_one_of_the_same_key(store: Store) -> None:
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c1"), Mark(ANN, Side.CRM, "c2"))))
    seen = marks_of(store)
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c1"),)))
    store.commit(Commit(settled=tuple(mark.seq for mark in seen)))
    assert [mark.key for mark in marks_of(store)] == ["c1"]
    store.commit(Commit(settled=(store.last_mark(ANN),)))
    assert store.last_mark(ANN) == 0
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c3"),)))
    assert store.last_mark(ANN) > seen[-1].seq


def test_settling_and_marking_again_in_one_commit_sets_the_tries_anew(store: Store) -> None:
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c1", tries=5),)))
    store.commit(Commit(settled=(store.last_mark(ANN),), marks=(Mark(ANN, Side.CRM, "c1", tries=1),)))
    assert [mark.tries for mark in marks_of(store)] == [1]


def test_mark_counts_tell_paired_from_unpaired(store: Store) -> None:
    store.commit(
        Commit(
            pairings=(
                pairing(1),
                pairing(2),
                pairing(3, status=PairingStatus.DETACHED),
                pairing(4, BOB),
            ),
            marks=(
                Mark(ANN, Side.CRM, "c1"),
                Mark(ANN, Side.TARGET, pairing(1).target_key),
                Mark(ANN, Side.CRM, pairing(2).target_key),
                Mark(ANN, Side.CRM, "c3"),
                Mark(ANN, Side.CRM, "c4"),
                Mark(ANN, Side.CRM, "c2", due=NOW + HOUR),
            ),
        )
    )
    assert (store.mark_counts(ANN, NOW).due, store.paired_marks(ANN, NOW)) == (5, 2)
    assert (store.mark_counts(ANN, NOW + HOUR).due, store.paired_marks(ANN, NOW + HOUR)) == (6, 3)


def test_mark_counts_name_the_sides_that_hold_items(store: Store) -> None:
    """B-72: a first sync matches only when there is something on both sides; what a feed calls deleted is not there."""
    store.commit(
        Commit(
            marks=(
                Mark(ANN, Side.TARGET, "t1"),
                Mark(ANN, Side.CRM, "c1", deleted=True),
                Mark(ANN, Side.CRM, "c2", due=NOW + HOUR),
            )
        )
    )
    assert store.mark_counts(ANN, NOW).sides == {Side.TARGET}
    assert store.mark_counts(ANN, NOW + HOUR).sides == {Side.CRM, Side.TARGET}
    assert store.mark_counts(BOB, NOW).sides == frozenset()


@pytest.mark.parametrize(
    "base",
    [
        None,
        Base(crm=RECORD, target=RECORD),
        Base(crm=dict(RECORD), target=dict(reversed(RECORD.items()))),
        Base(crm=RECORD, target={**RECORD, "title": None}),
        Base(crm={}, target={"keywords": ()}),
    ],
)
def test_a_pairing_comes_back_as_it_was_written(store: Store, base: Base | None) -> None:
    one = pairing(1, base=base, reason=NASTY, native=NASTY)
    store.commit(Commit(pairings=(one,)))
    [found] = store.pairings(ANN, crm_keys=["c1"])
    assert found.id > 0
    assert replace(found, id=0) == one


def test_a_pairing_is_found_by_any_of_its_keys_and_once(store: Store) -> None:
    ones = tuple(pairing(number) for number in range(6))
    store.commit(Commit(pairings=(*ones, pairing(7, BOB), pairing(8, stamp=None, native=None))))

    def found(**keys: list[str]) -> list[str]:
        return sorted(one.crm_key for one in store.pairings(ANN, **keys))

    assert found(crm_keys=["c1", "c1", "nobody", "c7"]) == ["c1"]
    assert found(target_keys=[ones[2].target_key]) == ["c2"]
    assert found(stamps=[ones[3].stamp or ""]) == ["c3"]
    assert found(natives=[ones[4].native or ""]) == ["c4"]
    assert found(
        crm_keys=["c1", "c5"], target_keys=[ones[1].target_key], stamps=[ones[1].stamp or ""], natives=["x"]
    ) == ["c1", "c5"]
    assert found() == []
    assert found(crm_keys=[ones[2].target_key]) == []


def test_look_ups_of_a_thousand_keys_find_each(store: Store) -> None:
    store.commit(Commit(pairings=tuple(pairing(number) for number in range(3000))))
    keys = [f"c{number}" for number in range(0, 4000, 4)]
    assert {one.crm_key for one in store.pairings(ANN, crm_keys=keys)} == {f"c{number}" for number in range(0, 3000, 4)}


def test_a_pairing_is_replaced_by_its_id(store: Store) -> None:
    store.commit(Commit(pairings=(pairing(1), pairing(2))))
    [one] = store.pairings(ANN, crm_keys=["c1"])
    moved = replace(one, target_key="AAMk-moved", target_version="9", stamp=None, base=None)
    store.commit(Commit(pairings=(moved,)))
    assert list(store.pairings(ANN, target_keys=["AAMk-moved"])) == [moved]
    assert list(store.pairings(ANN, target_keys=[one.target_key], stamps=[one.stamp or ""])) == []
    assert store.count(ANN) == 2


def test_replacing_a_pairing_that_is_not_there_fails_and_writes_nothing(store: Store) -> None:
    store.commit(Commit(pairings=(pairing(1),)))
    [one] = store.pairings(ANN, crm_keys=["c1"])
    with pytest.raises(ValueError, match="replaced and do"):
        store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c1"),), pairings=(pairing(2), replace(one, id=one.id + 77))))
    assert marks_of(store) == []
    assert store.count(ANN) == 1
    store.commit(Commit(pairings=(pairing(3),)))
    assert store.count(ANN) == 2


def test_an_ended_pairing_is_gone(store: Store) -> None:
    store.commit(Commit(pairings=(pairing(1), pairing(2))))
    [one] = store.pairings(ANN, crm_keys=["c1"])
    store.commit(Commit(unpaired=(one.id,), pairings=(pairing(1, target_version="new"),)))
    [again] = store.pairings(ANN, crm_keys=["c1"])
    assert again.id != one.id
    assert again.target_version == "new"
    assert store.count(ANN) == 2


def test_count_and_paired_keys_leave_out_detached_pairs(store: Store) -> None:
    store.commit(Commit(pairings=(pairing(1), pairing(2, status=PairingStatus.DETACHED), pairing(3), pairing(4, BOB))))
    assert (store.count(ANN), store.count(BOB)) == (2, 1)
    rows = store.paired_keys(ANN, Side.CRM, after=0, limit=10)
    assert [key for _, key in rows] == ["c1", "c3"]
    assert list(store.paired_keys(ANN, Side.TARGET, after=rows[0][0], limit=10)) == [
        (rows[1][0], pairing(3).target_key)
    ]
    assert len(store.paired_keys(ANN, Side.CRM, after=0, limit=1)) == 1


def test_echoes_are_keys_whose_version_is_the_paired_one(store: Store) -> None:
    """B-12."""
    store.commit(Commit(pairings=(pairing(1), pairing(2), pairing(3, crm_version=None), pairing(4, BOB))))
    assert store.echoes(ANN, Side.CRM, {"c1": "1", "c2": "1", "c3": None, "c4": "4", "c9": "9"}) == {"c1"}
    keys = {pairing(number).target_key: pairing(number).target_version for number in (1, 2)}
    assert store.echoes(ANN, Side.TARGET, keys) == set(keys)
    assert store.echoes(ANN, Side.TARGET, dict.fromkeys(keys)) == frozenset()


def test_paired_links_name_every_link_of_a_crm_key(store: Store) -> None:
    store.commit(Commit(pairings=(pairing(1), pairing(1, BOB), pairing(2, BOB))))
    assert store.paired_links(["c1", "c2", "c3"]) == {
        "c1": frozenset({ANN, BOB}),
        "c2": frozenset({BOB}),
        "c3": frozenset(),
    }


def test_matches_are_digests_unique_on_both_sides(store: Store) -> None:
    """B-72: unsure ones are no matches; an item matches once, by its first rule."""

    def candidate(side: Side, key: str, digest: str, rule: int = 0, link: str = ANN) -> MatchCandidate:
        return MatchCandidate(link, side, key, rule, digest)

    store.commit(
        Commit(
            candidates=(
                candidate(Side.CRM, "c1", "one"),
                candidate(Side.TARGET, "t1", "one"),
                candidate(Side.CRM, "c2", "two"),
                candidate(Side.CRM, "c3", "two"),
                candidate(Side.TARGET, "t2", "two"),
                candidate(Side.TARGET, "t3", "alone"),
                candidate(Side.CRM, "c1", "r1", rule=1),
                candidate(Side.TARGET, "t9", "r1", rule=1),
                candidate(Side.CRM, "c2", "r2", rule=1),
                candidate(Side.TARGET, "t2", "r2", rule=1),
                candidate(Side.TARGET, "t3", "one", link=BOB),
                candidate(Side.CRM, "c4", "old"),
            )
        )
    )
    store.commit(Commit(candidates=(candidate(Side.CRM, "c4", "new"), candidate(Side.TARGET, "t4", "new"))))
    store.commit(Commit(candidates=(candidate(Side.TARGET, "t5", "old"),)))
    assert sorted(store.matches(ANN)) == [("c1", "t1"), ("c2", "t2"), ("c4", "t4")]
    store.commit(Commit(matched=(ANN,)))
    assert list(store.matches(ANN)) == []


def test_intents_stay_open_until_their_outcome_is_recorded(store: Store) -> None:
    assert list(store.intents(ANN)) == []
    store.commit(Commit(intents=(intent("a"), intent("b"), intent("c", BOB))))
    assert list(store.intents(ANN)) == [intent("a"), intent("b")]
    store.commit(Commit(closed=("a", "unknown")))
    assert list(store.intents(ANN)) == [intent("b")]
    store.commit(Commit(closed=("b",)))
    assert list(store.intents(ANN)) == []
    store.commit(Commit(intents=(intent("d"),)))
    assert [one.token for one in store.intents(ANN)] == ["d"]


def test_writes_are_counted_per_operation_over_a_window(store: Store) -> None:
    store.commit(
        Commit(
            ledger=(
                entry(Operation.CREATE),
                entry(Operation.CREATE),
                entry(Operation.DELETE),
                entry(Operation.DELETE, at=NOW - HOUR),
                entry(Operation.UPDATE, BOB),
            )
        )
    )
    assert store.writes_since(ANN, NOW) == {"create": 2, "delete": 1}
    assert store.writes_since(ANN, NOW - HOUR) == {"create": 2, "delete": 2}
    assert store.writes_since(ANN, NOW + HOUR) == {}


def test_writes_and_pairs_are_counted_per_target_and_run(store: Store) -> None:
    """B-101: the wide guards' windows."""
    elsewhere = "eu/ann.lee@example.com/calendar"
    store.commit(
        Commit(
            ledger=(
                entry(Operation.DELETE),
                entry(Operation.DELETE, BOB),
                entry(Operation.DELETE, BOB, at=NOW - HOUR),
                entry(Operation.DELETE, elsewhere),
                replace(entry(Operation.CREATE, BOB), run="run-2"),
            ),
            pairings=(
                pairing(1),
                pairing(2, BOB),
                pairing(3, BOB, status=PairingStatus.DETACHED),
                pairing(4, elsewhere),
            ),
        )
    )
    assert store.writes_under("hq/", NOW) == {"delete": 2, "create": 1}
    assert store.writes_under("hq/", NOW - HOUR) == {"delete": 3, "create": 1}
    assert store.writes_under("none/", NOW) == {}
    assert store.writes_of("run-1") == {"delete": 4}
    assert store.writes_of("run-2") == {"create": 1}
    assert (store.count_under("hq/"), store.count_under("eu/"), store.count_under("none/")) == (2, 1, 0)


def test_updates_are_counted_per_item_over_a_window(store: Store) -> None:
    """B-65."""
    fought = replace(entry(Operation.UPDATE), key="fought")
    store.commit(
        Commit(ledger=(fought, fought, replace(fought, at=NOW - HOUR), replace(fought, operation=Operation.CREATE)))
    )
    assert store.item_writes_since(ANN, ["fought", "other"], NOW) == {"fought": 2}
    assert store.item_writes_since(ANN, ["fought"], NOW - HOUR) == {"fought": 3}
    assert store.item_writes_since(ANN, ["other"], NOW) == {}
    assert store.item_writes_since(ANN, [], NOW) == {}
    assert store.item_writes_since("nobody", ["fought"], NOW) == {}


def test_conflicts_are_replaced_by_id_and_listed_newest_first(store: Store) -> None:
    """B-62."""
    first, second = conflict("k1"), conflict("k2", at=NOW + HOUR, field=None, winner=Side.CRM)
    store.commit(Commit(conflicts=(conflict("k3", BOB, at=NOW - HOUR), first, second)))
    assert [one.id for one in store.conflicts()] == ["k2", "k1", "k3"]
    assert list(store.conflicts(ANN)) == [second, first]
    assert list(store.conflicts(ANN, open_only=True)) == [first]
    settled = replace(first, resolved_at=NOW + HOUR, resolution="crm")
    store.commit(Commit(conflicts=(settled,)))
    assert list(store.conflicts(ANN)) == [second, settled]
    assert list(store.conflicts(ANN, open_only=True)) == []
    assert list(store.conflicts("nobody")) == []


def test_resolutions_wait_until_a_pass_has_carried_them_out(store: Store) -> None:
    assert list(store.resolutions(ANN)) == []
    store.commit(Commit(resolutions=(resolution("k1"), resolution("k2", BOB))))
    store.commit(Commit(resolutions=(resolution("k1", take="target"),)))
    assert list(store.resolutions(ANN)) == [resolution("k1", take="target")]
    store.commit(Commit(resolved=("k1",)))
    assert list(store.resolutions(ANN)) == []
    assert list(store.resolutions(BOB)) == [resolution("k2", BOB)]


def test_quarantine_holds_an_item_once_until_it_is_released(store: Store) -> None:
    """B-23."""
    store.commit(Commit(quarantined=(aside("t1"), aside("t1", side=Side.CRM), aside("t1", BOB), aside("t1", tries=2))))
    store.commit(Commit(quarantined=(aside("t1", tries=3),)))
    assert sorted(one.tries for one in store.quarantined(ANN)) == [1, 3]
    assert len(store.quarantined()) == 3
    store.commit(Commit(released=((ANN, Side.TARGET, "t1"), (ANN, Side.TARGET, "unknown"))))
    assert list(store.quarantined(ANN)) == [aside("t1", side=Side.CRM)]
    assert list(store.quarantined("nobody")) == []


def test_runs_are_listed_newest_first(store: Store) -> None:
    store.commit(Commit(runs=(run("r1"), run("r2", BOB))))
    store.commit(Commit(runs=(run("r3"),)))
    assert list(store.runs(2)) == [run("r3"), run("r2", BOB)]


def test_a_rehearsal_shows_its_commits_and_leaves_nothing(store: Store) -> None:
    state = LinkState(ANN, target_watermark="w1")
    store.commit(Commit(links=(state,), pairings=(pairing(1),), marks=(Mark(ANN, Side.CRM, "c1"),)))
    [mark], [one] = marks_of(store), store.pairings(ANN, crm_keys=["c1"])
    with store.rehearsal():
        store.commit(
            Commit(
                links=(replace(state, target_watermark="w2"), LinkState(BOB)),
                crm_watermarks={"crm": "5"},
                settled=(mark.seq,),
                unpaired=(one.id,),
                intents=(intent("a"),),
            )
        )
        store.heartbeat(ANN, NOW + HOUR)
        assert store.link(ANN).target_watermark == "w2"
        assert store.last_mark(ANN) == 0
        assert store.count(ANN) == 0
        assert len(store.intents(ANN)) == 1
        store.commit(Commit(pairings=(pairing(2),)))
        assert [found.crm_key for found in store.pairings(ANN, crm_keys=["c1", "c2"])] == ["c2"]
    assert store.links() == {ANN: state}
    assert store.link(BOB) == LinkState(BOB)
    assert store.crm_watermark("crm") is None
    assert marks_of(store) == [mark]
    assert list(store.pairings(ANN, crm_keys=["c1", "c2"])) == [one]
    assert list(store.intents(ANN)) == []
    store.commit(Commit(pairings=(pairing(2),)))
    assert store.count(ANN) == 2


def test_a_rehearsal_that_fails_is_undone_too(store: Store) -> None:
    store.commit(Commit(links=(LinkState(ANN),)))

    def fail() -> None:
        with store.rehearsal():
            store.commit(Commit(pairings=(pairing(1),)))
            raise KeyError("in the middle")

    with pytest.raises(KeyError):
        fail()
    assert store.count(ANN) == 0


def test_an_empty_commit_is_no_commit(store: Store) -> None:
    store.commit(Commit())
    assert store.links() == {}


def test_the_ledger_is_read_newest_first_by_link_run_and_item(store: Store) -> None:
    """P17: every write with what was there before."""
    mine = replace(entry(Operation.UPDATE), key="c1", counterpart="t1", before={"title": "a"}, after={"title": "b"})
    other = replace(entry(link=BOB), run="run-2", key="t9", counterpart="c9", side=Side.TARGET)
    store.commit(Commit(ledger=(mine, other)))
    store.commit(Commit(ledger=(replace(mine, operation=Operation.DELETE, after=None),)))
    found = store.ledger()
    assert [replace(one, id=0) for one in found] == [replace(mine, operation=Operation.DELETE, after=None), other, mine]
    assert [one.id for one in found] == sorted((one.id for one in found), reverse=True)
    assert [one.operation for one in store.ledger(ANN)] == [Operation.DELETE, Operation.UPDATE]
    assert [one.link for one in store.ledger(run="run-2")] == [BOB]
    assert [one.key for one in store.ledger(key="c9")] == ["t9"]
    assert [one.operation for one in store.ledger(key="t1", limit=1)] == [Operation.DELETE]
    assert [one.id for one in store.ledger(before=found[1].id)] == [found[2].id]
    assert list(store.ledger("nobody")) == []


def test_a_purge_takes_the_values_out_of_the_ledger_and_is_no_write(store: Store) -> None:
    """B-35."""
    store.commit(Commit(ledger=(entry(), replace(entry(), key="c2", counterpart="t2"))))
    store.commit(Commit(purged=(Purge(ANN, "c1", "t1", NOW),)))
    assert [(one.key, one.after) for one in store.ledger()] == [("c2", RECORD), ("c1", None)]
    assert store.writes_since(ANN, NOW) == {"create": 2}


def test_a_run_is_found_by_the_beginning_of_its_name(store: Store) -> None:
    """B-100: with the links on which it wrote."""
    one, two = replace(entry(), run="run-a"), replace(entry(link=BOB), run="run-a")
    store.commit(Commit(ledger=(one, two, replace(entry(), run="run-b"))))
    store.commit(Commit(purged=(Purge(ANN, "c1", "t1", NOW),)))
    assert store.runs_called("run-") == {"run-a": (ANN, BOB), "run-b": (ANN,)}
    assert store.runs_called("run-c") == {}


def test_a_pairing_is_found_by_whatever_it_is_known_by(store: Store) -> None:
    """B-100: in any link, by key, id, stamp, identity and by what people call the item."""
    store.commit(Commit(pairings=(pairing(1), pairing(2, BOB), pairing(3, ANN, base=None))))
    for word in ("c1", pairing(1).target_key, pairing(1).stamp, pairing(1).native):
        assert [(found.link, found.crm_key) for found in store.holders(word or "")] == [(ANN, "c1")], word
    assert list(store.holders("c9")) == []
    assert [found.link for found in store.titled("BUDGET", 10)] == [BOB, ANN]
    assert [found.link for found in store.titled(NASTY, 1)] == [BOB]
    assert list(store.titled("Room 1", 10)) == []

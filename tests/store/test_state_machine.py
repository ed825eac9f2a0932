"""DuckStore against plain dictionaries: after any sequence of commits, rehearsals and restarts, every answer is equal."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from runner.model.state import (
    Base,
    Commit,
    LinkCondition,
    LinkState,
    Mark,
    MatchCandidate,
    Pairing,
    PairingStatus,
)
from runner.model.terms import Entity, Operation, Side
from runner.store import DuckStore, open_store
from tests.store.dict_store import DictStore
from tests.store.samples import ANN, BOB, HOUR, NOW, StillClock, aside, conflict, entry, intent, resolution, run

EVER = 1 << 62
LINKS = (ANN, BOB)
links = st.sampled_from(LINKS)
sides = st.sampled_from(list(Side))
numbers = st.integers(0, 5)
texts = st.text(max_size=8)
values = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), texts, st.tuples(texts, texts))
fields = st.dictionaries(texts, values, max_size=3)
bases = st.one_of(st.none(), st.builds(Base, fields, fields), fields.map(lambda one: Base(one, dict(one))))
marks = st.builds(
    Mark,
    links,
    sides,
    numbers.map(str),
    deleted=st.booleans(),
    due=st.sampled_from([None, NOW - HOUR, NOW + HOUR]),
    tries=st.integers(0, 3),
)
states = st.builds(
    LinkState,
    links,
    condition=st.sampled_from(list(LinkCondition)),
    target_watermark=st.one_of(st.none(), texts),
    target_complete=st.booleans(),
    listed=st.booleans(),
    matched=st.booleans(),
    reason=st.one_of(st.none(), texts),
    last_pass=st.sampled_from([None, NOW]),
)
candidates = st.builds(MatchCandidate, links, sides, numbers.map(str), st.integers(0, 1), st.sampled_from("abc"))
names = numbers.map(lambda number: f"k{number}")
conflicts = st.builds(
    lambda name, link, winner, at: conflict(name, link, winner=winner, at=NOW + at * HOUR),
    names,
    links,
    st.one_of(st.none(), sides),
    st.integers(-2, 2),
)


def few(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, max_size=4).map(tuple)


pairs = st.tuples(links, numbers, numbers, st.sampled_from(list(PairingStatus)), bases, st.one_of(st.none(), texts))
parts = st.fixed_dictionaries(
    {},
    optional={
        "links": few(states),
        "crm_watermarks": st.dictionaries(st.sampled_from(["crm", "other"]), texts, max_size=2),
        "marks": few(marks),
        "closed": few(names),
        "ledger": few(st.builds(entry, st.sampled_from(list(Operation)), links)),
        "conflicts": few(conflicts),
        "resolutions": few(st.builds(resolution, names, links, st.sampled_from(["crm", "target"]))),
        "resolved": few(names),
        "quarantined": few(st.builds(aside, numbers.map(str), links, sides, st.integers(1, 3))),
        "released": few(st.tuples(links, sides, numbers.map(str))),
        "candidates": few(candidates),
        "matched": few(links),
        "runs": few(st.builds(run, names, links)),
    },
)


class Comparison(RuleBasedStateMachine):
    """Both stores side by side."""

    in_memory = True

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock()
        self.directory = Path(tempfile.mkdtemp(prefix="exsync-state-"))
        self.path = None if self.in_memory else self.directory / "state.duckdb"
        self.store: DuckStore = open_store(self.path, clock=self.clock)
        self.plain = DictStore()
        self.born = 0

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.directory)

    def stored(self, stamps: list[str]) -> list[Pairing]:
        return [one for link in LINKS for one in self.store.pairings(link, stamps=stamps)]

    @staticmethod
    def not_before(plain: DictStore, state: LinkState) -> LinkState:
        """A pass that ends never says that it was before an earlier one."""
        known = plain.links.get(state.name, state).last_pass
        return replace(state, last_pass=max(state.last_pass or NOW, known or NOW))

    def both(self, plain: DictStore, data: Any, changes: dict[str, Any]) -> None:
        """One commit on both."""
        settle = data.draw(few(st.sampled_from(list(plain.marks)))) if plain.marks else ()
        end = data.draw(few(st.sampled_from(list(plain.pairings)))) if plain.pairings else ()
        seqs = {
            (mark.link, mark.side, mark.key): mark.seq
            for link in LINKS
            for mark in self.store.marks(link, after=0, until=EVER, limit=999, now=NOW + HOUR)
        }
        pairings = []
        for link, crm, target, status, base, version in data.draw(few(pairs)):
            self.born += 1
            pairings.append(
                Pairing(
                    link,
                    Entity.SCHEDULE_ITEM,
                    f"{crm}",
                    f"{target}",
                    version,
                    version,
                    stamp=f"stamp{self.born}",
                    native=f"{crm}",
                    base=base,
                    status=status,
                )
            )
        ids = {one.stamp: one.id for one in self.stored(list(plain.pairings))}
        kept = [one for one in plain.pairings if one not in end]
        for stamp in set(data.draw(few(st.sampled_from(kept)))) if kept else ():
            link, crm, target, status, base, version = data.draw(pairs)
            old = plain.pairings[stamp]
            pairings.append(
                replace(
                    old,
                    crm_key=f"{crm}",
                    target_key=f"{target}",
                    status=status,
                    base=base,
                    crm_version=version,
                    id=ids[stamp],
                )
            )
        tokens = {f"k{number}" for number in data.draw(few(numbers))} - plain.intents.keys()
        commit = Commit(
            **{**changes, "links": tuple(self.not_before(plain, state) for state in changes.get("links", ()))},
            settled=tuple(seqs[place] for place in settle),
            unpaired=tuple(ids[stamp] for stamp in end),
            pairings=tuple(pairings),
            intents=tuple(intent(token, data.draw(links)) for token in sorted(tokens)),
        )
        plain.commit(commit, settle, end)
        self.store.commit(commit)

    @rule(data=st.data(), changes=parts)
    def commit(self, data: Any, changes: dict[str, Any]) -> None:
        self.both(self.plain, data, changes)

    @rule(data=st.data(), changes=st.lists(parts, min_size=1, max_size=2))
    def rehearse(self, data: Any, changes: list[dict[str, Any]]) -> None:
        plain = self.plain.copy()
        with self.store.rehearsal():
            for one in changes:
                self.both(plain, data, one)
                self.compare(plain)

    @rule(link=links, later=st.integers(1, 9))
    def beat(self, link: str, later: int) -> None:
        moment = NOW + later * HOUR
        state = self.plain.links.get(link) or LinkState(link)
        newest = max(moment, state.last_pass or moment)
        self.plain.links[link] = replace(state, last_pass=newest)
        self.store.heartbeat(link, newest)
        self.clock.seconds += 20
        self.flush_unknown(link)

    def flush_unknown(self, link: str) -> None:
        """A link known by its heartbeat only is listed once that is written: bring both to the same point."""
        if link not in self.store.links():
            self.clock.seconds += 61
            self.store.heartbeat(link, self.plain.links[link].last_pass or NOW)

    @rule(data=st.data(), changes=parts)
    def fail(self, data: Any, changes: dict[str, Any]) -> None:
        """A commit that cannot be leaves no trace."""
        nobody = Pairing(ANN, Entity.SCHEDULE_ITEM, "x", "x", id=1 << 40)
        with pytest.raises(ValueError, match="do not exist"):
            self.store.commit(Commit(**changes, pairings=(nobody,)))

    @rule()
    def reopen(self) -> None:
        if self.path is not None:
            self.store.close()
            self.store = open_store(self.path, clock=self.clock)

    @invariant()
    def equal(self) -> None:
        self.compare(self.plain)

    def compare(self, plain: DictStore) -> None:
        store = self.store
        assert store.links() == plain.links
        assert {name: store.crm_watermark(name) for name in ("crm", "other")} == {
            name: plain.crm.get(name) for name in ("crm", "other")
        }
        assert {one.id: one for one in store.conflicts()} == plain.conflicts
        assert list(store.runs(999)) == plain.runs[::-1]
        keys = [str(number) for number in range(6)]
        for link in LINKS:
            assert store.link(link) == plain.links.get(link, LinkState(link))
            for now in (NOW, NOW + HOUR):
                found = store.marks(link, after=0, until=EVER, limit=999, now=now)
                assert [replace(mark, seq=0) for mark in found] == plain.due(link, now)
                assert store.mark_counts(link, now).due == len(plain.due(link, now))
                assert store.paired_marks(link, now) == self.paired(plain, link, plain.due(link, now))
            waiting = [mark.seq for mark in store.marks(link, after=0, until=EVER, limit=999, now=NOW + HOUR)]
            assert store.last_mark(link) == max(waiting, default=0)
            mine = {stamp: one for stamp, one in plain.pairings.items() if one.link == link}
            for lookup, column in (("crm_keys", "crm_key"), ("target_keys", "target_key"), ("natives", "native")):
                found_pairs = store.pairings(link, **{lookup: keys[:3]})
                assert {one.stamp: replace(one, id=0) for one in found_pairs} == {
                    stamp: one for stamp, one in mine.items() if getattr(one, column) in keys[:3]
                }
                assert len(found_pairs) == len({one.id for one in found_pairs})
            assert len(store.pairings(link, crm_keys=keys, target_keys=keys, natives=keys)) == len(mine)
            assert store.count(link) == len(plain.active(link))
            assert len(store.paired_keys(link, Side.CRM, after=0, limit=999)) == len(plain.active(link))
            for side in Side:
                expected = {
                    key
                    for one in mine.values()
                    for key, version in [
                        (one.crm_key, one.crm_version) if side is Side.CRM else (one.target_key, one.target_version)
                    ]
                    if version == "0"
                }
                assert store.echoes(link, side, dict.fromkeys(keys, "0")) == expected
            assert list(store.intents(link)) == [one for one in plain.intents.values() if one.link == link]
            assert {one.conflict: one for one in store.resolutions(link)} == {
                name: one for name, one in plain.resolutions.items() if one.link == link
            }
            assert {(one.link, one.side, one.key): one for one in store.quarantined(link)} == {
                place: one for place, one in plain.quarantined.items() if place[0] == link
            }
            assert set(store.matches(link)) == plain.matches(link)
            for operation in Operation:
                done = [one for one in plain.ledger if one.link == link and one.operation is operation]
                assert store.writes_since(link, NOW).get(operation, 0) == len(done)
        assert store.paired_links(keys) == {
            key: frozenset(one.link for one in plain.pairings.values() if one.crm_key == key) for key in keys
        }

    @staticmethod
    def paired(plain: DictStore, link: str, due: list[Mark]) -> int:
        held = {
            side: {one.crm_key if side is Side.CRM else one.target_key for one in plain.active(link)} for side in Side
        }
        return sum(mark.key in held[mark.side] for mark in due)


class FileComparison(Comparison):
    """The same over a file, with restarts."""

    in_memory = False


QUICK = settings(
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)
"""Without shrinking, which takes minutes here; the failing steps are printed either way."""


def test_a_state_in_memory_answers_like_plain_dictionaries() -> None:
    run_state_machine_as_test(Comparison, settings=settings(QUICK, max_examples=20))


def test_a_state_file_answers_like_plain_dictionaries_across_restarts() -> None:
    run_state_machine_as_test(FileComparison, settings=settings(QUICK, max_examples=10))

"""First sync (B-72, D6): a declared key pairs two items only when it is unique on both sides."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.state import MatchCandidate
from runner.model.terms import Side
from runner.reconcile.matching import Matches, Unsure, digest, match


def candidate(side: Side, key: str, word: str, rule: int = 0) -> MatchCandidate:
    value = digest(("title",), {"title": word})
    assert value
    return MatchCandidate("l", side, key, rule, value)


def crm(key: str, word: str, rule: int = 0) -> MatchCandidate:
    return candidate(Side.CRM, key, word, rule)


def target(key: str, word: str, rule: int = 0) -> MatchCandidate:
    return candidate(Side.TARGET, key, word, rule)


def test_a_digest_is_of_the_declared_fields_only() -> None:
    one = digest(("title", "start"), {"title": "a", "start": "s", "location": "here"})
    assert one == digest(("title", "start"), {"location": "there", "start": "s", "title": "a"})
    assert one is not None
    assert len(one) == 32


def test_a_key_with_an_empty_field_matches_nothing() -> None:
    assert digest(("uid",), {"uid": None}) is None
    assert digest(("title", "start"), {"title": "a"}) is None
    assert digest((), {"title": "a"}) is None


def test_values_do_not_run_into_each_other() -> None:
    assert digest(("a", "b"), {"a": "x", "b": "yz"}) != digest(("a", "b"), {"a": "xy", "b": "z"})
    assert digest(("a",), {"a": 1}) != digest(("a",), {"a": "1"})
    assert digest(("a",), {"a": "x"}) != digest(("b",), {"b": "x"})


def test_unique_on_both_sides_is_a_pair() -> None:
    assert match([crm("1", "a"), target("A", "a"), crm("2", "b"), target("C", "c")]) == Matches((("1", "A"),), ())


def test_twins_on_either_side_are_left_alone_and_listed() -> None:
    found = match([crm("1", "a"), target("A", "a"), target("B", "a")])
    assert found == Matches((), (Unsure(0, ("1",), ("A", "B")),))


def test_twins_with_nobody_on_the_other_side_are_nobodys_doubt() -> None:
    assert match([target("A", "a"), target("B", "a")]) == Matches((), ())


def test_the_more_trusted_key_decides_first() -> None:
    """The UID says 1 = B although the titles say 1 = A; A stays alone and is new."""
    uid, title = 0, 1
    found = match([crm("1", "uid-1", uid), target("B", "uid-1", uid), crm("1", "a", title), target("A", "a", title)])
    assert found == Matches((("1", "B"),), ())


def test_a_twin_stays_doubtful_after_the_other_was_paired() -> None:
    """Two records with one title, one of them paired by UID: the title proves nothing about the other."""
    rows = [crm("1", "uid", 0), target("A", "uid", 0)]
    rows += [crm(key, "same", 1) for key in "12"] + [target(key, "same", 1) for key in "AB"]
    assert match(rows) == Matches((("1", "A"),), (Unsure(1, ("2",), ("B",)),))


rows = st.lists(
    st.builds(candidate, st.sampled_from(Side), st.sampled_from("123456"), st.sampled_from("abc"), st.integers(0, 1)),
    max_size=14,
    unique_by=lambda row: (row.side, row.key, row.rule),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rows, st.randoms(use_true_random=False))
def test_pairs_are_one_to_one_unique_and_independent_of_order(rows: list[MatchCandidate], dice: random.Random) -> None:
    found = match(rows)
    for at in (0, 1):
        keys = [pair[at] for pair in found.pairs]
        assert len(keys) == len(set(keys))
    for crm_key, target_key in found.pairs:
        assert any(
            [r.key for r in rows if (r.rule, r.digest, r.side) == (mine.rule, mine.digest, Side.CRM)] == [crm_key]
            and [r.key for r in rows if (r.rule, r.digest, r.side) == (mine.rule, mine.digest, Side.TARGET)]
            == [target_key]
            for mine in rows
        )
    assert match(dice.sample(rows, len(rows))) == found


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rows)
def test_whoever_shares_a_key_is_paired_listed_or_outranked(rows: list[MatchCandidate]) -> None:
    """Nothing that might be a duplicate is silently treated as new."""
    found = match(rows)
    paired = {Side.CRM: {c for c, _ in found.pairs}, Side.TARGET: {t for _, t in found.pairs}}
    for row in rows:
        others = {r.key for r in rows if (r.rule, r.digest) == (row.rule, row.digest) and r.side is not row.side}
        if row.key in paired[row.side] or not others - paired[row.side.other]:
            continue
        sides = {Side.CRM: "crm", Side.TARGET: "target"}
        assert any(u.rule == row.rule and row.key in getattr(u, sides[row.side]) for u in found.unsure)

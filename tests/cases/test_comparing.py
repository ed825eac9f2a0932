"""The comparison of what was expected with what is there: each to its own, nothing missed, nothing taken twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.cli.cases.comparing import Held, Wanted, compare_counts, compare_items, compare_words
from runner.cli.mapping_cases import Difference
from runner.model.diagnostics import Span
from runner.model.record import Fields

HERE, THERE = Span("f", 1, 1, 1, 2), Span("f", 9, 1, 9, 2)


def wanted(item: str | None = None, *, alone: bool = False, owners: str = "", **fields: object) -> Wanted:
    return Wanted(fields, HERE, item, frozenset(owners.split()), alone)  # type: ignore[arg-type]


def held(*names: str, owners: frozenset[str] = frozenset(), **fields: object) -> Held:
    return Held(fields, frozenset(names), owners)  # type: ignore[arg-type]


def differences(one: list[Wanted], other: list[Held]) -> list[Difference]:
    return list(compare_items("p", one, other, THERE))


def test_fields_that_are_not_named_are_not_compared() -> None:
    assert differences([wanted(a=1)], [held(a=1, b=2)]) == []


def test_one_is_not_true_and_nothing_is_null() -> None:
    assert differences([wanted(a=True)], [held("x", a=1)])[0].got == "nothing"
    assert differences([wanted(a=1, b=None)], [held(a=1)]) == []


def test_the_vaguer_one_leaves_the_exact_fit_to_the_other() -> None:
    assert differences([wanted(), wanted(a=1)], [held(a=1), held(a=2)]) == []
    assert differences([wanted(a=1), wanted(a=1, b=1)], [held(a=1, b=1), held(a=1, b=2)]) == []


def test_a_duplicate_is_what_nobody_expected() -> None:
    assert differences([wanted(a=1)], [held(a=1, b=1), held(a=1, b=2)]) == [
        Difference("p", "nothing", {"a": 1}, "nobody expected this item", THERE)
    ]


def test_whoever_has_most_in_common_is_told_field_by_field() -> None:
    assert differences([wanted(a=1, b=1, c=1)], [held(a=1, b=2, c=2), held(a=1, b=1, c=2)]) == [
        Difference("p c", 1, 2, span=HERE),
        Difference("p", "nothing", {"a": 1, "b": 2, "c": 2}, "nobody expected this item", THERE),
    ]


def test_a_named_item_is_that_very_one_and_no_other_like_it() -> None:
    assert differences([wanted("x", a=1)], [held("y", a=1)]) == [
        Difference("p", {"a": 1}, "nothing", "no item here is 'x'", HERE),
        Difference("p", "nothing", {"a": 1}, "nobody expected this item", THERE),
    ]
    assert differences([wanted("x", a=1)], [held("x", a=2)]) == [Difference("p a", 1, 2, span=HERE)]


def test_an_owner_is_one_of_the_holders() -> None:
    both = held(owners=frozenset({"ann", "bob"}), a=1)
    assert differences([wanted(owners="ann", a=1)], [both]) == []
    assert differences([wanted(owners="ann bob", alone=True, a=1)], [both]) == []
    for one in (wanted(owners="eve", a=1), wanted(owners="ann", alone=True, a=1)):
        assert differences([one], [both]) == [Difference("p owners", sorted(one.owners), ["ann", "bob"], span=HERE)]


def test_what_nobody_can_read_fits_nothing() -> None:
    broken = Held({}, frozenset({"x"}), unreadable="no start")
    assert differences([wanted("x", a=1)], [broken])[0].note == "the item cannot be read: no start"
    assert differences([], [broken])[0].got == "an item that cannot be read: no start"


_ITEMS = st.lists(st.fixed_dictionaries({"a": st.integers(0, 2), "b": st.integers(0, 2)}), max_size=5)


@given(_ITEMS, st.data())
def test_any_order_and_any_forgetting_of_fields_fits(items: list[Fields], data: st.DataObject) -> None:
    """Whatever is there is expected by itself, however much of it the expectations leave open."""
    known = [{name: value for name, value in item.items() if data.draw(st.booleans())} for item in items]
    shuffled = data.draw(st.permutations(known))
    assert differences([Wanted(fields, HERE) for fields in shuffled], [Held(item) for item in items]) == []


@given(_ITEMS, _ITEMS)
def test_as_many_are_told_as_differ_in_number(one: list[Fields], other: list[Fields]) -> None:
    found = differences([Wanted(fields, HERE) for fields in one], [Held(item) for item in other])
    missing, more = (sum(each.got == "nothing" for each in found), sum(each.expected == "nothing" for each in found))
    assert len(one) - missing == len(other) - more


def test_lists_of_words_have_no_order_but_numbers() -> None:
    assert list(compare_words("w", ["b", "a"], ["a", "b"], HERE)) == []
    assert list(compare_words("w", ["a"], ["a", "a"], HERE)) == [Difference("w", ["a"], ["a", "a"], span=HERE)]


def test_counts_that_are_not_named_are_nought() -> None:
    assert list(compare_counts("c", {"x": 0}, {}, HERE)) == []
    assert list(compare_counts("c", {"x": 1}, {"y": 2}, HERE)) == [
        Difference("c x", 1, 0, span=HERE),
        Difference("c y", 0, 2, span=HERE),
    ]

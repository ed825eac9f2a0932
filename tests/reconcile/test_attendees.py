"""Who an invited address is in the CRM: the table of B-31 to B-34, and what holds for every input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.model.terms import ContactVisibility
from runner.reconcile.attendees import AttendeeRules, Directory, Placed, is_blacklisted, place

ANN, ALIAS, BOB, EVA, TWO, OUT = "ann@x.com", "ann.lee@x.com", "bob@x.com", "eva@y.com", "desk@y.com", "zoe@z.com"
KNOWN = Directory(
    users={ANN: "1", ALIAS: "1", BOB: "2"},
    contacts={EVA: ("c1",), TWO: ("c2", "c3"), BOB: ("c4",)},
    viewers={"c1": frozenset({"1", "2"}), "c2": frozenset({"1"}), "c3": frozenset({"1", "2"})},
)
ANY, CREATOR, ALL = ContactVisibility.ANY, ContactVisibility.CREATOR, ContactVisibility.ALL_ATTENDEES


def _placed(users: dict[str, str], contacts: dict[str, str], *external: str) -> Placed:
    return Placed(users, contacts, frozenset(external))


@pytest.mark.parametrize(
    ("addresses", "rules", "expected"),
    [
        ([ANN], AttendeeRules(), _placed({"1": ANN}, {})),
        ([ALIAS], AttendeeRules(), _placed({"1": ALIAS}, {})),
        ([EVA], AttendeeRules(), _placed({}, {"c1": EVA})),
        ([TWO], AttendeeRules(), _placed({}, {"c2": TWO, "c3": TWO})),
        ([OUT], AttendeeRules(), _placed({}, {}, OUT)),
        (["no address at all"], AttendeeRules(), _placed({}, {}, "no address at all")),
        ([BOB], AttendeeRules(), _placed({"2": BOB}, {})),
        ([ANN, ALIAS], AttendeeRules(), _placed({"1": ALIAS}, {}, ANN)),
        ([ANN, EVA, OUT], AttendeeRules(), _placed({"1": ANN}, {"c1": EVA}, OUT)),
        ([ANN, EVA], AttendeeRules(blacklist=("@x",)), _placed({}, {"c1": EVA}, ANN)),
        ([ANN, EVA], AttendeeRules(blacklist=("EVA",)), _placed({"1": ANN}, {}, EVA)),
        ([ANN, EVA], AttendeeRules(blacklist=("^a", "y[.]com$")), _placed({}, {}, ANN, EVA)),
        ([ANN, BOB, EVA], AttendeeRules(max_users=2), _placed({"1": ANN, "2": BOB}, {"c1": EVA})),
        ([ANN, BOB, EVA], AttendeeRules(max_users=1), _placed({"1": ANN, "2": BOB}, {}, EVA)),
        ([EVA], AttendeeRules(max_users=0), _placed({}, {"c1": EVA})),
        ([TWO], AttendeeRules(visibility=CREATOR), _placed({}, {"c2": TWO, "c3": TWO})),
        ([TWO, BOB], AttendeeRules(visibility=ALL), _placed({"2": BOB}, {"c3": TWO})),
        ([EVA, BOB], AttendeeRules(visibility=ALL), _placed({"2": BOB}, {"c1": EVA})),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_places_an_address(
    addresses: list[str], rules: AttendeeRules, expected: Placed
) -> None:
    """B-31 to B-34: user (any alias), else every contact, else external; blacklist, threshold and visibility first."""
    assert place(addresses, KNOWN, rules, creator="1") == expected


def test_a_contact_that_the_creator_may_not_see_stays_external() -> None:
    """B-34."""
    hidden = Directory(contacts={EVA: ("c1",)}, viewers={"c1": frozenset({"2"})})
    for visibility in (CREATOR, ALL):
        rules = AttendeeRules(visibility=visibility)
        assert place([EVA], hidden, rules, creator="1") == _placed({}, {}, EVA)
    assert place([EVA], hidden, AttendeeRules(), creator="1") == _placed({}, {"c1": EVA})


def test_who_takes_part_already_is_not_placed_twice_and_counts() -> None:
    """B-33: users who were assigned before count for the threshold."""
    placed = place([ALIAS, TWO], KNOWN, AttendeeRules(max_users=1), assigned={"1", "2"}, present={"c2"})
    assert placed == _placed({}, {}, ALIAS, TWO)
    placed = place([TWO], KNOWN, AttendeeRules(), present={"c2"})
    assert placed == _placed({}, {"c3": TWO})


def test_an_expression_is_searched_for_anywhere_in_any_case() -> None:
    """B-32."""
    assert is_blacklisted("News@Lists.Example.com", AttendeeRules(blacklist=("lists",)))
    assert not is_blacklisted("news@example.com", AttendeeRules(blacklist=("^lists",)))


_ADDRESS = st.sampled_from([ANN, ALIAS, BOB, EVA, TWO, OUT, "x", "a b@c"])


@given(
    st.frozensets(_ADDRESS),
    st.builds(
        AttendeeRules,
        st.lists(st.sampled_from(["@x", "y", "^z"]), max_size=2).map(tuple),
        st.none() | st.integers(0, 3),
        st.sampled_from(list(ContactVisibility)),
    ),
    st.frozensets(st.sampled_from(["1", "2"])),
    st.frozensets(st.sampled_from(["c1", "c2", "c3"])),
)
def test_every_address_is_placed_and_nobody_twice(
    addresses: frozenset[str], rules: AttendeeRules, assigned: frozenset[str], present: frozenset[str]
) -> None:
    """What is placed is exactly what was invited: nobody is added, nobody is lost."""
    placed = place(addresses, KNOWN, rules, creator="1", assigned=assigned, present=present)
    assert {*placed.users.values(), *placed.contacts.values(), *placed.external} == addresses
    assert not {*placed.users.values(), *placed.contacts.values()} & placed.external
    assert not set(placed.users) & assigned
    assert not set(placed.contacts) & present
    assert not any(is_blacklisted(address, rules) for address in (*placed.users.values(), *placed.contacts.values()))

"""Who takes part by group membership (B-82): laws over any web of groups, circles included, and the cases by name."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.reconcile.membership import EVERYBODY, NOBODY, Group, GroupRule, roll_of


def made(name: str, *members: str) -> Group:
    return Group(key=name, dn=f"cn={name}", name=name, members=frozenset(members))


def rule(group: str | None = None, *, on: bool = True, pattern: str | None = None, **more: object) -> GroupRule:
    return GroupRule(group, pattern, on, "corp.yaml:9:3", **more)  # type: ignore[arg-type]


def test_without_rules_everybody_takes_part() -> None:
    """B-82."""
    assert roll_of([made("a", "uid=ann")], ()).effect("uid=nobody") == EVERYBODY


def test_a_ticked_group_lets_its_members_in_and_an_unticked_one_does_not() -> None:
    """B-82."""
    roll = roll_of([made("a", "uid=ann"), made("b", "uid=bob")], [rule("a"), rule("b", on=False)])
    assert roll.effect("uid=ann").takes_part
    assert roll.effect("uid=bob") == NOBODY


def test_nested_groups_count_even_through_an_unticked_one() -> None:
    """B-82: all ← staff (unticked) ← sales: a seller takes part by all."""
    groups = [made("all", "cn=staff"), made("staff", "cn=sales"), made("sales", "uid=ann")]
    effect = roll_of(groups, [rule("all"), rule("staff", on=False)]).effect("uid=ann")
    assert (effect.takes_part, effect.groups, dict(effect.through)) == (True, ("all",), {"all": "sales"})


def test_groups_that_contain_each_other_or_themselves_end() -> None:
    groups = [made("a", "cn=b", "uid=ann"), made("b", "cn=a"), made("self", "cn=self", "uid=eve")]
    roll = roll_of(groups, [rule("b"), rule("self")])
    assert roll.effect("uid=ann").groups == ("b",)
    assert roll.effect("uid=eve").groups == ("self",)


def test_the_lowest_priority_number_picks_the_template() -> None:
    """B-82; a group without a template passes the choice on."""
    groups = [made(name, "uid=ann") for name in ("a", "b", "c", "d")]
    rules = [
        rule("a", template="last", priority=30),
        rule("b", template="second", priority=20),
        rule("c", priority=1),
        rule("d", on=False, template="unticked", priority=0),
    ]
    effect = roll_of(groups, rules).effect("uid=ann")
    assert (effect.template, effect.groups) == ("second", ("c", "b", "a"))


def test_the_most_specific_rule_holds() -> None:
    """A DN before a name, a name before a pattern; case does not matter."""
    groups = [made("Region North", "uid=ann"), made("Region South", "uid=bob"), made("Region East", "uid=eve")]
    lower = [Group(g.key, g.dn.casefold(), g.name, g.members) for g in groups]
    rules = [rule(pattern="region *"), rule("REGION SOUTH", on=False), rule("cn=region east", on=False)]
    roll = roll_of(lower, rules)
    assert [roll.effect(f"uid={who}").takes_part for who in ("ann", "bob", "eve")] == [True, False, False]
    assert roll.unknown == ()


def test_rules_without_a_group_are_told_and_only_ticked_names_are_missing() -> None:
    rules = [rule("gone"), rule("off", on=False), rule(pattern="x*")]
    roll = roll_of([made("a")], rules)
    assert set(roll.unknown) == set(rules)
    assert roll.missing == (rules[0],)


names = st.sampled_from("abcdef")
webs = st.dictionaries(names, st.sets(st.one_of(names.map("cn={}".format), st.sampled_from(["uid=1", "uid=2"]))))


@settings(max_examples=60)
@given(webs, st.sets(names))
def test_who_takes_part_is_who_is_reachable_from_a_ticked_group(web: dict[str, set[str]], ticked: set[str]) -> None:
    """B-82 as a law: walking down from every ticked group finds exactly the users who take part."""
    reached: set[str] = set()
    waiting = [f"cn={name}" for name in ticked & web.keys()]
    while waiting:
        for member in web.get(waiting.pop().removeprefix("cn="), ()):
            if member not in reached:
                reached.add(member)
                waiting.append(member)
    rules = [rule(name) for name in sorted(ticked)] or [rule("none", on=False)]
    roll = roll_of([made(name, *members) for name, members in web.items()], rules)
    for user in ("uid=1", "uid=2"):
        assert roll.effect(user).takes_part is (user in reached)

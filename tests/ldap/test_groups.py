"""Groups decide who takes part (B-82), with a real OpenLDAP: ticked, nested, in circles, renamed; and come in themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runner.model.errors import ContainerGone
from runner.model.state import PairingStatus
from tests.ldap.conftest import Opening
from tests.ldap.firm import GROUPS, USERS, Firm, code, typed
from tests.ldap.test_users import counts
from tests.support import slapd

Found = Callable[..., Firm]


def mapped(*rules: str) -> str:
    """A group mapping; each rule as it stands between braces."""
    return "group_mapping:\n" + "".join(f"- {{{rule}}}\n" for rule in rules)


def test_only_users_of_ticked_groups_come_in(firm: Found) -> None:
    """B-82."""
    corp = firm(more=mapped("group: Sales, synchronize_users: true", "group: Stock, synchronize_users: false"))
    corp.hire("ann", "bob", "eve", "joe")
    corp.team("Sales", "ann", "bob")
    corp.team("Stock", "bob", "eve")
    assert counts(corp) == {"crm.create": 2}
    assert corp.logins() == ["ann", "bob"]
    assert corp.user("ann", "group_names") == ("Sales",)
    assert counts(corp) == {}


def test_nested_groups_and_circles_on_a_real_server(firm: Found) -> None:
    """B-82: through an unticked group, through a circle, and through a group that contains itself."""
    corp = firm(more=mapped("group: All, synchronize_users: true"))
    corp.hire("ann", "bob", "eve", "joe")
    corp.team("Self", "eve", "@Self")
    corp.team("Sales", "ann")
    corp.team("Staff", "@Sales", "bob")
    corp.join("Sales", "@Staff")
    corp.team("All", "@Staff", "@Self")
    counts(corp)
    assert corp.logins() == ["ann", "bob", "eve"]


def test_who_joins_a_ticked_group_comes_in_though_his_entry_did_not_change(firm: Found) -> None:
    corp = firm(more=mapped("group: Sales, synchronize_users: true"))
    corp.hire("ann", "bob")
    corp.team("Sales", "ann")
    counts(corp)
    corp.join("Sales", "bob")
    assert counts(corp) == {"crm.create": 1}
    assert corp.logins() == ["ann", "bob"]


def test_who_leaves_every_ticked_group_is_detached_and_comes_back(firm: Found) -> None:
    """Invariant 2: leaving a group is no delete; who returns is in step again, with the very version that he left with."""
    corp = firm(more=mapped("group: Sales, synchronize_users: true"))
    corp.hire(*(f"u{n}" for n in range(12)))
    corp.team("Sales", *(f"u{n}" for n in range(12)))
    counts(corp)
    corp.part("Sales", "u3")
    assert counts(corp) == {"detached": 1}
    assert len(corp.logins()) == 12
    (pair,) = corp.store.pairings(USERS, crm_keys=[str(corp.user("u3", "id")[0])])
    assert (pair.status, "in no group whose users take part" in (pair.reason or "")) == (PairingStatus.DETACHED, True)
    assert counts(corp) == {}
    corp.join("Sales", "u3")
    counts(corp)
    assert corp.store.count(USERS) == 12
    assert counts(corp) == {}


def test_an_emptied_group_lets_nobody_go(firm: Found) -> None:
    """B-83: that a ticked group lost all its members is a fault of the source until an operator says otherwise."""
    corp = firm(more=mapped("group: Sales, synchronize_users: true"))
    corp.hire(*(f"u{n}" for n in range(12)))
    corp.team("Sales", *(f"u{n}" for n in range(12)))
    counts(corp)
    corp.server.delete(corp.dn("@Sales"))
    corp.team("Sales")
    report = corp.run()
    assert code(report) == 4
    assert corp.store.count(USERS) == 12


def test_a_ticked_group_that_is_not_there_stops_the_link(firm: Found) -> None:
    """Renamed in the directory, or mistyped in YAML: its users did not leave."""
    corp = firm(more=mapped("group: Sales, synchronize_users: true"))
    corp.hire("ann")
    corp.team("Sales", "ann")
    counts(corp)
    corp.server.rename(corp.dn("@Sales"), "cn=Selling")
    report = corp.run()
    assert isinstance(report.error, ContainerGone)
    assert report.error.code == "group-unknown"
    assert "Sales (targets.d/corp.yaml:" in str(report.error)
    assert corp.logins() == ["ann"]


def test_a_template_is_given_to_new_users_once(firm: Found) -> None:
    """B-82: the lowest priority number picks it; natives keep theirs, and what it gave is the CRM's from then on."""
    rules = mapped(
        "group: Sales, synchronize_users: true, template: seller, priority: 20",
        "group: Board, synchronize_users: true, template: manager, priority: 10",
    )
    corp = firm(more=rules)
    corp.sql("INSERT INTO crm_user (name, login, role) VALUES ('Native', 'zoe', 'janitor')")
    corp.hire("ann", "bob", "zoe")
    corp.team("Sales", "ann", "bob", "zoe")
    corp.team("Board", "bob")
    counts(corp)
    assert corp.user("ann", "template", "role", "language") == ("seller", "sales", "de")
    assert corp.user("bob", "template", "role", "language") == ("manager", "board", "en")
    assert corp.user("zoe", "template", "role", "name") == (None, "janitor", "Name of zoe")
    corp.sql("UPDATE crm_user SET role = 'chief' WHERE login = 'ann'")
    corp.join("Board", "ann")
    counts(corp)
    assert corp.user("ann", "template", "role", "group_names") == ("seller", "chief", "Board;Sales")
    assert counts(corp) == {}


def test_a_rule_that_changes_takes_effect_at_once(firm: Found) -> None:
    """B-102: a changed group mapping is a changed link, and everything is looked at again."""
    corp = firm(more=mapped("group: Sales, synchronize_users: true"))
    corp.hire("ann", "bob")
    corp.team("Sales", "ann")
    corp.team("Stock", "bob")
    counts(corp)
    corp.configure(more=mapped("pattern: 'S*', synchronize_users: true"))
    counts(corp)
    assert corp.logins() == ["ann", "bob"]


def test_members_with_every_special_character_in_their_names_are_members(firm: Found) -> None:
    """A DN in a member list, in the entry and in a filter is one name, however it is escaped."""
    corp = firm(more=mapped("group: Sales, synchronize_users: true"))
    awkward = ("Lee\\, Ann", "\\#1", "a\\+b", "back\\\\slash", 'quo\\"te', "semi\\;colon", "J\\C3\\BCrgen", "*)(uid=*")
    dns = []
    for number, name in enumerate(awkward):
        dn = f"cn={name},{corp.people}"
        dns.append(dn)
        corp.server.add(f"dn: {dn}\nobjectClass: inetOrgPerson\nuid: odd{number}\nsn: x")
    corp.server.add(slapd.group("Sales", *dns, below=corp.group_unit))
    counts(corp)
    assert corp.logins() == [f"odd{number}" for number in range(len(awkward))]
    assert counts(corp) == {}


def test_members_by_log_on_name_count_too(firm: Found) -> None:
    """RFC 2307: posixGroup lists log-on names."""
    corp = firm(more=mapped("group: Unix, synchronize_users: true"))
    corp.hire("ann", "bob")
    corp.server.add(f"dn: cn=Unix,{corp.group_unit}\nobjectClass: posixGroup\ncn: Unix\ngidNumber: 7\nmemberUid: Ann")
    counts(corp)
    assert corp.logins() == ["ann"]


def test_groups_come_in_with_what_the_configuration_says_of_them(firm: Found) -> None:
    """B-80, B-82: the second link of a directory."""
    rules = mapped(
        "group: Sales, synchronize_users: true, template: seller, priority: 5, description: Everybody who sells"
    )
    corp = firm(groups="  mapping: group\n", more=rules)
    corp.hire("ann")
    corp.team("Sales", "ann")
    corp.team("Staff", "@Sales", description="All of us")
    report = corp.run(link=GROUPS)
    assert (report.error, report.counts["crm.create"]) == (None, 2)
    rows = corp.sql(
        "SELECT name, description, synchronize_users, template, priority, parents FROM crm_group ORDER BY name"
    )
    assert rows == [
        ("Sales", "Everybody who sells", 1, "seller", 5, "Staff"),
        ("Staff", "All of us", 0, None, None, None),
    ]
    assert not any(corp.run(link=GROUPS).counts.values())
    corp.server.rename(corp.dn("@Staff"), "cn=Everybody")
    corp.run(link=GROUPS)
    assert corp.sql("SELECT count(*) FROM crm_group") == [(2,)]
    assert corp.sql("SELECT parents FROM crm_group WHERE name = 'Sales'") == [("Everybody",)]


# -- for people --------------------------------------------------------------------------------------------------------


def test_the_tree_shows_who_would_be_in_and_why(firm: Found) -> None:
    """`exsync target groups NAME`, the tree of the issue: ticks, circles, unknown rules, and the reason for each user."""
    corp = firm(
        more=mapped(
            "group: All, synchronize_users: true, template: seller, priority: 5",
            "group: Staff, synchronize_users: false",
            "pattern: 'Region *', synchronize_users: true",
        )
    )
    corp.hire("ann", "bob", "eve")
    corp.team("Sales", "ann")
    corp.team("Staff", "@Sales", "bob")
    corp.team("All", "@Staff")
    corp.join("Sales", "@All")
    done = typed(corp, "target", "groups", "corp")
    assert done.returncode == 3, done.stderr  # a rule that no group answers to is a warning
    assert "not in the directory: Region * (targets.d/corp.yaml:" in done.stderr
    assert "[x] All: 1 member(s), 2 user(s) take part by it, template seller, priority 5" in done.stdout
    assert "  [ ] Staff" in done.stdout
    assert "(contains itself)" in done.stdout or "(see above)" in done.stdout
    assert "2 of 3 users take part" in done.stdout
    assert "All (through Sales)" in done.stdout
    told = json.loads(typed(corp, "target", "groups", "corp", "--user", "EVE", "-o", "json").stdout)
    assert [(user["login"], user["takes_part"]) for user in told["users"]] == [("eve", False)]
    assert "no user 'zoe'" in typed(corp, "target", "groups", "corp", "--user", "zoe").stderr
    assert "did you mean 'corp'?" in typed(corp, "target", "groups", "cropp").stderr


def test_the_ordinary_commands_work_for_a_directory(firm: Found) -> None:
    """Plan, apply, run, status, show: no second engine."""
    corp = firm(groups="  mapping: group\n")
    corp.hire("ann")
    assert typed(corp, "validate").returncode == 0
    planned = typed(corp, "plan", "corp")
    assert (planned.returncode, "Name of ann" in planned.stdout, corp.logins()) == (0, True, [])
    assert typed(corp, "apply", "corp/users").returncode == 0
    assert corp.logins() == ["ann"]
    assert "nothing written" in typed(corp, "run", "--once").stdout
    assert "corp/users" in typed(corp, "status").stdout
    assert "ldap" in typed(corp, "show", "plan").stdout
    assert "corp/groups" in typed(corp, "show", "links").stdout


def explained(corp: Firm, word: str) -> dict[str, Any]:
    done = typed(corp, "explain", word, "-o", "json")
    assert done.returncode == 0, done.stderr
    (item,) = json.loads(done.stdout)["items"]
    assert item["link"] == USERS
    return dict(item)


def test_a_user_of_a_directory_is_explained_like_any_item(firm: Found, directory: Opening) -> None:
    """B-100: by his name, his CRM key and his identity; and why somebody does not take part."""
    corp = firm(more=mapped("group: Sales, synchronize_users: true"))
    corp.hire("ann", "eve")
    corp.team("Sales", "ann")
    counts(corp)
    (key,) = corp.user("ann", "id")
    item = explained(corp, str(key))
    assert (item["outcome"], item["pairing"]["status"]) == ("in step", "active")
    assert {unit["outcome"] for unit in item["units"]} == {"equal"}
    for word in ("Name of ann", item["target"]["key"]):
        assert explained(corp, word)["crm"]["key"] == str(key)
    corp.change("ann", "title", "Buyer")
    told = explained(corp, str(key))
    title = next(unit for unit in told["units"] if unit["unit"] == "job_title")
    assert title["outcome"].startswith("→ CRM")
    stranger = directory().read(corp.dn("eve"), ["entryUUID"])
    assert stranger is not None
    told = explained(corp, stranger.texts("entryUUID")[0])
    assert any(
        "is in no group whose users take part" in reason for reason in [*told["reasons"], told["target"]["state"]]
    )


def test_what_a_directory_wrote_is_taken_back_and_audited_like_anything(firm: Found) -> None:
    """B-100: an audit proves the link equal; an undo gives the CRM its values back, and never touches the directory (B-3)."""
    corp = firm()
    corp.hire("ann", "bob")
    counts(corp)
    corp.change("ann", "title", "Buyer")
    counts(corp)
    assert corp.user("ann", "job_title") == ("Buyer",)
    audited = typed(corp, "audit", USERS, "-o", "json")
    assert (audited.returncode, json.loads(audited.stdout)["links"][0]["found"]) == (0, []), audited.stderr
    run = corp.store.ledger(USERS, limit=1)[0].run
    undone = typed(corp, "undo", run, "--apply")
    assert undone.returncode in (0, 2), undone.stderr
    assert corp.user("ann", "job_title") == (None,)
    assert corp.logins() == ["ann", "bob"]

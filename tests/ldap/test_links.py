"""Links for everybody on a list (B-73): a directory's users, a CSV file, the CRM's users; who leaves it keeps his state."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from runner.cli.context import Context
from runner.cli.examination.asked import Asked, Examined
from runner.cli.examination.here import examine_here
from runner.config.plan import SyncPlan
from runner.engine.growing import Grown, Sources, grow
from runner.model.state import Commit, LinkCondition, LinkState
from tests.ldap.firm import Firm, typed

Found = Callable[..., Firm]
EXCHANGE = """\
version: 1
kind: exchange
name: hq
endpoint: https://mail.example.com/EWS/Exchange.asmx
auth: {type: basic, username: svc, password: {env: CORP_PASSWORD}}
access: impersonation
defaults:
  folders:
    calendar: {mapping: schedule_item, direction: both}
    tasks: {mapping: task, direction: both}
links:
- {user: boss@test.internal, folders: {calendar: {direction: inbound}}}
"""


def listed(corp: Firm, generate: str) -> SyncPlan:
    """The firm's plan with a list of users for its mailboxes."""
    (corp.home / "targets.d/hq.yaml").write_text(f"{EXCHANGE}- generate: {generate}\n")
    corp.close()
    return corp.plan()


def grown(corp: Firm, plan: SyncPlan) -> Grown:
    return grow(plan, corp.store.links(), Sources(lambda: corp.runner.crm, corp.runner.targets))


def users(found: Grown) -> list[str]:
    """Users with a calendar on the Exchange server."""
    return [
        link.user for link in found.plan.links.values() if link.name.startswith("hq/") and link.folder == "calendar"
    ]


def test_everybody_who_takes_part_in_the_directory_gets_his_links(firm: Found) -> None:
    """B-73 from a directory, by its ticked groups; what is written out in YAML goes before."""
    corp = firm(more="group_mapping:\n- {group: Sales, synchronize_users: true}\n")
    corp.hire("ann", "boss", "eve")
    corp.hire("mute", mail="")
    corp.team("Sales", "ann", "boss", "mute")
    plan = listed(corp, "{from: {ldap: corp}}")
    found = grown(corp, plan)
    assert found.problems == ()
    assert users(found) == ["boss@test.internal", "ann@test.internal"]
    made = found.plan.links["hq/ann@test.internal/tasks"]
    assert (made.user, made.target, made.folder, made.rule) == (
        "ann@test.internal",
        "hq",
        "tasks",
        "targets.d/hq.yaml:13:3",
    )
    assert found.plan.links["hq/boss@test.internal/calendar"].rules.direction == "inbound"
    assert users(Grown(plan, ())) == ["boss@test.internal"]


def unlinked(found: Grown) -> list[tuple[str, str, str]]:
    return [(one.target, one.row, one.reason) for one in found.unlinked]


def test_a_row_that_gives_no_link_is_told_until_it_is_mended(firm: Found) -> None:
    """B-73: who has no address or no log-on name is left out with his name and the reason; the others get theirs."""
    corp = firm()
    corp.hire("ann")
    corp.hire("mute", mail="")
    nameless = f"cn=Nameless,{corp.people}"
    corp.server.add(f"dn: {nameless}\nobjectClass: inetOrgPerson\ncn: Nameless\nsn: N\nmail: n@test.internal")
    plan = listed(corp, "{from: {ldap: corp}}")
    found = grown(corp, plan)
    assert sorted(unlinked(found)) == [
        ("hq", nameless, "no log-on name (attribute uid)"),
        ("hq", "mute", "no e-mail address (attribute mail or mailAlternateAddress or mailLocalAddress)"),
    ]
    assert {one.rule for one in found.unlinked} == {"targets.d/hq.yaml:13:13"}
    assert found.problems == ()
    assert users(found) == ["boss@test.internal", "ann@test.internal"]
    corp.change("mute", "mail", "mute@test.internal")
    corp.server.delete(nameless)
    mended = grown(corp, plan)
    assert unlinked(mended) == []
    assert "mute@test.internal" in users(mended)


def test_rows_of_files_and_of_the_crm_that_give_no_link_are_told(firm: Found) -> None:
    """B-73: by the line of the file, or by what the CRM has for an address."""
    corp = firm()
    (corp.home / "users.csv").write_text("name,email\nAnn,ann@test.internal\n\nBob,\nEve,eve at home\n")
    assert unlinked(grown(corp, listed(corp, "{from: {csv: users.csv}}"))) == [
        ("hq", "line 4 of users.csv", "column email is empty"),
        ("hq", "line 5 of users.csv", "'eve at home' is no e-mail address"),
    ]
    corp.sql("UPDATE crm_user SET email = 'bob' WHERE email LIKE 'bob%'")
    assert unlinked(grown(corp, listed(corp, "{from: {crm: users}}"))) == [
        ("hq", "a user of the CRM", "'bob' is no e-mail address")
    ]


def test_the_status_lists_rows_that_give_no_link(firm: Found) -> None:
    """B-73: other commands say how many there are and where to look."""
    corp = firm()
    corp.hire("ann")
    corp.hire("mute", mail="")
    listed(corp, "{from: {ldap: corp}}")
    said = typed(corp, "status").stderr
    assert "warning[no-link]: 1 row(s) of lists of users give no link: `exsync status` tells each" in said
    assert "targets.d/hq.yaml:13:13: mute gives no link to hq: no e-mail address (attribute mail or" in said
    corp.hire(*(f"service{n:02}" for n in range(21)), mail="")
    said = typed(corp, "status").stderr
    assert said.count("gives no link to hq") == 20
    assert "and 2 more rows like these: `exsync status -o json` lists all" in said
    rows = json.loads(typed(corp, "status", "-o", "json").stdout)["unlinked"]
    assert (len(rows), {row["target"] for row in rows}) == (22, {"hq"})
    context = Context(corp.home, corp.home / "other.duckdb", corp.home / "no.sock")
    looked = [one for one in examine_here(Examined(context, corp.plan(), Asked())) if one.check == "lists of users"]
    assert [one.level.value for one in looked] == ["warning", "ok"]
    assert "22 row(s) give no link, the first: targets.d/hq.yaml:13:13: " in looked[0].message


def test_who_leaves_the_list_has_no_link_and_keeps_his_state(firm: Found) -> None:
    """B-73: orphaned, never deleted, and taken up again when he is back."""
    corp = firm()
    corp.hire("ann", "bob")
    plan = listed(corp, "{from: {ldap: corp}}")
    first = grown(corp, plan)
    corp.store.commit(Commit(links=tuple(LinkState(n, LinkCondition.ACTIVE) for n in first.plan.links if "hq/" in n)))
    corp.server.delete(corp.dn("bob"))
    second = grown(corp, plan)
    assert users(second) == ["boss@test.internal", "ann@test.internal"]
    replace(corp.runner, plan=second.plan).follow_configuration()
    assert corp.store.link("hq/bob@test.internal/calendar").condition is LinkCondition.ORPHANED
    corp.hire("bob")
    replace(corp.runner, plan=grown(corp, plan).plan).follow_configuration()
    assert corp.store.link("hq/bob@test.internal/calendar").condition is LinkCondition.ACTIVE


def test_a_list_that_fails_is_empty_or_too_long_changes_nothing(firm: Found) -> None:
    """B-83's care for links: those whom the state knows keep theirs, nobody new gets one, and the reason is told."""
    corp = firm()
    corp.hire("ann", "bob", "eve")
    known = tuple(LinkState(f"hq/{who}@test.internal/calendar", LinkCondition.ACTIVE) for who in ("ann", "bob"))
    too_long = listed(corp, "{from: {ldap: corp}, limit: 2}")
    corp.store.commit(Commit(links=known))
    for plan, why in (
        (too_long, "has 3 users and its limit is 2"),
        (listed(corp, "{from: {csv: gone.csv}}"), "cannot be read"),
        (listed(corp, "{from: {csv: empty.csv}}"), "is empty"),
    ):
        (corp.home / "empty.csv").write_text("email\n")
        found = grown(corp, plan)
        assert users(found) == ["boss@test.internal", "ann@test.internal", "bob@test.internal"]
        (problem,) = found.problems
        assert why in problem
        assert "the 2 users known so far keep their links" in problem


def test_lists_are_read_from_a_file_and_from_the_crm(firm: Found) -> None:
    corp = firm()
    (corp.home / "users.csv").write_text("name,Email\nAnn, Ann@Test.Internal\nNobody,\n")
    assert users(grown(corp, listed(corp, "{from: {csv: users.csv}}"))) == ["boss@test.internal", "ann@test.internal"]
    corp.sql("UPDATE crm_user SET deleted = 1 WHERE email LIKE 'bob%'")
    found = users(grown(corp, listed(corp, "{from: {crm: users}}")))
    assert found == ["boss@test.internal", "ann.lee@example.com"]

"""A directory under ``exsync serve``, with a real OpenLDAP: who is hired there has a CRM user and a calendar by and by."""

from __future__ import annotations

import secrets
from pathlib import Path

from runner.sandbox.exchange import Sandbox
from tests.e2e.operator import Operator
from tests.e2e.served import Served, until
from tests.support.slapd import READER, READER_PASSWORD, SUFFIX, Slapd, group, person

TARGET, DIRECTORY = "targets.d/sandbox.yaml", "targets.d/corp.yaml"


def metrics(served: Served) -> dict[str, float]:
    """Sample with its labels → value."""
    lines = [line for line in served.metrics().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def _newcomers_are_listed(operator: Operator, served: Served, server: Slapd, people: str, teams: str) -> None:
    """One without an address has no link; one whose mailbox is not there is tried twice. Both are listed until mended."""
    server.add(person("mute", below=people, mail=""), person("zoe", below=people))
    joined = "\n".join(f"member: uid={uid},{people}" for uid in ("mute", "zoe"))
    server.modify(f"dn: cn=Stock,{teams}\nchangetype: modify\nadd: member\n{joined}")
    until("the row without an address is told", lambda: served.status()["unlinked"])
    until("the link was given up", lambda: served.status()["failed"])
    [row], [failed] = (served.status()[name] for name in ("unlinked", "failed"))
    assert (row["row"], row["target"], row["reason"].partition(" (")[0]) == ("mute", "sandbox", "no e-mail address")
    zoe = "sandbox/zoe@test.internal/calendar"
    assert (failed["link"], failed["attempts"]) == (zoe, 2)
    said = operator.typed("status").err
    assert f"{row['rule']}: mute gives no link to sandbox: no e-mail address" in said
    assert f"{zoe} could not begin in 2 attempt(s): " in said
    shown = metrics(served)
    assert shown['exsync_list_rows_unlinked{target="sandbox"}'] == 1
    assert shown['exsync_links_given_up{target="sandbox"}'] == 1
    assert shown["exsync_lists_not_followed"] == 0

    operator.sandbox.add_mailbox("zoe@test.internal")
    server.modify(f"dn: uid=mute,{people}\nchangetype: modify\nadd: mail\nmail: ann@test.internal")
    assert operator.typed("queue", "retry", str(failed["message"])).code == 0
    until("both are mended", lambda: not served.status()["failed"] and not served.status()["unlinked"])
    shown = metrics(served)
    assert shown['exsync_list_rows_unlinked{target="sandbox"}'] == 0
    assert shown['exsync_links_given_up{target="sandbox"}'] == 0


def test_who_is_hired_gets_a_crm_user_and_a_calendar_and_who_leaves_keeps_his(server: Slapd, tmp_path: Path) -> None:
    """B-73, B-80, B-82, B-102: by interval, by a group that is ticked, and by a reload; nobody types anything."""
    base = f"ou=served{secrets.token_hex(4)},{SUFFIX}"
    people, teams = f"ou=people,{base}", f"ou=teams,{base}"
    units = (base, people, teams)
    server.add(*(f"dn: {dn}\nobjectClass: organizationalUnit\nou: {dn[3:].split(',')[0]}" for dn in units))
    server.add(person("ann", below=people), person("eve", below=people))
    server.add(group("Sales", f"uid=ann,{people}", below=teams), group("Stock", f"uid=eve,{people}", below=teams))
    with Sandbox(password="right") as sandbox:
        for address in ("ann.lee@example.com", "bob.ray@example.com", "ann@test.internal", "eve@test.internal"):
            sandbox.add_mailbox(address)
        operator = Operator(tmp_path, sandbox)
        operator.environ["CORP_PASSWORD"] = READER_PASSWORD
        (tmp_path / DIRECTORY).write_text(
            f"version: 1\nkind: ldap\nname: corp\nurl: {server.url}\ninterval: 1s\n"
            f"auth: {{type: simple, username: '{READER}', password: {{env: CORP_PASSWORD}}}}\n"
            f"users:\n  bases: ['{people}']\n  mapping: user\n"
            f"groups:\n  bases: ['{teams}']\n"
            "group_mapping:\n- {group: Sales, synchronize_users: true}\n"
        )
        operator.replace(TARGET, "links:\n", "links:\n- generate: {from: {ldap: corp}, activation_attempts: 2}\n")
        operator.ready()

        def logins() -> list[object]:
            return [row[0] for row in operator.sql("SELECT login FROM crm_user WHERE login IS NOT NULL ORDER BY login")]

        def link(user: str) -> dict[str, object] | None:
            name = f"sandbox/{user}@test.internal/calendar"
            return next((each for each in served.status()["links"] if each["name"] == name), None)

        def passed(user: str) -> bool:
            told = link(user)
            return told is not None and bool(told.get("last_pass"))

        try:
            with Served(operator) as served:
                until("who takes part is in the CRM and has had a pass", lambda: logins() == ["ann"] and passed("ann"))
                shown = metrics(served)
                assert shown['exsync_sync_total{folder="users",outcome="done",target="corp"}'] >= 1
                assert shown['exsync_changes_total{action="create",folder="users",side="crm",target="corp"}'] == 1
                assert shown['exsync_requests_total{code="success",operation="search",target="corp"}'] > 1
                assert shown['exsync_target_up{target="corp"}'] == 1
                server.modify(f"dn: cn=Sales,{teams}\nchangetype: modify\nadd: member\nmember: uid=eve,{people}")
                until("who joined has a CRM user and a calendar", lambda: logins() == ["ann", "eve"] and passed("eve"))
                operator.replace(DIRECTORY, "group: Sales", "group: Stock")
                until("who takes part no longer has no link", lambda: not (link("ann") or {}).get("configured"))
                assert (link("ann") or {})["condition"] == "orphaned"
                assert logins() == ["ann", "eve"]
                until("the others go on", lambda: passed("eve") and (link("eve") or {})["configured"])
                _newcomers_are_listed(operator, served, server, people, teams)
                assert served.stop() == 0
        finally:
            server.delete(base)

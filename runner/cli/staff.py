"""The demo's directory: a group is ticked, its users appear in the CRM, and their links are made (B-73, B-82).

A machine that runs the demo has Python and nothing else, so the directory is the sandbox's own tiny one, in this process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.cli.demo import ANN, NORA, Demo
from runner.sandbox.directory import Entries, FakeLdap

_BASE = "dc=example,dc=com"
_PEOPLE, _GROUPS = f"ou=people,{_BASE}", f"ou=groups,{_BASE}"
_CORP = """\
version: 1
kind: ldap
name: corp
url: {url}                             # loopback only; anything else must be ldaps, or have start_tls
auth: {{type: simple, username: 'cn=exsync,{base}', password: {{env: EXSYNC_SANDBOX_PASSWORD}}}}
users: {{bases: ['{people}'], mapping: user}}
groups: {{bases: ['{groups}'], mapping: group}}
group_mapping:
- {{group: Sales, synchronize_users: true, template: seller, priority: 10}}
"""
_WELCOME = """\
INSERT INTO appointment (subject, starts_at, ends_at, time_zone, owner_id)
SELECT 'Welcome, Nora', datetime('now', '+3 days'), datetime('now', '+3 days', '+1 hour'), 'Europe/Vienna', id
FROM crm_user WHERE email = ?"""
_LIST = "- generate: {from: {ldap: corp}}\n"


def directory_part(demo: Demo) -> None:
    """Tick a group, look at its effect, let its users in, and let their mailboxes follow; then take it all out again."""
    with FakeLdap(entries=_entries(), rooted=True) as server:
        demo.say("The firm has a directory. Its group Sales is ticked; Field, a group within it, is not.")
        told = _CORP.format(url=server.url, base=_BASE, people=_PEOPLE, groups=_GROUPS)
        (demo.home / "targets.d/corp.yaml").write_text(told, encoding="utf-8")
        demo.exsync("target", "groups", "corp")
        demo.say("Her users come into the CRM: Ann is the user whom it has already, Nora is new and gets the template.")
        demo.sql("UPDATE crm_user SET login = 'Ann.Lee' WHERE email = ?", (ANN,))
        demo.exsync("apply", "corp")
        demo.show("CRM user", "SELECT login, name, email, role, directory FROM crm_user WHERE login IS NOT NULL")
        demo.say("One line gives everybody of the ticked groups his links; Nora's mailbox is in step from now on.")
        links = demo.home / "targets.d/sandbox.yaml"
        before = links.read_text(encoding="utf-8")
        links.write_text(before + _LIST, encoding="utf-8")
        demo.sql(_WELCOME, (NORA,))
        demo.exsync("run", "--once")
        demo.say(
            "The list goes away again: her links become orphaned, as the status at the end tells; nothing is deleted for it."
        )
        links.write_text(before, encoding="utf-8")
        (demo.home / "targets.d/corp.yaml").unlink()


def _entries() -> Entries:
    def entry(dn: str, number: int, **attributes: str | Sequence[str]) -> tuple[str, Mapping[str, Sequence[bytes]]]:
        given = {
            "entryUUID": f"00000000-0000-4000-8000-{number:012}",
            "entryCSN": "20260101000000.000000Z#000000#000#0",
        }
        told = {**given, **attributes}
        return dn, {n: [v.encode() for v in ([each] if isinstance(each, str) else each)] for n, each in told.items()}

    def person(login: str, number: int, given: str, surname: str) -> tuple[str, Mapping[str, Sequence[bytes]]]:
        name = {"uid": login, "cn": f"{given} {surname}", "givenName": given, "sn": surname}
        return entry(f"uid={login},{_PEOPLE}", number, **name, mail=f"{login}@example.com", title="Seller")

    field, sales = f"cn=Field,{_GROUPS}", f"cn=Sales,{_GROUPS}"
    ann, nora = f"uid={ANN.partition('@')[0]},{_PEOPLE}", f"uid={NORA.partition('@')[0]},{_PEOPLE}"
    return [
        ("", {"namingContexts": [_BASE.encode()]}),
        person("ann.lee", 11, "Ann", "Lee"),
        person("nora.winter", 12, "Nora", "Winter"),
        person("otto.stock", 13, "Otto", "Stock"),
        entry(sales, 21, cn="Sales", member=[ann, field], description="Everybody who sells"),
        entry(field, 22, cn="Field", member=[nora, sales]),
    ]

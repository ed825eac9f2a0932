"""A firm's directory for the console: a real OpenLDAP with nested groups, and the YAML that says who of them takes part."""

from __future__ import annotations

from tests.console.stage import EVIL, Stage
from tests.e2e.operator import Operator
from tests.support.slapd import GROUPS, PEOPLE, READER, READER_PASSWORD, Slapd, group, person, uid

_YAML = """\
version: 1
kind: ldap
name: corp
url: {url}
auth: {{type: simple, username: '{reader}', password: {{env: CORP_PASSWORD}}}}
users: {{bases: ['{people}'], mapping: user}}
groups: {{bases: ['{groups}'], mapping: group}}
group_mapping:
- {{group: Sales, synchronize_users: true, template: seller, priority: 10, description: Everybody who sells}}
- {{group: Board, synchronize_users: true, template: manager, priority: 1}}
- {{pattern: "Region *", synchronize_users: true, priority: 50}}
- {{group: Warehouse, synchronize_users: false, description: They have no mailboxes}}
"""
SALES = ("iris.holm", "jon.weiss", "kim.sato", "lea.brandt")
BOARD = ("maria.fuchs", "noel.grant")
SOUTH = ("olivia.bauer", "paul.stein", "quentin.roux")
WAREHOUSE = ("rosa.klein", "sven.lund")


def directory(stage: Stage, server: Slapd, *, evil: bool = True) -> Operator:
    """Fill a directory, and let the stage's configuration name it. The stage's operator comes back."""
    told = _YAML.format(url=server.url, reader=READER, people=PEOPLE, groups=GROUPS)
    (stage.operator.home / "targets.d/corp.yaml").write_text(told, encoding="utf-8")
    stage.operator.environ["CORP_PASSWORD"] = READER_PASSWORD
    server.add(*(person(name) for name in (*SALES, *BOARD, *SOUTH, *WAREHOUSE)))
    cn = lambda name: f"cn={name},{GROUPS}"  # noqa: E731 - the DN of a group
    server.add(
        group("Field", uid(SALES[2]), uid(SALES[3]), cn("Sales"), description=EVIL if evil else "Sellers on the road"),
        group("Sales", uid(SALES[0]), uid(SALES[1]), cn("Field")),
        group("Board", *map(uid, BOARD)),
        group("Region South", *map(uid, SOUTH)),
        group("Region North", uid(SALES[0]), cn("Harbour")),
        group("Harbour", uid(WAREHOUSE[0]), description="Opened in spring"),
        group("Warehouse", *map(uid, WAREHOUSE)),
    )
    return stage.operator

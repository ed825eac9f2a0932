"""The LDAP Group Mapping tab: the tree of groups, and whom they let in (B-82)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from runner.config.plan import DirectoryScope, LdapAuth, LdapPlan
from runner.model.errors import Unreachable
from runner.web.console.access import Visitor
from runner.web.console.directories import ldap, tree_of
from runner.web.console.users import Role
from tests.console.framed import framed
from tests.console.test_access import request

EVIL = "<script>alert(1)</script>"


def group(name: str, *parents: str, ticked: bool | None = None, **more: Any) -> dict[str, Any]:
    told = {"rule": None, "description": None, "template": None, "priority": None, "members": 1, "users": 0}
    return {
        "name": name,
        "dn": f"cn={name}",
        "ticked": ticked,
        "parents": [f"cn={one}" for one in parents],
        **told,
        **more,
    }


def drawn(nodes: list[dict[str, Any]]) -> list[Any]:
    return [(node["name"], node["note"], drawn(node["children"])) for node in nodes]


@pytest.mark.parametrize(
    ("groups", "tree"),
    [
        ([group("b", "a"), group("a"), group("c", "b")], [("a", "", [("b", "", [("c", "", [])])])]),
        ([group("a"), group("b"), group("c", "a", "b")], [("a", "", [("c", "", [])]), ("b", "", [("c", "", [])])]),
        ([group("a", "b"), group("b", "a")], [("a", "", [("b", "", [("a", "contains itself", [])])])]),
        ([group("a", "gone")], [("a", "", [])]),
    ],
    ids=["nested", "in two", "circle", "parent outside"],
)
def test_groups_stand_below_those_that_contain_them(groups: list[dict[str, Any]], tree: list[Any]) -> None:
    assert drawn(tree_of(groups)) == tree


def page(found: Any, **asked: str) -> str:
    """The page of a directory that answers so."""

    def directory(name: str) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    scope = DirectoryScope(("ou=people",), "subtree", None, {}, "targets.d/corp.yaml:7:1")
    corp = LdapPlan("corp", "ldaps://corp.example", LdapAuth("simple"), "targets.d/corp.yaml:1:1", scope)
    plan = SimpleNamespace(targets={"corp": corp})
    service = SimpleNamespace(generations=SimpleNamespace(current=SimpleNamespace(plan=plan)))
    seen = request()
    seen.scope["query_string"] = "&".join(f"{name}={value}" for name, value in asked.items()).encode()
    visitor = Visitor("olga", Role.OPERATOR)
    told = ldap(
        SimpleNamespace(desk=SimpleNamespace(service=service, directory=directory)),
        seen,
        visitor,
    )
    return framed(seen, told["template"], visitor, told)


SALES = {"template": "standard", "priority": 10, "users": 1, "rule": "targets.d/corp.yaml:20:3", "description": EVIL}
ANN_IS_IN = {"takes_part": True, "groups": ["sales"], "through": {"sales": "interns"}, "template": "standard"}
BOB_IS_NOT: dict[str, Any] = {"takes_part": False, "groups": [], "through": {}, "template": None}
FOUND = {
    "groups": [group("sales", ticked=True, **SALES), group("interns", "sales", ticked=False)],
    "users": [{"login": "ann", "dn": "cn=ann", **ANN_IS_IN}, {"login": "bob", "dn": "cn=bob", **BOB_IS_NOT}],
    "takes_part": 1,
    "unknown": ["cn=gone (targets.d/corp.yaml:22:3)"],
    "ruled": True,
}


def test_the_page_says_who_would_be_in_and_through_which_group() -> None:
    text = page(FOUND)
    assert "1 of 2 users take part" in text
    assert "through interns" in text
    assert "targets.d/corp.yaml:20" in text
    assert "cn=gone" in text
    assert ">bob<" not in text
    assert ">bob<" in page(FOUND, all="1")
    assert ">ann<" not in page(FOUND, q="nobody")
    assert EVIL not in text
    assert "&lt;script&gt;" in text


def test_a_directory_that_does_not_answer_is_told_and_breaks_nothing() -> None:
    assert "cannot be read now" in page(Unreachable("ldaps://corp.example does not answer"))

"""The LDAP Group Mapping tab: a directory's groups under the rules, their members as a tree, and whom they let in (B-82)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from runner.config.plan import LdapPlan
from runner.model.errors import ExsyncError
from runner.web.console.access import Visitor

DEEPEST = 20
SIZE = 50


def ldap(pages: Any, request: Request, visitor: Visitor) -> dict[str, Any]:
    """One directory, read now and not again by itself: a server is not asked each time that anything moves. When it does not
    answer, the page says why."""
    asked = request.query_params
    plan = pages.desk.service.generations.current.plan
    names = [name for name, target in plan.targets.items() if isinstance(target, LdapPlan)]
    if not names:
        return {"template": "ldap.html", "directories": []}
    name = asked.get("directory", "")
    name = name if name in names else names[0]
    told: dict[str, Any] = {
        "template": "ldap.html",
        "directories": names,
        "directory": name,
        "trouble": "",
        "live": False,
    }
    try:
        found = pages.desk.directory(name)
    except ExsyncError as error:
        return {**told, "trouble": f"{error}{f' · {error.remedy}' if error.remedy else ''}"}
    everybody = "all" in asked
    words = asked.get("q", "").lower().split()
    users = [
        user
        for user in found["users"]
        if (everybody or user["takes_part"]) and all(word in str(user["login"]).lower() for word in words)
    ]
    page = int(text) if (text := asked.get("page", "1")).isdecimal() and len(text) < 7 else 1
    last = max(1, -(-len(users) // SIZE))
    page = min(max(1, page), last)
    return {
        **told,
        "told": found,
        "tree": tree_of(found["groups"]),
        "everybody": everybody,
        "rows": users[(page - 1) * SIZE : page * SIZE],
        "page": page,
        "pages": last,
        "total": len(users),
    }


def tree_of(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Groups below the groups that contain them. A branch is drawn once; circles are marked where they close."""
    known = {group["dn"]: number for number, group in enumerate(groups)}
    children: dict[str, list[str]] = {dn: [] for dn in known}
    for group in groups:
        for parent in group["parents"]:
            children.setdefault(parent, []).append(group["dn"])
    drawn: set[str] = set()

    def node(dn: str, path: tuple[str, ...]) -> dict[str, Any]:
        group, again = groups[known[dn]], dn in drawn
        note = "contains itself" if dn in path else "see above" if again and children[dn] else ""
        drawn.add(dn)
        deeper = not again and dn not in path and len(path) < DEEPEST
        below = [node(child, (*path, dn)) for child in children[dn] if child in known] if deeper else []
        told = {name: group[name] for name in ("name", "ticked", "members")}
        return {**told, "number": known[dn], "note": note, "children": below}

    tops = [node(group["dn"], ()) for group in groups if not any(parent in known for parent in group["parents"])]
    return tops + [node(dn, ()) for dn in known if dn not in drawn]

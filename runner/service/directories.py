"""Directories as plain data, for the command line, the control API and the console (B-82, B-90)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from difflib import get_close_matches
from typing import cast

from runner.config.plan import LdapPlan, SyncPlan
from runner.engine.parts import ref_of
from runner.model.errors import UsageError
from runner.model.ports import DirectoryConnector, TargetConnector
from runner.model.terms import Folder
from runner.service.views import Data


def directory_view(plan: SyncPlan, name: str, targets: Callable[[str], TargetConnector]) -> Data:
    """``groups`` (each with ``name, dn, ticked, rule, description, template, priority, parents, members, users``), ``users``
    (``login, dn, takes_part, groups, through, template``), ``unknown`` rules, and ``ruled``: whether there are rules at all.

    Reads the directory; raises what reading raises, and ``UsageError`` for a name that is no directory's.
    """
    known = [each for each, target in plan.targets.items() if isinstance(target, LdapPlan)]
    link = plan.links.get(f"{name}/{Folder.USERS}")
    if name not in known or link is None:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"directories are: {', '.join(known) or 'none'}"
        raise UsageError(f"no directory is called {name!r}: {hint}", remedy="`exsync show plan` lists the targets")
    connector = cast(DirectoryConnector, targets(name))
    told = connector.show(ref_of(link, None))
    users = [asdict(user) for user in told.users]
    return {
        "directory": name,
        "ruled": told.ruled,
        "takes_part": sum(user.takes_part for user in told.users),
        "groups": [asdict(group) for group in told.groups],
        "users": users,
        "unknown": list(told.unknown),
    }

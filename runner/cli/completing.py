"""What a shell offers for the names of links, targets and users: from the YAML files as they are, never from a server.

Files with findings offer what can be read of them; users that only a list names (``generate:``) are not offered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from runner.config import Loaded

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _offered(names: Callable[[Loaded], Iterable[str]]) -> Complete:
    def complete(ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
        from runner.config import load

        found = sorted(set(names(load(_root(ctx)))))
        return [name for name in found if name.startswith(begun)]

    return complete


def _root(ctx: click.Context) -> Path:
    """The configuration that the command would use: while a line is typed, nothing has set the context up."""
    given = ctx.find_root().params.get("root")
    return Path(given or os.environ.get("EXSYNC_CONFIG") or ".")


def _links(loaded: Loaded) -> Iterable[str]:
    return (name for name in loaded.settings if "*" not in name)


def _users(loaded: Loaded) -> Iterable[str]:
    return (part for name in _links(loaded) for part in name.split("/") if "@" in part)


def _named(*kinds: str) -> Callable[[Loaded], Iterable[str]]:
    return lambda loaded: (each.name for each in loaded.documents if each.kind in kinds and each.name)


users = _offered(_users)
"""Addresses of the users of links."""
links = _offered(lambda loaded: [*_links(loaded), *_users(loaded)])
"""Links, by their names or by their users."""
targets = _offered(_named("exchange", "ldap"))
"""Targets."""
directories = _offered(_named("ldap"))
"""Directories among the targets."""
systems = _offered(_named("crm", "exchange", "ldap"))
"""The CRM and the targets."""
crm = _offered(_named("crm"))
"""The CRM."""

link_option = click.option(
    "--link",
    "links",
    multiple=True,
    metavar="LINK",
    shell_complete=links,
    help="Only these links (names or parts of names).",
)
"""The ``--link`` option of commands whose arguments are something else."""

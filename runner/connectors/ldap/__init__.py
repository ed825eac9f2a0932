"""LDAP directories: users and groups in, nothing out (B-3, B-80 to B-83).

What it is: the port ``TargetConnector`` over a directory server, behind a hardened ``Directory`` of a few calls. What it is
not: a place where anything is decided about CRM users; that is the engine's work, as for any other target.

Invariant: a set of entries is whole or it is an error. A result code other than success, a missing paging control or a
connection that ends throws away everything that was read, so that nobody ever "left" because a server was tired.
"""

from __future__ import annotations

from runner.config.plan import LdapPlan
from runner.connectors.ldap.connector import LdapConnector
from runner.connectors.ldap.directory import LdapDirectory
from runner.model.ports import Clock, Meter


def connect(plan: LdapPlan, password: str | None, *, clock: Clock, meter: Meter | None = None) -> LdapConnector:
    """A connector for one directory; ``meter`` is told of its requests. Nothing is sent before the first call.

    Raises ``UsageError`` for an empty password.
    """
    return LdapConnector(plan, LdapDirectory(plan, password, meter), clock)

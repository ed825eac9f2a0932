"""Looks at one directory server for ``exsync doctor``: its certificate behind StartTLS, its controls, its clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from runner.config.plan import LdapPlan
from runner.connectors.certificates import described
from runner.connectors.ldap.directory import LdapDirectory
from runner.model.checkup import Presented, Reading

_GENERALIZED = "%Y%m%d%H%M%S.0Z"
"""How Active Directory writes ``currentTime`` (MS-ADTS 3.1.1.3.2.12)."""


@dataclass(frozen=True, slots=True)
class DirectorySeen:
    """What a server says of itself: the OIDs of its controls, its clock where it shows one, and the certificate of the
    connection where there is TLS."""

    controls: frozenset[str]
    clock: Reading | None
    certificate: Presented | None


def inspect(plan: LdapPlan, password: str | None, now: Callable[[], datetime]) -> DirectorySeen:
    """Log on once and read the server's own description. Raises what connecting, TLS and the log-on raise."""
    directory = LdapDirectory(plan, password)
    try:
        directory.root()  # the clock is read over a connection that is open already
        before = now()
        root = directory.root()
        after = now()
        split = urlsplit(plan.url)
        peer = directory.peer_certificate()
        seen = None if peer is None else described(split.hostname or "", split.port or 389, peer)
        return DirectorySeen(
            frozenset(root.texts("supportedControl")), _reading(before, root.text("currentTime"), after), seen
        )
    finally:
        directory.close()


def _reading(before: datetime, told: str | None, after: datetime) -> Reading | None:
    if told is None:
        return None
    try:
        theirs = datetime.strptime(told, _GENERALIZED).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Reading(before, theirs, after)

"""Who is asking, and what he may do: sessions of local users, users that a trusted proxy names, or nobody in particular.

Where nobody has to log in (loopback only), everybody is a viewer and nobody an operator.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

from runner.config.serving import ConsolePlan, HeaderPlan
from runner.model.errors import ExsyncError
from runner.web.console.sessions import Session, Sessions, Tries
from runner.web.console.users import Role, User, parse_users, verified

COOKIE, SECURE_COOKIE = "exsync_session", "__Host-exsync_session"
LONGEST_PASSWORD = 1000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever asks. ``session`` is None for somebody who did not log in."""

    name: str
    role: Role
    session: Session | None = None
    secure: bool = False

    @property
    def operates(self) -> bool:
        """Whether he may act."""
        return self.role is Role.OPERATOR and self.session is not None

    @property
    def csrf(self) -> str:
        """The token of his forms."""
        return self.session.csrf if self.session else ""


class Refused(ExsyncError):
    """A log-in that was not let in."""

    code = "log-in-refused"
    exit_code = 77


class Access:
    """Tells visitors apart by the console's plan of this moment."""

    def __init__(self, plan: Callable[[], ConsolePlan], now: Callable[[], float]) -> None:
        self._plan = plan
        self.sessions = Sessions(now)
        self._tries = Tries(now)

    def visitor(self, request: HTTPConnection) -> Visitor | None:
        """Who asks; None: he has to log in first."""
        plan = self._plan()
        secure = self.secure(request)
        if plan.open:
            return Visitor("somebody on this machine", Role.VIEWER, secure=secure)
        session = self._session(request, plan)
        if plan.header is not None and self._from_proxy(request, plan):
            named = _named(request, plan.header)
            if named is not None:
                return self._vouched(named, session, secure)
        if session is None or plan.users is None:
            return None
        user = self._users(plan).get(session.user)
        if user is None or session.proof != _proof(user):
            self.sessions.end(session)
            return None
        return Visitor(user.name, user.role, session, secure)

    def log_in(self, request: HTTPConnection, name: str, password: str) -> Session:
        """A session for a local user. Raises :class:`Refused` without saying what was wrong."""
        plan = self._plan()
        keys = (f"user {name[:100]}", f"from {self.peer(request)}")
        wait = self._tries.barred(*keys)
        if wait:
            raise Refused(f"Too many wrong passwords. Wait {wait:.0f} seconds and try again.")
        user = self._users(plan).get(name) if plan.users else None
        if len(password) > LONGEST_PASSWORD or not verified(user, password) or user is None:
            self._tries.failed(*keys)
            raise Refused("This name and password do not go together.")
        self._tries.succeeded(*keys)
        return self.sessions.begin(user.name, _proof(user))

    def secure(self, request: HTTPConnection) -> bool:
        """Whether the browser's own connection is encrypted."""
        if self._from_proxy(request, self._plan()):
            return request.headers.get("x-forwarded-proto", "").split(",")[-1].strip() == "https"
        return request.url.scheme == "https"

    def peer(self, request: HTTPConnection) -> str:
        """The address that a request comes from; the last one that a trusted proxy added."""
        host = request.client.host if request.client else "?"
        if self._from_proxy(request, self._plan()):
            return request.headers.get("x-forwarded-for", host).split(",")[-1].strip()[:64]
        return host

    def _session(self, request: HTTPConnection, plan: ConsolePlan) -> Session | None:
        number = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
        return self.sessions.find(number, plan.session.total_seconds())

    def _vouched(self, named: tuple[str, Role], session: Session | None, secure: bool) -> Visitor:
        """Somebody whom the proxy names: he gets a session for the sake of its token."""
        name, role = named
        if session is None or (session.user, session.proof) != (name, "proxy"):
            session = self.sessions.begin(name, "proxy")
        return Visitor(name, role, session, secure)

    def _from_proxy(self, request: HTTPConnection, plan: ConsolePlan) -> bool:
        if not plan.proxies or request.client is None:
            return False
        try:
            address = ipaddress.ip_address(request.client.host)
        except ValueError:
            return False
        return any(address in ipaddress.ip_network(each, strict=False) for each in plan.proxies)

    def _users(self, plan: ConsolePlan) -> Mapping[str, User]:
        if plan.users is None:
            return {}
        text = plan.users.reveal(os.environ, lambda name: Path(name).read_text(encoding="utf-8"))
        return parse_users(text, plan.users.rule)


def _named(request: HTTPConnection, header: HeaderPlan) -> tuple[str, Role] | None:
    name = request.headers.get(header.user, "").strip()[:100]
    if not name or not name.isprintable():
        return None
    groups = request.headers.get(header.groups, "") if header.groups else ""
    belongs = {name, *(each.strip() for each in groups.split(","))} - {""}
    if belongs & header.operators:
        return name, Role.OPERATOR
    return (name, Role.VIEWER) if header.everybody or belongs & header.viewers else None


def _proof(user: User) -> str:
    return hashlib.sha256(user.hash.encode()).hexdigest()

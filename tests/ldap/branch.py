"""A firm in an Active Directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.ldap.firm import Office
from tests.support.active_directory import ADMIN, ADMIN_PASSWORD, READER, READER_PASSWORD, SUFFIX, ActiveDirectory


@dataclass
class Branch(Office):
    """A unit of its own with people, groups and a place for those who left. ``as_admin``: the target logs on as an account
    that sees tombstones."""

    server: ActiveDirectory = field(kw_only=True)
    as_admin: bool = False

    def __post_init__(self) -> None:
        self.server.unit(self.unit)
        for name in ("people", "groups", "gone"):
            self.server.unit(name, self.base)
        super().__post_init__()

    @property
    def base(self) -> str:
        return f"OU={self.unit},{SUFFIX}"

    @property
    def reached(self) -> str:
        (self.home / "certs").mkdir(exist_ok=True)
        (self.home / "certs/ca.pem").write_bytes(self.server.ca.read_bytes())
        account = ADMIN if self.as_admin else READER
        auth = f"{{type: simple, username: '{account}', password: {{env: CORP_PASSWORD}}}}"
        return f"url: {self.server.tls_url}\nca_file: certs/ca.pem\nauth: {auth}\n"

    @property
    def password(self) -> str:
        return ADMIN_PASSWORD if self.as_admin else READER_PASSWORD

    def login(self, name: str) -> str:
        """A log-on name that nobody else in the domain has."""
        return f"{name}.{self.unit[-6:]}"

    def hire(self, *names: str, **attributes: Any) -> None:
        for name in names:
            self.server.person(self.login(name), self.people, **attributes)

    def dn(self, name: str) -> str:
        """Of a user; of a group when the name begins with '@'."""
        login = self.login(name.removeprefix("@"))
        return f"CN={login},{self.group_unit}" if name[0] == "@" else f"CN=Name of {login},{self.people}"

    def team(self, name: str, *members: str) -> None:
        self.server.group(self.login(name), self.group_unit, *(self.dn(member) for member in members))

    def change(self, name: str, attribute: str, *values: Any) -> None:
        self.server.modify(self.dn(name), "replace", attribute, *values)

    def here(self) -> list[str]:
        """Names of live CRM users of this directory."""
        return [login.partition(".")[0] for login in self.logins()]

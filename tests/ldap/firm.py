"""A firm: a part of a directory to itself, an SQLite CRM, the stock mappings, and the engine over them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.cli.opening import open_target
from runner.config import load_plan
from runner.config.plan import SyncPlan
from runner.connectors.crm import connect
from runner.connectors.ldap.connector import LdapConnector
from runner.engine.parts import ref_of
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import Runner, exit_code
from runner.model.terms import Operation
from runner.sandbox.demo_crm import create_demo_crm
from runner.store import DuckStore, open_store
from runner.testing.clock import FakeClock
from runner.testing.rng import SeededRng
from tests.support.slapd import READER, READER_PASSWORD, SUFFIX, Slapd, group, person

REPOSITORY = Path(__file__).parents[2]
USERS, GROUPS = "corp/users", "corp/groups"


@dataclass
class Office(ABC):
    """A firm without its directory: what is in there, and how it is reached, kinds of server say each for themselves.
    ``users``, ``groups`` and ``more`` are what the target says beside the server and the bases."""

    home: Path
    unit: str
    users: str = ""
    groups: str = ""
    more: str = ""
    clock: FakeClock = field(default_factory=FakeClock)
    rng: SeededRng = field(default_factory=SeededRng)
    _store: DuckStore | None = None
    _runner: Runner | None = None

    def __post_init__(self) -> None:
        self.people, self.group_unit = f"ou=people,{self.base}", f"ou=groups,{self.base}"
        shutil.copytree(REPOSITORY / "mappings", self.home / "mappings")
        (self.home / "targets.d").mkdir()
        shutil.copy(REPOSITORY / "targets.d/crm.yaml", self.home / "targets.d/crm.yaml")
        self.crm_file = self.home / "crm.sqlite"
        create_demo_crm(self.crm_file)
        os.environ["EXSYNC_CRM_URL"] = f"sqlite:///{self.crm_file}"
        os.environ["CORP_PASSWORD"] = self.password
        self.configure()
        crm = connect(self.plan().crm, os.environ["EXSYNC_CRM_URL"], clock=self.clock)
        with closing(crm):
            crm.apply_ddl()

    @property
    @abstractmethod
    def base(self) -> str:
        """The DN of the firm's part of the directory."""

    @property
    @abstractmethod
    def reached(self) -> str:
        """What the target says of the server and the log-on."""

    @property
    def password(self) -> str:
        """The password of the account that the target logs on with."""
        return READER_PASSWORD

    def configure(self, *, users: str | None = None, groups: str | None = None, more: str | None = None) -> None:
        """Write the target; what is given replaces what was said before."""
        self.users = self.users if users is None else users
        self.groups = self.groups if groups is None else groups
        self.more = self.more if more is None else more
        (self.home / "targets.d/corp.yaml").write_text(
            f"version: 1\nkind: ldap\nname: corp\n{self.reached}page: 100\n"
            f"users:\n  bases: ['{self.people}']\n  mapping: user\n{self.users}"
            f"groups:\n  bases: ['{self.group_unit}']\n{self.groups}{self.more}",
            encoding="utf-8",
        )
        self.close()

    def plan(self) -> SyncPlan:
        return load_plan(self.home)

    @property
    def store(self) -> DuckStore:
        if self._store is None:
            self._store = open_store(self.home / "state" / "exsync.duckdb", clock=self.clock)
        return self._store

    @property
    def runner(self) -> Runner:
        if self._runner is None:
            plan = self.plan()
            crm = connect(plan.crm, os.environ["EXSYNC_CRM_URL"], clock=self.clock)
            opened: dict[str, Any] = {}

            def target(name: str) -> Any:
                if name not in opened:
                    opened[name] = open_target(plan.targets[name], _revealed, self.clock)
                return opened[name]

            self._opened = opened
            self._runner = Runner(plan, self.store, crm, target, self.clock, self.rng)
        return self._runner

    @property
    def connector(self) -> LdapConnector:
        made = self.runner.targets("corp")
        assert isinstance(made, LdapConnector)
        return made

    def ref(self, name: str = USERS) -> Any:
        return ref_of(self.runner.plan.links[name], None)

    def close(self) -> None:
        if self._runner is not None:
            self._runner.crm.close()
            for each in self._opened.values():
                each.close()
            self._runner = None
        if self._store is not None:
            self._store.close()
            self._store = None

    def run(self, *allowed: Operation, link: str = USERS, rehearse: bool = False) -> PassReport:
        """One pass of one link; the clock goes on by a minute."""
        self.clock.advance(60)
        runner = self.runner
        orders = Orders(self.rng.token(), allowed=frozenset(allowed), rehearse=rehearse)
        (report,) = (r for r in runner.run([runner.plan.links[link]], orders) if r.link == link)
        return report

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.crm_file)
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def logins(self) -> list[str]:
        """Log-on names of live CRM users who have one."""
        rows = self.sql("SELECT login FROM crm_user WHERE login IS NOT NULL AND NOT deleted ORDER BY login")
        return [str(row[0]) for row in rows]

    def user(self, login: str, *columns: str) -> tuple[Any, ...]:
        rows = self.sql(f"SELECT {', '.join(columns)} FROM crm_user WHERE login = ?", login)  # noqa: S608
        assert len(rows) == 1, rows
        return rows[0]


@dataclass
class Firm(Office):
    """A firm in an OpenLDAP."""

    server: Slapd = field(kw_only=True)
    founded: bool = False
    """Its part of the directory is there already."""

    def __post_init__(self) -> None:
        if not self.founded:
            units = (self.base, *(f"ou={name},{self.base}" for name in ("people", "groups", "gone")))
            self.server.add(*(f"dn: {dn}\nobjectClass: organizationalUnit\nou: {dn[3:].split(',')[0]}" for dn in units))
        super().__post_init__()

    @property
    def base(self) -> str:
        return f"ou={self.unit},{SUFFIX}"

    @property
    def reached(self) -> str:
        auth = f"{{type: simple, username: '{READER}', password: {{env: CORP_PASSWORD}}}}"
        return f"url: {self.server.url}\nauth: {auth}\n"

    def hire(self, *uids: str, **attributes: Any) -> None:
        self.server.add(*(person(uid, below=self.people, **attributes) for uid in uids))

    def team(self, name: str, *members: str, **attributes: str) -> None:
        """A group; members are log-on names, or names of groups that begin with '@'."""
        dns = [self.dn(member) for member in members] or [f"cn=nobody,{self.base}"]
        self.server.add(group(name, *dns, below=self.group_unit, **attributes))

    def dn(self, name: str) -> str:
        return f"cn={name[1:]},{self.group_unit}" if name.startswith("@") else f"uid={name},{self.people}"

    def join(self, team: str, *members: str) -> None:
        self._members(team, "add", members)

    def part(self, team: str, *members: str) -> None:
        self._members(team, "delete", members)

    def _members(self, team: str, verb: str, members: tuple[str, ...]) -> None:
        lines = "\n".join(f"member: {self.dn(member)}" for member in members)
        self.server.modify(f"dn: {self.dn(f'@{team}')}\nchangetype: modify\n{verb}: member\n{lines}")

    def change(self, uid: str, name: str, *values: str) -> None:
        told = "\n".join(f"{name}: {value}" for value in values)
        self.server.modify(f"dn: {self.dn(uid)}\nchangetype: modify\nreplace: {name}\n{told}")


def _revealed(value: Any) -> str:
    return value if isinstance(value, str) else str(os.environ[value.name])


def typed(firm: Office, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as an operator types it."""
    firm.close()
    environ = {
        **os.environ,
        "EXSYNC_CONFIG": str(firm.home),
        "EXSYNC_STATE": str(firm.home / "state" / "exsync.duckdb"),
    }
    command = [sys.executable, "-m", "runner", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def code(report: PassReport) -> int:
    return exit_code([report])

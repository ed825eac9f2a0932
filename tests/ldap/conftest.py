from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.config.plan import DirectoryScope, LdapAuth, LdapPlan
from runner.config.secrets import SecretRef
from runner.connectors.ldap.directory import LdapDirectory
from runner.model.ports import Meter
from tests.ldap.branch import Branch
from tests.ldap.firm import Firm
from tests.support import active_directory, slapd
from tests.support.active_directory import ActiveDirectory
from tests.support.slapd import PEOPLE, READER, READER_PASSWORD, Slapd

PASSWORD = SecretRef("env", "LDAP_PASSWORD", "targets.d/corp.yaml:6:1")
MANY = 620
"""People below ou=many: more than the size limit of 500, so that only whole paging reads them all."""
MANY_BASE = f"ou=many,{slapd.SUFFIX}"


def plan_for(url: str, **changed: Any) -> LdapPlan:
    """The plan of a directory, with some of it changed."""
    scope = DirectoryScope((PEOPLE,), "subtree", None, {}, "targets.d/corp.yaml:7:1")
    told: dict[str, Any] = {
        "name": "corp",
        "url": url,
        "auth": LdapAuth("simple", READER, PASSWORD),
        "rule": "targets.d/corp.yaml:1:1",
        "users": scope,
        "timeout": timedelta(seconds=5),
        "connect_timeout": timedelta(seconds=5),
        "page": 100,
    }
    return LdapPlan(**{**told, **changed})


@pytest.fixture(scope="session")
def server() -> Iterator[Slapd]:
    """An OpenLDAP for the whole session; every test works below names of its own."""
    with slapd.running() as running:
        unit = f"dn: {MANY_BASE}\nobjectClass: organizationalUnit\nou: many"
        running.add(unit, *(slapd.person(f"many{n:03}", below=MANY_BASE) for n in range(MANY)))
        yield running


Opening = Callable[..., LdapDirectory]


@pytest.fixture
def directory(server: Slapd) -> Iterator[Opening]:
    """Opens directories that are closed at the end: over TLS, as the reader, unless said otherwise."""
    opened: list[LdapDirectory] = []

    def _open(
        password: str | None = READER_PASSWORD,
        *,
        url: str = server.tls_url,
        meter: Meter | None = None,
        **changed: Any,
    ) -> LdapDirectory:
        made = LdapDirectory(plan_for(url, **{"ca_file": str(server.ca), **changed}), password, meter)
        opened.append(made)
        return made

    yield _open
    for each in opened:
        each.close()


@pytest.fixture
def firm(server: Slapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Firm]]:
    """Founds firms; each has a part of the directory to itself."""
    monkeypatch.setenv("EXSYNC_CRM_URL", "")
    monkeypatch.setenv("CORP_PASSWORD", READER_PASSWORD)
    founded: list[Firm] = []

    def _found(**told: str) -> Firm:
        home = tmp_path / f"firm{len(founded)}"
        home.mkdir()
        founded.append(Firm(home, f"firm{secrets.token_hex(4)}", server=server, **told))
        return founded[-1]

    yield _found
    for each in founded:
        each.close()
        server.delete(each.base)


@pytest.fixture(scope="session")
def domain(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[ActiveDirectory]:
    """An Active Directory for the whole session; the processes of one test run share the work of founding it."""
    own = tmp_path_factory.getbasetemp()
    with active_directory.running(own if worker_id == "master" else own.parent) as started:
        yield started


@pytest.fixture
def branch(domain: ActiveDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Branch]]:
    """Founds firms in the Active Directory; each has a part of it to itself."""
    monkeypatch.setenv("EXSYNC_CRM_URL", "")
    monkeypatch.setenv("CORP_PASSWORD", "")
    founded: list[Branch] = []

    def _found(**told: Any) -> Branch:
        home = tmp_path / f"branch{len(founded)}"
        home.mkdir()
        founded.append(Branch(home, f"branch{secrets.token_hex(4)}", server=domain, **told))
        return founded[-1]

    yield _found
    for each in founded:
        each.close()
        domain.delete_below(each.base)

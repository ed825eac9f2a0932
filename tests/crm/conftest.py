"""One suite, two databases: SQLite in a file and a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.crm import POSTGRES, SPECIMEN, World, sqlite_world
from tests.support.postgres import Postgres, running

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server with two templates: the CRM's schema alone (``bare``), and prepared with our DDL (``ready``)."""
    with running() as server:
        for name in ("bare", "ready"):
            server.create(name)
            with server.connect(name) as connection:
                connection.execute(POSTGRES)
                connection.execute(SPECIMEN["postgresql"])
        with closing(World(server.url("ready"))) as prepared:
            prepared.crm.apply_ddl()
        yield server


def _from_template(server: Postgres, template: str) -> Iterator[World]:
    name = f"crm{next(_numbers)}"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    world = World(server.url(name))
    try:
        yield world
    finally:
        world.close()
        server.drop(name)


@pytest.fixture
def pg(postgres: Postgres) -> Iterator[World]:
    """A prepared CRM on PostgreSQL."""
    yield from _from_template(postgres, "ready")


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[World]:
    """A prepared CRM on SQLite."""
    world = sqlite_world(tmp_path)
    yield world
    world.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> World:
    """A prepared CRM, once on each database."""
    made: World = request.getfixturevalue("lite" if request.param == "sqlite" else "pg")
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A CRM whose database has nothing of ours yet."""
    if request.param == "sqlite":
        world = sqlite_world(tmp_path, prepared=False)
        yield world
        world.close()
    else:
        yield from _from_template(request.getfixturevalue("postgres"), "bare")

"""One suite, two databases: SQLite in a file and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.connectors.crm import ddl
from tests.support.crm import PLAN, POSTGRES, SPECIMEN, World, sqlite_world
from tests.support.postgres import Postgres, running

DATABASE = "crm"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server with one database, made anew for each test."""
    with running() as server:
        server.create(DATABASE)
        yield server


@contextmanager
def _postgres_world(server: Postgres, *, prepared: bool) -> Iterator[World]:
    """A fresh schema in the server's database: far cheaper than a fresh database."""
    with server.connect(DATABASE) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
        connection.execute(POSTGRES)
        connection.execute(SPECIMEN["postgresql"])
        if prepared:
            connection.execute(ddl(PLAN, "postgresql"))
    world = World(server.url(DATABASE))
    try:
        yield world
    finally:
        world.close()
        server.disconnect(DATABASE)


@pytest.fixture
def pg(postgres: Postgres) -> Iterator[World]:
    """A prepared CRM on PostgreSQL."""
    with _postgres_world(postgres, prepared=True) as world:
        yield world


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
        with _postgres_world(request.getfixturevalue("postgres"), prepared=False) as world:
            yield world

"""Worlds over both states, the real one and the one in memory, closed after the test."""

from collections.abc import Callable, Iterator

import pytest

from runner.config.plan import LinkPlan
from runner.testing.store import MemoryStore
from tests.engine.world import World

MakeWorld = Callable[..., World]


@pytest.fixture(params=["duckdb", "memory"])
def make_world(request: pytest.FixtureRequest) -> Iterator[MakeWorld]:
    """Makes worlds with given links; every test of a scenario runs over both stores, so that they cannot drift apart."""
    made: list[World] = []

    def make(*links: LinkPlan, page: int = 2) -> World:
        store = MemoryStore() if request.param == "memory" else None
        made.append(World(*links, page=page, store=store))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with one calendar link in both directions."""
    return make_world()

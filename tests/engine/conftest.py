"""Worlds that are closed after the test."""

from collections.abc import Callable, Iterator

import pytest

from runner.config.plan import LinkPlan
from tests.engine.world import World


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(*links: LinkPlan, page: int = 2) -> World:
        made.append(World(*links, page=page))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()

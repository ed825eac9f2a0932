"""What the API tells beside the desk's own: targets, links by the thousand, runs, cubes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request

from runner.service.board import SORTS, Board, LinkQuery
from runner.service.desk import Desk
from runner.service.looking import cube_view, cubes_view, question_of, run_view, runs_view
from runner.store.cubing import Cubes
from runner.store.history import History

Look = Callable[[Request, dict[str, Any]], Any]


def looks(desk: Desk) -> dict[str, Look]:
    """Paths and what answers them."""
    board, history, engine = Board(desk.service), History(desk.service.store), Cubes(desk.service.store)

    def cubes() -> Any:
        return desk.service.generations.current.plan.service.cubes

    def cube(request: Request, body: dict[str, Any]) -> Any:
        now = desk.service.clock.now()
        return cube_view(engine, question_of(cubes(), request.path_params["cube"], request.query_params, now))

    return {
        "/api/v1/targets": lambda request, body: {"targets": board.targets()},
        "/api/v1/targets/{name}": lambda request, body: board.target(request.path_params["name"]),
        "/api/v1/links": lambda request, body: board.links(link_query(request.query_params, size=200)),
        "/api/v1/link": lambda request, body: board.link(request.query_params.get("name", "")),
        "/api/v1/runs": lambda request, body: runs_view(history, request.query_params),
        "/api/v1/runs/{run}": lambda request, body: run_view(history, request.path_params["run"], request.query_params),
        "/api/v1/cubes": lambda request, body: cubes_view(cubes()),
        "/api/v1/cubes/{cube}": cube,
    }


def link_query(asked: Mapping[str, str], *, size: int) -> LinkQuery:
    """Which links parameters ask for; nonsense is left out."""

    def number(name: str, otherwise: int) -> int:
        text = asked.get(name, "")
        return max(1, int(text)) if text.isdecimal() and len(text) < 8 else otherwise

    return LinkQuery(
        target=asked.get("target", ""),
        search=asked.get("q", ""),
        standing=asked.get("standing", ""),
        folder=asked.get("folder", ""),
        sort=asked["sort"] if asked.get("sort") in SORTS else "name",
        descending="desc" in asked,
        page=number("page", 1),
        size=min(1000, number("size", size)),
    )

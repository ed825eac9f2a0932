"""What the API tells beside the desk's own: targets, links by the thousand, runs, cubes, and the API itself as OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request

from runner import __version__
from runner.model.record import SCHEMAS, FieldType
from runner.service.board import SORTS, Board, LinkQuery
from runner.service.desk import Desk
from runner.service.looking import cube_view, cubes_view, question_of, run_view, runs_view
from runner.service.masking import is_personal
from runner.store.cubing import Cubes
from runner.store.history import History

Look = Callable[[Request, dict[str, Any]], Any]

SUMMARIES: Mapping[str, str] = {
    "/api/v1/status": "The service, its targets, its links, the newest runs",
    "/api/v1/targets": "Every target, how it stands, and how its links do",
    "/api/v1/targets/{name}": "One target, with every setting and its line of YAML",
    "/api/v1/links": "One page of links: target, q, folder, standing, sort, desc, page, size",
    "/api/v1/link": "One link by its name: state, last passes, message, settings with their lines of YAML",
    "/api/v1/queue": "Every message of the queue",
    "/api/v1/queue/stats": "The queue's figures, minute by minute (minutes)",
    "/api/v1/queue/{number}": "One message",
    "/api/v1/queue/{number}/retry": "Let a message run at once",
    "/api/v1/queue/{number}/discard": "Give a message up",
    "/api/v1/conflicts": "The conflict ledger, newest first (open: only what waits)",
    "/api/v1/conflicts/{id}": "One conflict with base and both values",
    "/api/v1/conflicts/{id}/resolve": "Decide on a conflict: take is crm, target, restore or value (with values)",
    "/api/v1/quarantine": "Items that were set aside",
    "/api/v1/mail": "Mail to attendees that is held (all: every one)",
    "/api/v1/mail/{id}/release": "Let a held mail go out",
    "/api/v1/mail/{id}/drop": "Write without the mail",
    "/api/v1/ledger": "Every write, newest first (link, run, key, before, limit)",
    "/api/v1/ledger/proof": "Whether the ledger is what was written (head)",
    "/api/v1/ledger/prune": "Drop the ledger's oldest entries (days)",
    "/api/v1/directories/{name}": "A directory's groups, who takes part and why; read now",
    "/api/v1/runs": "Passes with an effect, newest first (link, outcome, page)",
    "/api/v1/runs/{run}": "One run: its passes and what they wrote (link, page)",
    "/api/v1/cubes": "Every cube with its measures and dimensions",
    "/api/v1/cubes/{cube}": "A cube's answer: measure, rows, columns, grain, last, at and of, is.DIMENSION",
    "/api/v1/acts": "What operators did, newest first",
    "/api/v1/sync": "Ask for a pass of links before everything else",
    "/api/v1/reset": "Let a link be read anew from the beginning",
    "/api/v1/suspend": "Put passes off: scope is all, target or link",
    "/api/v1/resume": "Let passes run again",
    "/api/v1/apply": "One pass over links; answers when all have ended",
    "/api/v1/plan": "What the next pass would do; writes nothing",
    "/api/v1/undo": "Take a run back, or show what that would write (plan)",
    "/api/v1/explain": "Why an item is as it is: pairing, rule and write behind each field",
    "/api/v1/openapi.json": "This document",
}
_TYPES = {FieldType.BOOLEAN: "boolean", FieldType.INTEGER: "integer", FieldType.KEYWORDS: "array"}
_TYPES |= {FieldType.OVERRIDES: "object", FieldType.ADDRESSES: "object"}


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


def openapi(paths: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The API as an OpenAPI 3.1 document. ``paths`` are (method, path) of every route; personal fields bear
    ``x-personal``."""
    told: dict[str, dict[str, Any]] = {}
    for method, path in paths:
        plain = path.replace(":int}", "}")
        names = [part[1:-1] for part in plain.split("/") if part.startswith("{")]
        operation: dict[str, Any] = {
            "summary": SUMMARIES.get(plain, plain),
            "operationId": f"{method}{plain.replace('/api/v1', '').replace('/', '_').replace('{', '').replace('}', '')}",
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ],
            "responses": {
                "200": {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}},
                "default": {"$ref": "#/components/responses/Refused"},
            },
        }
        if method == "post":
            operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
            operation["security"] = [{"session": [], "csrf": []}, {"token": []}]
        told.setdefault(plain, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "exsync", "version": __version__, "description": "What operators see and do, for machines."},
        "paths": told,
        "security": [{"session": []}, {"token": []}],
        "components": {
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "exsync_session"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
                "token": {"type": "http", "scheme": "bearer"},
            },
            "responses": {
                "Refused": {
                    "description": "What was wrong and what to do",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
                }
            },
            "schemas": {
                "Refusal": {
                    "type": "object",
                    "properties": {
                        "error": {
                            "type": "object",
                            "properties": {name: {"type": ["string", "null"]} for name in ("code", "message", "remedy")}
                            | {"exit_code": {"type": "integer"}},
                        }
                    },
                },
                **{entity.value: _record(fields) for entity, fields in SCHEMAS.items()},
            },
        },
    }


def _record(fields: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, spec in fields.items():
        properties[name] = {"type": [_TYPES.get(spec.type, "string"), "null"], "description": spec.doc}
        if is_personal(name):
            properties[name]["x-personal"] = True
    return {"type": "object", "properties": properties}

"""The API described for machines: an OpenAPI 3.1 document of every route, what it takes and what it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runner import __version__
from runner.model.record import SCHEMAS, FieldType
from runner.service.masking import is_personal
from runner.web.answers import ANSWERS, BODIES, QUERIES
from runner.web.records import PARTS

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
    "/api/v1/quarantine/retry": "Try an item in quarantine again now",
    "/api/v1/quarantine/drop": "List an item no more, until it changes on either side",
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
    "/api/v1/suspend": "Put passes off: scope is all, target, link or candidate",
    "/api/v1/resume": "Let passes run again",
    "/api/v1/apply": "One pass over links; answers when all have ended",
    "/api/v1/plan": "What the next pass would do; writes nothing",
    "/api/v1/snapshot": "Show what giving one side the other's items would write, or do what was approved",
    "/api/v1/snapshot/stop": "End the snapshots under way of links; what they have done stays",
    "/api/v1/asked/{question}": "How far the answer to a POST is that bears X-Exsync-Question",
    "/api/v1/undo": "Take a run back, or show what that would write (plan)",
    "/api/v1/audit": "Compare both sides of links item by item (anew, repair, at most so many of each)",
    "/api/v1/candidates": "Every target's candidate: its rings, who runs by it, what it would have done otherwise",
    "/api/v1/state/copy": "Copy the state to beside it, for a command on this machine that looks at the copy and drops it",
    "/api/v1/candidates/plan": "What the next pass would do by the candidate and as it is; writes nothing",
    "/api/v1/forget": "Drop the state of a link that is not configured any more",
    "/api/v1/explain": "Why an item is as it is: pairing, rule and write behind each field",
    "/api/v1/openapi.json": "This document",
}
_TYPES = {FieldType.BOOLEAN: "boolean", FieldType.INTEGER: "integer", FieldType.KEYWORDS: "array"}
_TYPES |= {FieldType.OVERRIDES: "object", FieldType.ADDRESSES: "object"}


def openapi(paths: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The API as an OpenAPI 3.1 document. ``paths`` are (method, path) of every route; personal fields bear
    ``x-personal``. Raises ``KeyError`` for a route of which nothing says what it answers."""
    told: dict[str, dict[str, Any]] = {}
    for method, path in paths:
        plain = path.replace(":int}", "}")
        operation: dict[str, Any] = {
            "summary": SUMMARIES[plain],
            "operationId": f"{method}{plain.replace('/api/v1', '').replace('/', '_').replace('{', '').replace('}', '')}",
            "parameters": [*_in_path(plain), *_in_query(plain)],
            "responses": {
                "200": {"description": "Done", "content": {"application/json": {"schema": ANSWERS[method, plain]}}},
                "default": {"$ref": "#/components/responses/Refused"},
            },
        }
        if method == "post":
            if plain in BODIES:
                operation["requestBody"] = {"content": {"application/json": {"schema": BODIES[plain]}}}
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
                            "required": ["code", "message", "exit_code"],
                        }
                    },
                    "required": ["error"],
                },
                **PARTS,
                **{entity.value: _record(fields) for entity, fields in SCHEMAS.items()},
            },
        },
    }


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer" if name == "number" else "string"}}
        for name in names
    ]


def _in_query(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": name == "name", "schema": {"type": "string"}}
        for name in QUERIES.get(path, ())
    ]


def _record(fields: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, spec in fields.items():
        properties[name] = {"type": [_TYPES.get(spec.type, "string"), "null"], "description": spec.doc}
        if is_personal(name):
            properties[name]["x-personal"] = True
    return {"type": "object", "properties": properties}

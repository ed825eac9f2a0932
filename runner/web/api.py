"""The control API: ``/-/healthy``, ``/-/ready``, ``/-/reload``, ``/metrics`` and ``/api/v1/…``.

Errors are JSON: ``{"error": {"code", "message", "remedy", "exit_code"}}``, so that a command ends as it would have ended
without a service. Who acts is named by the header ``X-Exsync-User``: the socket's file mode lets in nobody but the service's
own account and root, and over TCP the token does.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.model.errors import ExsyncError, UsageError
from runner.model.state import Scope as SuspensionScope
from runner.model.terms import Operation
from runner.observe.metrics import CONTENT_TYPE
from runner.service.desk import Desk
from runner.service.inquiry import Inquiry
from runner.web.document import openapi
from runner.web.looks import looks

USER_HEADER = "X-Exsync-User"
QUESTION_HEADER = "X-Exsync-Question"
"""Names a question, so that one may ask how far its answer is."""
USER = "exsync.user"
"""Where the console notes in a request's scope who has logged in: it counts more than any header."""
LARGEST = 1 << 20
"""Bytes of a request's body."""
_STATUS = {64: 400, 78: 422, 75: 503, 69: 503, 74: 503, 77: 403, 4: 409}
_OPEN = ("/-/healthy", "/-/ready", "/metrics")
"""What needs no token: for probes and scrapers."""

MOST_ENTRIES = 1000
"""Entries of the ledger in one answer."""

Answer = Callable[[Request, dict[str, Any]], Any]


def control_app(desk: Desk, token: str | None = None, *, api: bool = True) -> Starlette:
    """The application. With ``token`` every request but probes must bear it; without ``api`` there are only probes."""
    routes = [*_probes(desk), *(api_routes(desk) if api else ())]
    middleware = [Middleware(_Bearer, token=token)] if token is not None else []
    return Starlette(routes=routes, middleware=middleware)


def _probes(desk: Desk) -> list[BaseRoute]:
    def healthy(_: Request) -> Response:
        try:
            well = desk.healthy()
        except ExsyncError as error:
            return PlainTextResponse(f"{error}\n", 503)
        return PlainTextResponse("healthy\n" if well else "a thread has ended\n", 200 if well else 503)

    def ready(_: Request) -> Response:
        well, told = desk.ready()
        return PlainTextResponse(f"{told}\n", 200 if well else 503)

    def metrics(_: Request) -> Response:
        return Response(desk.metrics(), media_type=CONTENT_TYPE)

    return [Route("/-/healthy", healthy), Route("/-/ready", ready), Route("/metrics", metrics)]


def api_routes(desk: Desk) -> list[Route]:
    """Everything below ``/api/v1``, and ``/-/reload``. Whoever serves them says who may ask."""
    inquiry = Inquiry(desk)

    def who(request: Request) -> Any:
        return desk.operator(request.scope.get(USER) or request.headers.get(USER_HEADER, "unknown")[:100])

    def number(request: Request) -> int:
        return int(request.path_params["number"])

    got: dict[str, Answer] = {
        "/api/v1/status": lambda request, body: desk.status(),
        "/api/v1/directories/{name}": lambda request, body: desk.directory(request.path_params["name"]),
        "/api/v1/queue": lambda request, body: desk.queue(),
        "/api/v1/queue/stats": lambda request, body: desk.queue_stats(_minutes(request.query_params)),
        "/api/v1/queue/{number:int}": lambda request, body: desk.message(number(request)),
        "/api/v1/conflicts": lambda request, body: desk.conflicts(open_only="open" in request.query_params),
        "/api/v1/conflicts/{id}": lambda request, body: desk.conflict(request.path_params["id"]),
        "/api/v1/quarantine": lambda request, body: desk.quarantine(),
        "/api/v1/ledger": lambda request, body: _ledger(desk, request.query_params),
        "/api/v1/ledger/proof": lambda request, body: desk.verify_ledger(request.query_params.get("head")),
        "/api/v1/mail": lambda request, body: desk.mails(everything="all" in request.query_params),
        "/api/v1/acts": lambda request, body: desk.acts(200),
        "/api/v1/asked/{question}": lambda request, body: desk.service.watching.told(request.path_params["question"]),
        "/api/v1/candidates": lambda request, body: inquiry.candidates(),
        **looks(desk),
    }
    posted: dict[str, Answer] = {
        "/-/reload": lambda request, body: desk.reload(who(request)),
        "/api/v1/queue/{number:int}/retry": lambda request, body: desk.retry(who(request), number(request)),
        "/api/v1/queue/{number:int}/discard": lambda request, body: desk.discard(who(request), number(request)),
        "/api/v1/conflicts/{id}/resolve": lambda request, body: desk.settle_conflict(
            who(request), request.path_params["id"], _text(body, "take"), tuple(_texts(body, "values"))
        ),
        "/api/v1/mail/{id}/release": lambda request, body: desk.settle_mail(
            who(request), request.path_params["id"], "release"
        ),
        "/api/v1/mail/{id}/drop": lambda request, body: desk.settle_mail(
            who(request), request.path_params["id"], "drop"
        ),
        "/api/v1/quarantine/retry": lambda request, body: desk.settle_aside(who(request), _text(body, "item"), "retry"),
        "/api/v1/quarantine/drop": lambda request, body: desk.settle_aside(who(request), _text(body, "item"), "drop"),
        "/api/v1/ledger/prune": lambda request, body: desk.prune_ledger(who(request), int(body.get("days", 0))),
        "/api/v1/sync": lambda request, body: desk.sync(who(request), _texts(body, "links")),
        "/api/v1/reset": lambda request, body: desk.reset(who(request), _text(body, "link")),
        "/api/v1/suspend": lambda request, body: desk.suspend(
            who(request), _scope(body), str(body.get("name", "")), body.get("reason")
        ),
        "/api/v1/resume": lambda request, body: desk.resume(who(request), _scope(body), str(body.get("name", ""))),
        "/api/v1/apply": lambda request, body: desk.apply(
            who(request),
            _texts(body, "links"),
            frozenset(Operation(each) for each in _texts(body, "allow")),
            frozenset(_texts(body, "only")) if "only" in body else None,
        ),
        "/api/v1/plan": lambda request, body: desk.plan(_texts(body, "links"), personal=bool(body.get("personal"))),
        "/api/v1/state/copy": lambda request, body: inquiry.copy(),
        "/api/v1/candidates/plan": lambda request, body: inquiry.try_candidates(_texts(body, "links")),
        "/api/v1/audit": lambda request, body: inquiry.audit(
            _texts(body, "links"),
            anew=bool(body.get("anew")),
            repair=bool(body.get("repair")),
            most=max(1, int(body["most"])) if body.get("most") else None,
        ),
        "/api/v1/forget": lambda request, body: inquiry.forget(who(request), _text(body, "link")),
        "/api/v1/snapshot": lambda request, body: inquiry.snapshot(who(request), body),
        "/api/v1/snapshot/stop": lambda request, body: inquiry.stop_snapshots(who(request), _texts(body, "links")),
        "/api/v1/undo": lambda request, body: inquiry.undo(who(request), body),
        "/api/v1/explain": lambda request, body: inquiry.explain(_text(body, "word"), _texts(body, "links")),
    }
    got["/api/v1/openapi.json"] = lambda request, body: document
    document = openapi(
        [("get", path) for path in got] + [("post", path) for path in posted if path.startswith("/api/")]
    )
    routes = [Route(path, _endpoint(answer, desk), methods=["GET"]) for path, answer in got.items()]
    return routes + [Route(path, _endpoint(answer, desk), methods=["POST"]) for path, answer in posted.items()]


def _endpoint(answer: Answer, desk: Desk) -> Callable[[Request], Any]:
    def answered(request: Request, body: dict[str, Any]) -> Any:
        question = request.headers.get(QUESTION_HEADER, "")[:100] if request.method == "POST" else ""
        with desk.service.watching.asked(question):
            return answer(request, body)

    async def endpoint(request: Request) -> Response:
        try:
            body = await _body(request)
            return JSONResponse(await run_in_threadpool(answered, request, body))
        except ExsyncError as error:
            return _refusal(error)
        except ValueError as error:
            return _refusal(UsageError(f"the request does not read: {error}"))

    return endpoint


async def _body(request: Request) -> dict[str, Any]:
    if request.method != "POST":
        return {}
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > LARGEST:
            raise UsageError(f"the request's body has more than {LARGEST} bytes")
    body = json.loads(data) if data else {}
    if not isinstance(body, dict):
        raise UsageError("the request's body is no JSON object")
    return body


def _refusal(error: ExsyncError) -> JSONResponse:
    told = {"code": error.code, "message": str(error), "remedy": error.remedy, "exit_code": error.exit_code}
    return JSONResponse({"error": told}, _STATUS.get(error.exit_code, 500))


def _ledger(desk: Desk, query: Mapping[str, str]) -> Any:
    limit = max(1, min(int(query.get("limit", "200")), MOST_ENTRIES))
    before = int(query.get("before", "0"))
    return desk.ledger(link=query.get("link"), run=query.get("run"), key=query.get("key"), before=before, limit=limit)


def _minutes(query: Mapping[str, str]) -> int:
    return max(1, min(int(query.get("minutes", "60")), 60 * 24 * 30))


def _scope(body: Mapping[str, Any]) -> SuspensionScope:
    return SuspensionScope(_text(body, "scope"))


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise UsageError(f"the request needs {name} as text")
    return value


def _texts(body: Mapping[str, Any], name: str) -> list[str]:
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"the request needs {name} as a list of texts")
    return value


class _Bearer:
    """Lets requests through that bear the token; compared in constant time."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = {"error": {"code": "no-token", "message": "this needs the token", "exit_code": 77}}
                await JSONResponse(refusal, 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
        await self._app(scope, receive, send)

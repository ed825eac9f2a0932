"""The console's application: who asks, which page, which action; everything else is told by the desk and the board."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from runner.config.serving import ConsolePlan
from runner.model.errors import ExsyncError, UsageError
from runner.service.desk import Desk
from runner.service.masking import masked
from runner.web.api import USER, api_routes
from runner.web.console.access import COOKIE, SECURE_COOKIE, Access, Refused, Visitor
from runner.web.console.actions import ACTIONS, Action
from runner.web.console.defence import Defence
from runner.web.console.events import Events
from runner.web.console.olap import exported, olap_page
from runner.web.console.pages import PAGES, Page, Pages
from runner.web.console.rendering import rendered

Answer = Callable[[Request, Visitor], Awaitable[Response]]
_STATUS = {64: 404, 77: 403, 75: 503, 69: 503}
BEHIND = "X-Behind"
"""The header of what the page itself asks for behind its user's back: a notice is kept for his own next page."""
LARGEST = 1 << 16
"""Bytes of a form."""


def console_app(desk: Desk, plan: ConsolePlan) -> Starlette:
    """The console of a running service. ``plan`` is the one that it began with: an address stays for the process; who may
    come in follows the configuration in use."""
    return _Console(desk, plan).app()


class _Console:
    def __init__(self, desk: Desk, first: ConsolePlan) -> None:
        self.desk, self._first = desk, first
        self.access = Access(self.plan, desk.service.clock.monotonic)
        self.events = Events(desk.pulse, lambda: desk.service.dispatcher.closed)
        self.pages = Pages(desk)

    def plan(self) -> ConsolePlan:
        """The console's plan as the configuration in use has it; without one, the first: nobody is locked out by a reload."""
        return self.desk.service.generations.current.plan.service.console or self._first

    def app(self) -> Starlette:
        """Routes and what stands before them."""
        routes: list[Any] = [
            Route("/", lambda request: RedirectResponse("/sync", 303)),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/theme", self.theme, methods=["POST"]),
            Route("/events", self._visited(self._events)),
            Route("/olap/{cube}.{form:str}", self._visited(self._exported)),
            Route("/olap/{cube}", self._visited(self._olap)),
            Route("/olap", self._visited(self._olap)),
            Route("/act/{action}", self._visited(self.act), methods=["GET", "POST"]),
            *(Route(path, self._visited(self._page(page))) for path, page in PAGES.items()),
            *(self._api(route) for route in api_routes(self.desk) if route.path.startswith("/api/")),
            Mount("/static", StaticFiles(packages=[("runner.web.console", "static")])),
        ]
        handlers: Any = {404: self._missing}
        return Starlette(routes=routes, middleware=[Middleware(Defence, plan=self.plan)], exception_handlers=handlers)

    def _visited(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """Answers for whoever is let in; the others are sent to the log-in."""

        async def endpoint(request: Request) -> Response:
            try:
                visitor = await run_in_threadpool(self.access.visitor, request)
                if visitor is None:
                    return self._to_login(request)
                response = await answer(request, visitor)
                self._keep(response, visitor)
            except ExsyncError as error:
                return await self._failed(request, error)
            return response

        return endpoint

    def _api(self, route: Route) -> Route:
        """A route of the API for whoever is logged in here: viewers read masked, operators write with their token."""
        answer, methods = route.endpoint, [method for method in route.methods or () if method != "HEAD"]

        async def endpoint(request: Request) -> Response:
            visitor = await run_in_threadpool(self.access.visitor, request)
            if visitor is None:
                return _unwelcome(401, "log-in-first", "log in, or let a proxy do it")
            token = request.headers.get("X-CSRF-Token", "")
            may = visitor.operates and visitor.session is not None and visitor.session.may(token)
            if request.method != "GET" and not may:
                return _unwelcome(403, "not-allowed", "this needs an operator, and his token as X-CSRF-Token")
            request.scope[USER] = visitor.name
            response: Response = await answer(request)
            if not visitor.operates and response.status_code == 200:
                response = JSONResponse(masked(json.loads(bytes(response.body))))
            self._keep(response, visitor)
            return response

        return Route(route.path, endpoint, methods=methods)

    def _to_login(self, request: Request) -> Response:
        if request.method != "GET" or request.url.path == "/events":
            return Response("log in first\n", 401, media_type="text/plain")
        wanted = quote(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
        return RedirectResponse(f"/login?next={wanted}", 303)

    def _keep(self, response: Response, visitor: Visitor) -> None:
        if visitor.session is not None:
            response.set_cookie(
                SECURE_COOKIE if visitor.secure else COOKIE,
                visitor.session.id,
                secure=visitor.secure,
                httponly=True,
                samesite="strict",
                path="/",
            )

    async def _page_of(
        self, request: Request, visitor: Visitor | None, template: str, told: dict[str, Any], status: int = 200
    ) -> Response:
        def build() -> str:
            notice = None
            if visitor is not None and visitor.session is not None and BEHIND not in request.headers:
                notice, visitor.session.notice = visitor.session.notice, None
            frame = self.pages.frame() if visitor is not None else {}
            context = {"visitor": visitor, "notice": notice, **frame, **told}
            return rendered(request, template, self.desk.service.clock.now(), context)

        return HTMLResponse(await run_in_threadpool(build), status)

    def _page(self, page: Page) -> Answer:
        async def answer(request: Request, visitor: Visitor) -> Response:
            told = await run_in_threadpool(page, self.pages, request, visitor)
            template = str(told.pop("template"))
            return await self._page_of(request, visitor, template, told)

        return answer

    async def _olap(self, request: Request, visitor: Visitor) -> Response:
        told = await run_in_threadpool(olap_page, self.desk, request, visitor)
        return await self._page_of(request, visitor, str(told.pop("template")), told)

    async def _exported(self, request: Request, visitor: Visitor) -> Response:
        return await run_in_threadpool(exported, self.desk, request)

    async def _events(self, request: Request, visitor: Visitor) -> Response:
        return self.events.stream()

    async def act(self, request: Request, visitor: Visitor) -> Response:
        """Ask whether it is meant, or do it."""
        action: Action | None = ACTIONS.get(request.path_params["action"])
        if action is None:
            return await self._missing(request, None)
        if not visitor.operates:
            raise _forbidden(visitor)
        if request.method == "GET":
            told = await run_in_threadpool(action.asked, self.desk, dict(request.query_params))
            told |= {"action": request.path_params["action"], "given": dict(request.query_params)}
            return await self._page_of(request, visitor, "confirm.html", told)
        form = await _form(request)
        session = visitor.session
        if session is None or not session.may(str(form.get("csrf", ""))):
            raise _forged()
        given = {name: str(value) for name, value in form.items() if name != "csrf"}
        who = self.desk.operator(visitor.name)
        try:
            session.notice = ("good", await run_in_threadpool(action.done, self.desk, who, given))
        except ExsyncError as error:
            session.notice = ("bad", f"{error}{f' · {error.remedy}' if error.remedy else ''}")
        return RedirectResponse(_inside(given.get("next", "/sync")), 303)

    async def login(self, request: Request) -> Response:
        """The log-in: the form, or a try."""
        wanted = _inside(request.query_params.get("next", "/sync"))
        if self.plan().users is None:
            message = "Nobody can log in here with a password: service.yaml has no console.users."
            return await self._page_of(
                request, None, "login.html", {"next": wanted, "trouble": message, "form": False}, 403
            )
        if request.method == "GET":
            return await self._page_of(request, None, "login.html", {"next": wanted, "trouble": "", "form": True})
        form = await _form(request)
        wanted = _inside(str(form.get("next", wanted)))
        try:
            name, password = str(form.get("name", "")), str(form.get("password", ""))
            session = await run_in_threadpool(self.access.log_in, request, name, password)
        except Refused as error:
            told = {"next": wanted, "trouble": str(error), "form": True}
            return await self._page_of(request, None, "login.html", told, 403)
        response: Response = RedirectResponse(wanted, 303)
        secure = self.access.secure(request)
        response.set_cookie(
            SECURE_COOKIE if secure else COOKIE, session.id, secure=secure, httponly=True, samesite="strict", path="/"
        )
        return response

    async def logout(self, request: Request) -> Response:
        """End the session."""
        visitor = await run_in_threadpool(self.access.visitor, request)
        form = await _form(request)
        response: Response = RedirectResponse("/login", 303)
        if visitor is not None and visitor.session is not None and visitor.session.may(str(form.get("csrf", ""))):
            self.access.sessions.end(visitor.session)
            response.delete_cookie(COOKIE, path="/")
            response.delete_cookie(SECURE_COOKIE, path="/", secure=True)
        return response

    async def theme(self, request: Request) -> Response:
        """Dark, light, or what the system says."""
        form = await _form(request)
        response: Response = RedirectResponse(_inside(str(form.get("next", "/sync"))), 303)
        response.set_cookie("theme", str(form.get("to", ""))[:5], max_age=31_536_000, samesite="strict", httponly=True)
        return response

    async def _failed(self, request: Request, error: ExsyncError) -> Response:
        visitor = None if isinstance(error, Refused) else await run_in_threadpool(self.access.visitor, request)
        told = {"heading": "That did not work", "message": str(error), "remedy": error.remedy or "", "live": False}
        return await self._page_of(request, visitor, "error.html", told, _STATUS.get(error.exit_code, 500))

    async def _missing(self, request: Request, _: Exception | None) -> Response:
        visitor = await run_in_threadpool(self.access.visitor, request)
        told = {"heading": "There is no such page", "message": request.url.path, "remedy": "", "live": False}
        return await self._page_of(request, visitor, "error.html", told, 404)


async def _form(request: Request) -> FormData:
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LARGEST:
        raise UsageError("the form is too long")
    return await request.form(max_files=0, max_fields=50, max_part_size=LARGEST)


def _unwelcome(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "remedy": None, "exit_code": 77}}, status)


def _inside(path: str) -> str:
    """A path of this console; anything that leads elsewhere becomes the first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/sync"


def _forbidden(visitor: Visitor) -> ExsyncError:
    error = ExsyncError(f"{visitor.name} may look and not act", remedy="an operator can do this")
    error.exit_code = 77
    return error


def _forged() -> ExsyncError:
    error = ExsyncError("the form is not one of this session", remedy="open the page again and repeat it")
    error.exit_code = 77
    return error

"""What every answer of the console bears and every request must: host names, headers against framing and injection (E11)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner.config.serving import ConsolePlan

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_LOOKING = frozenset({"GET", "HEAD"})


class Defence:
    """Refuses hosts that are not ours and writes that another site asked for; adds headers to every answer."""

    def __init__(self, app: ASGIApp, plan: Callable[[], ConsolePlan]) -> None:
        self._app, self._plan = app, plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, refused or answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    told[name] = value
                if not scope["path"].startswith("/static/"):
                    told["Cache-Control"] = "no-store"
                if scope["scheme"] == "https":
                    told["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        if refusal is not None:
            await PlainTextResponse(f"{refusal}\n", 403)(scope, receive, answer)
            return
        await self._app(scope, receive, answer)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        name = (urlsplit(f"//{host}").hostname or "").lower()
        plan = self._plan()
        if name not in {*_LOCAL, plan.host.lower(), *plan.hosts}:
            return "this console is not known by that name; an operator adds it to console.hosts in service.yaml"
        if method in _LOOKING:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return "this was asked for by another site"
        if origin is not None and (urlsplit(origin).netloc or origin).lower() != host.lower():
            return "this was asked for by another site"
        return None

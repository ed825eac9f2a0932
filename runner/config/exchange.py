"""A sound document of an Exchange server → its part of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from runner.config.documents import Document
from runner.config.durations import timedelta_of
from runner.config.plan import DOMAIN, AuthPlan, ExchangePlan, NotificationsPlan
from runner.config.references import secret_of

POLLING = timedelta(minutes=5)
"""Between two looks at a link when nothing tells of changes."""
SAFETY_POLL = timedelta(hours=1)
"""Between two looks at a link whose server tells of changes."""


def compile_exchange(document: Document, root: Path) -> ExchangePlan:
    """One Exchange server's part of the plan."""
    data = document.data
    optional: dict[str, Any] = {name: int(data[name]) for name in ("page", "batch", "connections") if name in data}
    if "timeout" in data:
        optional["timeout"] = timedelta_of(data["timeout"])
    if "server_version" in data:
        optional["version"] = data["server_version"]
    return ExchangePlan(
        name=data["name"],
        endpoint=data.get("endpoint", ""),
        autodiscover=_autodiscover(data.get("autodiscover", "")),
        auth=_auth(document, root),
        access=data["access"],
        rule=document.rule(),
        enabled=data.get("enabled", True),
        ca_file=str(root / data["ca_file"]) if "ca_file" in data else None,
        paused=data.get("paused", False),
        notifications=_notifications(data.get("notifications", {})),
        **optional,
    )


def _autodiscover(given: str | bool) -> str:
    if isinstance(given, bool):
        return DOMAIN if given else ""
    return given


def _auth(document: Document, root: Path) -> AuthPlan:
    given = document.data["auth"]
    if given["type"] == "kerberos":
        return AuthPlan("kerberos", "", None)
    if given["type"] == "oauth2":
        secret = secret_of(document, ("auth", "client_secret"), root)
        return AuthPlan("oauth2", given["client_id"], secret, given["token_url"], given.get("scope", ""))
    return AuthPlan(given["type"], given["username"], secret_of(document, ("auth", "password"), root))


def _notifications(given: Mapping[str, Any]) -> NotificationsPlan:
    mode = given.get("mode", "streaming")
    poll = timedelta_of(given["poll"]) if "poll" in given else POLLING if mode == "poll" else SAFETY_POLL
    stated: dict[str, Any] = {"url": given["url"].rstrip("/")} if "url" in given else {}
    if "renewal_period" in given:
        stated["renewal_period"] = timedelta_of(given["renewal_period"])
    return NotificationsPlan(mode, poll, **stated)

"""A page of the console as it is rendered for a visitor, without a service behind it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from starlette.requests import Request

from runner.testing.clock import START
from runner.web.console.access import Visitor
from runner.web.console.rendering import rendered


def framed(asked: Request, template: str, visitor: Visitor, told: dict[str, Any]) -> str:
    """The template's text, with the frame of a service that has nothing to tell."""
    frame = {
        "visitor": visitor,
        "notice": None,
        "counts": SimpleNamespace(conflicts=0, aside=0, mails=0, blocked=0),
        "generation": 1,
        "configuration": "applied",
        "crm_down": None,
        "everything_suspended": None,
    }
    return rendered(asked, template, START, {**frame, **told})

"""Suspending and resuming, for ``exsync link`` and ``exsync target`` (B-15)."""

from __future__ import annotations

import click

from runner.cli.context import Context
from runner.model.state import Scope
from runner.service import acts


def suspend(context: Context, scope: Scope, name: str, reason: str | None) -> None:
    """Put passes off, in the service or in the state."""
    service = context.service()
    if service is not None:
        asked = {"scope": scope.value, "name": name, "reason": reason}
        names = [one["name"] for one in service.post("/api/v1/suspend", asked)["suspended"]]
    else:
        with context.session() as session:
            made = acts.suspend(session.store, session.plan, context.operator(), scope, name, reason)
            names = [one.name for one in made]
    for each in names:
        click.echo(f"{_what(scope, each)}: suspended; what changes meanwhile is marked and goes out on resume")


def resume(context: Context, scope: Scope, name: str) -> None:
    """Let passes run again, in the service or in the state."""
    service = context.service()
    if service is not None:
        names = service.post("/api/v1/resume", {"scope": scope.value, "name": name})["resumed"]
    else:
        with context.session() as session:
            names = acts.resume(session.store, session.plan, context.operator(), scope, name)
    for each in names:
        click.echo(f"{_what(scope, each)}: runs again")
    if not names:
        click.echo(f"{_what(scope, name)}: was not suspended")


def _what(scope: Scope, name: str) -> str:
    return "everything" if scope is Scope.ALL else f"{scope} {name}"

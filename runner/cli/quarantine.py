"""``exsync quarantine list``: items that were set aside, with the reason (B-23)."""

from __future__ import annotations

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.service.views import quarantine_view

_COLUMNS = ("link", "side", "key", "code", "tries", "reason")


@click.group()
def quarantine() -> None:
    """List the items that were set aside, with the reason."""


@quarantine.command("list")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, output: str) -> None:
    """Every item in quarantine. Each is tried again when it changes on either side, and at its next try."""
    service = context.service()
    if service is not None:
        found = service.get("/api/v1/quarantine")["items"]
    else:
        with context.session() as session:
            found = [quarantine_view(entry) for entry in session.store.quarantined()]
    if output != "table":
        emit(found, output)
        return
    rows = [tuple(_short(entry[name]) if name == "key" else entry[name] for name in _COLUMNS) for entry in found]
    table(("LINK", "SIDE", "KEY", "CODE", "TRIES", "REASON"), rows, "Nothing is in quarantine.")


def _short(key: str) -> str:
    return key if len(key) <= 16 else f"…{key[-14:]}"

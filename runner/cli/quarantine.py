"""``exsync quarantine list|show|retry|drop``: items that were set aside, and a person's word on them (B-23)."""

from __future__ import annotations

from typing import Any

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.engine.quarantine import place_of
from runner.model.printable import printable
from runner.service.acts import settle_aside
from runner.service.views import quarantine_view

_COLUMNS = ("link", "side", "key", "code", "tries", "reason")


@click.group()
def quarantine() -> None:
    """List the items that were set aside, with the reason; try one again, or drop it."""


@quarantine.command("list")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, output: str) -> None:
    """Every item in quarantine. Each is tried again when it changes on either side, and at its next try."""
    found = _all(context)
    if output != "table":
        emit(found, output)
        return
    rows = [tuple(_short(entry[name]) if name == "key" else entry[name] for name in _COLUMNS) for entry in found]
    table(("LINK", "SIDE", "KEY", "CODE", "TRIES", "REASON"), rows, "Nothing is in quarantine.")


@quarantine.command()
@click.argument("item")
@output_option("text", "json", "yaml")
@pass_context
def show(context: Context, item: str, output: str) -> None:
    """One item: why it was set aside, since when, how often it was tried, and when it is tried again. ITEM is its key, or
    how that begins or ends."""
    found = _all(context)
    entry = found[place_of(item, [each["key"] for each in found])]
    if output != "text":
        emit(entry, output)
        return
    for name, value in entry.items():
        told = value if value is not None else "when it changes on either side" if name == "next_try" else "never"
        click.echo(f"{name.replace('_', ' '):9} {printable(str(told))}")


@quarantine.command()
@click.argument("item")
@pass_context
def retry(context: Context, item: str) -> None:
    """Try an item again with the next pass, whenever its next try would be."""
    _settle(context, item, "retry")


@quarantine.command()
@click.argument("item")
@pass_context
def drop(context: Context, item: str) -> None:
    """List an item no more. It is tried again when it changes on either side, and not before."""
    _settle(context, item, "drop")


def _all(context: Context) -> list[dict[str, Any]]:
    service = context.service()
    if service is not None:
        return list(service.get("/api/v1/quarantine")["items"])
    with context.session() as session:
        return [quarantine_view(entry) for entry in session.store.quarantined()]


def _settle(context: Context, item: str, word: str) -> None:
    service = context.service()
    if service is not None:
        entry = service.post(f"/api/v1/quarantine/{word}", {"item": item})
        click.echo(f"{entry['link']}: {word} is noted")
        return
    with context.session() as session:
        noted = settle_aside(session.store, context.operator(), item, word)
    click.echo(
        f"{noted.link}: {word} is noted" + (f"; `exsync apply {noted.link}` tries it now" if word == "retry" else "")
    )


def _short(key: str) -> str:
    return key if len(key) <= 16 else f"…{key[-14:]}"

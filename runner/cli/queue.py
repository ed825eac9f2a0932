"""``exsync queue list|show|retry|discard|stats``: the service's queue (B-21, B-22)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import click

from runner.cli.context import Context, Session, SystemClock, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.model.errors import UsageError
from runner.queue import EmbeddedQueue
from runner.service.acts import discard_message, retry_message
from runner.service.views import message_view, messages_view, samples_view
from runner.store import Journal


@click.group()
def queue() -> None:
    """Show the queue, and retry or discard its messages."""


@contextmanager
def _opened(context: Context) -> Iterator[tuple[Session, EmbeddedQueue]]:
    """The queue as the last process left it."""
    with context.session() as session:
        yield session, EmbeddedQueue(Journal(session.store), SystemClock())


@queue.command("list")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, output: str) -> None:
    """Every message: who asked for a pass of which link, and where it stands."""
    service = context.service()
    if service is not None:
        told = service.get("/api/v1/queue")
    else:
        with _opened(context) as (_, opened):
            told = messages_view(opened.messages())
    if output != "table":
        emit(told["messages"], output)
        return
    rows = [
        (
            message["id"],
            message["state"],
            message["link"],
            message["cause"],
            message["hints"],
            message["attempts"],
            _moment(message["due"]),
            message["reason"],
        )
        for message in told["messages"]
    ]
    table(("ID", "STATE", "LINK", "CAUSE", "HINTS", "ATTEMPTS", "DUE (UTC)", "REASON"), rows, "The queue is empty.")


@queue.command()
@click.argument("number", type=int, metavar="ID")
@output_option(*FORMATS)
@pass_context
def show(context: Context, number: int, output: str) -> None:
    """One message."""
    service = context.service()
    if service is not None:
        told = service.get(f"/api/v1/queue/{number}")
    else:
        with _opened(context) as (_, opened):
            found = [message_view(message) for message in opened.messages() if message.id == number]
        if not found:
            raise UsageError(f"the queue has no message {number}", remedy="`exsync queue list` shows them")
        [told] = found
    if output != "table":
        emit(told, output)
        return
    for name, value in told.items():
        click.echo(f"  {name:<11} {'–' if value is None else value}")


@queue.command()
@click.argument("number", type=int, metavar="ID")
@pass_context
def retry(context: Context, number: int) -> None:
    """Let a message run at once, its attempts counted anew."""
    told = _act(context, number, "retry")
    click.echo(f"message {number}: a pass of {told['link']} runs as soon as the service has room")


@queue.command()
@click.argument("number", type=int, metavar="ID")
@pass_context
def discard(context: Context, number: int) -> None:
    """Give a message up. What changed stays marked: the link's next pass carries it out."""
    told = _act(context, number, "discard")
    click.echo(f"message {number} of {told['link']} is gone; what changed stays marked")


def _act(context: Context, number: int, what: str) -> dict[str, Any]:
    service = context.service()
    if service is not None:
        told: dict[str, Any] = service.post(f"/api/v1/queue/{number}/{what}")
        return told
    act = {"retry": retry_message, "discard": discard_message}[what]
    with _opened(context) as (session, opened):
        return message_view(act(session.store, opened, context.operator(), number))


@queue.command()
@click.option("--minutes", type=click.IntRange(1, 43200), default=60, show_default=True, help="How far back.")
@output_option(*FORMATS)
@pass_context
def stats(context: Context, minutes: int, output: str) -> None:
    """Sent, received, backlog and mean time, sampled each minute."""
    service = context.service()
    if service is not None:
        told = service.get(f"/api/v1/queue/stats?minutes={minutes}")
    else:
        with _opened(context) as (_, opened):
            told = samples_view(opened.samples(SystemClock().now() - timedelta(minutes=minutes)))
    if output != "table":
        emit(told["samples"], output)
        return
    rows = [
        (
            _moment(one["at"]),
            one["target"],
            one["sent"],
            one["received"],
            one["backlog"],
            one["blocked"],
            f"{one['oldest']:.1f}",
            f"{one['mean']:.3f}",
        )
        for one in told["samples"]
    ]
    headers = ("WHEN (UTC)", "TARGET", "SENT", "RECEIVED", "BACKLOG", "BLOCKED", "OLDEST (s)", "MEAN (s)")
    table(headers, rows, "No samples: the service takes one each minute.")


def _moment(text: str | None) -> str | None:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}" if text else None

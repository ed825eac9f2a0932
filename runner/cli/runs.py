"""``exsync runs list|show``: passes with an effect, and what each of them wrote."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import click

from runner.cli import completing
from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.service.looking import run_view, runs_view
from runner.store.history import History


@click.group()
def runs() -> None:
    """Show what passes did."""


@runs.command("list")
@click.option("--link", default="", shell_complete=completing.links, help="Only links whose names have this in them.")
@click.option("--outcome", type=click.Choice(("done", "stopped", "failed")), help="Only passes that ended so.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Fifty passes a page.")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, link: str, outcome: str | None, page: int, output: str) -> None:
    """Passes with an effect, newest first. A pass that changed nothing leaves no line."""
    asked = {"link": link, "outcome": outcome or "", "page": str(page)}
    service = context.service()
    if service is not None:
        told = service.get(f"/api/v1/runs?{urlencode(asked)}")
    else:
        with context.session() as session:
            told = runs_view(History(session.store), asked)
    if output != "table":
        emit(told, output)
        return
    table(
        ("RUN", "LINK", "OUTCOME", "WHAT IT DID", "SECONDS", "ENDED (UTC)"),
        [_row(each) for each in told["passes"]],
        "No pass yet.",
    )


@runs.command()
@click.argument("run")
@click.option("--link", default="", shell_complete=completing.links, help="Only what was written for this link.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Fifty writes a page.")
@output_option(*FORMATS)
@pass_context
def show(context: Context, run: str, link: str, page: int, output: str) -> None:
    """One run (the beginning of its id is enough): its passes, and each write."""
    asked = {"link": link, "page": str(page)}
    service = context.service()
    if service is not None:
        told = service.get(f"/api/v1/runs/{quote(run, safe='')}?{urlencode(asked)}")
    else:
        with context.session() as session:
            told = run_view(History(session.store), run, asked)
    if output != "table":
        emit(told, output)
        return
    table(
        ("RUN", "LINK", "OUTCOME", "WHAT IT DID", "SECONDS", "ENDED (UTC)"),
        [_row(each) for each in told["passes"]],
        "No pass.",
    )
    rows = [
        (one["link"], one["side"], one["operation"], _title(one), one["reason"], one["rule"]) for one in told["changes"]
    ]
    table(("LINK", "SIDE", "OPERATION", "ITEM", "REASON", "RULE"), rows, "It wrote nothing.")


def _row(told: dict[str, Any]) -> tuple[object, ...]:
    counts = ", ".join(f"{name} {number}" for name, number in sorted(told["counts"].items())) or (told["message"] or "")
    outcome = told["outcome"] + (f" ({told['code']})" if told["code"] else "")
    return (told["run"][:8], told["link"], outcome, counts, told["seconds"], told["finished"][:19].replace("T", " "))


def _title(told: dict[str, Any]) -> str:
    record = told["after"] or told["before"] or {}
    return str(record.get("title") or record.get("full_name") or told["key"][:24])
